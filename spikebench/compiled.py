"""Compilation of array loops with numba, cached on disk, without the interpreter's lock.

The first run on a machine compiles the loops, which takes longer than many trainings; later runs read the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.event import Event, Listener, install_listener

_COMPILES = "numba:compile"  # not sent for loops that are read from the cache
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


class Compilation(Listener):
    """What was compiled so far.

    Parameters
    ----------
    began
        Called when the first loop is about to be compiled.
    """

    def __init__(self, began: Callable[[], None] | None = None) -> None:
        self._began = began
        self._depth = 0  # a loop compiles those that it calls
        self._since = 0.0
        self.loops = 0
        self.seconds = 0.0

    def on_start(self, event: Event) -> None:
        """Start the clock; numba calls this under its lock."""
        if self._depth == 0:
            self._since = time.perf_counter()
            if self.loops == 0 and self._began is not None:
                self._began()
            self.loops += 1
        self._depth += 1

    def on_end(self, event: Event) -> None:
        """Stop the clock."""
        if self._depth == 0:  # began before this watch, in another thread
            return
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._since


@contextmanager
def watch_compilation(began: Callable[[], None] | None = None) -> Iterator[Compilation]:
    """Count what numba compiles in this process.

    Parameters
    ----------
    began
        Called once, when the first loop is about to be compiled.

    Yields
    ------
    Compilation
        ``seconds`` and number of ``loops`` so far, without those that were read from the cache.
    """
    watch = Compilation(began)
    with install_listener(_COMPILES, watch):
        yield watch
