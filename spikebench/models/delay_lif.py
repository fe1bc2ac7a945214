"""Feed-forward layers of leaky integrate-and-fire neurons whose connections learn their delays with their weights.

::

    I[t] = α·I[t−1] + x[t],   x[t] = Σ w·k(t − t_in − d) over the spikes at t_in,   d in 0 … max_delay_ms
    U, S and the read-out as in :mod:`spikebench.models.lif`

k shares a spike between the bins around its delay d, see :mod:`spikebench.kernels.delays`; weights w and delays d are
learned for every connection. After Hammouamri, Khalfaoui-Hassani, Masquelier (2023), arXiv:2306.17670, with a triangle
instead of a Gaussian that narrows during training. Their batch normalisation of x, dropout of spikes between layers and
other surrogates are optional.
"""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import ClassVar

import torch
from torch import nn

from spikebench.errors import TrainingError
from spikebench.kernels.neuron import Neuron
from spikebench.models.base import DataShape
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.delay_lif import DelayLIFConfig
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.normalised_weights import CurrentNorm
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import Delays, SpikingLayer, decay_per_step
from spikebench.models.spiking_network import SpikingNetwork

_MOST_TAPS = 10_001  # the sums of a sample have room for the longest delay


class DelayLIF(SpikingNetwork):
    """Spiking network with learned delays."""

    Config: ClassVar[type[ModelConfig]] = DelayLIFConfig

    def __init__(self, config: DelayLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.dropout = config.dropout
        self.n_taps = math.ceil(config.max_delay_ms * 1e-3 / shape.time_step - 1e-9) + 1
        if self.n_taps > _MOST_TAPS:
            raise TrainingError(
                f"model delay_lif: max_delay_ms={config.max_delay_ms:g} is {self.n_taps - 1} bins; at most "
                f"{_MOST_TAPS - 1} are allowed, so use wider bins (input.time_step_ms)"
            )
        decay_syn = decay_per_step(config.tau_syn_ms, shape.time_step)
        decay_mem = decay_per_step(config.tau_mem_ms, shape.time_step)
        self.hidden, self.delays = nn.ParameterList(), nn.ParameterList()
        n_in, rate = shape.n_units, shape.input_rate
        for n_out in config.hidden_units:
            scale = fluctuation_scale(n_in, rate, decay_syn=decay_syn, decay_mem=decay_mem)
            self.hidden.append(config.init_fluctuation * scale * torch.randn(n_in, n_out))
            self.delays.append(torch.rand(n_in, n_out))  # as fractions of the longest delay
            n_in, rate = n_out, config.hidden_rate_hz * shape.time_step
        self.norms = nn.ModuleList()
        if config.normalisation_momentum is not None:
            self.norms.extend(
                CurrentNorm(n, momentum=config.normalisation_momentum) for n in config.hidden_units
            )
        tau = config.tau_readout_ms * 1e-3
        self.readout = LeakyReadout(n_in, shape, tau=tau, reduction=config.readout)

    def delay_parameters(self) -> list[nn.Parameter]:
        """Return the delays, as fractions of the longest; see :meth:`Classifier.delay_parameters`."""
        return list(self.delays)

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers; see :meth:`SpikingNetwork.hidden_layers`."""
        neuron = Neuron(surrogate=self.config.surrogate, slope=self.config.surrogate_slope)
        return [
            SpikingLayer(
                weight=weight,
                delays=Delays(steps=delay * (self.n_taps - 1), n_taps=self.n_taps),
                normalisation=norm.settings() if isinstance(norm, CurrentNorm) else None,
                neuron=neuron,
                tau_syn_ms=self.config.tau_syn_ms,
                tau_mem_ms=self.config.tau_mem_ms,
            )
            for weight, delay, norm in zip_longest(self.hidden, self.delays, self.norms)
        ]
