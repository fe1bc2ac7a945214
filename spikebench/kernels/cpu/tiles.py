"""Rows of numbers in tiles of 64 units, tile after tile and row after row in each.

Rows of a tile are at offsets known at compile time: the compiler can prove that they do not overlap, and vectorises the
loops. Indices are unsigned because numba checks signed ones for negative values. The last tile is padded with zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, compiled
from spikebench.kernels.cpu.memory import aligned

TILE = 64  # units
WIDTH = np.uint64(TILE)


def row(number: int) -> np.uint64:
    """Return the offset of a row in a tile; the offset after the last row is the size of the tile."""
    return np.uint64(TILE * number)


def tiled(rows: NDArray[Any]) -> NDArray[Any]:
    """Arrange rows (row, unit) in tiles."""
    n_rows, n = rows.shape
    n_tiles = -(-n // TILE)
    padded = np.zeros((n_rows, n_tiles * TILE), rows.dtype)
    padded[:, :n] = rows
    table = aligned((n_tiles, n_rows, TILE), rows.dtype)
    table[...] = padded.reshape(n_rows, n_tiles, TILE).transpose(1, 0, 2)
    return table.reshape(-1)


def untiled(table: NDArray[Any], n: int) -> NDArray[Any]:
    """Arrange tiles of ``n`` units in all as rows (row, unit)."""
    n_tiles = -(-n // TILE)
    by_tile = table.reshape(n_tiles, -1, TILE).transpose(1, 0, 2)
    return by_tile.reshape(by_tile.shape[0], -1)[:, :n]


@compiled
def tiles(n: int) -> int:
    """Return the number of tiles of a layer."""
    return (n + TILE - 1) // TILE


@compiled
def write(row: Floats, table: Floats, at: int, size: int) -> None:
    """Write a row (unit) to the row of a table that begins at ``at`` in every tile of ``size`` elements."""
    width = np.uint64(row.size)
    for tile in range(np.uint64(tiles(row.size))):
        begin, place = np.uint64(tile) * WIDTH, np.uint64(tile) * size + at
        for h in range(min(WIDTH, width - begin)):
            table[place + h] = row[begin + h]


@compiled
def read(table: Floats, at: int, size: int, row: Floats) -> None:
    """Read a row (unit) from the row of a table that begins at ``at`` in every tile of ``size`` elements."""
    width = np.uint64(row.size)
    for tile in range(np.uint64(tiles(row.size))):
        begin, place = np.uint64(tile) * WIDTH, np.uint64(tile) * size + at
        for h in range(min(WIDTH, width - begin)):
            row[begin + h] = table[place + h]
