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

import math
from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Adaptation
from spikebench.models.state_space import StateSpaceLayer, StateSpaceNetwork

_RATES, _ADAPTATION_RATES = (10.0, 250.0), (2.5, 10.0)  # 1/s, at the start


class AdaptiveStateSpaceLayer(StateSpaceLayer):
    """Normalised weights, and the parameters of the neurons of one layer."""

    def __init__(self, n_in: int, n: int, momentum: float) -> None:
        super().__init__(n_in, n, momentum)
        self.log_rate = nn.Parameter(_log_uniform(n, *_RATES))  # ρ
        self.log_adaptation_rate = nn.Parameter(_log_uniform(n, *_ADAPTATION_RATES))  # σ
        self.to_membrane = nn.Parameter(torch.rand(n))  # a
        self.to_spikes = nn.Parameter(2 * torch.rand(n))  # b

    def dynamics(self, time_step: float) -> tuple[torch.Tensor, Adaptation]:
        """Compute α, and the other parameters of the scan, each of shape (neuron,)."""
        decay = torch.exp(-torch.exp(self.log_adaptation_rate) * time_step)
        # The scan adds (1 − β)·(a'·R + b'·S) with R = U − S.
        scale = 1 / (1 - decay)
        to_spikes = (self.to_membrane + self.to_spikes) * scale
        adaptation = Adaptation(decay, self.to_membrane * scale, to_spikes)
        return torch.exp(-torch.exp(self.log_rate) * time_step), adaptation


class StateSpaceLIF(StateSpaceNetwork):
    """Feed-forward spiking network of adaptive neurons."""

    Layer: ClassVar[type[StateSpaceLayer]] = AdaptiveStateSpaceLayer


def _log_uniform(n: int, low: float, high: float) -> torch.Tensor:
    return math.log(low) + math.log(high / low) * torch.rand(n)
