"""Processes that share a job, behind the Executor interface of the standard library.

Workers come from a fork server that has imported and prepared what they need once: they start fast,
share its memory until they write to it, and share no threads and no open files with the parent. Every
worker watches one end of a pipe whose other end only the parent holds. When the parent stops early, or
dies in whatever way, the pipe closes and the workers leave at once, in the middle of whatever they do:
none is left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

__all__ = [
    "CallLostError",
    "ExecutorLostError",
    "available_cores",
    "prepare_workers",
    "worker_pool",
]

PRELOAD_NOTE = "SPIKEBENCH_PRELOAD"

P = ParamSpec("P")
T = TypeVar("T")


class ExecutorLostError(BrokenExecutor):
    """Workers that are gone for good; the message is for the user."""


class CallLostError(ExecutorLostError):
    """One call that took its workers with it, again and again; others may still be run."""


def available_cores() -> int:
    """Count the cores that this process may use.

    Returns
    -------
    int
        At least 1; respects the affinity mask where the system has one.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _InProcess(Executor):
    """Run every call at once, here: one job needs no other process."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Pool(ProcessPoolExecutor):
    """Start workers undisturbed: one that starts while its parent leaves would complain aloud."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        with _signals_wait():
            return super().submit(fn, *args, **kwargs)


@contextlib.contextmanager
def worker_pool(jobs: int, preload: str, note: str = "") -> Iterator[Executor]:
    """Open an executor that is closed, its workers gone, when the block ends.

    Parameters
    ----------
    jobs
        Number of processes; 1 runs everything in this one.
    preload
        Module that the fork server imports before it makes the first worker.
    note
        What that module finds in the environment as :data:`PRELOAD_NOTE` meanwhile.

    Yields
    ------
    Executor
        Where to submit calls.
    """
    if jobs == 1:
        yield _InProcess()
        return
    _start_fork_server(preload, note)
    context = get_context("forkserver")
    parent_lives, stop = context.Pipe(duplex=False)
    pool = _Pool(jobs, mp_context=context, initializer=_begin, initargs=(parent_lives,))
    try:
        yield pool
    except BaseException:
        stop.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        stop.close()
        parent_lives.close()


def prepare_workers(preload: str) -> None:
    """Begin to make the process that workers come from, while this one does something else.

    Parameters
    ----------
    preload
        Module that it imports meanwhile.
    """
    _start_fork_server(preload, "")


def _start_fork_server(preload: str, note: str) -> None:
    """Start it deaf to Ctrl-C: a terminal sends that to every process, and the parent handles it."""
    forkserver.set_forkserver_preload([preload])
    # The tracker unblocks signals when it starts, so it comes first.
    resource_tracker.ensure_running()
    os.environ[PRELOAD_NOTE] = note
    try:
        with _signals_wait():
            forkserver.ensure_running()
    finally:
        del os.environ[PRELOAD_NOTE]


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM; they arrive when the block ends.

    The mask is for processes started in the block, which inherit it. It does not protect the block
    itself: another thread takes the signal then, and Python runs the handler here all the same.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, frame: held.append(number)) for n in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for one, handler in before.items():
            signal.signal(one, handler)
        for late in held:
            signal.raise_signal(late)


def _begin(parent_lives: Connection) -> None:
    """Watch the parent."""
    # Deaf to SIGTERM like the fork server, a worker could not be ended by the pool.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def leave_with_parent() -> None:
        with contextlib.suppress(EOFError, OSError):
            parent_lives.recv_bytes()
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
