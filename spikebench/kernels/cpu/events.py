"""The loops over events: checks, currents, gradients of weights.

Every function on a batch processes some samples (``first`` … ``last``) and writes no memory of the others, so threads
can share a batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Ints, Offsets, compiled
from spikebench.kernels.cpu.vectors import spread_row, sum_rows_at


class Events(NamedTuple):
    """Events of a batch: sample k has offsets[k] … offsets[k + 1], sorted by bin."""

    offsets: Offsets
    bins: Ints
    units: Ints


@compiled
def check_events(
    offsets: Offsets, bins: Ints, units: Ints, n_steps: int, n_units: int, first: int, last: int
) -> int:
    """Find events that would access memory out of bounds: 2 a bin, 3 a unit, 4 not sorted; 0 if valid.

    The offsets were checked before.
    """
    for k in range(first, last):
        before = 0
        for e in range(offsets[k], offsets[k + 1]):
            if bins[e] < 0 or bins[e] >= n_steps:
                return 2
            if units[e] < 0 or units[e] >= n_units:
                return 3
            if bins[e] < before:
                return 4
            before = bins[e]
    return 0


@compiled
def first_in_cell(
    offsets: Offsets, bins: Ints, units: Ints, n_units: int, chosen: NDArray[np.bool_]
) -> int:
    """Mark the first event of every cell and return their number. Bins are sorted within a sample."""
    stamp = np.full(n_units, -1, dtype=np.int64)
    found = 0
    for k in range(offsets.size - 1):
        stamp[:] = -1
        for e in range(offsets[k], offsets[k + 1]):
            chosen[e] = stamp[units[e]] != bins[e]
            stamp[units[e]] = bins[e]
            found += chosen[e]
    return found


@compiled
def add_currents(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    weight: Floats,
    current: Floats,
    first: int,
    last: int,
) -> None:
    """current[k, t + s] = Σ weight[s, unit] over the events at t; current need not be initialised."""
    n_taps = weight.shape[0]
    n_units, n = weight.shape[1], weight.shape[2]
    n_steps = current.shape[1]
    table, sums = weight.ravel(), current.ravel()
    for k in range(first, last):
        current[k] = 0
        for s in range(n_taps):
            e, end = offsets[k], offsets[k + 1]
            while e < end and bins[e] + s < n_steps:
                t, begin = bins[e], e
                while e < end and bins[e] == t:
                    e += 1
                at = (k * n_steps + t + s) * n
                sum_rows_at(table, s * n_units * n, units, begin, e, sums, at, n)


@compiled
def add_weight_gradients(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    gradient: Floats,
    shift: int,
    into: Floats,
    first: int,
    last: int,
) -> None:
    """into[s, unit] += gradient[k, t + shift + s] over the events at t."""
    n_taps = into.shape[0]
    n_steps = gradient.shape[1]
    for k in range(first, last):
        for s in range(n_taps):
            table = into[s]
            e, end = offsets[k], offsets[k + 1]
            while e < end and bins[e] + shift + s < n_steps:
                t, begin = bins[e], e
                while e < end and bins[e] == t:
                    e += 1
                spread_row(table, units, begin, e, gradient[k, t + shift + s])


@compiled
def add_sorted_gradients(
    events: Events,
    first: int,
    cursors: Offsets,
    begin: int,
    end: int,
    shift: int,
    lam: Floats,
    order: Ints,
    places: Offsets,
    into: Floats,
) -> None:
    """into[s, unit] += λ[t] for the events that arrive at begin ≤ t < end; those of tap s come from t − shift − s.

    λ of sample first + k at t is row k·steps + t − begin of ``lam``, steps = lam.shape[0] // samples. Events are sorted
    by their units first, so that every row of ``into`` is read and written once and λ is only read. Blocks of steps are
    processed from the last to the first; cursors (sample, tap) point behind the events that are not yet processed.
    """
    offsets, bins, units = events
    n_samples, n_taps = cursors.shape
    n_rows = lam.shape[0] // n_samples
    n_units, n = into.shape[1], into.shape[2]
    rows, sums = lam.ravel(), into.ravel()
    for s in range(n_taps):
        later = shift + s
        places[:] = 0
        for k in range(n_samples):
            e, start = cursors[k, s], offsets[first + k]
            while e > start and bins[e - 1] + later >= end:
                e -= 1
            cursors[k, s] = e
            while e > start and bins[e - 1] + later >= begin:
                e -= 1
                places[units[e] + 1] += 1
        for u in range(n_units):
            places[u + 1] += places[u]
        for k in range(n_samples):
            e, start = cursors[k, s], offsets[first + k]
            row = k * n_rows + later - begin
            while e > start and bins[e - 1] + later >= begin:
                e -= 1
                order[places[units[e]]] = row + bins[e]
                places[units[e]] += 1
            cursors[k, s] = e
        done = 0
        for u in range(n_units):
            if places[u] > done:
                sum_rows_at(rows, 0, order, done, places[u], sums, (s * n_units + u) * n, n)
                done = places[u]
