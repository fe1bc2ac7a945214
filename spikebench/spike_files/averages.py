"""Mean number of spikes of every class by unit and time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.spike_files.reader import SpikeFile

__all__ = ["class_averages"]


def class_averages(
    spikes: SpikeFile, n_bins: int, duration: float, group_units: int = 1
) -> NDArray[np.float64]:
    """Average the spikes of every class.

    Parameters
    ----------
    spikes
        The file.
    n_bins, duration
        Number of time bins and their total length [s], from the start of the samples; later spikes are left out.
    group_units
        Number of neighbouring units that share a row; the last row may have fewer.

    Returns
    -------
    ndarray of float64, shape (class, row, bin)
        Spikes per sample and bin, summed over the units of a row; NaN for a class without samples.

    Raises
    ------
    SpikeFileError
        If the file is damaged.
    """
    n_classes, n_rows = len(spikes.keys), -(-spikes.n_units // group_units)
    labels, counts = spikes.labels, spikes.spike_counts
    size = n_classes * n_rows * n_bins
    sums = np.zeros(size)
    for first, last, times, units in spikes.blocks():
        label = np.repeat(labels[first:last], counts[first:last])
        inside = (times < duration) & (label >= 0)
        # A time just below the duration must not be rounded up to a bin of its own.
        bins = np.minimum((times[inside] * (n_bins / duration)).astype(np.int64), n_bins - 1)
        rows = units[inside].astype(np.int64) // group_units
        sums += np.bincount((label[inside] * n_rows + rows) * n_bins + bins, minlength=size)
    samples = np.bincount(labels[labels >= 0], minlength=n_classes).astype(np.float64)
    samples[samples == 0] = np.nan
    return sums.reshape(n_classes, n_rows, n_bins) / samples[:, None, None]
