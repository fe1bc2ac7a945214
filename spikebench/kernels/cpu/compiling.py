"""Compiling the loops of this package: one stamp for numba's cache of all their files.

By default numba recompiles a loop only when the file of the loop has changed, but not when functions or constants
that it uses have changed in another file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from spikebench import compiled as plain
from spikebench.kernels import neuron, scan

Floats = NDArray[Any]  # float32 or float64, the same in one call
Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Number = Any  # a number of the arrays' type
Index = Any  # an unsigned integer

_CONSTANTS = (neuron.__file__, scan.__file__)


def _stamp() -> bytes:
    files = [*sorted(Path(__file__).parent.glob("*.py")), *map(Path, _CONSTANTS)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


_STAMP = _stamp()


def compiled(loop: Callable[..., Any], any_order: bool = False) -> Callable[..., Any]:
    """Compile a loop of this package; see :func:`spikebench.compiled.compiled`."""
    dispatcher = plain.compiled(loop, any_order)
    cache = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if cache is not None:  # None if numba does not compile or does not cache
        cache._source_stamp = _STAMP
    return dispatcher


def inlined(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of vectors as a part of every loop that calls it, so that they stay in registers."""
    part: Callable[..., Any] = njit(nogil=True, error_model="numpy", forceinline=True)(loop)
    return part


def compiled_in_any_order(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop over sums whose terms may be added in any order."""
    return compiled(loop, any_order=True)
