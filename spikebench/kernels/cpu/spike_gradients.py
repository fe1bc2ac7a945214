"""Gradients of spikes for units near their threshold only: those of the others are multiplied by 0.

A surrogate with compact support (triangle, boxcar) is 0 farther than 1/slope from the threshold. In a network of
C-SiLIF neurons, 19 to 25 % of all cells are nearer (``shd-r``, boxcar of slope 2, first steps of training).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import (
    Floats,
    Index,
    Ints,
    Number,
    Offsets,
    compiled,
    compiled_in_any_order,
    inlined,
)
from spikebench.kernels.cpu.simd import (
    Vector,
    fill,
    lanes,
    load,
    n_set,
    read_chosen,
    total,
    write_chosen,
)
from spikebench.kernels.cpu.tiles import WIDTH, load_units, store_units

# Shares of units near their threshold up to which products are computed unit by unit: of a step, and of all steps,
# whose products are larger and faster.
SPARSE, SPARSE_STEPS = 1 / 3, 1 / 4
_NONE, _ONE = np.uint64(0), np.uint64(1)
Bits = NDArray[np.uint32]


def places_of(near: Bits) -> Offsets:
    """Return where the units of every sample begin in a list of those near their threshold, and where it ends."""
    places = np.zeros(len(near) + 1, np.int64)
    _count(near, places)
    return places


@compiled
def _count(near: Bits, places: Offsets) -> None:
    masks, found = near.ravel(), np.uint64(0)
    size = masks.size // max(places.size - 1, 1)
    for k in range(places.size - 1):
        for h in range(k * size, (k + 1) * size):
            found += n_set(np.uint64(masks[h]))
        places[k + 1] = found


@compiled
def propagate_to_near(
    gradient: Floats, weight: Floats, out: Floats, near: Bits, first: int, last: int
) -> None:
    """out[k, t, u] = Σ weight[s, u]·gradient[k, t + s] for the units whose bits are set, 0 for the others."""
    n_taps, n_units, _ = weight.shape
    n_steps = gradient.shape[1]
    active = np.empty(n_units, np.int32)
    for k in range(first, last):
        for t in range(n_steps):
            n_active = 0
            for tile in range(np.uint64(near.shape[2])):
                mask = np.uint64(near[k, t, tile])
                n_active = append_units(mask, tile, active, n_active)
            row = out[k, t]
            row[:] = 0
            for s in range(min(n_taps, n_steps - t)):
                add_products(weight[s], active, n_active, gradient[k, t + s], row)


@compiled
def list_gradients_near(
    gradient: Floats,
    weight: Floats,
    near: Bits,
    places: Offsets,
    out: Floats,
    first: int,
    last: int,
) -> None:
    """Do the same as :func:`propagate_to_near`, but list the results of the units near their threshold, in order.

    Those of sample k begin at ``places[k]``.
    """
    n_taps, n_units, _ = weight.shape
    n_steps = gradient.shape[1]
    active, row = np.empty(n_units, np.int32), np.zeros(n_units, out.dtype)
    for k in range(first, last):
        place = places[k]
        for t in range(n_steps):
            n_active = 0
            for tile in range(np.uint64(near.shape[2])):
                mask = np.uint64(near[k, t, tile])
                n_active = append_units(mask, tile, active, n_active)
            for e in range(n_active):
                row[active[e]] = 0
            for s in range(min(n_taps, n_steps - t)):
                add_products(weight[s], active, n_active, gradient[k, t + s], row)
            for e in range(n_active):
                out[place] = row[active[e]]
                place += 1


@compiled
def gather_near(
    values: Floats, near: Bits, places: Offsets, out: Floats, first: int, last: int
) -> None:
    """List the values (sample, step, unit) of the units near their threshold, in order; one step stands for all."""
    n_steps, n, n_rows = near.shape[1], np.uint64(values.shape[2]), values.shape[1]
    rows, masks, n_tiles = values.ravel(), near.ravel(), np.uint64(near.shape[2])
    spare = np.zeros(WIDTH, values.dtype)
    for k in range(first, last):
        place = np.uint64(places[k])
        for t in range(n_steps):
            at = np.uint64(k * n_rows + (t if n_rows > 1 else 0)) * n
            for tile in range(n_tiles):
                mask = np.uint64(masks[np.uint64(k * n_steps + t) * n_tiles + tile])
                found = load_units(rows, at, n, tile, spare)
                place += write_chosen(out, place, found, mask)


@compiled
def scatter_near(
    listed: Floats, near: Bits, places: Offsets, values: Floats, first: int, last: int
) -> None:
    """Add what :func:`gather_near` lists to the values (sample, step, unit)."""
    n_steps, n, n_tiles = near.shape[1], np.uint64(values.shape[2]), np.uint64(near.shape[2])
    rows, masks, spare = values.ravel(), near.ravel(), np.zeros(WIDTH, values.dtype)
    for k in range(first, last):
        place = np.uint64(places[k])
        for step in range(np.uint64(k * n_steps), np.uint64((k + 1) * n_steps)):
            for tile in range(n_tiles):
                mask = np.uint64(masks[step * n_tiles + tile])
                found = load_units(rows, step * n, n, tile, spare)
                found = found + read_chosen(listed, place, mask)
                store_units(rows, step * n, n, tile, found, spare)
                place += n_set(mask)


class Listed(NamedTuple):
    """Numbers of a tile of a sample in a list of those near their threshold.

    Those of step t are at ``places[column + t·n_tiles]``, for the units in ``masks[begin + t·n_tiles]``.
    """

    numbers: Floats
    places: NDArray[np.uint64]
    masks: NDArray[np.uint32]
    begin: Index
    column: Index
    n_tiles: Index


@compiled
def find_places(near: Bits, k: int, place: int, places: NDArray[np.uint64]) -> None:
    """Write where the units of sample k at every step and tile are in a list, from ``place`` on."""
    n, masks, found = np.uint64(places.size), near.ravel(), np.uint64(place)
    for h in range(n):
        places[h] = found
        found += n_set(np.uint64(masks[np.uint64(k) * n + h]))


@inlined
def load_listed(listed: Listed, t: Index) -> Vector:
    """Read the numbers of a step; 0 for the other units."""
    h = t * listed.n_tiles
    mask = np.uint64(listed.masks[listed.begin + h])
    return read_chosen(listed.numbers, listed.places[listed.column + h], mask)


@inlined
def append_units(mask: Index, tile: Index, found: Ints, n_found: Index) -> Index:
    """Append the units of a tile whose bits are set to those found before; return the new number."""
    units = lanes(found) + fill(tile * WIDTH, found)
    return n_found + np.int64(write_chosen(found, np.uint64(n_found), units, mask))


@inlined
def product(table: Floats, begin: Index, row: Floats, at: Index, n: Index) -> Number:
    """Σ table[begin + h]·row[at + h] over h < n, a whole number of tiles."""
    sums = load(table, begin) * load(row, at)
    for tile in range(_ONE, n // WIDTH):
        sums = sums + load(table, begin + tile * WIDTH) * load(row, at + tile * WIDTH)
    return total(sums)


@compiled_in_any_order
def add_products(table: Floats, which: Ints, n_which: int, row: Floats, total: Floats) -> None:
    """total[u] += Σ table[u, h]·row[h] for some rows u of the table."""
    for e in range(n_which):
        unit = which[e]
        product = row[0] - row[0]
        for h in range(row.size):
            product += table[unit, h] * row[h]
        total[unit] += product
