"""Gradients of weights and of input spikes, unit by unit over some steps of a sample.

Some steps of gradients stay in the cache while the rows of weights of all units pass, each of them once. The events of
these steps are a mask per unit, with a bit for each step, and their numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Index, Ints, Offsets, compiled, inlined
from spikebench.kernels.cpu.simd import fill, load, lowest, store, totals
from spikebench.kernels.cpu.spike_gradients import Bits
from spikebench.kernels.cpu.tiles import WIDTH, load_units, store_units

_NONE, _ONE = np.uint64(0), np.uint64(1)
_STEPS = 64  # of a block
_NEAR_STEPS = 32
_SIDE = np.uint64(4)  # tiles side by side

Masks = NDArray[np.uint64]


@compiled
def add_weight_gradients(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    once: bool,
    gradient: Floats,
    into: Floats,
    first: int,
    last: int,
) -> None:
    """into[unit] += gradient[k, t] for the events of some samples; ``once`` if no cell has several."""
    n_steps, n = gradient.shape[1], np.uint64(into.shape[1])
    rows, sums = gradient.ravel(), into.ravel()
    masks = np.zeros(into.shape[0], np.uint64)
    times = np.zeros((1 if once else into.shape[0], _STEPS), np.int32)
    spare = np.zeros(WIDTH, gradient.dtype)
    for k in range(first, last):
        e, end = offsets[k], offsets[k + 1]
        for start in range(0, n_steps, _STEPS):
            later = start + _STEPS
            while e < end and bins[e] < later:
                t, unit = bins[e] - start, units[e]
                masks[unit] |= _ONE << np.uint64(t)
                if not once:
                    times[unit, t] += 1
                e += 1
            begin = np.uint64(k * n_steps + start) * n
            for unit in range(masks.size):
                if masks[unit] != _NONE:
                    _add_rows(
                        rows,
                        begin,
                        n,
                        masks[unit],
                        once,
                        times,
                        unit,
                        sums,
                        np.uint64(unit) * n,
                        spare,
                    )
                    masks[unit] = _NONE
                    if not once:
                        times[unit] = 0


@inlined
def _add_rows(
    rows: Floats,
    begin: Index,
    n: Index,
    mask: Index,
    once: bool,
    times: Ints,
    unit: int,
    sums: Floats,
    into: Index,
    spare: Floats,
) -> None:
    """Add the rows of the steps in a mask to one row of sums."""
    n_tiles = (n + WIDTH - _ONE) // WIDTH
    tile = _NONE
    while (tile + _SIDE) * WIDTH <= n:
        at, left = into + tile * WIDTH, mask
        a, b = load(sums, at), load(sums, at + WIDTH)
        c, d = load(sums, at + WIDTH + WIDTH), load(sums, at + WIDTH + WIDTH + WIDTH)
        while left != _NONE:
            t = lowest(left)
            left &= left - _ONE
            row = begin + t * n + tile * WIDTH
            if once:
                a, b = a + load(rows, row), b + load(rows, row + WIDTH)
                c = c + load(rows, row + WIDTH + WIDTH)
                d = d + load(rows, row + WIDTH + WIDTH + WIDTH)
            else:
                number = fill(times[unit, t], sums)
                a, b = a + number * load(rows, row), b + number * load(rows, row + WIDTH)
                c = c + number * load(rows, row + WIDTH + WIDTH)
                d = d + number * load(rows, row + WIDTH + WIDTH + WIDTH)
        store(sums, at, a)
        store(sums, at + WIDTH, b)
        store(sums, at + WIDTH + WIDTH, c)
        store(sums, at + WIDTH + WIDTH + WIDTH, d)
        tile += _SIDE
    while tile < n_tiles:
        left = mask
        a = load_units(sums, into, n, tile, spare)
        while left != _NONE:
            t = lowest(left)
            left &= left - _ONE
            number = fill(1, sums) if once else fill(times[unit, t], sums)
            a = a + number * load_units(rows, begin + t * n, n, tile, spare)
        store_units(sums, into, n, tile, a, spare)
        tile += _ONE


@compiled
def propagate_to_near(
    gradient: Floats, weight: Floats, out: Floats, near: Bits, first: int, last: int
) -> None:
    """out[k, t, u] = Σ weight[u]·gradient[k, t] for the units whose bits are set, 0 for the others."""
    n_units, n = weight.shape
    n_steps, size = gradient.shape[1], np.uint64(n)
    rows, weights = gradient.ravel(), weight.ravel()
    masks = np.zeros(near.shape[2] * int(WIDTH), np.uint64)
    spare = np.zeros(WIDTH, gradient.dtype)
    zero = fill(0, spare)
    has_rest = size % WIDTH != _NONE
    for k in range(first, last):
        for start in range(0, n_steps, _NEAR_STEPS):
            n_block = min(_NEAR_STEPS, n_steps - start)
            for step in range(n_block):
                out[k, start + step] = 0
                bit = _ONE << np.uint64(step)
                for tile in range(np.uint64(near.shape[2])):
                    found = np.uint64(near[k, start + step, tile])
                    while found != _NONE:
                        masks[tile * WIDTH + lowest(found)] |= bit
                        found &= found - _ONE
            begin = np.uint64(k * n_steps + start) * size
            for unit in range(n_units):
                left, at = masks[unit], np.uint64(unit) * size
                masks[unit] = _NONE
                while left != _NONE:
                    t, left = lowest(left), left & (left - _ONE)
                    # Four steps at once; the last one is repeated if there are fewer.
                    t1 = t2 = t3 = t
                    if left != _NONE:
                        t1 = t2 = t3 = lowest(left)
                        left &= left - _ONE
                    if left != _NONE:
                        t2 = t3 = lowest(left)
                        left &= left - _ONE
                    if left != _NONE:
                        t3 = lowest(left)
                        left &= left - _ONE
                    places = (
                        begin + t * size,
                        begin + t1 * size,
                        begin + t2 * size,
                        begin + t3 * size,
                    )
                    a = b = c = d = zero
                    for tile in range(size // WIDTH):
                        h = tile * WIDTH
                        w = load(weights, at + h)
                        a = a + w * load(rows, places[0] + h)
                        b = b + w * load(rows, places[1] + h)
                        c = c + w * load(rows, places[2] + h)
                        d = d + w * load(rows, places[3] + h)
                    if has_rest:
                        last_tile = size // WIDTH
                        w = load_units(weights, at, size, last_tile, spare)
                        a = a + w * load_units(rows, places[0], size, last_tile, spare)
                        b = b + w * load_units(rows, places[1], size, last_tile, spare)
                        c = c + w * load_units(rows, places[2], size, last_tile, spare)
                        d = d + w * load_units(rows, places[3], size, last_tile, spare)
                    sums = totals(a, b, c, d)
                    out[k, start + int(t), unit] = sums[0]
                    out[k, start + int(t1), unit] = sums[1]
                    out[k, start + int(t2), unit] = sums[2]
                    out[k, start + int(t3), unit] = sums[3]
