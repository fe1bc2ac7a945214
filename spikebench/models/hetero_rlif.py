"""Recurrent layers of leaky integrate-and-fire neurons with a learned time constant of every membrane and synapse.

As :mod:`spikebench.models.rlif`, but α and β of every neuron follow from its own time constants::

    I[t] = α·I[t−1] + W·S_in[t] + V·S[t−1]                       α = exp(−dt/τ_syn)
    U[t] = (β·U[t−1] + (1 − β)·I[t])·(1 − S[t−1])                β = exp(−dt/τ_mem)
    τ = low·(high/low)^p, p in 0 … 1 learned

Each τ is limited to its range. ``init_distribution`` selects the initial values: ``gamma``, of shape 3 with the mean
``tau_mem_ms`` or ``tau_syn_ms``, clamped to the range; ``uniform``, in the range; ``equal``, the mean for all neurons.

Source: Perez-Nieves, Leung, Dragotti, Goodman (2021), doi 10.1038/s41467-021-26022-3, which compares equal and
distributed, fixed and learned time constants (learned here). The ranges, the logarithmic scale on which τ is learned
and the read-out are not from this source.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Neuron
from spikebench.models.base import DataShape
from spikebench.models.configs.base import ModelConfig, Range
from spikebench.models.configs.hetero_rlif import HeterogeneousLIFConfig
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step
from spikebench.models.spiking_network import SpikingNetwork

_SHAPE = 3.0  # of the gamma distribution


class HeterogeneousLayer(nn.Module):
    """One layer: weights, and learned time constants, stored as positions within their ranges, 0 … 1."""

    def __init__(self, n_in: int, n: int, scale: float, config: HeterogeneousLIFConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(n_in, n))
        self.recurrent = nn.Parameter(config.recurrent_scale / math.sqrt(n) * torch.randn(n, n))
        self.places = nn.ParameterDict(
            {
                "tau_mem": _initial(n, config, config.tau_mem_ms, config.tau_mem_range_ms),
                "tau_syn": _initial(n, config, config.tau_syn_ms, config.tau_syn_range_ms),
            }
        )

    def tau_ms(self, name: str, limits: Range) -> torch.Tensor:
        """Convert the positions of time constants to values [ms], float, shape (neuron,)."""
        place: torch.Tensor = self.places[name].clamp(0, 1)
        return limits[0] * (limits[1] / limits[0]) ** place


def _initial(n: int, config: HeterogeneousLIFConfig, mean_ms: float, limits: Range) -> torch.Tensor:
    """Draw initial time constants; return their positions."""
    low, high = limits
    if config.init_distribution == "gamma":
        rate = torch.tensor(_SHAPE / mean_ms)
        tau_ms = torch.distributions.Gamma(torch.tensor(_SHAPE), rate).sample((n,))
    elif config.init_distribution == "uniform":
        tau_ms = low + (high - low) * torch.rand(n)
    else:
        tau_ms = torch.full((n,), mean_ms)
    return torch.log(tau_ms.clamp(low, high) / low) / math.log(high / low)


class HeterogeneousLIF(SpikingNetwork):
    """Recurrent spiking network with a time constant of every membrane and synapse."""

    Config: ClassVar[type[ModelConfig]] = HeterogeneousLIFConfig

    def __init__(self, config: HeterogeneousLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        decay_syn = decay_per_step(config.tau_syn_ms, shape.time_step)
        decay_mem = decay_per_step(config.tau_mem_ms, shape.time_step)
        self.layers = nn.ModuleList()
        n_in, rate = shape.n_units, shape.input_rate
        for n in config.hidden_units:
            scale = fluctuation_scale(n_in, rate, decay_syn=decay_syn, decay_mem=decay_mem)
            self.layers.append(HeterogeneousLayer(n_in, n, config.init_fluctuation * scale, config))
            n_in, rate = n, config.hidden_rate_hz * shape.time_step
        tau = config.tau_readout_ms * 1e-3
        self.readout = LeakyReadout(n_in, shape, tau=tau, reduction=config.readout)

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers; see :meth:`SpikingNetwork.hidden_layers`."""
        config = self.config
        neuron = Neuron(surrogate=config.surrogate, slope=config.surrogate_slope)
        layers = []
        for layer in self.layers:
            assert isinstance(layer, HeterogeneousLayer)
            layers.append(
                SpikingLayer(
                    weight=layer.weight,
                    recurrent=layer.recurrent,
                    neuron=neuron,
                    tau_mem_ms=layer.tau_ms("tau_mem", config.tau_mem_range_ms),
                    tau_syn_ms=layer.tau_ms("tau_syn", config.tau_syn_range_ms),
                )
            )
        return layers
