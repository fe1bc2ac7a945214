"""A network of your own, in plain PyTorch: convolutions over time, and the largest value of every filter.

From the shell: spikebench evaluate --model docs/examples/my_net.py:MyNet --data digits
In Python: see docs/own_model.md.
"""

from __future__ import annotations

import torch
from torch import nn


class MyNet(nn.Module):
    """Two convolutions; ``hidden``, the number of filters, is a setting of the table [model]."""

    look_ahead = False  # scores of the clip so far can be computed while it is heard

    def __init__(self, n_units: int, n_classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.filters = nn.Sequential(
            nn.Conv1d(n_units, hidden, kernel_size=7, stride=3),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, kernel_size=5, stride=2),
            nn.ReLU(),
        )
        self.readout = nn.Linear(hidden, n_classes)

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        """Compute scores (batch, class) of a raster (batch, time, unit)."""
        scores: torch.Tensor = self.readout(self.filters(raster.mT).amax(2))
        return scores
