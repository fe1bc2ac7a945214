"""Blocks of sixteen channels, with which the loops over samples use vector instructions.

A *block* is an array of shape (n, 16), one column per channel. A recursion in time cannot be
vectorised along time, but sixteen of them in parallel can: two or four registers per state variable.
Public functions accept and return (channels, n), as everywhere in :mod:`cochlea`; blocks are internal.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LANES = 16


def blocks_of(rows: NDArray[np.float64]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Split rows into blocks; unused columns are 0.

    Parameters
    ----------
    rows
        float64, shape (channels, n).

    Yields
    ------
    where : slice
        The rows of the block.
    block : ndarray of float64, shape (n, 16)
        A copy, one column per row.
    """
    for first in range(0, rows.shape[0], LANES):
        where = slice(first, min(first + LANES, rows.shape[0]))
        block = np.zeros((rows.shape[1], LANES))
        block[:, : where.stop - first] = rows[where].T
        yield where, block
