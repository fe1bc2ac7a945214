"""Samples without their labels, for methods that must not read any."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from spikebench.events.batches import BinnedSamples, EventBatch

__all__ = ["UnlabelledSamples"]


class UnlabelledSamples:
    """Batches of samples in which every label is −1, unknown.

    Parameters
    ----------
    samples
        Samples with their time bins; their labels are not read.
    """

    def __init__(self, samples: BinnedSamples) -> None:
        self._samples = copy.copy(samples)
        self._samples.labels = np.full(len(samples.samples), -1, np.int64)

    def __len__(self) -> int:
        return self._samples.labels.size

    def batch(self, chosen: NDArray[np.int64]) -> EventBatch:
        """Collate some samples.

        Parameters
        ----------
        chosen
            Positions among the samples, int64, shape (batch,).

        Returns
        -------
        EventBatch
            Their events, with labels of −1.
        """
        return self._samples.batch(chosen)
