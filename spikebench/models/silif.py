"""Feed-forward layers of adaptive neurons in the parameters of a state-space model, learned per neuron.

::

    U[t] = α·(U[t−1] − S[t−1]) + (1 − α)·(BN(W·S_in)[t] − A[t]),   α = exp(−e^ρ·dt)
    A[t] = β·A[t−1] + a·U[t−1] + b·S[t−1],                         β = exp(−e^σ·dt)
    S[t] = 1 if U[t] ≥ 1 else 0;  the reset is differentiated
    dS/dU is replaced by a box of width 1 (or another surrogate)
    read-out as in :mod:`spikebench.models.readout`, by default the sum over time of the softmax of each step

ρ and σ (logarithms of rates per second), a and b are learned for every neuron. BN is batch normalisation over the
samples and steps of a batch, with running averages in testing.

"SiLIF" of Fabre et al. (2025), arXiv:2506.06374: initial values are theirs, but the step dt is that of the input and
not learned. States start at rest here, at random numbers there; read-out and training are ours.
"""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Adaptation, Neuron
from spikebench.models.base import DataShape, ModelConfig
from spikebench.models.c_silif import ComplexLIFConfig
from spikebench.models.normalised_weights import NormalisedWeights
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer
from spikebench.models.spiking_network import SpikingNetwork

_RATES, _ADAPTATION_RATES = (10.0, 250.0), (2.5, 10.0)  # 1/s, at the start


class StateSpaceLIFConfig(ComplexLIFConfig):
    """Configuration of :class:`StateSpaceLIF`."""


class StateSpaceLayer(nn.Module):
    """Normalised weights, and the parameters of the neurons of one layer."""

    def __init__(self, n_in: int, n: int, momentum: float) -> None:
        super().__init__()
        self.input = NormalisedWeights(n_in, n, momentum)
        self.log_rate = nn.Parameter(_log_uniform(n, *_RATES))  # ρ
        self.log_adaptation_rate = nn.Parameter(_log_uniform(n, *_ADAPTATION_RATES))  # σ
        self.to_membrane = nn.Parameter(torch.rand(n))  # a
        self.to_spikes = nn.Parameter(2 * torch.rand(n))  # b

    def decays(self, time_step: float) -> tuple[torch.Tensor, Adaptation]:
        """Compute α, and the other parameters of the scan, each of shape (neuron,)."""
        decay = torch.exp(-torch.exp(self.log_adaptation_rate) * time_step)
        # The scan adds (1 − β)·(a'·R + b'·S) with R = U − S.
        scale = 1 / (1 - decay)
        to_spikes = (self.to_membrane + self.to_spikes) * scale
        adaptation = Adaptation(decay, self.to_membrane * scale, to_spikes)
        return torch.exp(-torch.exp(self.log_rate) * time_step), adaptation


class StateSpaceLIF(SpikingNetwork):
    """Feed-forward spiking network of adaptive neurons."""

    Config: ClassVar[type[ModelConfig]] = StateSpaceLIFConfig

    def __init__(self, config: StateSpaceLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.dropout = config.dropout
        sizes = (shape.n_units, *config.hidden_units)
        self.layers = nn.ModuleList(
            StateSpaceLayer(n_in, n, config.normalisation_momentum)
            for n_in, n in itertools.pairwise(sizes)
        )
        tau = config.tau_readout_ms * 1e-3
        self.readout = LeakyReadout(sizes[-1], shape, tau=tau, reduction=config.readout)

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers; see :meth:`SpikingNetwork.hidden_layers`."""
        neuron = Neuron(
            reset="subtract",
            reset_in_graph=True,
            surrogate=self.config.surrogate,
            slope=self.config.surrogate_slope,
        )
        layers = []
        for layer in self.layers:
            assert isinstance(layer, StateSpaceLayer)
            decay, adaptation = layer.decays(self.shape.time_step)
            layers.append(
                SpikingLayer(
                    weight=layer.input.weight,
                    neuron=neuron,
                    decay_mem=decay,
                    adaptation=adaptation,
                    normalisation=layer.input.normalise,
                )
            )
        return layers


def _log_uniform(n: int, low: float, high: float) -> torch.Tensor:
    return math.log(low) + math.log(high / low) * torch.rand(n)
