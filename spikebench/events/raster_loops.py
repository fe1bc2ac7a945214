"""The compiled loops of :mod:`spikebench.events.raster`: plain arithmetic on arrays that were checked there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.compiled import compiled

EDGE_TOLERANCE = 0.5e-6  # s; see spikebench.events.raster


@compiled
def bin_of(time: float, time_step: float, n_steps: int) -> np.int32:
    """Return the bin of one time; ``n_steps`` if it is after the last bin."""
    return np.int32(min((np.float64(time) + EDGE_TOLERANCE) / time_step, np.float64(n_steps)))


@compiled
def fill(
    times: NDArray[Any],
    units: NDArray[Any],
    time_step: float,
    n_steps: int,
    raster: NDArray[Any],
    binary: bool,
) -> None:
    """Bin one sample into a raster of zeros."""
    # Two loops: the first is vectorised by the compiler.
    bins = np.empty(times.size, dtype=np.int32)
    for k in range(times.size):
        bins[k] = bin_of(times[k], time_step, n_steps)
    for k in range(times.size):
        if bins[k] < n_steps:
            if binary:
                raster[bins[k], units[k]] = 1
            else:
                raster[bins[k], units[k]] += 1


@compiled
def bin_many(
    offsets: NDArray[np.int64],
    times: NDArray[Any],
    units: NDArray[Any],
    chosen: NDArray[np.int64],
    time_step: float,
    n_steps: int,
    new_offsets: NDArray[np.int64],
    bins: NDArray[np.int32],
    new_units: NDArray[np.int32],
    lengths: NDArray[np.int64],
) -> int:
    """Bin the chosen samples; return 1 if a time is negative or not finite, else 0."""
    at, wrong = 0, 0
    for row in range(chosen.size):
        first, end = offsets[chosen[row]], offsets[chosen[row] + 1]
        size = end - first
        seconds, from_units = times[first:end], units[first:end]
        here, there = bins[at : at + size], new_units[at : at + size]
        # A plain loop, vectorised by the compiler; spikes are moved up only if some are after the last bin.
        last = -1
        for k in range(size):
            step = int(bin_of(seconds[k], time_step, n_steps))
            here[k], there[k] = step, from_units[k]
            last = max(last, step)
            wrong = max(wrong, 0 if 0 <= seconds[k] < np.inf else 1)
        lengths[row] = min(last + 1, n_steps)
        at += move_up(here, there, n_steps) if last == n_steps else size
        new_offsets[row + 1] = at
    return wrong


@compiled
def move_up(bins: NDArray[np.int32], units: NDArray[np.int32], n_steps: int) -> int:
    """Remove the spikes after the last bin, in place; return the number of the others."""
    kept = 0
    for k in range(bins.size):
        if bins[k] < n_steps:
            bins[kept], units[kept] = bins[k], units[k]
            kept += 1
    return kept


@compiled
def count_inside(
    offsets: NDArray[np.int64],
    times: NDArray[Any],
    chosen: NDArray[np.int64],
    time_step: float,
    n_steps: int,
    counts: NDArray[np.int64],
) -> None:
    """Count the spikes of each chosen sample before the end of the last bin."""
    for row in range(chosen.size):
        for k in range(offsets[chosen[row]], offsets[chosen[row] + 1]):
            if bin_of(times[k], time_step, n_steps) < n_steps:
                counts[row] += 1


@compiled
def count_units(
    offsets: NDArray[np.int64],
    times: NDArray[Any],
    units: NDArray[Any],
    chosen: NDArray[np.int64],
    time_step: float,
    n_steps: int,
    counts: NDArray[np.int64],
) -> None:
    """Count the spikes of each unit of the chosen samples before the end of the last bin."""
    for row in range(chosen.size):
        for k in range(offsets[chosen[row]], offsets[chosen[row] + 1]):
            if bin_of(times[k], time_step, n_steps) < n_steps:
                counts[row, units[k]] += 1


@compiled
def put_cells(
    offsets: NDArray[np.int64],
    bins: NDArray[np.int32],
    units: NDArray[np.int32],
    raster: NDArray[np.float32],
    binary: bool,
) -> None:
    """Write binned spikes into rasters of zeros."""
    for row in range(offsets.size - 1):
        for k in range(offsets[row], offsets[row + 1]):
            if binary:
                raster[row, bins[k], units[k]] = 1.0
            else:
                raster[row, bins[k], units[k]] += 1.0


@compiled
def clear_cells(
    offsets: NDArray[np.int64],
    bins: NDArray[np.int32],
    units: NDArray[np.int32],
    raster: NDArray[np.float32],
) -> None:
    """Set the cells of binned spikes to zero."""
    for row in range(offsets.size - 1):
        for k in range(offsets[row], offsets[row + 1]):
            raster[row, bins[k], units[k]] = 0.0
