"""Settings of the models, one file each, importable without PyTorch: what a user wrote is checked before it is loaded.

::

    adlif           Settings of adlif
    base            Types that the settings of several models share
    cnn             Settings of cnn, and of a network on pictures
    delay_lif       Settings of delay_lif
    event_ssm       Settings of event_ssm
    gated_network   Settings of layers of LSTM or GRU cells
    gru             Settings of gru
    hetero_rlif     Settings of hetero_rlif
    lif             Settings of lif
    linear_bins     Settings of linear_bins
    lstm            Settings of lstm
    mel_cnn         Settings of mel_cnn
    mel_lstm        Settings of mel_lstm
    mel_tcn         Settings of mel_tcn
    mlp_counts      Settings of mlp_counts
    rec_delay_lif   Settings of rec_delay_lif
    rlif            Settings of rlif
    state_space     Settings of silif and c_silif
    svm             Settings of svm
    tcn             Settings of tcn
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from spikebench.models import check_model_name

if TYPE_CHECKING:
    from spikebench.models.configs.base import ModelConfig

CONFIGS = {
    "lif": "spikebench.models.configs.lif:LIFConfig",
    "rlif": "spikebench.models.configs.rlif:RecurrentLIFConfig",
    "hetero_rlif": "spikebench.models.configs.hetero_rlif:HeterogeneousLIFConfig",
    "rec_delay_lif": "spikebench.models.configs.rec_delay_lif:RecurrentDelayLIFConfig",
    "adlif": "spikebench.models.configs.adlif:AdaptiveLIFConfig",
    "delay_lif": "spikebench.models.configs.delay_lif:DelayLIFConfig",
    "silif": "spikebench.models.configs.state_space:StateSpaceConfig",
    "c_silif": "spikebench.models.configs.state_space:StateSpaceConfig",
    "lstm": "spikebench.models.configs.lstm:LSTMConfig",
    "gru": "spikebench.models.configs.gru:GRUConfig",
    "cnn": "spikebench.models.configs.cnn:CNNConfig",
    "tcn": "spikebench.models.configs.tcn:TCNConfig",
    "event_ssm": "spikebench.models.configs.event_ssm:EventSSMConfig",
    "mlp_counts": "spikebench.models.configs.mlp_counts:CountMLPConfig",
    "svm": "spikebench.models.configs.svm:CountSVMConfig",
    "linear_bins": "spikebench.models.configs.linear_bins:LinearBinsConfig",
    "mel_cnn": "spikebench.models.configs.mel_cnn:MelCNNConfig",
    "mel_lstm": "spikebench.models.configs.mel_lstm:MelLSTMConfig",
    "mel_tcn": "spikebench.models.configs.mel_tcn:MelTCNConfig",
}


def config_class(model: str) -> type[ModelConfig]:
    """Import the class of the settings of a model, without PyTorch.

    Parameters
    ----------
    model
        Name in the registry of models.

    Returns
    -------
    type
        ``model_class(model).Config``.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    """
    check_model_name(model)
    if model not in CONFIGS:  # a model that was added to the registry of models only
        from spikebench.models.base import model_class

        return model_class(model).Config
    module, _, attribute = CONFIGS[model].partition(":")
    found: type[ModelConfig] = getattr(importlib.import_module(module), attribute)
    return found
