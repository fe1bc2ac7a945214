"""Muting decoders that write to standard error themselves, bypassing Python.

The MP3 decoder of libsndfile prints a warning for every irregularity, and libsndfile has no option to disable that.
File descriptor 2 belongs to the whole process, so it is redirected only while such data are decoded. Threads that
decode at the same time share the redirection: the first thread starts it, the last one ends it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

__all__ = ["quiet_decoder"]

_STDERR = 2
_lock = threading.Lock()
_inside = 0
_kept = -1


@contextlib.contextmanager
def quiet_decoder(is_needed: bool = True) -> Iterator[None]:
    """Discard what is written to file descriptor 2 while the block runs.

    Parameters
    ----------
    is_needed
        Whether to redirect at all.
    """
    if not is_needed:
        yield
        return
    _begin()
    try:
        yield
    finally:
        _end()


def _begin() -> None:
    global _inside, _kept
    with _lock:
        _inside += 1
        if _inside > 1:
            return
        # Without standard error or a free descriptor, the output is not muted.
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY | getattr(os, "O_CLOEXEC", 0))
            try:
                _kept = os.dup(_STDERR)
                os.dup2(nowhere, _STDERR)
            finally:
                os.close(nowhere)


def _end() -> None:
    global _inside, _kept
    with _lock:
        _inside -= 1
        if _inside > 0 or _kept < 0:
            return
        os.dup2(_kept, _STDERR)
        os.close(_kept)
        _kept = -1


def _begin_anew() -> None:
    """Give a forked child its own lock, and restore standard error if another thread had redirected it."""
    global _lock, _inside, _kept
    _lock = threading.Lock()
    _inside = 0
    if _kept >= 0:
        os.dup2(_kept, _STDERR)
        os.close(_kept)
        _kept = -1


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing is forked
    os.register_at_fork(after_in_child=_begin_anew)
