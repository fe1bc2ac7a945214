"""Feed-forward layers of neurons with a complex state that rotates while it decays, all of it learned per neuron.

::

    u[t] = λ·(u[t−1] − S[t−1]/2) + b·BN(W·S_in)[t],   λ = exp((−e^ρ + iω)·e^κ)
    S[t] = 1 if 2·Re u[t] ≥ 1 else 0;  the reset is differentiated
    dS/d(2·Re u) is replaced by a box of width 1 (or another surrogate)
    read-out as in :mod:`spikebench.models.readout`, by default the sum over time of the softmax of each step

ρ, ω, κ and b are learned for every neuron, and count per time step, not per second. BN is batch normalisation over the
samples and steps of a batch, with running averages in testing.

"C-SiLIF" of Fabre et al. (2025), arXiv:2506.06374: initial values and surrogate are theirs. States
start at rest here, at random numbers there; read-out and training are ours.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Rotation
from spikebench.models.state_space import StateSpaceLayer, StateSpaceNetwork

_STEPS = (0.01, 0.5)  # range of e^κ at the start


class ComplexLayer(StateSpaceLayer):
    """Normalised weights, and the parameters of the neurons of one layer."""

    def __init__(self, n_in: int, n: int, momentum: float) -> None:
        super().__init__(n_in, n, momentum)
        self.log_decay = nn.Parameter(torch.full((n,), math.log(0.5)))  # ρ
        self.frequency = nn.Parameter(torch.full((n,), math.pi))  # ω
        low, high = map(math.log, _STEPS)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(n))  # κ
        self.gain = nn.Parameter(torch.rand(n))  # b

    def dynamics(self, time_step: float) -> tuple[torch.Tensor, Rotation]:
        """Compute β, and the other parameters of the scan, each of shape (neuron,)."""
        step = torch.exp(self.log_step)
        modulus, angle = torch.exp(-torch.exp(self.log_decay) * step), self.frequency * step
        # The scan works on U = 2·Re u, so that the threshold and the reset are 1.
        return modulus * torch.cos(angle), Rotation(modulus * torch.sin(angle), 2 * self.gain)


class ComplexLIF(StateSpaceNetwork):
    """Feed-forward spiking network of neurons with complex states."""

    Layer: ClassVar[type[StateSpaceLayer]] = ComplexLayer
