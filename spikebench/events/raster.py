"""Conversion of spike times into time bins; no other module does it.

Bins are half-open and start at t = 0, the start of the clip, never at the first spike: bin k holds
``k·dt ≤ t < (k+1)·dt``. Times stored as float32 deviate by up to 6e-8 of their value from the grid of the
conversion (1/24000 s), so a spike on an edge could fall below it. Therefore 0.5 µs is added before the division. This
is more than the rounding of float32 below 8 s, far less than the grid's 42 µs, and less than the steps of files that
count microseconds. (After 8 s, a spike exactly on an edge can fall to either side, because float32 itself is coarser
there. Cut long recordings with ``convert --segment``.)
Spikes at or after ``n_steps·dt`` are left out; :func:`time_bins` marks them.

:func:`time_bins` defines the rule. The compiled loops of :mod:`spikebench.events.raster_loops` repeat it, one spike at
a time, and tests check that they agree bit by bit. The arguments are checked here, before the loops.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from spikebench.events import raster_loops
from spikebench.events.raster_loops import EDGE_TOLERANCE

__all__ = [
    "EDGE_TOLERANCE",
    "Binned",
    "Mode",
    "bin_many",
    "bin_spikes",
    "check_mode",
    "clear_cells",
    "count_inside",
    "count_units",
    "put_cells",
    "spike_counts",
    "time_bins",
]

MAX_STEPS = 2**31 - 1
# "audio" is the mode of batches without spikes (spikebench.mel), which are refused here.
Mode = Literal["counts", "binary", "audio"]


class Binned(NamedTuple):
    """Binned spikes of several samples in flat arrays.

    Attributes
    ----------
    offsets : ndarray of int64, shape (samples + 1,)
        Sample k has the spikes offsets[k] … offsets[k + 1].
    bins, units : ndarray of int32, shape (spikes,)
        Time bin and unit of each spike.
    lengths : ndarray of int64, shape (samples,)
        Number of bins up to and including the last with a spike; ``n_steps`` if a later spike was left out; 0 for a
        sample without a spike.
    """

    offsets: NDArray[np.int64]
    bins: NDArray[np.int32]
    units: NDArray[np.int32]
    lengths: NDArray[np.int64]


def time_bins(times: ArrayLike, time_step: float, n_steps: int) -> NDArray[np.int64]:
    """Return the bin of each spike.

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
    _check_bins(time_step, n_steps)
    # Converted to float64 first: arithmetic in float16 overflows or loses precision.
    seconds = _seconds(times).astype(np.float64)
    return np.minimum((seconds + EDGE_TOLERANCE) / time_step, n_steps).astype(np.int64)


