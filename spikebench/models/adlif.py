"""Recurrent layers of adaptive leaky integrate-and-fire neurons, time constants learned per neuron.

::

    U[t] = β·U[t−1]·(1 − S[t−1]) + (1 − β)·(W·S_in[t] + V·S[t−1] − A[t−1])
    S[t] = 1 if U[t] ≥ 1 else 0;  the reset is not differentiated
    A[t] = ρ·A[t−1] + (1 − ρ)·q·(a·U[t]·(1 − S[t]) + b·S[t])
    read-out as in :mod:`spikebench.models.readout`, by default the mean over time

β = exp(−dt/τ_mem), ρ = exp(−dt/τ_adapt). A sees the new U: the symplectic Euler step of Baronig, Ferrand, Sabathiel,
Legenstein (2024), arXiv:2408.07517, "SE-adLIF", whose idea this follows; ranges and defaults are ours. τ_mem, τ_adapt,
a and b are learned for every neuron, and held within their ranges.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.scan import Adaptation, Scan
from spikebench.kernels.spikes import Spikes
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, DataShape, Memory, ModelConfig, Output, Units
from spikebench.models.lif import fluctuation_scale
from spikebench.models.readout import LeakyReadout, ReadoutReduction

Range = tuple[float, float]


class AdaptiveLIFConfig(ModelConfig):
    """Configuration of :class:`AdaptiveLIF`; time constants in ms, ranges from least to greatest."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1)
    recurrent: bool = True
    tau_mem_ms: Range = (5.0, 60.0)
    tau_adapt_ms: Range = (60.0, 300.0)
    adapt_to_membrane: Range = (0.0, 1.0)  # a
    adapt_to_spikes: Range = (0.0, 2.0)  # b
    adapt_gain: float = Field(default=1.0, ge=0, le=1000)  # q
    tau_readout_ms: float = Field(default=20.0, gt=0, le=1e6)
    readout: ReadoutReduction = "mean"
    surrogate: Literal["fast_sigmoid", "logistic", "arctan", "triangle", "multi_gaussian"] = (
        "fast_sigmoid"
    )
    surrogate_slope: float = Field(default=4.0, gt=0)
    init_fluctuation: float = Field(default=1.0, gt=0)
    hidden_rate_hz: float = Field(default=10.0, gt=0)  # expected, for the initial weights only
    recurrent_scale: float = Field(default=0.2, ge=0)  # of 1/√hidden_units

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> AdaptiveLIFConfig:
        for name in ("tau_mem_ms", "tau_adapt_ms", "adapt_to_membrane", "adapt_to_spikes"):
            low, high = getattr(self, name)
            least = 0.01 if name.startswith("tau") else 0.0
            if not least <= low <= high <= 1e6:
                raise ValueError(f"{name}: from {low} to {high} is no range within {least} … 1e6")
        return self


class AdaptiveLayer(nn.Module):
    """One layer: weights, and what is learned of every neuron as its place in a range, 0 … 1."""

    def __init__(self, n_in: int, n: int, scale: float, config: AdaptiveLIFConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(n_in, n))
        deviation = config.recurrent_scale / math.sqrt(n) if config.recurrent else 0.0
        recurrent = deviation * torch.randn(n, n)
        self.recurrent = nn.Parameter(recurrent) if config.recurrent else None
        self.places = nn.ParameterDict(
            {name: torch.rand(n) for name in ("tau_mem", "tau_adapt", "to_membrane", "to_spikes")}
        )


class AdaptiveLIF(Classifier):
    """Spiking network with adaptation."""

    Config: ClassVar[type[ModelConfig]] = AdaptiveLIFConfig
    spiking = True

    def __init__(self, config: AdaptiveLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.neuron = Neuron(
            reset="restart", surrogate=config.surrogate, slope=config.surrogate_slope
        )
        self.layers = nn.ModuleList()
        middle = sum(config.tau_mem_ms) / 2 * 1e-3
        n_in, rate = shape.n_units, shape.input_rate
        for n in config.hidden_units:
            scale = config.init_fluctuation * fluctuation_scale(
                n_in, rate, 0.0, math.exp(-shape.time_step / middle)
            )
            self.layers.append(AdaptiveLayer(n_in, n, scale, config))
            n_in, rate = n, config.hidden_rate_hz * shape.time_step
        tau = config.tau_readout_ms * 1e-3
        self.readout = LeakyReadout(n_in, shape, tau, reduction=config.readout)

    def forward(self, batch: EventBatch) -> Output:
        """Answer a batch of events."""
        spikes = [scan.spikes for scan in self._scan(batch, [None] * len(self.layers))]
        return Output(self.readout(self.kernels, spikes[-1], batch.lengths), spikes)

    def listen(self, batch: EventBatch, memory: Memory | None) -> tuple[torch.Tensor, Memory]:
        """Hear the next chunk; see :meth:`Classifier.listen`."""
        states = memory.layers if memory else [None] * len(self.layers)
        scans = self._scan(batch, list(states))
        layers = [scan.state for scan in scans]
        return self.readout.listen(self.kernels, scans[-1].spikes, batch.lengths, layers, memory)

    def account(self, batch: EventBatch) -> Account:
        """List what a batch costs; see :meth:`Classifier.account`."""
        account = Account.of(batch)
        source: EventBatch | Spikes = batch
        scans = self._scan(batch, [None] * len(self.layers))
        for k, (layer, scan) in enumerate(zip(self.layers, scans, strict=True)):
            assert isinstance(layer, AdaptiveLayer)
            name = f"layers.{k}"
            arrived = account.deliver(self.kernels, f"{name}.weight", source, layer.weight)
            source = scan.spikes
            if layer.recurrent is not None:
                arrived += account.deliver(
                    self.kernels, f"{name}.recurrent", source, layer.recurrent, later=1
                )
            account.fire(arrived, source)
        self.readout.account(account, self.kernels, scans[-1].spikes)
        return account

    def _scan(self, batch: EventBatch, states: list[torch.Tensor | None]) -> list[Scan]:
        scans: list[Scan] = []
        for layer, state in zip(self.layers, states, strict=True):
            assert isinstance(layer, AdaptiveLayer)
            decay_mem, adaptation = self._neurons(layer)
            current = self.kernels.event_linear(scans[-1].spikes, layer.weight) if scans else batch
            weight = None if scans else layer.weight
            given = (torch.zeros_like(decay_mem), decay_mem, self.neuron, adaptation, state)
            if layer.recurrent is None:
                scan = self.kernels.lif_scan(current, *given, weight=weight)
            else:
                scan = self.kernels.recurrent_lif_scan(
                    current, layer.recurrent, *given, weight=weight
                )
            scans.append(scan)
        return scans

    def _neurons(self, layer: AdaptiveLayer) -> tuple[torch.Tensor, Adaptation]:
        """Turn places into decays per bin and strengths."""
        config, time_step = self.config, self.shape.time_step

        def within(name: str, limits: Range) -> torch.Tensor:
            place: torch.Tensor = layer.places[name].clamp(0, 1)
            return limits[0] + (limits[1] - limits[0]) * place

        def decay(name: str, limits: Range) -> torch.Tensor:
            return torch.exp(-time_step * 1e3 / within(name, limits))

        adaptation = Adaptation(
            decay("tau_adapt", config.tau_adapt_ms),
            config.adapt_gain * within("to_membrane", config.adapt_to_membrane),
            config.adapt_gain * within("to_spikes", config.adapt_to_spikes),
        )
        return decay("tau_mem", config.tau_mem_ms), adaptation
