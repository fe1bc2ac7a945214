"""Feed-forward layers of current-based leaky integrate-and-fire neurons with a leaky read-out.

::

    I[t] = α·I[t−1] + W·S_in[t]                                  α = exp(−dt/τ_syn)
    U[t] = (β·U[t−1] + (1 − β)·I[t])·(1 − S[t−1])                β = exp(−dt/τ_mem)
    S[t] = 1 if U[t] ≥ 1 else 0;  the reset is not differentiated, unless ``reset_in_graph`` is set
    read-out: O[t] = γ·O[t−1] + (1 − γ)·W_out·S[t];  scores = b + max over t of O    γ = exp(−dt/τ_readout)

(``readout`` selects other reductions of O over time.)

Initial weights are normal, with a standard deviation at which the membrane fluctuates by ``init_fluctuation``
thresholds at the data's mean rate, see :mod:`spikebench.models.initial_weights`. Source of
the model: Cramer et al. (2020), arXiv:1910.07407, time constants of its section on spiking networks; Neftci, Mostafa,
Zenke (2019), arXiv:1901.09948.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from spikebench.kernels.neuron import Neuron
from spikebench.models.base import DataShape
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.lif import LIFConfig
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step
from spikebench.models.spiking_network import SpikingNetwork


class LIF(SpikingNetwork):
    """Feed-forward spiking network."""

    Config: ClassVar[type[ModelConfig]] = LIFConfig

    def __init__(self, config: LIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        decay_syn = decay_per_step(config.tau_syn_ms, shape.time_step)
        decay_mem = decay_per_step(config.tau_mem_ms, shape.time_step)
        self.hidden = nn.ParameterList()
        n_in, rate = shape.n_units, shape.input_rate
        for n_out in config.hidden_units:
            scale = fluctuation_scale(n_in, rate, decay_syn=decay_syn, decay_mem=decay_mem)
            self.hidden.append(config.init_fluctuation * scale * torch.randn(n_in, n_out))
            n_in, rate = n_out, config.hidden_rate_hz * shape.time_step
        tau = config.tau_readout_ms * 1e-3
        self.readout = LeakyReadout(n_in, shape, tau=tau, reduction=config.readout)

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
                weight=weight,
                neuron=neuron,
                tau_syn_ms=config.tau_syn_ms,
                tau_mem_ms=config.tau_mem_ms,
            )
            for weight in self.hidden
        ]
