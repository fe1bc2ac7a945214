"""A layer of spiking neurons as defined by a model: weights, delays, neuron, time constants, adaptation.

::

    x[t] = W·S_in[t]             with delays d = ⌊d⌋ + f, (1 − f)·w arrives ⌊d⌋ steps later, f·w one step after that
    x, recurrent weights V, α, β and adaptation are the inputs of :mod:`spikebench.kernels.neuron`, its output is S
    α = exp(−dt/τ_syn)           β = exp(−dt/τ_mem)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels
from spikebench.kernels.delays import split_delays
from spikebench.kernels.neuron import Neuron, Parameters
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import Scan
from spikebench.kernels.spikes import Spikes
from spikebench.metrics.operations import Arrival


@dataclass(frozen=True, eq=False)
class Delays:
    """Delays of the connections into a layer.

    Attributes
    ----------
    steps : Tensor of float, shape (input, neuron)
        Delay of every connection in time steps, 0 … n_taps − 1; a delay between two steps is split between both.
    n_taps : int
        Number of steps at which a spike can arrive.
    """

    steps: torch.Tensor
    n_taps: int


@dataclass(frozen=True, eq=False, kw_only=True)
class SpikingLayer:
    """One layer of neurons.

    Attributes
    ----------
    weight : Tensor of float, shape (input, neuron)
        Weights of the input, a parameter or buffer of the model.
    neuron : Neuron
        Threshold, reset and surrogate gradient.
    tau_mem_ms : float, or Tensor of float, shape (neuron,)
        Time constant of the membrane [ms]; ignored if ``decay_mem`` is given.
    tau_syn_ms : float, or Tensor of float, shape (neuron,)
        Time constant of the synaptic current [ms]; 0 means no filter.
    recurrent : Tensor of float, shape (neuron, neuron), or None
        Weights from each neuron to each, which act one step later, a parameter or buffer of the model.
    delays : Delays or None
        Delays of the input weights.
    recurrent_delays : RecurrentDelays or None
        Delays of the layer's own spikes, in addition to that step.
    adaptation : Parameters or None
        Its parameters other than β; their class selects the equations of the neuron.
    decay_mem : Tensor of float, shape (neuron,), or None
        β itself, for neurons without a time constant of the membrane.
    normalisation : Normalisation or None
        Of the input currents, before recurrent inputs are added.
    """

    weight: torch.Tensor
    neuron: Neuron
    tau_mem_ms: float | torch.Tensor = 0.0
    tau_syn_ms: float | torch.Tensor = 0.0
    recurrent: torch.Tensor | None = None
    delays: Delays | None = None
    adaptation: Parameters | None = None
    decay_mem: torch.Tensor | None = None
    normalisation: Normalisation | None = None
    recurrent_delays: RecurrentDelays | None = None

    def scan(
        self,
        kernels: Kernels,
        source: EventBatch | Spikes,
        time_step: float,
        state: torch.Tensor | None = None,
        gain: float = 1.0,
    ) -> Scan:
        """Run the layer.

        Parameters
        ----------
        kernels
            The kernels to use.
        source
            Spikes of the input, or of the previous layer.
        time_step
            Width of a bin [s].
        state
            Final state of the previous scan; by default at rest.
        gain
            Factor of the input weights, for spikes of which some were dropped.

        Returns
        -------
        Scan
            Spikes and the new state.
        """
        current: torch.Tensor | EventBatch | Spikes
        scaled = self.weight if gain == 1 else gain * self.weight
        of_scan = isinstance(source, EventBatch) or self.normalisation is not None
        if of_scan and self.delays is None:
            current, weight = source, scaled  # multiplied by the scan
        else:
            current, weight = self._currents(kernels, source, scaled), None
        decay_syn = self._decay(self.tau_syn_ms, time_step)
        decay_mem = self.decay_mem
        if decay_mem is None:
            decay_mem = self._decay(self.tau_mem_ms, time_step)
        if self.recurrent is None:
            return kernels.lif_scan(
                current,
                decay_syn=decay_syn,
                decay_mem=decay_mem,
                neuron=self.neuron,
                adaptation=self.adaptation,
                state=state,
                weight=weight,
                normalisation=self.normalisation,
            )
        return kernels.recurrent_lif_scan(
            current,
            recurrent=self.recurrent,
            decay_syn=decay_syn,
            decay_mem=decay_mem,
            neuron=self.neuron,
            adaptation=self.adaptation,
            state=state,
            weight=weight,
            recurrent_delays=self.recurrent_delays,
            normalisation=self.normalisation,
        )

    def arrivals(self) -> list[Arrival] | None:
        """Return when connections deliver spikes.

        Returns
        -------
        list of Arrival, or None
            A delay between two steps delivers at both; None without delays.
        """
        if self.delays is None:
            return None
        longest = self.delays.n_taps - 1
        whole, part = split_delays(self.delays.steps.detach().clamp(0, longest), longest + 1)
        return [Arrival(part < 1, whole), Arrival(part > 0, whole + 1)]

    def recurrent_arrivals(self) -> list[Arrival] | None:
        """Return when recurrent connections deliver spikes, after the first step.

        Returns
        -------
        list of Arrival, or None
            At most two times for every connection; None without recurrent delays.
        """
        if self.recurrent_delays is None or self.recurrent is None:
            return None
        late, part = (
            row[:, None].expand_as(self.recurrent) for row in self.recurrent_delays.split()
        )
        return [Arrival(part < 1, late), Arrival(part > 0, late + 1)]

    def _currents(
        self, kernels: Kernels, source: EventBatch | Spikes, weight: torch.Tensor
    ) -> torch.Tensor:
        if self.delays is None:
            return kernels.event_linear(source, weight)
        return kernels.delayed_linear(source, weight, self.delays.steps, self.delays.n_taps)

    def _decay(self, tau_ms: float | torch.Tensor, time_step: float) -> torch.Tensor:
        if isinstance(tau_ms, torch.Tensor):
            return decays_per_step(tau_ms, time_step)
        return self.weight.new_full((), decay_per_step(tau_ms, time_step))


def decay_per_step(tau_ms: float, time_step: float) -> float:
    """Compute the factor by which a state decays in one step.

    Parameters
    ----------
    tau_ms
        Time constant [ms].
    time_step
        Width of a bin [s].

    Returns
    -------
    float
        exp(−time_step/tau); 0 for a time constant of 0.
    """
    return math.exp(-time_step / (tau_ms * 1e-3)) if tau_ms else 0.0


def decays_per_step(tau_ms: torch.Tensor, time_step: float) -> torch.Tensor:
    """Compute the factors by which the states of neurons decay in one step.

    Parameters
    ----------
    tau_ms
        Time constants [ms], float.
    time_step
        Width of a bin [s].

    Returns
    -------
    Tensor of float
        exp(−time_step/tau), in the shape of ``tau_ms``; gradients propagate through it.
    """
    return torch.exp(-time_step * 1e3 / tau_ms)
