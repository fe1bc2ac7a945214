"""Memory of arrays: on the edges of cache lines, and used again where it is large.

A vector that lies across two lines is read twice: rows of tables that begin on an edge were added in half the time.
Membranes and their gradients are as large in every step of a training, and a page that a process touches for the first
time costs more than what is written into it. So memory comes back here when its last tensor is gone, and the next
array of about its size gets it.
"""

from __future__ import annotations

import weakref
from collections import deque
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_LINE = 64  # bytes
_LEAST = 1 << 20  # bytes; smaller arrays are not worth keeping
_MOST_FREE = 6  # pieces that wait to be used again

_free: deque[NDArray[np.uint8]] = deque()


def empty(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Make a tensor without setting its numbers.

    Parameters
    ----------
    shape
        Its shape.
    like
        A tensor of the type wanted, on the CPU.

    Returns
    -------
    Tensor
        Contiguous, in memory that nothing else uses.
    """
    dtype = like.detach()[:0].numpy().dtype
    size = prod(shape) * dtype.itemsize
    if size < _LEAST:
        return torch.from_numpy(aligned(shape, dtype))
    memory = _take(size + _LINE)
    array = _on_edge(memory, size).view(dtype).reshape(shape)
    # The tensor's storage holds this very array, and nothing else does: when it is gone, so are all views.
    weakref.finalize(array, _give_back, memory).atexit = False
    return torch.from_numpy(array)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Make an array without setting its numbers.

    Parameters
    ----------
    shape, dtype
        Of the array.

    Returns
    -------
    ndarray
        Contiguous, beginning on the edge of a cache line.
    """
    size = prod(shape) * dtype.itemsize
    memory = _on_edge(np.empty(size + _LINE, np.uint8), size)
    array: NDArray[Any] = memory.view(dtype).reshape(shape)
    return array


def _on_edge(memory: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    begin = -memory.ctypes.data % _LINE
    return memory[begin : begin + size]


def _take(size: int) -> NDArray[np.uint8]:
    """Find memory that is free and not much too large, or ask for some."""
    for _ in range(len(_free)):
        try:
            memory = _free.popleft()
        except IndexError:  # another thread was quicker
            break
        if size <= memory.size <= 2 * size:
            return memory
        _free.append(memory)
    return np.empty(size, np.uint8)


def _give_back(memory: NDArray[np.uint8]) -> None:
    _free.append(memory)
    if len(_free) > _MOST_FREE:
        try:
            _free.popleft()  # what has waited longest
        except IndexError:
            return
