"""Base of feed-forward networks of state-space neurons: normalised weights, and dynamics learned per neuron."""

from __future__ import annotations

import itertools
from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Neuron, Parameters
from spikebench.models.base import DataShape
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.state_space import StateSpaceConfig
from spikebench.models.normalised_weights import NormalisedWeights
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer
from spikebench.models.spiking_network import SpikingNetwork


class StateSpaceLayer(nn.Module):
    """Normalised weights of one layer; a model adds the parameters of its neurons."""

    def __init__(self, n_in: int, n: int, momentum: float) -> None:
        super().__init__()
        self.input = NormalisedWeights(n_in, n, momentum)

    def dynamics(self, time_step: float) -> tuple[torch.Tensor, Parameters]:
        """Compute β, and the other parameters of the scan, each of shape (neuron,), for a time step [s]."""
        raise NotImplementedError


class StateSpaceNetwork(SpikingNetwork):
    """Feed-forward spiking network; a spike subtracts the threshold 1, which is differentiated."""

    Config: ClassVar[type[ModelConfig]] = StateSpaceConfig
    Layer: ClassVar[type[StateSpaceLayer]]

    def __init__(self, config: StateSpaceConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.dropout = config.dropout
        sizes = (shape.n_units, *config.hidden_units)
        self.layers = nn.ModuleList(
            self.Layer(n_in, n, config.normalisation_momentum)
            for n_in, n in itertools.pairwise(sizes)
        )
        tau = config.tau_readout_ms * 1e-3
        skip = config.readout_skip_ms * 1e-3
        self.readout = LeakyReadout(sizes[-1], shape, tau=tau, reduction=config.readout, skip=skip)

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
            decay, parameters = layer.dynamics(self.shape.time_step)
            layers.append(
                SpikingLayer(
                    weight=layer.input.weight,
                    neuron=neuron,
                    decay_mem=decay,
                    adaptation=parameters,
                    normalisation=layer.input.norm.settings(),
                )
            )
        return layers
