"""Average accuracy, forgetting and backward transfer of a matrix of accuracies.

Definitions
-----------
R(i, j) is the accuracy on task j after training on task i, i and j in 1 … N.

average accuracy
    Mean over j of R(N, j): all tasks after the last (Lopez-Paz, Ranzato 2017, arXiv:1706.08840).
learned accuracy
    Mean over j of R(j, j): every task directly after its own training.
forgetting
    Mean over j < N of max over i in j … N − 1 of R(i, j), minus R(N, j) (Chaudhry et al. 2018, arXiv:1801.10112).
backward transfer
    Mean over j < N of R(N, j) − R(j, j) (arXiv:1706.08840); negative: later tasks lower the accuracy of earlier ones.
interval
    95 % Student t interval over seeds (:func:`spikebench.metrics.classification.seed_interval`); none for one seed, or
    if all seeds have the same value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.metrics.classification import seed_interval

__all__ = ["average_accuracy", "backward_transfer", "forgetting", "interval", "learned_accuracy"]


def average_accuracy(matrix: NDArray[np.float64]) -> float:
    """Compute the average accuracy after the last task.

    Parameters
    ----------
    matrix
        R, float64, shape (trainings, tasks); joint training has one row.

    Returns
    -------
    float
        In 0 … 1.
    """
    return float(matrix[-1].mean())


def learned_accuracy(matrix: NDArray[np.float64]) -> float:
    """Compute the mean accuracy on every task directly after its training.

    Parameters
    ----------
    matrix
        R, float64, shape (tasks, tasks).

    Returns
    -------
    float
        In 0 … 1.
    """
    return float(np.diag(matrix).mean())


def forgetting(matrix: NDArray[np.float64]) -> float:
    """Compute the mean fall from the best accuracy on each earlier task.

    Parameters
    ----------
    matrix
        R, float64, shape (tasks, tasks), at least two tasks.

    Returns
    -------
    float
        In −1 … 1.
    """
    n = len(matrix)
    best = [matrix[j : n - 1, j].max() for j in range(n - 1)]
    return float(np.mean(np.array(best) - matrix[-1, :-1]))


def backward_transfer(matrix: NDArray[np.float64]) -> float:
    """Compute the mean change of the accuracy on each earlier task since its own training.

    Parameters
    ----------
    matrix
        R, float64, shape (tasks, tasks), at least two tasks.

    Returns
    -------
    float
        In −1 … 1.
    """
    return float(np.mean(matrix[-1, :-1] - np.diag(matrix)[:-1]))


def interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Compute the 95 % t interval of a mean over seeds.

    Parameters
    ----------
    values
        One value per seed in −1 … 1, float64, shape (seeds,).

    Returns
    -------
    (float, float) or None
        Clipped to −1 … 1; None without spread.
    """
    if values.size < 2 or np.all(values == values[0]):
        return None
    low, high, _ = seed_interval((values + 1) / 2)  # which clips to 0 … 1
    return 2 * low - 1, 2 * high - 1
