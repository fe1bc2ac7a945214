"""How the loops of this package are compiled: numba's cache on disk is for all their files together.

By itself numba compiles a loop again when the file of the loop has changed, and keeps it when another file has, whose
functions and constants went into it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench import compiled as plain
from spikebench.kernels import neuron, scan

Floats = NDArray[Any]  # float32 or float64, the same in one call
Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Number = Any  # a number of the arrays' type

_CONSTANTS = (neuron.__file__, scan.__file__)


def _stamp() -> bytes:
    files = [*sorted(Path(__file__).parent.glob("*.py")), *map(Path, _CONSTANTS)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()


_STAMP = _stamp()


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop of this package; see :func:`spikebench.compiled.compiled`."""
    dispatcher = plain.compiled(loop)
    cache = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if cache is not None:  # else numba compiles nothing, or keeps nothing
        cache._source_stamp = _STAMP
    return dispatcher
