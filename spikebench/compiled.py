"""Compilation of array loops with numba, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Loop = TypeVar("_Loop", bound=Callable[..., Any])


def compiled(loop: _Loop) -> _Loop:
    """Compile a loop and cache it on disk.

    The arithmetic is IEEE without reassociation, so the loop gives the same bins compiled and interpreted.

    Parameters
    ----------
    loop
        Function of arrays and numbers. The interpreted function is available as ``.py_func``.

    Returns
    -------
    callable
        The compiled loop, with the same signature.
    """
    return cast("_Loop", njit(cache=True, nogil=True, error_model="numpy")(loop))
