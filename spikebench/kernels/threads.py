"""Threads that share a batch.

What a batch is cut into depends on its size alone, and pieces are summed in order: the number of threads changes the
time, never a bit. BLAS keeps to one thread per piece.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Answer = TypeVar("Answer")

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
        for k in waiting:
            answers[k] = work(*parts[k])

    with _one_blas_thread():
        helpers = min(n_threads(), len(parts)) - 1
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
    if asked.isdigit() and int(asked) > 0:
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


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    with _controller().limit(limits=1):
        yield
