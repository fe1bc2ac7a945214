"""Models: one readable file each, registered as strings so that importing the list is cheap.

The contract of a model ``M`` with its configuration ``C``:

* ``C`` is a frozen pydantic model in :mod:`spikebench.models.configs`, importable without PyTorch; every key of a
  physical quantity ends in its unit; ``C()`` is valid.
* ``M.Config is C`` and ``M(config: C, shape: DataShape)`` is a ``torch.nn.Module`` whose parameters and
  buffers are its whole state.
* ``M.forward(batch)`` takes a :class:`spikebench.events.batches.EventBatch` and returns
  :class:`spikebench.models.base.Output`; it makes the raster (``batch.dense()``) only if it needs it.
* ``M.forward_chunk(batch, state)`` takes the next chunk of clips, if the model can process clips chunk by chunk.
* ``M.account(batch)`` runs the model once more and counts its operations, see :mod:`spikebench.metrics.operations`;
  without it, the metrics of operations and activity are "not applicable" to the model.
* ``M.spiking`` is true if hidden units spike, ``M.looks_ahead`` if the scores depend on the whole clip.
* A network of spiking layers defines them once, in ``M.hidden_layers()``: its base class
  :class:`spikebench.models.spiking_network.SpikingNetwork` derives ``forward``, ``forward_chunk``, ``account`` and the
  export to NIR from that list.
* ``M.on_audio`` is true if the batches hold mel features of the recordings (:mod:`spikebench.mel`); such a model is
  another network with the input of :class:`spikebench.models.mel_input.MelInput`.
* A network of the user is wrapped as such a model by :mod:`spikebench.models.own`; a file of NIR becomes a network in
  :mod:`spikebench.models.nir_network`, whose nodes are in :mod:`spikebench.models.nir_nodes` and the order of their
  computation in :mod:`spikebench.models.nir_edges`.
* ``M.learning`` names the learning rule of the model, see :mod:`spikebench.learning`: ``bptt``, or ``counts`` for a
  ``CountClassifier`` with ``fit_counts``, which is fitted to spike counts at once (see ``svm``, ``linear_bins``).
"""

from __future__ import annotations

import re

from spikebench.errors import UnknownNameError

MODELS = {
    "lif": "spikebench.models.lif:LIF",
    "rlif": "spikebench.models.rlif:RecurrentLIF",
    "hetero_rlif": "spikebench.models.hetero_rlif:HeterogeneousLIF",
    "rec_delay_lif": "spikebench.models.rec_delay_lif:RecurrentDelayLIF",
    "adlif": "spikebench.models.adlif:AdaptiveLIF",
    "delay_lif": "spikebench.models.delay_lif:DelayLIF",
    "silif": "spikebench.models.silif:StateSpaceLIF",
    "c_silif": "spikebench.models.c_silif:ComplexLIF",
    "lstm": "spikebench.models.lstm:LSTM",
    "gru": "spikebench.models.gru:GRU",
    "cnn": "spikebench.models.cnn:CNN",
    "tcn": "spikebench.models.tcn:TCN",
    "event_ssm": "spikebench.models.event_ssm:EventSSM",
    "mlp_counts": "spikebench.models.mlp_counts:CountMLP",
    "svm": "spikebench.models.svm:CountSVM",
    "linear_bins": "spikebench.models.linear_bins:LinearBins",
    "mel_cnn": "spikebench.models.mel_cnn:MelCNN",
    "mel_lstm": "spikebench.models.mel_lstm:MelLSTM",
    "mel_tcn": "spikebench.models.mel_tcn:MelTCN",
}


def check_model_name(name: str) -> None:
    """Raise if no model has this name.

    Parameters
    ----------
    name
        Name of a model.

    Raises
    ------
    UnknownNameError
        If the registry does not contain it.
    """
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)


def names_a_file(model: str) -> bool:
    """Return whether the name of a model is that of a class in a file.

    Parameters
    ----------
    model
        As given with ``--model``.

    Returns
    -------
    bool
        True for ``FILE.py:CLASS``, and for ``FILE.py`` alone, which :func:`load_code` refuses.
    """
    return re.fullmatch(r".*\.py(:.*)?", model, re.DOTALL) is not None
