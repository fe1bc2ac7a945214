"""Recurrent layers of leaky integrate-and-fire neurons that learn a delay for their own spikes.

::

    I[t] = α·I[t−1] + BN(W·S_in)[t] + Σ_j V_j·((1 − f_j)·S_j[t−1−⌊d_j⌋] + f_j·S_j[t−2−⌊d_j⌋])      f = d − ⌊d⌋
    U[t] = β·U[t−1]·(1 − S[t−1]) + (1 − β)·I[t]                  (or another reset, which is not differentiated)
    S[t] = 1 if U[t] ≥ 1 else 0
    d_j = p_j·max_delay/dt, p_j in 0 … 1 learned; d in time steps of width dt

α = exp(−dt/τ_syn), or 0 without a synaptic filter; β = exp(−dt/τ_mem). BN is batch normalisation over the samples and
steps of a batch, if selected. Read-out as in :mod:`spikebench.models.readout`, by default the sum over time of the
softmax of each step.

"DelRec", Queant, Rançon, Cottereau, Masquelier (2025), arXiv:2509.24852, in which the triangle that shares a spike
between steps is wide at first and narrows during training, and delays are rounded in testing; here its half width is
one step in training and testing. There is no dropout of the recurrent spikes.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import nn

from spikebench.errors import TrainingError
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.recurrent_delays import MOST_STEPS, RecurrentDelays
from spikebench.models.base import DataShape
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.rec_delay_lif import RecurrentDelayLIFConfig
from spikebench.models.initial_weights import fluctuation_scale
from spikebench.models.normalised_weights import NormalisedWeights
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step
from spikebench.models.spiking_network import SpikingNetwork


class RecurrentDelayLayer(nn.Module):
    """One layer: normalised or plain weights, recurrent weights, and delays as fractions of the longest, 0 … 1."""

    def __init__(self, n_in: int, n: int, scale: float, config: RecurrentDelayLIFConfig) -> None:
        super().__init__()
        self.input: NormalisedWeights | nn.Parameter
        if config.normalisation:
            self.input = NormalisedWeights(n_in, n, config.normalisation_momentum)
        else:
            self.input = nn.Parameter(scale * torch.randn(n_in, n))
        recurrent = torch.randn(n, n) / math.sqrt(n)
        if config.recurrent_init == "orthogonal":
            nn.init.orthogonal_(recurrent)
        self.recurrent = nn.Parameter(config.recurrent_scale * recurrent)
        low, high = (delay / config.max_delay_ms for delay in config.init_delay_ms)
        self.delay = nn.Parameter((low + (high - low) * torch.rand(n)).clamp(0, 1))

    def weights(self) -> tuple[torch.Tensor, Normalisation | None]:
        """Return the weights of the input, float (input, neuron), and the normalisation of their currents, if any."""
        if isinstance(self.input, NormalisedWeights):
            return self.input.weight, self.input.norm.settings()
        return self.input, None


class RecurrentDelayLIF(SpikingNetwork):
    """Recurrent spiking network with learned delays.

    Attributes
    ----------
    longest : int
        Longest delay for which spikes are remembered [steps]: a clip ends before those with a longer one arrive.
    """

    Config: ClassVar[type[ModelConfig]] = RecurrentDelayLIFConfig

    def __init__(self, config: RecurrentDelayLIFConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.dropout = config.dropout
        steps = config.max_delay_ms * 1e-3 / shape.time_step
        self.longest = min(max(math.ceil(steps - 1e-9), 1), shape.n_steps)
        if self.longest > MOST_STEPS:
            raise TrainingError(
                f"model rec_delay_lif: max_delay_ms={config.max_delay_ms:g} is {steps:.0f} bins; at most "
                f"{MOST_STEPS} are allowed, so use wider bins (input.time_step_ms)"
            )
        decay_syn = decay_per_step(config.tau_syn_ms, shape.time_step)
        decay_mem = decay_per_step(config.tau_mem_ms, shape.time_step)
        self.layers = nn.ModuleList()
        n_in, rate = shape.n_units, shape.input_rate
        for n in config.hidden_units:
            scale = fluctuation_scale(n_in, rate, decay_syn=decay_syn, decay_mem=decay_mem)
            self.layers.append(
                RecurrentDelayLayer(n_in, n, config.init_fluctuation * scale, config)
            )
            n_in, rate = n, config.hidden_rate_hz * shape.time_step
        self.readout = LeakyReadout(
            n_in,
            shape,
            tau=config.tau_readout_ms * 1e-3,
            reduction=config.readout,
            skip=config.readout_skip_ms * 1e-3,
        )

    def delay_parameters(self) -> list[nn.Parameter]:
        """Return the delays, as fractions of the longest; see :meth:`Classifier.delay_parameters`."""
        return [parameter for name, parameter in self.named_parameters() if name.endswith("delay")]

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers; see :meth:`SpikingNetwork.hidden_layers`."""
        config = self.config
        neuron = Neuron(
            reset=config.reset, surrogate=config.surrogate, slope=config.surrogate_slope
        )
        layers = []
        for layer in self.layers:
            assert isinstance(layer, RecurrentDelayLayer)
            weight, normalisation = layer.weights()
            steps = layer.delay.clamp(0, 1) * (config.max_delay_ms * 1e-3 / self.shape.time_step)
            layers.append(
                SpikingLayer(
                    weight=weight,
                    normalisation=normalisation,
                    recurrent=layer.recurrent,
                    recurrent_delays=RecurrentDelays(steps, self.longest),
                    neuron=neuron,
                    tau_mem_ms=config.tau_mem_ms,
                    tau_syn_ms=config.tau_syn_ms,
                )
            )
        return layers
