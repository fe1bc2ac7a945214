"""Spiking models as graphs of the Neuromorphic Intermediate Representation (NIR).

NIR describes neurons by differential equations::

    CubaLIF   τ_syn·dI/dt = −I + w_in·x      τ_mem·dv/dt = v_leak − v + r·I      spike and reset at v_threshold
    LI        τ·dv/dt = v_leak − v + r·I

With an input that is constant over a time step, each of them has the exact solution

::

    y[t] = a·y[t−1] + (1 − a)·u[t]      a = exp(−dt/τ)

which is the update of :mod:`spikebench.models.lif` with r = 1, v_leak = 0, v_threshold = 1, v_reset = 0 and
w_in = 1/(1 − α): there a weight is the amount that a spike adds to the current I. Neurons without a synaptic current
are ``LIF``. Adaptation by spikes alone, A[t] = ρ·A[t−1] + (1 − ρ)·b·S[t], which acts one step later as −A, is an ``LI``
with r = −b between the neurons and themselves. Properties for which NIR has no field (the time step, the silent step
after a spike, the maximum over time) are stored in the metadata of the graph, as numbers if a program can use them.

Source: Pedersen et al. (2024), doi 10.1038/s41467-024-52259-9; the package ``nir``.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import nir
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spikebench.kernels.neuron import Adaptation
from spikebench.models.spiking_layer import decay_per_step, decays_per_step

if TYPE_CHECKING:
    from spikebench.models.readout import LeakyReadout
    from spikebench.models.spiking_layer import SpikingLayer
    from spikebench.models.spiking_network import SpikingNetwork

_RULES = {
    "discretisation": "exponential, input constant within a step: y[t] = a·y[t−1] + (1 − a)·u[t], "
    "a = exp(−time_step/tau), u what drives y (w_in·x for I, v_leak + r·I for v); in a step first I, then v from the "
    "new I; all start at 0",
    "spike": "S[t] = 1 if v[t] >= v_threshold else 0, with v compared before the reset",
    "refractory": "for this number of steps after a spike, v is v_reset regardless of its input; I is updated as usual",
    "recurrence": "an edge that closes a cycle carries the value of the previous step, 0 in the first step",
}

# How the output's trace is reduced to a score; readout.reduction selects one.
_SCORES = {
    "max": "readout_bias + maximum of its output over all n_steps steps",
    "mean": "readout_bias + mean of its output over the steps that the clip lasts",
    "sum": "readout_bias + sum of its output over the steps that the clip lasts",
    "last": "readout_bias + its output in the last step that the clip lasts",
    "softmax": "sum over the steps that the clip lasts of the softmax over the classes of output + readout_bias",
}


def spiking_network(model: SpikingNetwork, about: dict[str, Any]) -> bytes:
    """Export a network of spiking layers.

    Parameters
    ----------
    model
        Trained model whose layers :func:`spikebench.deployment.export.fits_nir` accepts.
    about
        Description of the run, for the metadata.

    Returns
    -------
    bytes
        An HDF5 file for ``nir.read``.
    """
    layers, time_step = model.hidden_layers(), model.shape.time_step
    chain: dict[str, Any] = {"input": nir.Input(np.array([about["n_units"]]))}
    loops: list[tuple[str, str, Any]] = []
    for number, layer in enumerate(layers, 1):
        # A single recurrent layer has no number, to keep the node names of the first version.
        suffix = "" if len(layers) == 1 and layer.recurrent is not None else f"_{number}"
        neurons = f"hidden{suffix}"
        chain[f"{neurons}_weights"] = nir.Linear(_weights(layer.weight))
        chain[neurons] = _neurons(layer, time_step)
        if layer.recurrent is not None:
            feedback = nir.Linear(_weights(layer.recurrent))
            loops.append((neurons, f"recurrent{suffix}_weights", feedback))
        if layer.adaptation is not None:
            loops.append((neurons, f"adaptation{suffix}", _adaptation(layer, time_step)))
    about = about | {"refractory_steps": int(layers[0].neuron.reset == "zero")}
    return _finish(chain | _readout(model.readout), loops, model.readout, about)


def _weights(weight: Tensor) -> NDArray[np.float32]:
    """Transpose (from, to) to NIR's (to, from)."""
    return np.ascontiguousarray(weight.detach().numpy().T)


def _neurons(layer: SpikingLayer, time_step: float) -> Any:  # noqa: ANN401
    n = layer.weight.shape[1]
    # Time constants stay float64: a decay that is computed from them equals the model's to the last bit.
    membrane = {
        "r": np.ones(n),
        "v_leak": np.zeros(n),
        "v_threshold": np.full(n, layer.neuron.threshold),
        "v_reset": np.zeros(n),
    }
    tau_mem = np.full(n, _numbers(layer.tau_mem_ms) * 1e-3)
    if isinstance(layer.tau_syn_ms, float | int) and not layer.tau_syn_ms:
        return nir.LIF(tau=tau_mem, **membrane)
    if isinstance(layer.tau_syn_ms, Tensor):
        decay_syn = _numbers(decays_per_step(layer.tau_syn_ms, time_step))
    else:
        decay_syn = decay_per_step(layer.tau_syn_ms, time_step)
    return nir.CubaLIF(
        tau_syn=np.full(n, _numbers(layer.tau_syn_ms) * 1e-3),
        tau_mem=tau_mem,
        w_in=np.full(n, 1 / (1 - decay_syn)),
        **membrane,
    )


def _adaptation(layer: SpikingLayer, time_step: float) -> Any:  # noqa: ANN401
    """Make the integrator of the spikes, whose output is −A."""
    adaptation, n = layer.adaptation, layer.weight.shape[1]
    assert isinstance(adaptation, Adaptation)
    tau = -time_step / np.log(_numbers(adaptation.decay))
    to_spikes = np.full(n, _numbers(adaptation.to_spikes))
    return nir.LI(tau=np.full(n, tau), r=-to_spikes, v_leak=np.zeros(n))


def _numbers(value: float | Tensor) -> Any:  # noqa: ANN401
    """Convert a number, or one per neuron, to float64."""
    return value if isinstance(value, float) else value.detach().double().numpy()


def _readout(readout: LeakyReadout) -> dict[str, Any]:
    n = readout.bias.numel()
    return {
        "readout_weights": nir.Linear(_weights(readout.weight)),
        "readout": nir.LI(tau=np.full(n, readout.tau), r=np.ones(n), v_leak=np.zeros(n)),
        "output": nir.Output(np.array([n])),
    }


def _finish(
    chain: dict[str, Any],
    loops: list[tuple[str, str, Any]],
    readout: LeakyReadout,
    about: dict[str, Any],
) -> bytes:
    """Connect a chain of nodes and its loops (neurons, name and node of their feedback), and write the graph."""
    nodes, edges = dict(chain), list(pairwise(chain))
    for neurons, name, node in loops:
        nodes[name] = node
        edges += [(neurons, name), (name, neurons)]
    reduction = readout.reduction
    metadata = about | _RULES
    metadata |= {
        "readout_bias": readout.bias.detach().numpy(),
        "readout_reduction": reduction,
        "score": f"score of a class = {_SCORES[reduction]}; the largest wins, of equal ones the first",
    }
    if readout.skip and reduction != "last":
        metadata["readout_skip_steps"] = readout.skip
        metadata["score"] += f"; without the first {readout.skip} steps of a clip, except the last"
    graph = nir.NIRGraph(nodes, edges, metadata=metadata)
    file = io.BytesIO()
    nir.write(file, graph)
    return file.getvalue()
