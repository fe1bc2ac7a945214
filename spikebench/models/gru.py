"""Gated recurrent units on binned spikes; the score of a class is its maximum over time.

::

    r, z = σ(W·raster[t] + V·h[t−1] + b)           each with weights of its own
    n    = tanh(W_n·raster[t] + b_n + r·(V_n·h[t−1] + b_hn))
    h[t] = (1 − z)·n + z·h[t−1]

Source: Cho et al. (2014), arXiv:1406.1078; the reset gate r acts on the product, as in cuDNN and PyTorch.
"""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.gru import GRUConfig
from spikebench.models.gated_network import GatedNetwork


class GRU(GatedNetwork):
    """GRU; the score of a class is the maximum over time of a linear read-out."""

    Config: ClassVar[type[ModelConfig]] = GRUConfig
    cells = nn.GRU
    name = "gru"
    gru: nn.GRU
