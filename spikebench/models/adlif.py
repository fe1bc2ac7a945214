"""Recurrent layers of adaptive leaky integrate-and-fire neurons, time constants learned per neuron.

::

    U[t] = β·U[t−1]·(1 − S[t−1]) + (1 − β)·(W·S_in[t] + V·S[t−1] − A[t−1])
    S[t] = 1 if U[t] ≥ 1 else 0;  the reset is not differentiated
    A[t] = ρ·A[t−1] + (1 − ρ)·q·(a·U[t]·(1 − S[t]) + b·S[t])
    read-out as in :mod:`spikebench.models.readout`, by default the mean over time

β = exp(−dt/τ_mem), ρ = exp(−dt/τ_adapt). A depends on the new U: the symplectic Euler step of Baronig, Ferrand,
Sabathiel, Legenstein (2024), arXiv:2408.07517, "SE-adLIF", on which this model is based; ranges and defaults are ours.
τ_mem, τ_adapt, a and b are learned for every neuron, and limited to their ranges.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field, model_validator
from torch import nn

from spikebench.kernels.neuron import Neuron, Surrogate
from spikebench.kernels.scan import Adaptation
from spikebench.models.base import MOST_LAYERS, DataShape, ModelConfig, Units
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.readout import LeakyReadout, ReadoutReduction
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step, decays_per_step
from spikebench.models.spiking_network import SpikingNetwork

Range = tuple[float, float]


class AdaptiveLIFConfig(ModelConfig):
    """Configuration of :class:`AdaptiveLIF`; time constants in ms, ranges from minimum to maximum."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1, max_length=MOST_LAYERS)
    recurrent: bool = True
    tau_mem_ms: Range = (5.0, 60.0)
    tau_adapt_ms: Range = (60.0, 300.0)
    adapt_to_membrane: Range = (0.0, 1.0)  # a
    adapt_to_spikes: Range = (0.0, 2.0)  # b
    adapt_gain: float = Field(default=1.0, ge=0, le=1000)  # q
    tau_readout_ms: float = Field(default=20.0, gt=0, le=1e6)
    readout_skip_ms: float = Field(  # left out of the reduction
        default=0.0, ge=0, le=60_000, exclude_if=lambda time: time == 0
    )
    readout: ReadoutReduction = "mean"
    surrogate: Surrogate = "fast_sigmoid"
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
                raise ValueError(f"{name}: {low} to {high} is not a range within {least} … 1e6")
        return self


class AdaptiveLayer(nn.Module):
    """One layer: weights, and learned parameters per neuron, stored as positions within their ranges, 0 … 1."""

    def __init__(self, n_in: int, n: int, scale: float, config: AdaptiveLIFConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(n_in, n))
        deviation = config.recurrent_scale / math.sqrt(n) if config.recurrent else 0.0
        recurrent = deviation * torch.randn(n, n)
        self.recurrent = nn.Parameter(recurrent) if config.recurrent else None
        self.places = nn.ParameterDict(
            {name: torch.rand(n) for name in ("tau_mem", "tau_adapt", "to_membrane", "to_spikes")}
        )

    def within(self, name: str, limits: Range) -> torch.Tensor:
        """Convert the positions of a parameter to values, float, shape (neuron,), in its unit."""
        place: torch.Tensor = self.places[name].clamp(0, 1)
        return limits[0] + (limits[1] - limits[0]) * place


class AdaptiveLIF(SpikingNetwork):
    """Spiking network with adaptation."""

    Config: ClassVar[type[ModelConfig]] = AdaptiveLIFConfig

    def __init__(self, config: AdaptiveLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.layers = nn.ModuleList()
        decay_mem = decay_per_step(sum(config.tau_mem_ms) / 2, shape.time_step)
        n_in, rate = shape.n_units, shape.input_rate
        for n in config.hidden_units:
            scale = fluctuation_scale(n_in, rate, decay_syn=0.0, decay_mem=decay_mem)
            self.layers.append(AdaptiveLayer(n_in, n, config.init_fluctuation * scale, config))
            n_in, rate = n, config.hidden_rate_hz * shape.time_step
        tau = config.tau_readout_ms * 1e-3
        skip = config.readout_skip_ms * 1e-3
        self.readout = LeakyReadout(n_in, shape, tau=tau, reduction=config.readout, skip=skip)

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers; see :meth:`SpikingNetwork.hidden_layers`."""
        config, time_step = self.config, self.shape.time_step
        neuron = Neuron(reset="restart", surrogate=config.surrogate, slope=config.surrogate_slope)
        layers = []
        for layer in self.layers:
            assert isinstance(layer, AdaptiveLayer)
            tau_adapt_ms = layer.within("tau_adapt", config.tau_adapt_ms)
            adaptation = Adaptation(
                decay=decays_per_step(tau_adapt_ms, time_step),
                to_membrane=config.adapt_gain
                * layer.within("to_membrane", config.adapt_to_membrane),
                to_spikes=config.adapt_gain * layer.within("to_spikes", config.adapt_to_spikes),
            )
            layers.append(
                SpikingLayer(
                    weight=layer.weight,
                    recurrent=layer.recurrent,
                    neuron=neuron,
                    tau_mem_ms=layer.within("tau_mem", config.tau_mem_ms),
                    adaptation=adaptation,
                )
            )
        return layers
