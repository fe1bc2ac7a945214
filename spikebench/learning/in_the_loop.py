"""Surrogate gradients with hardware in the loop: forward on a substrate, backward in software.

A substrate is anything that runs a spiking network: an analog or a digital chip, an emulation, or the software model
itself. It gets weights and a batch of events, and returns what it recorded: spikes S, membranes U (in units of the
nominal threshold) and traces O of the read-out. The gradients are those of the software model (:mod:`lif
<spikebench.models.lif>`, :mod:`rlif <spikebench.models.rlif>`) with its nominal parameters, in which the values are
replaced by the recorded ones::

    software  I[t] = α·I[t−1] + W·x[t] + V·S[t−1]            α = exp(−dt/τ_syn),  τ in s, dt the time step in s
              U[t] = (β·U[t−1] + (1 − β)·I[t])·(1 − S[t−1])   β = exp(−dt/τ_mem)
              O[t] = γ·O[t−1] + (1 − γ)·W_out·S[t]            γ = exp(−dt/τ_readout)
              score = b + max over t of O

    backward  o[t] = γ·o[t+1] + [t is the first maximum of the recorded O]·∂L/∂score
              s[t] = (1 − γ)·W_outᵀ·o[t] + Vᵀ·i[t+1] + ∂L/∂S[t]
              u[t] = σ'(U[t] − ϑ)·s[t] + β·(1 − S[t])·u[t+1]
              i[t] = (1 − β)·(1 − S[t−1])·u[t] + α·i[t+1]
              ∂L/∂W = Σ_t x[t]·i[t]ᵀ,  ∂L/∂V = Σ_t S[t−1]·i[t]ᵀ,  ∂L/∂W_out = (1 − γ)·Σ_t S[t]·o[t]ᵀ,  ∂L/∂b = ∂L/∂score

U and S are recorded, o, s, u and i the gradients of L by O, S, U and I, σ' the surrogate derivative of
:mod:`spikebench.kernels.neuron`; the reset is not differentiated. Weights are numbers of 32 bits in software. A
substrate rounds them when they are written, and the gradient changes the numbers before rounding (as in
:mod:`spikebench.learning.few_bits`). Optimiser, activity regularisation and schedule are those of :mod:`bptt
<spikebench.learning.bptt>`, which trains a :class:`SubstrateModel` like any other model.

On the ideal substrate, which is the software model, these gradients equal those of ``bptt``.

Source: Cramer, Billaudelle et al. (2022), arXiv:2006.07239, on BrainScaleS-2. Departures: the synaptic current is not
recorded, since the gradients do not contain it; the bias of the read-out stays in software; the reset holds the
membrane for one step, as in all models of this package; here no chip is present, see :mod:`spikebench.substrate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.reference import surrogate_slope
from spikebench.kernels.spikes import Spikes
from spikebench.models.base import Classifier, Output
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step
from spikebench.models.spiking_network import SpikingNetwork

__all__ = ["Network", "Recording", "Substrate", "SubstrateModel", "Weights", "network_of"]


@dataclass(frozen=True)
class Network:
    """Nominal parameters of a network with one hidden layer, recurrent or not, and a leaky read-out.

    Attributes
    ----------
    n_hidden, n_classes : int
        Hidden neurons, and those of the read-out.
    decay_syn, decay_mem, decay_readout : float
        α, β and γ, factors per time step.
    neuron : Neuron
        Threshold, reset and surrogate of the hidden neurons.
    """

    n_hidden: int
    n_classes: int
    decay_syn: float
    decay_mem: float
    decay_readout: float
    neuron: Neuron


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights as software has them, to be written to a substrate.

    Attributes
    ----------
    input : Tensor of float, shape (input, neuron)
        W.
    recurrent : Tensor of float, shape (neuron, neuron), or None
        V, from each neuron to each; None in a feed-forward network.
    readout : Tensor of float, shape (neuron, class)
        W_out.
    """

    input: torch.Tensor
    recurrent: torch.Tensor | None
    readout: torch.Tensor


