"""The models of spikebench among the networks of ``train_peers_common``, with the settings there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from train_peers_common import DURATION, MODELS, N_CLASSES

from spikebench.models.base import DataShape, model_class
from spikebench.models.spiking_network import SpikingNetwork


def build_model(
    name: str, n_steps: int, n_hidden: int, n_units: int, input_rate: float
) -> SpikingNetwork:
    """Build a model with two layers; its initial weights are always the same.

    Parameters
    ----------
    name
        A name in ``train_peers_common.MODELS``.
    n_steps, n_hidden, n_units
        Time bins, neurons of each layer, inputs.
    input_rate
        Mean count per unit and bin; sets the scale of the initial weights.

    Returns
    -------
    SpikingNetwork
        In training mode.
    """
    kind = model_class(name)
    config = kind.Config.model_validate({**MODELS[name], "hidden_units": (n_hidden, n_hidden)})
    shape = DataShape(n_units, N_CLASSES, n_steps, DURATION / n_steps, input_rate)
    torch.manual_seed(0)
    model = kind(config, shape)
    assert isinstance(model, SpikingNetwork)
    return model


def initial_weights(model: SpikingNetwork) -> dict[str, NDArray[Any]]:
    """Return the weights of a model by name, and its running averages."""
    return {name: np.asarray(tensor) for name, tensor in model.state_dict().items()}
