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
from torch import nn

from spikebench.kernels.neuron import Neuron
from spikebench.kernels.scan import Adaptation
from spikebench.models.base import DataShape
from spikebench.models.configs.adlif import AdaptiveLIFConfig
from spikebench.models.configs.base import ModelConfig, Range
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step, decays_per_step
from spikebench.models.spiking_network import SpikingNetwork


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
