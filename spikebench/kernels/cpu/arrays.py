"""Tensors as the arrays of compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu.events import Events
from spikebench.kernels.cpu.memory import aligned

Cells = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # offsets, bins, units


def array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return the array of a tensor; a copy if it is not contiguous."""
    numbers: NDArray[Any] = tensor.detach().contiguous().numpy()
    return numbers


def arrays(*tensors: torch.Tensor) -> tuple[NDArray[Any], ...]:
    """Return the arrays of tensors."""
    return tuple(array(tensor) for tensor in tensors)


def events_of(cells: Cells) -> Events:
    """Return the arrays of events."""
    return Events(*arrays(*cells))


def bits_of(near: torch.Tensor) -> NDArray[np.uint32]:
    """Return :attr:`spikebench.kernels.spikes.Spikes.near` as unsigned integers."""
    return array(near).view(np.uint32)


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Make an array of zeros, aligned to a cache line."""
    numbers = aligned(shape, dtype)
    numbers[...] = 0
    return numbers