def bin_spikes(
    times: ArrayLike,
    units: ArrayLike,
    time_step: float,
    n_steps: int,
    n_units: int,
    mode: Mode = "counts",
    dtype: DTypeLike | None = None,
) -> NDArray[Any]:
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
        ``counts`` stores the number of spikes in each cell, ``binary`` whether there are any.
    dtype
        Integer dtype of the raster. Clearing its memory takes most of the time, so a narrow dtype is faster; by default
        int16 for up to 32,767 spikes, int32 for more.

    Returns
    -------
    ndarray of ``dtype``, shape (n_steps, n_units)
        The raster.

    Raises
    ------
    ValueError
        If a unit is out of range or not an integer, a time is negative or not finite, lengths differ, the
        mode is unknown, or a cell could get more spikes than the dtype can count.
    """
    _check_bins(time_step, n_steps)
    _check_steps(n_steps)
    check_mode(mode)
    seconds, unit = _seconds(times), np.asarray(units)
    if unit.shape != seconds.shape:
        raise ValueError(f"{seconds.size} times and {unit.size} units")
    if unit.size and unit.dtype.kind not in "iu":
        raise ValueError(f"units must be integers, not {unit.dtype}")
    if unit.size and (unit.min() < 0 or unit.max() >= n_units):
        raise ValueError(f"a unit lies outside 0 … {n_units - 1}")
    if dtype is None:
        dtype = np.int16 if seconds.size <= np.iinfo(np.int16).max else np.int32
    if mode == "counts" and seconds.size > np.iinfo(dtype).max:
        raise ValueError(f"{seconds.size} spikes in one cell would exceed {np.dtype(dtype)}")
    raster = np.zeros((n_steps, n_units), dtype=dtype)
    if unit.size:
        raster_loops.fill(seconds, unit, time_step, n_steps, raster, mode == "binary")
    return raster


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
    raster = bin_spikes(np.zeros(np.size(units)), units, 1.0, 1, n_units, dtype=np.int64)
    return raster.reshape(n_units)


def bin_many(
    offsets: NDArray[np.int64],
    times: NDArray[np.floating[Any]],
    units: NDArray[np.integer[Any]],
    chosen: NDArray[np.int64],
    time_step: float,
    n_steps: int,
    group_units: int = 1,
) -> Binned:
    """Bin several samples, without a raster.

    The arrays are those of :class:`spikebench.events.cache.FlatEvents`, which were checked when it was made. Here only
    cheap checks are made, which prevent reads outside the arrays.

    Parameters
    ----------
    offsets
        int64, shape (samples + 1,): sample k has the spikes offsets[k] … offsets[k + 1].
    times
        Spike times [s], float32 or float64, finite and not negative.
    units
        Unit of each spike, integer.
    chosen
        Positions of the samples, in the desired order; int64, shape (batch,).
    time_step
        Width of a bin [s].
    n_steps
        Number of bins; later spikes are left out.
    group_units
        Number of neighbouring units that become one: unit u becomes ⌊u/group_units⌋.

    Returns
    -------
    Binned
        Binned spikes of the chosen samples.

    Raises
    ------
    ValueError
        If the bins are not positive, a time of a chosen sample is negative or not finite, or the offsets do not match
        the arrays.
    IndexError
        If there is no such sample.
    """
    size = _check_flat(offsets, times, units, chosen, time_step, n_steps)
    new_offsets = np.zeros(chosen.size + 1, dtype=np.int64)
    lengths = np.zeros(chosen.size, dtype=np.int64)
    bins, new_units = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.int32)
    wrong = raster_loops.bin_many(
        offsets,
        times,
        units,
        chosen,
        time_step,
        n_steps,
        new_offsets,
        bins,
        new_units,
        lengths,
    )
    if wrong:
        raise ValueError("spike times must be finite and not negative")
    kept = int(new_offsets[-1])
    grouped = new_units[:kept] // np.int32(group_units) if group_units > 1 else new_units[:kept]
    return Binned(new_offsets, bins[:kept], grouped, lengths)


def count_inside(
    offsets: NDArray[np.int64],
    times: NDArray[np.floating[Any]],
    chosen: NDArray[np.int64],
    time_step: float,
    n_steps: int,
) -> NDArray[np.int64]:
    """Count the spikes of each sample before the end of the last bin.

    Like :func:`bin_many`, it takes the arrays of a :class:`spikebench.events.cache.FlatEvents`, whose times are valid.

    Parameters
    ----------
    offsets, times, chosen, time_step, n_steps
        As in :func:`bin_many`.

    Returns
    -------
    ndarray of int64, shape (batch,)
        Spikes per chosen sample.

    Raises
    ------
    ValueError, IndexError
        If the bins are not positive, there is no such sample, or the offsets do not match the arrays.
    """
    _check_flat(offsets, times, times, chosen, time_step, n_steps)
    counts = np.zeros(chosen.size, dtype=np.int64)
    raster_loops.count_inside(offsets, times, chosen, time_step, n_steps, counts)
    return counts


def count_units(
    offsets: NDArray[np.int64],
    times: NDArray[np.floating[Any]],
    units: NDArray[np.integer[Any]],
    chosen: NDArray[np.int64],
    time_step: float,
    n_steps: int,
    n_units: int,
) -> NDArray[np.int64]:
    """Count the spikes of each unit before the end of the last bin.

    Parameters
    ----------
    offsets, times, units, chosen, time_step, n_steps
        As in :func:`bin_many`.
    n_units
        Number of units.

    Returns
    -------
    ndarray of int64, shape (batch, n_units)
        Counts.

    Raises
    ------
    ValueError, IndexError
        As :func:`count_inside`, or if a unit is out of range.
    """
    _check_flat(offsets, times, units, chosen, time_step, n_steps)
    if units.size and not 0 <= units.min() <= units.max() < n_units:
        raise ValueError(f"a unit lies outside 0 … {n_units - 1}")
    counts = np.zeros((chosen.size, n_units), dtype=np.int64)
    raster_loops.count_units(offsets, times, units, chosen, time_step, n_steps, counts)
    return counts


def put_cells(binned: Binned, raster: NDArray[np.float32], mode: Mode) -> None:
    """Write binned spikes into rasters of zeros.

    Parameters
    ----------
    binned
        Spikes of several samples.
    raster
        float32, shape (samples, n_steps, n_units); changed in place.
    mode
        ``counts`` or ``binary``.

    Raises
    ------
    ValueError
        If a spike is outside the rasters, or the mode is unknown.
    """
    check_mode(mode)
    _check_cells(binned, raster)
    raster_loops.put_cells(binned.offsets, binned.bins, binned.units, raster, mode == "binary")


def clear_cells(binned: Binned, raster: NDArray[np.float32]) -> None:
    """Undo :func:`put_cells`: set the cells of the spikes to zero.

    Parameters
    ----------
    binned, raster
        As for :func:`put_cells`.

    Raises
    ------
    ValueError
        If a spike is outside the rasters.
    """
    _check_cells(binned, raster)
    raster_loops.clear_cells(binned.offsets, binned.bins, binned.units, raster)


def _check_cells(binned: Binned, raster: NDArray[np.float32]) -> None:
    offsets, n = binned.offsets, binned.bins.size
    # Unsigned differences would wrap around.
    fits = (
        offsets.dtype == np.int64
        and (offsets.size - 1, binned.units.size) == (raster.shape[0], n)
        and offsets[-1] == n
    )
    if not fits or offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise ValueError("the offsets do not fit the spikes or the rasters")
    for what, values, size in (("bin", binned.bins, 1), ("unit", binned.units, 2)):
        if n and not 0 <= values.min() <= values.max() < raster.shape[size]:
            raise ValueError(f"a {what} lies outside 0 … {raster.shape[size] - 1}")


def _check_flat(
    offsets: NDArray[np.int64],
    times: NDArray[Any],
    units: NDArray[Any],
    chosen: NDArray[np.int64],
    time_step: float,
    n_steps: int,
) -> int:
    """Check that the chosen samples are inside the arrays; return the number of their spikes."""
    _check_bins(time_step, n_steps)
    _check_steps(n_steps)
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < offsets.size - 1:
        raise IndexError(f"a sample lies outside 0 … {offsets.size - 2}")
    if offsets.dtype != np.int64 or {times.ndim, units.ndim, offsets.ndim} != {1}:
        raise ValueError("offsets must be int64, and all arrays one-dimensional")
    first, end = offsets[chosen], offsets[chosen + 1]
    if times.size != units.size or np.any((first < 0) | (end < first) | (end > times.size)):
        raise ValueError("the offsets do not fit the times and units")
    return int((end - first).sum())


def _check_bins(time_step: float, n_steps: int) -> None:
    if not 0 < time_step < np.inf or n_steps < 1:
        raise ValueError(f"bins need time_step > 0 and n_steps ≥ 1, got {time_step}, {n_steps}")


def _check_steps(n_steps: int) -> None:
    if n_steps > MAX_STEPS:
        raise ValueError(f"{n_steps} bins exceed the limit of {MAX_STEPS}; use a wider time_step")


def check_mode(mode: str) -> None:
    """Raise if a mode is unknown.

    Parameters
    ----------
    mode
        ``counts`` or ``binary``.

    Raises
    ------
    ValueError
        If it is neither of these.
    """
    if mode not in ("counts", "binary"):
        raise ValueError(f"mode must be counts or binary, got {mode!r}")


def _seconds(times: ArrayLike) -> NDArray[Any]:
    """Check times, and convert float16 to float64, which is exact, for arithmetic."""
    seconds = np.asarray(times)
    if seconds.dtype not in (np.float32, np.float64):
        seconds = seconds.astype(np.float64)
    # Minimum and maximum are NaN if any time is, and every comparison with NaN is false.
    if seconds.size and not (seconds.min() >= 0 and seconds.max() < np.inf):
        raise ValueError("spike times must be finite and not negative")
    return seconds
