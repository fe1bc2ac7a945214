"""Weights of a layer whose currents are normalised over the samples and steps of a batch."""

from __future__ import annotations

import math

import torch
from torch import nn


class CurrentNorm(nn.BatchNorm1d):
    """Batch normalisation of currents (batch, time, neuron): each neuron over samples and steps."""

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        """Normalise by the batch in training, by running averages in testing."""
        return super().forward(current.flatten(0, 1)).view_as(current)


class NormalisedWeights(nn.Module):
    """Weights without bias, and the batch normalisation of the currents that they give.

    Initial weights are uniform in ±√(6/(n_in + n)) (Glorot, Bengio 2010).

    Parameters
    ----------
    n_in, n
        Numbers of inputs and neurons.
    momentum
        Weight of a batch in the running averages.
    """

    def __init__(self, n_in: int, n: int, momentum: float) -> None:
        super().__init__()
        bound = math.sqrt(6 / (n_in + n))
        self.weight = nn.Parameter(bound * (2 * torch.rand(n_in, n) - 1))
        self.norm = CurrentNorm(n, momentum=momentum)

    def normalise(self, current: torch.Tensor) -> torch.Tensor:
        """Normalise currents.

        Parameters
        ----------
        current
            Float, shape (batch, time, neuron).

        Returns
        -------
        Tensor of float, same shape
            Each neuron normalised over batch and time in training, by running averages in testing.
        """
        normalised: torch.Tensor = self.norm(current)
        return normalised
