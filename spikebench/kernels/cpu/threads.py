"""Threads that share a batch.

What a batch is cut into depends on its size alone, and pieces are summed in order: the number of threads changes the
time, never a bit. BLAS keeps to one thread per piece.
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
PIECE = 16  # samples whose small matrix products are the quick ones


def pieces(n_samples: int, size: int = PIECE) -> list[tuple[int, int]]:
    """Cut a batch.

    Parameters
    ----------
    n_samples
        Samples of the batch.
    size
        Samples of a piece.

    Returns
    -------
    list of (int, int)
        First sample and the one behind the last of every piece.
    """
    return [(first, min(first + size, n_samples)) for first in range(0, n_samples, size)]


def share(work: Callable[[int, int], Answer], parts: list[tuple[int, int]]) -> list[Answer]:
    """Do some work on every piece.

    Parameters
    ----------
    work
        Takes the bounds of a piece, touches nothing of the others.
    parts
        From :func:`pieces`.

    Returns
    -------
    list
        Answers in the order of the pieces.
    """
    answers: list[Any] = [None] * len(parts)
    waiting = iter(range(len(parts)))  # taking the next one is one step of the interpreter

    def take() -> None:
        nested, _here.works = getattr(_here, "works", False), True
        try:
            for k in waiting:
                answers[k] = work(*parts[k])
        finally:
            _here.works = nested

    with _one_blas_thread:
        # A piece that is shared itself is done where it is: threads that wait for each other would wait forever.
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
    """Count the threads that kernels use: ``OMP_NUM_THREADS``, else the cores of this process.

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
    # One per process: threads do not outlive a fork.
    return ThreadPoolExecutor(threads, thread_name_prefix="spikebench-kernels")


@cache
def _controller() -> Any:  # noqa: ANN401
    import scipy.linalg.cython_blas  # noqa: F401  the library that compiled products call

    return ThreadpoolController().select(user_api="blas")


class _OneBlasThread:
    """Keep BLAS at one thread while anybody computes; the last to leave gives the others back."""

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
