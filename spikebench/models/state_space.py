"""Base of feed-forward networks of state-space neurons: normalised weights, and dynamics learned per neuron.

With ``members`` above 1, the model is an ensemble of such networks (:mod:`spikebench.models.ensemble`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import nn

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels.neuron import Neuron, Parameters
from spikebench.metrics.operations import Account
from spikebench.models.base import DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.state_space import StateSpaceConfig
from spikebench.models.ensemble import ensemble_account, ensemble_output
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
        if config.members > 1:
            one = config.model_copy(update={"members": 1})
            self.members = nn.ModuleList(type(self)(one, shape) for _ in range(config.members))
            return
        self.dropout = config.dropout
        sizes = (shape.n_units, *config.hidden_units)
        self.layers = nn.ModuleList(
            self.Layer(n_in, n, config.normalisation_momentum)
            for n_in, n in itertools.pairwise(sizes)
        )
        tau = config.tau_readout_ms * 1e-3
        skip = config.readout_skip_ms * 1e-3
        self.readout = LeakyReadout(sizes[-1], shape, tau=tau, reduction=config.readout, skip=skip)

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        if self.config.members > 1:
            return ensemble_output(self._networks(), self.kernels, batch)
        return super().forward(batch)

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`."""
        if self.config.members > 1:
            return ensemble_account(self._networks(), self.kernels, batch, "members")
        return super().account(batch)

    def _networks(self) -> Iterator[StateSpaceNetwork]:
        for member in self.members:
            assert isinstance(member, StateSpaceNetwork)
            yield member

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers; see :meth:`SpikingNetwork.hidden_layers`.

        Raises
        ------
        TrainingError
            If the model is an ensemble, whose networks have layers of their own.
        """
        if self.config.members > 1:
            raise TrainingError(
                f"this needs a single network, and the model is an ensemble of {self.config.members} (model.members)"
            )
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
