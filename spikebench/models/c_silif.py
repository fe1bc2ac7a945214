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

import itertools
import math
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from spikebench.kernels.neuron import Neuron, Rotation
from spikebench.models.base import MOST_LAYERS, DataShape, ModelConfig, Units
from spikebench.models.normalised_weights import NormalisedWeights
from spikebench.models.readout import LeakyReadout, ReadoutReduction
from spikebench.models.spiking_layer import SpikingLayer
from spikebench.models.spiking_network import SpikingNetwork

_STEPS = (0.01, 0.5)  # range of e^κ at the start


class ComplexLIFConfig(ModelConfig):
    """Configuration of :class:`ComplexLIF`."""

    hidden_units: tuple[Units, ...] = Field(
        default=(128, 128), min_length=1, max_length=MOST_LAYERS
    )
    dropout: float = Field(default=0.0, ge=0, lt=1)  # of spikes between layers, in training
    normalisation_momentum: float = Field(default=0.05, gt=0, le=1)
    tau_readout_ms: float = Field(default=20.0, gt=0, le=1e6)
    readout: ReadoutReduction = "softmax"
    surrogate: Literal[
        "fast_sigmoid", "logistic", "arctan", "triangle", "multi_gaussian", "boxcar"
    ] = "boxcar"
    surrogate_slope: float = Field(default=2.0, gt=0)


class ComplexLayer(nn.Module):
    """Normalised weights, and the parameters of the neurons of one layer."""

    def __init__(self, n_in: int, n: int, momentum: float) -> None:
        super().__init__()
        self.input = NormalisedWeights(n_in, n, momentum)
        self.log_decay = nn.Parameter(torch.full((n,), math.log(0.5)))  # ρ
        self.frequency = nn.Parameter(torch.full((n,), math.pi))  # ω
        low, high = map(math.log, _STEPS)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(n))  # κ
        self.gain = nn.Parameter(torch.rand(n))  # b

    def rotation(self) -> tuple[torch.Tensor, Rotation]:
        """Compute β, and the other parameters of the scan, each of shape (neuron,)."""
        step = torch.exp(self.log_step)
        modulus, angle = torch.exp(-torch.exp(self.log_decay) * step), self.frequency * step
        # The scan works on U = 2·Re u, so that the threshold and the reset are 1.
        return modulus * torch.cos(angle), Rotation(modulus * torch.sin(angle), 2 * self.gain)


class ComplexLIF(SpikingNetwork):
    """Feed-forward spiking network of neurons with complex states."""

    Config: ClassVar[type[ModelConfig]] = ComplexLIFConfig

    def __init__(self, config: ComplexLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.dropout = config.dropout
        sizes = (shape.n_units, *config.hidden_units)
        self.layers = nn.ModuleList(
            ComplexLayer(n_in, n, config.normalisation_momentum)
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
            assert isinstance(layer, ComplexLayer)
            decay, rotation = layer.rotation()
            layers.append(
                SpikingLayer(
                    weight=layer.input.weight,
                    neuron=neuron,
                    decay_mem=decay,
                    adaptation=rotation,
                    normalisation=layer.input.normalise,
                )
            )
        return layers
