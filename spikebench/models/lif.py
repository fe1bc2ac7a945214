"""Feed-forward layers of current-based leaky integrate-and-fire neurons with a leaky read-out.

::

    I[t] = α·I[t−1] + W·S_in[t]                                  α = exp(−dt/τ_syn)
    U[t] = (β·U[t−1] + (1 − β)·I[t])·(1 − S[t−1])                β = exp(−dt/τ_mem)
    S[t] = 1 if U[t] ≥ 1 else 0;  the reset is not differentiated
    read-out: O[t] = γ·O[t−1] + (1 − γ)·W_out·S[t];  scores = b + max over t of O    γ = exp(−dt/τ_readout)

(``readout`` may ask for another reduction of O over time.)

Initial weights are normal with a standard deviation that makes the membrane's fluctuations
``init_fluctuation`` thresholds large at the data's mean rate (after Rossbroich et al. 2022,
doi 10.1088/2634-4386/ac97bb). Source of the model: Cramer et al. (2020), arXiv:1910.07407, time constants
of its section on spiking networks; Neftci, Mostafa, Zenke (2019), arXiv:1901.09948.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.scan import Scan
from spikebench.kernels.spikes import Spikes
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, DataShape, Memory, ModelConfig, Output, Units
from spikebench.models.readout import LeakyReadout, ReadoutReduction


class LIFConfig(ModelConfig):
    """Configuration of :class:`LIF`; time constants in ms."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1)
    tau_mem_ms: float = Field(default=20.0, gt=0, le=1e6)
    tau_syn_ms: float = Field(default=10.0, gt=0, le=1e6)
    tau_readout_ms: float = Field(default=100.0, gt=0, le=1e6)
    readout: ReadoutReduction = "max"
    surrogate_slope: float = Field(default=4.0, gt=0)
    init_fluctuation: float = Field(default=1.0, gt=0)
    hidden_rate_hz: float = Field(default=10.0, gt=0)  # expected, for the initial weights only


class LIF(Classifier):
    """Feed-forward spiking network."""

    Config: ClassVar[type[ModelConfig]] = LIFConfig
    spiking = True

    def __init__(self, config: LIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.decay_syn = math.exp(-shape.time_step / (config.tau_syn_ms * 1e-3))
        self.decay_mem = math.exp(-shape.time_step / (config.tau_mem_ms * 1e-3))
        self.neuron = Neuron(slope=config.surrogate_slope)
        self.hidden = nn.ParameterList()
        n_in, rate = shape.n_units, shape.input_rate
        for n_out in config.hidden_units:
            scale = config.init_fluctuation * fluctuation_scale(
                n_in, rate, self.decay_syn, self.decay_mem
            )
            self.hidden.append(scale * torch.randn(n_in, n_out))
            n_in, rate = n_out, config.hidden_rate_hz * shape.time_step
        self.readout = LeakyReadout(
            n_in, shape, config.tau_readout_ms * 1e-3, reduction=config.readout
        )

    def forward(self, batch: EventBatch) -> Output:
        """Answer a batch of events."""
        spikes = [scan.spikes for scan in self._scan(batch, [None] * len(self.hidden))]
        return Output(self.readout(self.kernels, spikes[-1], batch.lengths), spikes)

    def listen(self, batch: EventBatch, memory: Memory | None) -> tuple[torch.Tensor, Memory]:
        """Hear the next chunk; see :meth:`Classifier.listen`."""
        states = memory.layers if memory else [None] * len(self.hidden)
        scans = self._scan(batch, list(states))
        layers = [scan.state for scan in scans]
        return self.readout.listen(self.kernels, scans[-1].spikes, batch.lengths, layers, memory)

    def account(self, batch: EventBatch) -> Account:
        """List what a batch costs; see :meth:`Classifier.account`."""
        account = Account.of(batch)
        source: EventBatch | Spikes = batch
        scans = self._scan(batch, [None] * len(self.hidden))
        for k, (weight, scan) in enumerate(zip(self.hidden, scans, strict=True)):
            arrived = account.deliver(self.kernels, f"hidden.{k}", source, weight)
            account.fire(arrived, scan.spikes)
            source = scan.spikes
        self.readout.account(account, self.kernels, scans[-1].spikes)
        return account

    def _scan(self, batch: EventBatch, states: list[torch.Tensor | None]) -> list[Scan]:
        decays = self.hidden[0].new_tensor([self.decay_syn, self.decay_mem])
        scans: list[Scan] = []
        for weight, state in zip(self.hidden, states, strict=True):
            if scans:
                current = self.kernels.event_linear(scans[-1].spikes, weight)
                scan = self.kernels.lif_scan(
                    current, decays[0], decays[1], self.neuron, state=state
                )
            else:
                scan = self.kernels.lif_scan(
                    batch, decays[0], decays[1], self.neuron, state=state, weight=weight
                )
            scans.append(scan)
        return scans


def fluctuation_scale(n_in: int, rate: float, decay_syn: float, decay_mem: float) -> float:
    """Find the weight scale at which membranes fluctuate by one threshold.

    A Poisson input of mean count ``rate`` per bin through both filters gives the membrane the variance
    n_in·w²·rate·ε, where ε is the energy of the filters' impulse response.

    Parameters
    ----------
    n_in
        Number of inputs.
    rate
        Mean count per input and bin.
    decay_syn, decay_mem
        Decays per bin.

    Returns
    -------
    float
        Standard deviation w of the weights.
    """
    syn, mem, energy = 1.0, 0.0, 0.0
    while syn > 1e-9 or mem > 1e-9:
        mem = decay_mem * mem + (1 - decay_mem) * syn
        energy += mem * mem
        syn *= decay_syn
    return 1 / math.sqrt(n_in * max(rate, 1e-6) * energy)
