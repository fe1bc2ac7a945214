"""Array memory: aligned to cache lines, and reused for large arrays.

A vector that crosses a cache line is read twice; adding aligned rows of tables took half the time. Membranes and their
gradients have the same size in every training step, and the first access of a process to a page costs more than
writing it. Memory is therefore returned to a pool of small or of large pieces when its last tensor is deleted, and
reused for the next array of about its size.
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
_LEAST = 1 << 19  # bytes; smaller arrays are not worth keeping
_LARGE = 1 << 23  # bytes; lists of spikes, which come and go, do not displace membranes
_MOST_FREE = 6  # free pieces in each pool

_small: deque[NDArray[np.uint8]] = deque()
_large: deque[NDArray[np.uint8]] = deque()


def empty(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Make a tensor with uninitialised values.

    Parameters
    ----------
    shape
        Shape of the tensor.
    like
        A CPU tensor of the required type.

    Returns
    -------
    Tensor
        Contiguous, in memory that no other tensor uses.
    """
    dtype = like.detach()[:0].numpy().dtype
    size = prod(shape) * dtype.itemsize
    if size < _LEAST:
        return torch.from_numpy(aligned(shape, dtype))
    memory = _take(size + _LINE)
    array = _on_edge(memory, size).view(dtype).reshape(shape)
    # Only the tensor's storage refers to this array: when it is deleted, there are no views left.
    weakref.finalize(array, _give_back, memory).atexit = False
    return torch.from_numpy(array)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Make an array with uninitialised values.

    Parameters
    ----------
    shape, dtype
        Of the array.

    Returns
    -------
    ndarray
        Contiguous, aligned to a cache line.
    """
    size = prod(shape) * dtype.itemsize
    memory = _on_edge(np.empty(size + _LINE, np.uint8), size)
    array: NDArray[Any] = memory.view(dtype).reshape(shape)
    return array


def _on_edge(memory: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    begin = (
        -memory.__array_interface__["data"][0] % _LINE
    )  # ``memory.ctypes.data`` takes ten times as long
    return memory[begin : begin + size]


def _take(size: int) -> NDArray[np.uint8]:
    """Take a free piece that is not much too large, or allocate one."""
    free = _pool(size)
    for _ in range(len(free)):
        try:
            memory = free.popleft()
        except IndexError:  # another thread took it
            break
        if size <= memory.size <= 2 * size:
            return memory
        free.append(memory)
    part = 1 << max(
        size.bit_length() - 4, 0
    )  # rounded up: lists of spikes have another size in every step
    return np.empty(-(-size // part) * part, np.uint8)


def _give_back(memory: NDArray[np.uint8]) -> None:
    free = _pool(memory.size)
    free.append(memory)
    if len(free) > _MOST_FREE:
        try:
            free.popleft()  # the oldest one
        except IndexError:
            return


def _pool(size: int) -> deque[NDArray[np.uint8]]:
    return _large if size >= _LARGE else _small
