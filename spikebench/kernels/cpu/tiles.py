"""Rows of numbers in tiles of 32 units, tile after tile and row after row in each.

A tile is what compiled loops compute side by side (:mod:`spikebench.kernels.cpu.simd`). Indices are unsigned because
numba checks signed ones for negative values. The last tile is padded with zeros.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Index, Ints, compiled, inlined
from spikebench.kernels.cpu.memory import aligned
from spikebench.kernels.cpu.simd import LANES, Vector, fill, load, store

WIDTH = np.uint64(LANES)  # units of a tile
_ONE, _TWO, _THREE = (np.uint64(number) for number in (1, 2, 3))


def row(number: int) -> np.uint64:
    """Return the offset of a row in a tile; the offset after the last row is the size of the tile."""
    return np.uint64(LANES * number)


def tiled(rows: NDArray[Any]) -> NDArray[Any]:
    """Arrange rows (row, unit) in tiles."""
    n_rows, n = rows.shape
    n_tiles = -(-n // LANES)
    padded = np.zeros((n_rows, n_tiles * LANES), rows.dtype)
    padded[:, :n] = rows
    table = aligned((n_tiles, n_rows, LANES), rows.dtype)
    table[...] = padded.reshape(n_rows, n_tiles, LANES).transpose(1, 0, 2)
    return table.reshape(-1)


def untiled(table: NDArray[Any], n: int) -> NDArray[Any]:
    """Arrange tiles of ``n`` units in all as rows (row, unit)."""
    n_tiles = -(-n // LANES)
    by_tile = table.reshape(n_tiles, -1, LANES).transpose(1, 0, 2)
    return by_tile.reshape(by_tile.shape[0], -1)[:, :n]


@compiled
def tiles(n: int) -> int:
    """Return the number of tiles of a layer."""
    return (n + LANES - 1) // LANES


@inlined
def load_units(rows: Floats, begin: Index, n: Index, tile: Index, spare: Floats) -> Vector:
    """Read the units of a tile from the row of ``n`` units at ``begin``; missing ones are 0.

    ``rows`` has one dimension: in a loop, the row of an array would be another object, whose references are counted.
    ``spare`` has room for a tile.
    """
    at = tile * WIDTH
    if at + WIDTH <= n:
        return load(rows, begin + at)
    spare[:] = 0
    for h in range(n - at):
        spare[h] = rows[begin + at + h]
    return load(spare, np.uint64(0))


@inlined
def store_units(
    rows: Floats, begin: Index, n: Index, tile: Index, values: Vector, spare: Floats
) -> None:
    """Write the units of a tile to the row of ``n`` units at ``begin``, as far as it has them."""
    at = tile * WIDTH
    if at + WIDTH <= n:
        store(rows, begin + at, values)
    else:
        store(spare, np.uint64(0), values)
        for h in range(n - at):
            rows[begin + at + h] = spare[h]


class Rows(NamedTuple):
    """Numbers of a tile of a sample, step after step: those of step t are at ``begin`` + t·``size``.

    The arrays have one dimension. They are (sample, step, unit), and the tile begins at unit ``column``·32, or tiled:
    (sample, tile, step, 32).
    """

    numbers: Floats
    begin: Index
    size: Index
    column: Index


@inlined
def rows_of(
    numbers: Floats, is_tiled: bool, sample: Index, n_steps: Index, n: Index, tile: Index
) -> Rows:
    """Find the rows of a tile of ``n`` units in an array."""
    if is_tiled:
        begin = (sample * ((n + WIDTH - _ONE) // WIDTH) + tile) * n_steps * WIDTH
        return Rows(numbers, begin, WIDTH, tile - tile)
    return Rows(numbers, sample * n_steps * n, n, tile)


@inlined
def load_row(rows: Rows, t: Index, spare: Floats) -> Vector:
    """Read the numbers of a step."""
    return load_units(rows.numbers, rows.begin + t * rows.size, rows.size, rows.column, spare)


@inlined
def store_row(rows: Rows, t: Index, values: Vector, spare: Floats) -> None:
    """Write the numbers of a step."""
    store_units(rows.numbers, rows.begin + t * rows.size, rows.size, rows.column, values, spare)


@inlined
def sum_rows(table: Floats, base: Index, which: Ints, begin: int, end: int) -> Vector:
    """Σ of the rows which[begin:end] of 32 numbers, from ``base`` on, in four sums: an addition waits for the last."""
    a = b = c = d = fill(0, table)
    e, stop = np.uint64(begin), np.uint64(end)
    many = e + ((stop - e) & ~_THREE)
    while e < many:
        a = a + load(table, base + np.uint64(which[e]) * WIDTH)
        b = b + load(table, base + np.uint64(which[e + _ONE]) * WIDTH)
        c = c + load(table, base + np.uint64(which[e + _TWO]) * WIDTH)
        d = d + load(table, base + np.uint64(which[e + _THREE]) * WIDTH)
        e += _THREE + _ONE
    while e < stop:
        a = a + load(table, base + np.uint64(which[e]) * WIDTH)
        e += _ONE
    return (a + b) + (c + d)


@inlined
def units_of(tile: Index, n: Index) -> Index:
    """Return an integer with a bit for every unit of a tile that exists in a layer of ``n`` units."""
    left = n - tile * WIDTH
    return (_ONE << min(left, WIDTH)) - _ONE


@compiled
def write(row: Floats, table: Floats, at: Index, size: Index) -> None:
    """Write a row (unit) to the row of a table that begins at ``at`` in every tile of ``size`` elements."""
    width = np.uint64(row.size)
    for tile in range(np.uint64(tiles(row.size))):
        begin, place = np.uint64(tile) * WIDTH, np.uint64(tile) * size + at
        if begin + WIDTH <= width:
            store(table, place, load(row, begin))
        else:
            for h in range(width - begin):
                table[place + h] = row[begin + h]


@compiled
def read(table: Floats, at: Index, size: Index, row: Floats) -> None:
    """Read a row (unit) from the row of a table that begins at ``at`` in every tile of ``size`` elements."""
    width = np.uint64(row.size)
    for tile in range(np.uint64(tiles(row.size))):
        begin, place = np.uint64(tile) * WIDTH, np.uint64(tile) * size + at
        if begin + WIDTH <= width:
            store(row, begin, load(table, place))
        else:
            for h in range(width - begin):
                row[begin + h] = table[place + h]