@dataclass(frozen=True, eq=False)
class Recording:
    """What a substrate recorded of a batch.

    Attributes
    ----------
    spikes : Tensor of float, shape (batch, time, neuron)
        S, 0 and 1.
    membranes : Tensor of float, shape (batch, time, neuron)
        U of the hidden neurons in units of the nominal threshold.
    readout : Tensor of float, shape (batch, time, class)
        O, without bias.
    """

    spikes: torch.Tensor
    membranes: torch.Tensor
    readout: torch.Tensor

    @property
    def n_bytes(self) -> int:
        """Memory of the recording in bytes."""
        return sum(
            one.numel() * one.element_size() for one in (self.spikes, self.membranes, self.readout)
        )


class Substrate(Protocol):
    """What runs the network in the forward pass."""

    def configure(self, weights: Weights) -> None:
        """Write weights, rounded and limited to what the substrate can hold."""

    def run(self, batch: EventBatch) -> Recording:
        """Run the network on a batch with the weights last written; trials need not be equal."""


class SubstrateModel(Classifier):
    """A model whose forward pass runs on a substrate, and whose gradients are computed in software.

    Parameters
    ----------
    model
        The software model, whose parameters are trained.
    substrate
        What runs it.

    Raises
    ------
    TrainingError
        If the model has other parts than the equations above.
    """

    spiking = True

    def __init__(self, model: Classifier, substrate: Substrate) -> None:
        super().__init__(model.Config(), model.shape)
        self.network = network_of(model)
        assert isinstance(model, SpikingNetwork)
        self.model, self.substrate = model, substrate

    def record(self, batch: EventBatch) -> Recording:
        """Write the weights to the substrate, and run a batch.

        Parameters
        ----------
        batch
            Events.

        Returns
        -------
        Recording
            Not in the graph.
        """
        layer = self._layer()
        recurrent = None if layer.recurrent is None else layer.recurrent.detach()
        self.substrate.configure(
            Weights(layer.weight.detach(), recurrent, self.model.readout.weight.detach())
        )
        with torch.no_grad():
            return self.substrate.run(batch)

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores on the substrate; gradients propagate to the parameters of the software model."""
        layer, readout = self._layer(), self.model.readout
        recording = self.record(batch)
        if not torch.is_grad_enabled():
            return Output(
                readout.bias + recording.readout.amax(1), [Spikes.from_dense(recording.spikes)]
            )
        # The software currents carry the gradients of the input weights; their values are not used.
        current = self.kernels.event_linear(batch, layer.weight)
        scores, spikes = _Recorded.apply(  # type: ignore[no-untyped-call]
            current, layer.recurrent, readout.weight, self.network, recording
        )
        return Output(readout.bias + scores, [Spikes.from_dense(spikes)])

    def _layer(self) -> SpikingLayer:
        return self.model.hidden_layers()[0]


class _Recorded(torch.autograd.Function):
    """Scores and spikes of a recording, with the gradients of the software model."""

    @staticmethod
    def forward(
        current: torch.Tensor,
        recurrent: torch.Tensor | None,
        readout: torch.Tensor,
        network: Network,
        recording: Recording,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return recording.readout.amax(1), recording.spikes.detach().clone()

    @staticmethod
    def setup_context(
        ctx: torch.autograd.function.FunctionCtx,
        inputs: tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, Network, Recording],
        output: object,
    ) -> None:
        _, recurrent, readout, network, recording = inputs
        ctx.save_for_backward(
            recurrent,  # type: ignore[arg-type]
            readout,
            recording.spikes,
            recording.membranes,
            recording.readout,
        )
        ctx.network = network  # type: ignore[attr-defined]

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        recurrent, weight, spikes, membranes, traces = ctx.saved_tensors  # type: ignore[attr-defined]
        network: Network = ctx.network  # type: ignore[attr-defined]
        of_scores, of_spikes = gradients
        of_traces = _readout_gradients(traces, of_scores, network.decay_readout)
        part = 1 - network.decay_readout
        of_weight = part * _summed(spikes, of_traces)
        of_spikes = of_spikes + part * of_traces @ weight.T
        of_current = _current_gradients(spikes, membranes, of_spikes, recurrent, network)
        of_recurrent = None
        if recurrent is not None:
            of_recurrent = _summed(spikes[:, :-1], of_current[:, 1:])
        return of_current, of_recurrent, of_weight, None, None


def _summed(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Compute Σ over samples and steps of first·secondᵀ."""
    return first.flatten(0, 1).T @ second.flatten(0, 1)


