"""One recurrent layer of leaky integrate-and-fire neurons with a leaky read-out.

As :mod:`spikebench.models.lif`, with the layer's own spikes fed back one step later::

    I[t] = α·I[t−1] + W·S_in[t] + V·S[t−1]

Source: Cramer et al. (2020), arXiv:1910.07407 (recurrent network of 128 units).
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
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, DataShape, Memory, ModelConfig, Output, Units
from spikebench.models.lif import fluctuation_scale
from spikebench.models.readout import LeakyReadout, ReadoutReduction


class RecurrentLIFConfig(ModelConfig):
    """Configuration of :class:`RecurrentLIF`; time constants in ms."""

    hidden_units: Units = 128
    tau_mem_ms: float = Field(default=20.0, gt=0, le=1e6)
    tau_syn_ms: float = Field(default=10.0, gt=0, le=1e6)
    tau_readout_ms: float = Field(default=100.0, gt=0, le=1e6)
    readout: ReadoutReduction = "max"
    surrogate_slope: float = Field(default=4.0, gt=0)
    init_fluctuation: float = Field(default=1.0, gt=0)
    recurrent_scale: float = Field(default=0.2, ge=0)  # of 1/√hidden_units


class RecurrentLIF(Classifier):
    """Recurrent spiking network."""

    Config: ClassVar[type[ModelConfig]] = RecurrentLIFConfig
    spiking = True

    def __init__(self, config: RecurrentLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.decay_syn = math.exp(-shape.time_step / (config.tau_syn_ms * 1e-3))
        self.decay_mem = math.exp(-shape.time_step / (config.tau_mem_ms * 1e-3))
        self.neuron = Neuron(slope=config.surrogate_slope)
        n = config.hidden_units
        scale = config.init_fluctuation * fluctuation_scale(
            shape.n_units, shape.input_rate, self.decay_syn, self.decay_mem
        )
        self.input = nn.Parameter(scale * torch.randn(shape.n_units, n))
        self.recurrent = nn.Parameter(config.recurrent_scale / math.sqrt(n) * torch.randn(n, n))
        self.readout = LeakyReadout(
            n, shape, config.tau_readout_ms * 1e-3, reduction=config.readout
        )

    def forward(self, batch: EventBatch) -> Output:
        """Answer a batch of events."""
        spikes = self._scan(batch, None).spikes
        return Output(self.readout(self.kernels, spikes, batch.lengths), [spikes])

    def listen(self, batch: EventBatch, memory: Memory | None) -> tuple[torch.Tensor, Memory]:
        """Hear the next chunk; see :meth:`Classifier.listen`."""
        scan = self._scan(batch, memory.layers[0] if memory else None)
        return self.readout.listen(self.kernels, scan.spikes, batch.lengths, [scan.state], memory)

    def account(self, batch: EventBatch) -> Account:
        """List what a batch costs; see :meth:`Classifier.account`."""
        account = Account.of(batch)
        spikes = self._scan(batch, None).spikes
        arrived = account.deliver(self.kernels, "input", batch, self.input)
        arrived += account.deliver(self.kernels, "recurrent", spikes, self.recurrent, later=1)
        account.fire(arrived, spikes)
        self.readout.account(account, self.kernels, spikes)
        return account

    def _scan(self, batch: EventBatch, state: torch.Tensor | None) -> Scan:
        decays = self.input.new_tensor([self.decay_syn, self.decay_mem])
        settings = (decays[0], decays[1], self.neuron)
        return self.kernels.recurrent_lif_scan(
            batch, self.recurrent, *settings, state=state, weight=self.input
        )
