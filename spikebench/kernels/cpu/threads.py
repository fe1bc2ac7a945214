"""Threads that share a batch.

How a batch is split depends on its size only, and the results of pieces are summed in order, so the number of threads
changes the time but no bit of the result. BLAS uses one thread per piece.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Answer = TypeVar("Answer")

_here = threading.local()
PIECE = 16  # samples; small matrix products are faster
_PARTIAL_NUMBERS = 1 << 24  # in the gradients of all groups


def pieces(n_samples: int, size: int = PIECE) -> list[tuple[int, int]]:
    """Split a batch.

    Parameters
    ----------
    n_samples
        Number of samples of the batch.
    size
        Number of samples per piece.

    Returns
    -------
    list of (int, int)
        First sample of every piece, and the sample after its last.
    """
    return [(first, min(first + size, n_samples)) for first in range(0, n_samples, size)]


def groups(
    n_samples: int, n_numbers: int, most: int = 8, multiple: int = PIECE
) -> list[tuple[int, int]]:
    """Split a batch into groups, each with gradients of its own; they do not depend on the threads.

    Parameters
    ----------
    n_samples
        Number of samples of the batch.
    n_numbers
        Number of gradients of a group.
    most
        The most groups, whose gradients are added at the end.
    multiple
        Of which the number of samples of a group is a multiple.

    Returns
    -------
    list of (int, int)
        As from :func:`pieces`.
    """
    n_groups = min(most, max(_PARTIAL_NUMBERS // max(n_numbers, 1), 1))
    size = -(-n_samples // n_groups)
    return pieces(n_samples, max(-(-size // multiple) * multiple, 1))


def run_in_threads(
    work: Callable[[int, int], Answer], parts: list[tuple[int, int]]
) -> list[Answer]:
    """Run a function on every piece, in several threads.

    Parameters
    ----------
    work
        Function of the bounds of a piece that writes nothing of other pieces.
    parts
        From :func:`pieces`.

    Returns
    -------
    list
        Results in the order of the pieces.
    """
    answers: list[Any] = [None] * len(parts)
    waiting = iter(range(len(parts)))  # taking the next item is atomic in the interpreter

    def take() -> None:
        nested, _here.works = getattr(_here, "works", False), True
        try:
            for k in waiting:
                answers[k] = work(*parts[k])
        finally:
            _here.works = nested

    with _one_blas_thread:
        # A nested call runs in its own thread: threads that wait for each other would deadlock.
        helpers = 0 if getattr(_here, "works", False) else min(n_threads(), len(parts)) - 1
        futures = []
        if helpers > 0:
            pool = _pool(os.getpid(), n_threads())
            futures = [pool.submit(take) for _ in range(helpers)]
        try:
            take()  # this thread works as well
        finally:
            wait(futures)
        for future in futures:
            future.result()
    return answers


def n_threads() -> int:
    """Return the number of threads that kernels use: ``OMP_NUM_THREADS``, else the cores of this process.

    Returns
    -------
    int
        At least 1.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isascii() and asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    # One pool per process: threads do not survive a fork.
    return ThreadPoolExecutor(threads, thread_name_prefix="spikebench-kernels")


@cache
def _controller() -> Any:  # noqa: ANN401
    import scipy.linalg.cython_blas  # noqa: F401  the library that compiled products call

    return ThreadpoolController().select(user_api="blas")


class _OneBlasThread:
    """Limit BLAS to one thread while a computation runs; the last one to finish restores the number of threads."""

    def __init__(self) -> None:
        self._lock, self._users, self._limit = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._limit.enter_context(_controller().limit(limits=1))
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.close()


_one_blas_thread = _OneBlasThread()
