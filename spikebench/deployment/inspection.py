"""Looking into a trained network: its learned time constants and delays, the spikes of its hidden layers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.deployment.prediction import Listener
from spikebench.deployment.recording import MelSample
from spikebench.errors import TrainingError
from spikebench.events.dataset import Sample
from spikebench.kernels.neuron import Adaptation, Rotation
from spikebench.models.base import Classifier
from spikebench.models.spiking_layer import SpikingLayer
from spikebench.models.spiking_network import SpikingNetwork
from spikebench.training.inference import one_thread

__all__ = ["LayerActivity", "hidden_activity", "learned_values"]

_MEMBRANE, _SYNAPSE = "time constant of the membrane [ms]", "time constant of the synapse [ms]"
_ADAPTATION, _CONNECTIONS = "time constant of the adaptation [ms]", "delay of connections [ms]"
_RECURRENT = "delay of a neuron's recurrent spikes [ms]"


class LayerActivity(NamedTuple):
    """Spikes of one hidden layer for one sample.

    Attributes
    ----------
    times : ndarray of float64, shape (spikes,)
        Start of the time bin of each spike [s].
    neurons : ndarray of int64, shape (spikes,)
    n_neurons : int
    """

    times: NDArray[np.float64]
    neurons: NDArray[np.int64]
    n_neurons: int


def learned_values(model: Classifier) -> dict[str, list[NDArray[np.float64]]]:
    """Collect the time constants and delays that a network has learned, one value per neuron or connection.

    Parameters
    ----------
    model
        A trained model.

    Returns
    -------
    dict
        By name with unit: the values of each layer, float64, shape (values,).

    Raises
    ------
    TrainingError
        If it learns neither.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    layers = model.hidden_layers() if isinstance(model, SpikingNetwork) else []
    for layer in layers:
        for name, values in _of_layer(layer, model.shape.time_step * 1e3).items():
            found.setdefault(name, []).append(values.detach().double().cpu().numpy().ravel())
    if not found:
        raise TrainingError(
            f"model {type(model).__name__} learns neither time constants nor delays"
        )
    return found


def _of_layer(layer: SpikingLayer, step_ms: float) -> dict[str, torch.Tensor]:
    """Collect the learned values of a layer [ms]; a number that is the same for all neurons is a setting."""
    found: dict[str, torch.Tensor] = {}
    if layer.decay_mem is not None and not isinstance(layer.adaptation, Rotation):
        found[_MEMBRANE] = -step_ms / layer.decay_mem.log()
    elif isinstance(layer.tau_mem_ms, torch.Tensor):
        found[_MEMBRANE] = layer.tau_mem_ms
    if isinstance(layer.tau_syn_ms, torch.Tensor):
        found[_SYNAPSE] = layer.tau_syn_ms
    if isinstance(layer.adaptation, Adaptation):
        found[_ADAPTATION] = -step_ms / layer.adaptation.decay.log()
    if layer.delays is not None:
        steps = layer.delays.steps.clamp(0, layer.delays.n_taps - 1)  # as the kernels use them
        found[_CONNECTIONS] = steps * step_ms
    if layer.recurrent_delays is not None:
        delays = layer.recurrent_delays
        found[_RECURRENT] = delays.steps.clamp(0, delays.longest) * step_ms
    return found


@torch.no_grad()
def hidden_activity(listener: Listener, sample: Sample | MelSample) -> list[LayerActivity]:
    """Record the spikes of the hidden layers while a network hears one sample.

    Parameters
    ----------
    listener
        The model.
    sample
        The sample.

    Returns
    -------
    list of LayerActivity
        One per hidden layer.

    Raises
    ------
    TrainingError
        If the model has no spikes.
    """
    (batch,) = listener.batches([sample])
    with one_thread():
        layers = listener.model(batch).spikes
    if not layers:
        raise TrainingError(f"model {listener.record.model} has no spikes in hidden layers")
    return [
        LayerActivity(
            layer.bins.double().cpu().numpy() * listener.time_step,
            layer.units.long().cpu().numpy(),
            int(layer.shape[2]),
        )
        for layer in layers
    ]