def _readout_gradients(traces: torch.Tensor, of_scores: torch.Tensor, decay: float) -> torch.Tensor:
    """Compute o[t] (batch, time, class): every score is the first maximum of its trace."""
    found = torch.zeros_like(traces)
    found.scatter_(1, traces.max(1, keepdim=True).indices, of_scores[:, None])
    for t in range(traces.shape[1] - 2, -1, -1):
        found[:, t] += decay * found[:, t + 1]
    return found


def _current_gradients(
    spikes: torch.Tensor,
    membranes: torch.Tensor,
    of_spikes: torch.Tensor,
    recurrent: torch.Tensor | None,
    network: Network,
) -> torch.Tensor:
    """Compute i[t] (batch, time, neuron), from the last step to the first."""
    # Steps first, so that the rows of a step are contiguous.
    steps = (membranes - network.neuron.threshold).transpose(0, 1).contiguous()
    slopes = surrogate_slope(steps, network.neuron)
    alive = 1 - spikes.transpose(0, 1).contiguous()  # a spike sets the next membrane to 0
    arriving = of_spikes.transpose(0, 1).contiguous()
    found = torch.empty_like(steps)
    of_membrane = of_current = steps.new_zeros(steps.shape[1:])
    for t in range(len(steps) - 1, -1, -1):
        of_spike = arriving[t]
        if recurrent is not None:
            of_spike = torch.addmm(of_spike, of_current, recurrent.T)
        of_membrane = torch.addcmul(network.decay_mem * alive[t] * of_membrane, slopes[t], of_spike)
        through = of_membrane * alive[t - 1] if t else of_membrane
        of_current = torch.add(
            network.decay_syn * of_current, through, alpha=1 - network.decay_mem, out=found[t]
        )
    return found.transpose(0, 1)


def network_of(model: Classifier) -> Network:
    """Return the nominal parameters of a model, and refuse models with other equations.

    Parameters
    ----------
    model
        Any model.

    Returns
    -------
    Network
        Its parameters.

    Raises
    ------
    TrainingError
        The message is one line with the remedy.
    """
    name = type(model).__name__
    if not isinstance(model, SpikingNetwork):
        raise TrainingError(f"{name} is no network of spiking layers; choose model lif or rlif")
    layers = model.hidden_layers()
    if len(layers) != 1:
        raise TrainingError(
            f"a substrate runs one hidden layer, {name} has {len(layers)}; set model.hidden_units to one number, "
            "or choose model rlif"
        )
    layer, readout = layers[0], model.readout
    others = (layer.delays, layer.adaptation, layer.recurrent_delays, layer.normalisation)
    taus = (layer.tau_syn_ms, layer.tau_mem_ms)
    if any(one is not None for one in (*others, layer.decay_mem)) or any(
        isinstance(tau, torch.Tensor) for tau in taus
    ):
        raise TrainingError(
            f"a substrate runs leaky neurons without adaptation, delays, normalisation or learned time constants, and "
            f"{name} has them; choose model lif or rlif"
        )
    if readout.reduction != "max" or readout.skip:
        raise TrainingError(
            "a substrate is read out by the maximum over time; set model.readout=max"
        )
    assert not isinstance(layer.tau_syn_ms, torch.Tensor)
    assert not isinstance(layer.tau_mem_ms, torch.Tensor)
    step = model.shape.time_step
    return Network(
        n_hidden=layer.weight.shape[1],
        n_classes=readout.weight.shape[1],
        decay_syn=decay_per_step(layer.tau_syn_ms, step),
        decay_mem=decay_per_step(layer.tau_mem_ms, step),
        decay_readout=math.exp(-step / readout.tau),
        neuron=layer.neuron,
    )
