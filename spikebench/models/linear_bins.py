"""Multinomial logistic regression on spike counts in time bins: what a linear classifier without memory achieves.

::

    x[t, u] = (n[t, u] − mean[t, u]) / deviation[t, u]          n: spikes of input u in bin t
    scores  = b + Σ over t, u of W[·, t, u]·x[t, u]
    minimum of  |W|²/2 + C·Σ over samples of cross-entropy(scores, label)

Mean and deviation of a count are those of the training samples. The preset sets bins and inputs
(``input.time_step_ms``, ``duration_ms``, ``group_units``), so clips of different lengths have the same number of
counts; a bin after the end of a clip is empty. The minimum is unique. L-BFGS finds it from W = 0 without random
numbers, in one thread, until no derivative of the mean loss exceeds 1e-4, so the weights depend neither on the seed
nor on the number of cores. C is selected on the validation split. The standardisation is stored as part of W and b: a
spike adds one weight to every score.

Source: Fan et al. (2008), LIBLINEAR, J. Mach. Learn. Res. 9:1871, for the objective; Liu and Nocedal (1989), Math.
Program. 45:503, L-BFGS, as in scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import CountClassifier, CountData, DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.linear_bins import LinearBinsConfig

_PIECE = 256  # samples whose counts are summed at once
_LOSES = -1e9  # bias of a class without training samples


class LinearBins(CountClassifier):
    """Logistic regression on the counts of all bins. Its whole state is stored in buffers."""

    Config: ClassVar[type[ModelConfig]] = LinearBinsConfig
    spiking = False
    looks_ahead = True

    def __init__(self, config: LinearBinsConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.config = config
        self.weight: torch.Tensor
        self.bias: torch.Tensor
        n_counts = shape.n_steps * shape.n_units
        self.register_buffer("weight", torch.zeros(shape.n_classes, n_counts))
        self.register_buffer("bias", torch.zeros(shape.n_classes))

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        return Output(torch.addmm(self.bias, batch.dense().flatten(1), self.weight.T))

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch: the weights that spikes add; there are no neurons."""
        account = Account.of(batch)
        account.multiply("weight", batch.dense().flatten(1), self.weight, spikes=True)
        return account

    def n_parameters(self) -> int:
        """Return the number of learned parameters: weights and biases.

        Returns
        -------
        int
            Elements of both.
        """
        return self.weight.numel() + self.bias.numel()

    def counts_of(self, samples: BinnedSamples) -> NDArray[np.float32]:
        """Count the spikes of each input in each bin; float32, shape (samples, bins · inputs)."""
        return samples.rasters().reshape(len(samples), -1)

    def fit_counts(self, train: CountData, validation: CountData) -> dict[str, float]:
        """Find the weights for every C and choose C on validation.

        Parameters
        ----------
        train, validation
            Counts, float32, shape (samples, bins · inputs), and labels, int64, shape (samples,). The training counts
            are overwritten.

        Returns
        -------
        dict
            The choice and its validation accuracy.

        Raises
        ------
        TrainingError
            If the minimum is not found.
        """
        x, *scaling = _standardise(train[0])
        counts = torch.from_numpy(validation[0]).float()
        best: dict[str, float] = {"validation_accuracy": -1.0}
        state: dict[str, Any] = {}
        for C in self.config.C:
            self._fit(x, train[1], scaling, C)
            predicted = torch.addmm(self.bias, counts, self.weight.T).argmax(1).numpy()
            right = float(np.mean(predicted == validation[1]))
            if right > best["validation_accuracy"]:
                best, state = {"validation_accuracy": right, "C": C}, self.state_dict()
        self.weight, self.bias = state["weight"], state["bias"]
        return best

    def refit_counts(self, train: CountData, choice: Mapping[str, float]) -> None:
        """Find the weights with the C that validation selected; standardise by the same samples.

        Parameters
        ----------
        train
            As in :meth:`fit_counts`.
        choice
            Selected settings, as returned by :meth:`fit_counts`.
        """
        x, *scaling = _standardise(train[0])
        self._fit(x, train[1], scaling, choice["C"])

    def _fit(
        self,
        x: NDArray[np.float32],
        labels: NDArray[np.int64],
        scaling: list[NDArray[np.float64]],
        C: float,
    ) -> None:
        """Minimise on standardised counts, and make the standardisation part of the weights."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                found = LogisticRegression(C=C, max_iter=self.config.iterations).fit(x, labels)
            except ConvergenceWarning:
                raise TrainingError(
                    f"model linear_bins: no minimum within {self.config.iterations} iterations at C={C:g}; "
                    "set smaller values of model.C or a larger model.iterations"
                ) from None
        W, b = found.coef_.astype(np.float64), found.intercept_.astype(np.float64)
        if len(found.classes_) == 2:  # scikit-learn has the difference of the two scores only
            W, b = np.concatenate([-W, W]) / 2, np.concatenate([-b, b]) / 2
        mean, deviation = scaling
        W /= deviation
        weight = np.zeros(self.weight.shape, np.float32)
        bias = np.full(self.bias.shape, _LOSES, np.float32)
        weight[found.classes_] = W
        bias[found.classes_] = b - W @ mean
        self.weight, self.bias = torch.from_numpy(weight), torch.from_numpy(bias)


def _standardise(
    counts: NDArray[np.int64 | np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Standardise every column in pieces, in place if float32; return also means and deviations.

    The deviation of a count that never changes is 1.
    """
    x = np.asarray(counts, np.float32)
    pieces = [slice(k, k + _PIECE) for k in range(0, len(x), _PIECE)]
    total, squares = np.zeros((2, x.shape[1]))
    for piece in pieces:  # sums of whole numbers, which are exact
        values = x[piece].astype(np.float64)
        total += values.sum(0)
        squares += np.square(values).sum(0)
    mean = total / len(x)
    deviation = np.sqrt(np.maximum(squares / len(x) - mean**2, 0))
    deviation[len(x) * squares == total**2] = 1
    for piece in pieces:
        x[piece] = (x[piece] - mean) / deviation
    return x, mean, deviation
