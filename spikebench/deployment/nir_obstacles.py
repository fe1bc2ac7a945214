"""What keeps a model from being written as a graph of NIR.

NIR 1.0 has leaky integrate-and-fire neurons with a reset to a value (``LIF``, and ``CubaLIF`` with a synaptic current).
They pass on spikes, not the membrane potential. Adaptation that follows spikes alone is therefore expressible, as a
leaky integrator ``LI`` between a neuron and itself; adaptation that follows the membrane potential is not.
"""

from __future__ import annotations

from torch import Tensor

from spikebench.kernels.neuron import Adaptation
from spikebench.models.base import Classifier
from spikebench.models.spiking_layer import SpikingLayer
from spikebench.models.spiking_network import SpikingNetwork

__all__ = ["nir_obstacle"]

_NO_NEURONS = "has no neurons that NIR can express"


def nir_obstacle(model: Classifier) -> str:
    """Say why NIR cannot express a model.

    Parameters
    ----------
    model
        Any model.

    Returns
    -------
    str
        A predicate for an error message; empty if :mod:`spikebench.deployment.nir_graph` can write the model.
    """
    if not model.spiking:
        return _NO_NEURONS
    if not isinstance(model, SpikingNetwork):
        return "has spiking neurons that are not layers of the kind that is exported to NIR"
    layers = model.hidden_layers()
    found = next((why for layer in layers if (why := _of_layer(layer))), "")
    if not found and len({layer.neuron.reset for layer in layers}) > 1:
        found = "layers with different refractory times, and the metadata of a file state one"
    return f"has neurons for which NIR has no node: {found}" if found else ""


def _of_layer(layer: SpikingLayer) -> str:
    if layer.delays is not None or layer.recurrent_delays is not None:
        return "individual delays of connections, but Delay of NIR delays all connections of a unit alike"
    if layer.normalisation is not None:
        return "batch normalisation between weights and neurons"
    if layer.neuron.reset == "subtract":
        return "a reset that subtracts the threshold, but the neurons of NIR are reset to a value"
    if layer.decay_mem is not None:
        return "neurons without a time constant"
    return _of_adaptation(layer)


def _of_adaptation(layer: SpikingLayer) -> str:
    adaptation = layer.adaptation
    if adaptation is None:
        return ""
    if not isinstance(adaptation, Adaptation):
        return "a complex state that rotates"
    if bool((adaptation.to_membrane != 0).any()):
        return (
            "adaptation that follows the membrane potential, but the neurons of NIR pass on spikes alone; adaptation "
            "by spikes alone is exported: train with --set model.adapt_to_membrane=[0,0]"
        )
    if isinstance(layer.tau_syn_ms, Tensor) or layer.tau_syn_ms > 0:
        return "adaptation of neurons with a synaptic current"
    return ""
