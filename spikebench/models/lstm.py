"""A long short-term memory on binned spikes; the score of a class is its maximum over time.

::

    i, f, o = σ(W·raster[t] + V·h[t−1] + b)        each with weights of its own
    c[t] = f·c[t−1] + i·tanh(W_c·raster[t] + V_c·h[t−1] + b_c)
    h[t] = o·tanh(c[t])

Source: Cramer et al. (2020), arXiv:1910.07407, who train an LSTM on 10 ms bins.
"""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.lstm import LSTMConfig
from spikebench.models.gated_network import GatedNetwork


class LSTM(GatedNetwork):
    """LSTM; the score of a class is the maximum over time of a linear read-out."""

    Config: ClassVar[type[ModelConfig]] = LSTMConfig
    cells = nn.LSTM
    name = "lstm"
    lstm: nn.LSTM
