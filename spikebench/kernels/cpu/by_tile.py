"""Currents of events and their gradients on the way back, tile by tile.

The rows of one tile of the weights of all units, 32 numbers each, fit in the smallest cache, while whole rows do not,
and each event reads one of them. Arrays are in tiles, padded with zeros: weights (tile, unit, 32), currents and their
gradients (sample, tile, step, 32). The order of a sum does not depend on threads: events of a step in the order of
their list, those of a unit in the order of their steps, in four sums (:func:`spikebench.kernels.cpu.tiles.sum_rows`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Index, Ints, Offsets, compiled, inlined
from spikebench.kernels.cpu.feed_forward import add_moments
from spikebench.kernels.cpu.simd import fill, load, store, totals
from spikebench.kernels.cpu.spike_gradients import Bits, append_units
from spikebench.kernels.cpu.tiles import WIDTH, sum_rows

_NONE, _ONE, _TWO, _THREE = (np.uint64(number) for number in range(4))

_MANY = 4  # units whose products are computed side by side

Sums = NDArray[np.float64]


@compiled
def add_currents(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    weight: Floats,
    current: Floats,
    moments: Sums,
    first: int,
    last: int,
) -> None:
    """current[k, t] = Σ weight[unit] over the events at t of some samples; current need not be initialised.

    The currents and their squares are added to ``moments`` (2, tile, 32), unless it is empty.
    """
    n_tiles, n_units = np.uint64(weight.shape[0]), np.uint64(weight.shape[1])
    n_steps = current.shape[2]
    table, sums = weight.ravel(), current.ravel()
    starts = np.zeros(n_steps + 1, np.int64)
    for k in range(first, last):
        _find_steps(offsets, bins, k, starts)
        for tile in range(n_tiles):
            base = tile * n_units * WIDTH
            into = (np.uint64(k) * n_tiles + tile) * np.uint64(n_steps) * WIDTH
            for t in range(n_steps):
                found = sum_rows(table, base, units, starts[t], starts[t + 1])
                store(sums, into + np.uint64(t) * WIDTH, found)
            if moments.size > 0:
                add_moments(current[k], moments[0, tile], moments[1, tile], tile, tile + _ONE)


class Inputs(NamedTuple):
    """Gradients of the input spikes, those of the units near their threshold, whose bits are set in ``near``.

    They are ``spikes`` (sample, step, unit), 0 for the others, or, if that is empty, ``listed``, in order: those of
    sample k from ``places[k]`` on (:func:`spikebench.kernels.cpu.spike_gradients.gather_near`). ``weight`` is (unit,
    32·tiles).
    """

    weight: Floats
    near: Bits
    places: Offsets
    spikes: Floats
    listed: Floats


@compiled
def propagate_back(
    gradient: Floats,
    current: Floats,
    rows: Floats,
    of_batch: bool,
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    into: Floats,
    by_current: Floats,
    inputs: Inputs,
    first: int,
    last: int,
) -> None:
    """Turn gradients by γ·x̂ + β into those by x, and add those of the weights of some samples to ``into``.

    ``rows`` (tile, 5, 32): r, s, γ·r, and the means of g and of g·x̂. ``into`` (tile, unit, 32) may be empty, and so may
    the arrays of ``inputs``. Gradients by x of the last sample are in ``by_current`` (tile, step, 32), or those of its
    last tile, if it has only one.
    """
    n_tiles, n_steps = current.shape[1], current.shape[2]
    n_units = into.shape[1] if into.size > 0 else 0
    places, steps = np.zeros(n_units + 2, np.int64), np.zeros(1024, np.int32)
    active = np.zeros(inputs.weight.shape[0] + _MANY, np.int32)
    for k in range(first, last):
        if into.size > 0:
            size = offsets[k + 1] - offsets[k]
            if size > steps.size:
                steps = np.zeros(size, np.int32)
            _list_by_unit(offsets, bins, units, k, places, steps)
        for tile in range(n_tiles):
            out = by_current[tile if by_current.shape[0] > 1 else 0]
            begin = np.uint64((k * n_tiles + tile) * n_steps) * WIDTH
            _normalise_back(gradient.ravel(), current.ravel(), rows[tile], of_batch, begin, out)
            if into.size > 0:
                _add_weight_gradients(places, steps, out.ravel(), into[tile].ravel())
        if inputs.weight.size > 0:
            _propagate_to_near(by_current, inputs, k, active)


@inlined
def _propagate_to_near(gradient: Floats, inputs: Inputs, k: int, active: Ints) -> None:
    """Multiply the gradients (tile, step, 32) of sample k by weights; ``active`` has room for all units and more."""
    near, spikes, place = inputs.near, inputs.spikes, inputs.places[k]
    n_steps, n_tiles = gradient.shape[1], np.uint64(gradient.shape[0])
    size, width = np.uint64(n_steps) * WIDTH, n_tiles * WIDTH
    rows, weights = gradient.ravel(), inputs.weight.ravel()
    zero = fill(0, rows)
    for t in range(np.uint64(n_steps)):
        n_active = 0
        for tile in range(np.uint64(near.shape[2])):
            n_active = append_units(np.uint64(near[k, t, tile]), tile, active, n_active)
        # Four units at once; the first one is repeated if there are fewer in the end.
        active[n_active : n_active + _MANY] = active[0]
        if spikes.size > 0:
            spikes[k, t] = 0
        for e in range(0, n_active, _MANY):
            places = (
                np.uint64(active[e]) * width,
                np.uint64(active[e + 1]) * width,
                np.uint64(active[e + 2]) * width,
                np.uint64(active[e + 3]) * width,
            )
            a = b = c = d = zero
            for tile in range(n_tiles):
                h = tile * WIDTH
                g = load(rows, tile * size + t * WIDTH)
                a = a + g * load(weights, places[0] + h)
                b = b + g * load(weights, places[1] + h)
                c = c + g * load(weights, places[2] + h)
                d = d + g * load(weights, places[3] + h)
            sums = totals(a, b, c, d)
            for j in range(min(_MANY, n_active - e)):
                if spikes.size > 0:
                    spikes[k, t, active[e + j]] = sums[j]
                else:
                    inputs.listed[place + j] = sums[j]
            place += min(_MANY, n_active - e)


@inlined
def _find_steps(offsets: Offsets, bins: Ints, k: int, starts: Offsets) -> None:
    """Write where the events of every step of a sample begin, and where the last ones end."""
    t = 0
    for e in range(offsets[k], offsets[k + 1]):
        while t <= bins[e]:
            starts[t] = e
            t += 1
    while t < starts.size:
        starts[t] = offsets[k + 1]
        t += 1


@inlined
def _list_by_unit(
    offsets: Offsets, bins: Ints, units: Ints, k: int, places: Offsets, steps: Ints
) -> None:
    """List the steps of the events of a sample, unit after unit: those of unit u are places[u] … places[u + 1]."""
    places[:] = 0
    for e in range(offsets[k], offsets[k + 1]):
        places[units[e] + 2] += 1
    for u in range(2, places.size):
        places[u] += places[u - 1]
    for e in range(offsets[k], offsets[k + 1]):
        place = places[units[e] + 1]
        steps[place] = bins[e]
        places[units[e] + 1] = place + 1


@inlined
def _normalise_back(
    gradient: Floats, current: Floats, rows: Floats, of_batch: bool, begin: Index, out: Floats
) -> None:
    """Turn the gradients of a tile of a sample into those by x (step, 32)."""
    table, result = rows.ravel(), out.ravel()
    r, s = load(table, _NONE), load(table, WIDTH)
    scale, by_beta = load(table, _TWO * WIDTH), load(table, _THREE * WIDTH)
    by_gamma = load(table, (_TWO + _TWO) * WIDTH)
    for t in range(np.uint64(out.shape[0])):
        place = begin + t * WIDTH
        g = load(gradient, place)
        if of_batch:
            g = g - by_beta - (r * load(current, place) + s) * by_gamma
        store(result, t * WIDTH, scale * g)


@inlined
def _add_weight_gradients(places: Offsets, steps: Ints, gradient: Floats, into: Floats) -> None:
    """Add the gradients of a tile of the steps of its events to those of every unit."""
    for unit in range(np.uint64(places.size - 2)):
        begin, end = places[unit], places[unit + _ONE]
        if begin < end:
            at = unit * WIDTH
            store(into, at, load(into, at) + sum_rows(gradient, _NONE, steps, begin, end))
