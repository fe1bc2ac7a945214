"""The only place where time becomes bins.

Bins are half-open and start at t = 0, the start of the clip, never at the first spike: bin k holds
``k·dt ≤ t < (k+1)·dt``. Times stored as float32 lie up to 6e-8 of their value beside the grid of the
conversion (1/24000 s), so a spike on an edge could fall below it; 1 µs is added before the division, far
less than the grid's 42 µs. Spikes at or after ``n_steps·dt`` are left out; :func:`time_bins` marks them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGE_TOLERANCE = 1e-6  # s
Mode = Literal["counts", "binary"]


def time_bins(times: ArrayLike, time_step: float, n_steps: int) -> NDArray[np.int64]:
    """Find the bin of each spike.

    Parameters
    ----------
    times
        Spike times [s], any float dtype, shape (spikes,), finite and not negative.
    time_step
        Width of a bin [s].
    n_steps
        Number of bins.

    Returns
    -------
    ndarray of int64, shape (spikes,)
        Bin index, 0 … n_steps - 1, or n_steps for a spike after the last bin.

    Raises
    ------
    ValueError
        If a time is negative or not finite, or the bins are not positive.
    """
    if not time_step > 0 or n_steps < 1:
        raise ValueError(f"bins need time_step > 0 and n_steps ≥ 1, got {time_step}, {n_steps}")
    # float64 first: float16 seconds overflow or lose their place in any arithmetic.
    seconds = np.asarray(times).astype(np.float64)
    if seconds.size and not (np.isfinite(seconds).all() and seconds.min() >= 0):
        raise ValueError("spike times must be finite and not negative")
    return np.minimum((seconds + EDGE_TOLERANCE) / time_step, n_steps).astype(np.int64)


def bin_spikes(
    times: ArrayLike,
    units: ArrayLike,
    time_step: float,
    n_steps: int,
    n_units: int,
    mode: Mode = "counts",
) -> NDArray[np.int64]:
    """Bin one sample into a raster.

    Parameters
    ----------
    times
        Spike times [s], shape (spikes,).
    units
        Unit of each spike, integer, shape (spikes,), in 0 … n_units - 1.
    time_step
        Width of a bin [s].
    n_steps, n_units
        Shape of the raster.
    mode
        ``counts`` keeps how many spikes fell into a cell, ``binary`` whether any did.

    Returns
    -------
    ndarray of int64, shape (n_steps, n_units)
        The raster.

    Raises
    ------
    ValueError
        If a unit is out of range, a time is negative or not finite, or lengths differ.
    """
    unit = np.asarray(units).astype(np.int64)
    bins = time_bins(times, time_step, n_steps)
    if unit.shape != bins.shape:
        raise ValueError(f"{bins.size} times and {unit.size} units")
    if unit.size and (unit.min() < 0 or unit.max() >= n_units):
        raise ValueError(f"a unit lies outside 0 … {n_units - 1}")
    inside = bins < n_steps
    flat = bins[inside] * n_units + unit[inside]
    counts: NDArray[np.int64] = np.bincount(flat, minlength=n_steps * n_units).reshape(
        n_steps, n_units
    )
    if mode == "binary":
        np.minimum(counts, 1, out=counts)
    return counts


def spike_counts(units: ArrayLike, n_units: int) -> NDArray[np.int64]:
    """Count the spikes of each unit of one sample.

    Parameters
    ----------
    units
        Unit of each spike, integer, shape (spikes,).
    n_units
        Number of units.

    Returns
    -------
    ndarray of int64, shape (n_units,)
        Counts.

    Raises
    ------
    ValueError
        If a unit is out of range.
    """
    raster = bin_spikes(np.zeros(np.size(units)), units, 1.0, 1, n_units)
    return raster.reshape(n_units)
