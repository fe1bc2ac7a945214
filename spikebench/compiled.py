"""Compilation of array loops with numba, cached on disk, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Loop = TypeVar("_Loop", bound=Callable[..., Any])


def compiled(loop: _Loop, any_order: bool = False) -> _Loop:
    """Compile a loop and cache it on disk.

    The arithmetic is IEEE without reassociation, unless ``any_order`` is set, so the loop gives the same bits compiled
    and interpreted.

    Parameters
    ----------
    loop
        Function of arrays and numbers. The interpreted function is available as ``.py_func``.
    any_order
        Let the compiler add the terms of a sum in another order, so that sums over vectors are vectorised. The last
        bits of the sums then depend on the processor.

    Returns
    -------
    callable
        The compiled loop, with the same signature.
    """
    fastmath = {"reassoc", "contract"} if any_order else False
    return cast("_Loop", njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(loop))
