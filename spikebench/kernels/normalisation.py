"""Batch normalisation of currents: each neuron over the samples and steps of a batch.

::

    y[t] = γ·(x[t] − mean)/√(variance + ε) + β

Feed-forward scans of given currents on a CPU compute it themselves (:mod:`spikebench.kernels.feed_forward`); all
others, and those of Triton and the reference, run on currents normalised by PyTorch (:meth:`Normalisation.apply`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Parameters of a normalisation; tensors are float, shape (neuron,).

    Attributes
    ----------
    weight, bias : Tensor of float
        γ and β.
    running_mean, running_var : Tensor of float
        Running averages of mean and variance.
    n_batches : Tensor of int64, shape ()
        Number of batches in the running averages.
    of_batch : bool
        Whether mean and variance are those of the batch, which the running averages then follow, or these averages.
    momentum : float
        Weight of a batch in the running averages.
    epsilon : float
        ε.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    running_mean: torch.Tensor
    running_var: torch.Tensor
    n_batches: torch.Tensor
    of_batch: bool
    momentum: float
    epsilon: float

    def apply(self, current: torch.Tensor) -> torch.Tensor:
        """Normalise currents, and let the running averages follow if mean and variance are those of the batch.

        Parameters
        ----------
        current
            Float, shape (batch, time, neuron).

        Returns
        -------
        Tensor of float, same shape
            The normalised currents.
        """
        if self.of_batch:
            self.n_batches.add_(1)
        normalised = torch.nn.functional.batch_norm(
            current.flatten(0, 1),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.of_batch,
            self.momentum,
            self.epsilon,
        )
        return normalised.view_as(current)

    def follow(self, moments: torch.Tensor, n_values: int) -> None:
        """Let the running averages follow a batch, as :meth:`apply` does.

        Parameters
        ----------
        moments
            Mean and variance of the batch, float64 (2, neuron).
        n_values
            Number of values of each neuron, at least 2.
        """
        self.n_batches.add_(1)
        mean, variance = moments.to(self.running_mean.dtype)
        self.running_mean.mul_(1 - self.momentum).add_(mean, alpha=self.momentum)
        unbiased = variance * (n_values / (n_values - 1))
        self.running_var.mul_(1 - self.momentum).add_(unbiased, alpha=self.momentum)
