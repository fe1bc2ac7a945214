"""Weights of a layer whose currents are normalised over the samples and steps of a batch."""

from __future__ import annotations

import math

import torch
from torch import nn

from spikebench.kernels.normalisation import Normalisation


class CurrentNorm(nn.BatchNorm1d):
    """Parameters and running averages of a normalisation of currents, each neuron over samples and steps."""

    def settings(self) -> Normalisation:
        """Return the normalisation: by the batch in training, by running averages in testing."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        return Normalisation(
            self.weight,
            self.bias,
            running_mean=self.running_mean,
            running_var=self.running_var,
            n_batches=self.num_batches_tracked,
            of_batch=self.training,
            momentum=self.momentum,
            epsilon=self.eps,
        )


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
