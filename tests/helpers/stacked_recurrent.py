"""A model that states its layers and nothing else: two recurrent layers, their membranes' time constants learned."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Neuron
from spikebench.models.base import DataShape
from spikebench.models.configs.base import ModelConfig, Units
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer
from spikebench.models.spiking_network import SpikingNetwork


class StackedConfig(ModelConfig):
    """Configuration of :class:`StackedRecurrent`."""

    hidden_units: tuple[Units, ...] = (7, 4)


class StackedRecurrent(SpikingNetwork):
    """Recurrent layers, one after the other."""

    Config: ClassVar[type[ModelConfig]] = StackedConfig

    def __init__(self, config: StackedConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.forward_weights, self.recurrent_weights = nn.ParameterList(), nn.ParameterList()
        self.tau_mem_ms = nn.ParameterList()
        n_in = shape.n_units
        for n in config.hidden_units:
            self.forward_weights.append(6 / math.sqrt(n_in) * torch.randn(n_in, n))
            self.recurrent_weights.append(2 / math.sqrt(n) * torch.randn(n, n))
            self.tau_mem_ms.append(10 + 20 * torch.rand(n))
            n_in = n
        self.readout = LeakyReadout(n_in, shape, tau=0.05)

    def hidden_layers(self) -> list[SpikingLayer]:
        """State the layers."""
        parts = zip(self.forward_weights, self.recurrent_weights, self.tau_mem_ms, strict=True)
        return [
            SpikingLayer(
                weight=weight,
                recurrent=recurrent,
                neuron=Neuron(),
                tau_syn_ms=10.0,
                tau_mem_ms=tau_mem_ms,
            )
            for weight, recurrent, tau_mem_ms in parts
        ]
