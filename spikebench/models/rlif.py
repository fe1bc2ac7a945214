"""One recurrent layer of leaky integrate-and-fire neurons with a leaky read-out.

As :mod:`spikebench.models.lif`, with the layer's own spikes fed back one step later::

    I[t] = α·I[t−1] + W·S_in[t] + V·S[t−1]

Source: Cramer et al. (2020), arXiv:1910.07407 (recurrent network of 128 units).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Neuron
from spikebench.models.base import DataShape
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.rlif import RecurrentLIFConfig
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step
from spikebench.models.spiking_network import SpikingNetwork


class RecurrentLIF(SpikingNetwork):
    """Recurrent spiking network."""

    Config: ClassVar[type[ModelConfig]] = RecurrentLIFConfig

    def __init__(self, config: RecurrentLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        n_in, n = shape.n_units, config.hidden_units
        scale = fluctuation_scale(
            n_in,
            shape.input_rate,
            decay_syn=decay_per_step(config.tau_syn_ms, shape.time_step),
            decay_mem=decay_per_step(config.tau_mem_ms, shape.time_step),
        )
        self.input = nn.Parameter(config.init_fluctuation * scale * torch.randn(n_in, n))
        self.recurrent = nn.Parameter(config.recurrent_scale / math.sqrt(n) * torch.randn(n, n))
        tau = config.tau_readout_ms * 1e-3
        self.readout = LeakyReadout(n, shape, tau=tau, reduction=config.readout)

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers; see :meth:`SpikingNetwork.hidden_layers`."""
        config = self.config
        neuron = Neuron(
            surrogate=config.surrogate,
            slope=config.surrogate_slope,
            reset_in_graph=config.reset_in_graph,
        )
        return [
            SpikingLayer(
                weight=self.input,
                recurrent=self.recurrent,
                neuron=neuron,
                tau_syn_ms=config.tau_syn_ms,
                tau_mem_ms=config.tau_mem_ms,
            )
        ]
