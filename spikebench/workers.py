"""Processes that share a job, behind the Executor interface of the standard library.

Workers are forked from a fork server that has imported and prepared their modules once. They start fast,
share its memory until they write to it, and share no threads and no open files with the parent. On Windows,
which cannot fork, every worker is started anew (``spawn``) and imports its modules itself. Every worker
reads from a pipe whose other end only the parent holds. When the parent stops early or dies, the pipe closes
and all workers exit at once, even during a call, so that no process is left behind.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

from spikebench.errors import SpikebenchError
from spikebench.records.text import os_error_text

__all__ = [
    "CallLostError",
    "ExecutorLostError",
    "available_cores",
    "prepare_workers",
    "worker_pool",
]

PRELOAD_NOTE = "SPIKEBENCH_PRELOAD"
_HAS_MASKS = hasattr(signal, "pthread_sigmask")  # not on Windows

P = ParamSpec("P")
T = TypeVar("T")


class ExecutorLostError(BrokenExecutor):
    """Workers that are permanently lost; the message is for the user."""


class CallLostError(ExecutorLostError):
    """One call on which several workers died; other calls can still be run."""


def available_cores() -> int:
    """Count the cores that this process may use.

    Returns
    -------
    int
        At least 1; takes the affinity mask into account where the system has one.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _InProcess(Executor):
    """Run every call at once in this process, for a single job."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Pool(ProcessPoolExecutor):
    """Delay signals while workers start: one that starts while its parent exits would print a traceback."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        with _signals_wait():
            return super().submit(fn, *args, **kwargs)


@contextlib.contextmanager
def worker_pool(jobs: int, preload: str, note: str = "") -> Iterator[Executor]:
    """Open an executor; when the block ends, it is closed and its workers have exited.

    Parameters
    ----------
    jobs
        Number of processes; 1 runs every call in this process.
    preload
        Module that the fork server imports before it forks the first worker.
    note
        Value of the environment variable :data:`PRELOAD_NOTE` during that import.

    Yields
    ------
    Executor
        Runs the submitted calls.

    Raises
    ------
    SpikebenchError
        If processes cannot be started here.
    """
    if jobs == 1:
        yield _InProcess()
        return
    context = get_context("forkserver" if _can_fork() else "spawn")
    parent_lives, stop = context.Pipe(duplex=False)
    try:
        if _can_fork():
            _start_fork_server(preload, note)
        work = (parent_lives, preload, note)
        pool = _Pool(jobs, mp_context=context, initializer=_begin, initargs=work)
    except OSError as error:  # semaphores of a pool are in shared memory, which containers may lack
        stop.close()
        parent_lives.close()
        raise SpikebenchError(
            f"worker processes cannot be started: {os_error_text(error)} (they need shared memory, /dev/shm on Linux, "
            "and a temporary folder); use one process, as with --jobs 1"
        ) from None
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
    """Start the fork server ahead of time, in the background; does nothing where processes are not forked.

    Parameters
    ----------
    preload
        Module that it imports.
    """
    if _can_fork():
        _start_fork_server(preload, "")


def _can_fork() -> bool:
    return "forkserver" in get_all_start_methods()


def _start_fork_server(preload: str, note: str) -> None:
    """Start the fork server with Ctrl-C blocked: a terminal sends it to every process, and the parent handles it."""
    from multiprocessing import forkserver, resource_tracker  # not on Windows

    forkserver.set_forkserver_preload([preload])
    # The tracker unblocks signals when it starts, so it comes first.
    resource_tracker.ensure_running()
    with _noted(note), _signals_wait():
        forkserver.ensure_running()


@contextlib.contextmanager
def _noted(note: str) -> Iterator[None]:
    """Set the note for the import of the preloaded module."""
    os.environ[PRELOAD_NOTE] = note
    try:
        yield
    finally:
        del os.environ[PRELOAD_NOTE]


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM until the block ends.

    The mask is for processes started in the block, which inherit it. It does not protect the block
    itself: another thread may receive the signal, and Python still runs the handler in this thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, frame: held.append(number)) for n in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers) if _HAS_MASKS else None
    try:
        yield
    finally:
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for one, handler in before.items():
            signal.signal(one, handler)
        for late in held:
            signal.raise_signal(late)


def _begin(parent_lives: Connection, preload: str, note: str) -> None:
    """Prepare a worker: import its module, accept SIGTERM, and exit with the parent."""
    if preload not in sys.modules:  # not forked from a server that has imported it
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # a terminal sends it to every process, the parent handles it
        with _noted(note):
            importlib.import_module(preload)
    # A worker inherits the fork server's mask; with SIGTERM blocked, the pool could not end it.
    if _HAS_MASKS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def leave_with_parent() -> None:
        with contextlib.suppress(EOFError, OSError):
            parent_lives.recv_bytes()
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()
