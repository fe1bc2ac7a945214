"""Compilation of the arithmetic loops: numba, cached on disk, IEEE arithmetic only.

``fastmath`` is not used: without reassociation and contraction a loop of + − × ÷ √ and comparisons
gives the same bits compiled and interpreted, on every processor; tests check this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

# No wrapper for calls from C, which nothing needs: it takes time to compile.
_OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}
_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a loop with numba and cache the result on disk.

    Parameters
    ----------
    function
        Function of arrays and numbers. The plain function is available as ``.py_func``.

    Returns
    -------
    callable
        The compiled function, with the same signature.
    """
    return cast("_Function", njit(**_OPTIONS)(function))
