"""A Dask cluster behind the Executor interface of the standard library.

The scheduler hands a call that was lost with its worker to another one; a call that costs three workers
their lives is given up. Workers need the same versions of everything, and no access to the recordings.
Calls and results travel as pickles: connect to nobody's cluster but your own.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from spikebench.errors import SpikebenchError
from spikebench.workers import ExecutorLostError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["cluster_executor"]

_SECONDS_TO_CONNECT = 15
_SECONDS_FOR_WORKERS = 60
_SECONDS_BETWEEN_COUNTS = 5

P = ParamSpec("P")
T = TypeVar("T")


class _Cluster(Executor):
    """Translate the ways in which a cluster is lost."""

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address
        self._executor: Executor = client.get_executor(pure=False, retries=0)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        outer: Future[T] = Future()

        def hand_over(inner: Future[T]) -> None:
            try:
                outer.set_result(inner.result())
            except (CancelledError, OSError):
                outer.set_exception(self._lost())
            except Exception as error:  # whatever a worker raises travels on, told in its terms
                outer.set_exception(_translated(error))

        try:
            self._executor.submit(fn, *args, **kwargs).add_done_callback(hand_over)
        except (RuntimeError, OSError):  # the client noticed before we did
            raise self._lost() from None
        return outer

    def _lost(self) -> ExecutorLostError:
        return ExecutorLostError(f"the scheduler at {self._address} is gone")


def _translated(error: Exception) -> Exception:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return ExecutorLostError(
            "a recording was lost with three workers one after the other (killed, out of memory?)"
        )
    if isinstance(error, ImportError | AttributeError):
        return ExecutorLostError(
            f"the workers have another version of spikebench, or none: {error}"
        )
    return error


@contextlib.contextmanager
def cluster_executor(address: str) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """Connect to the scheduler of a cluster.

    Parameters
    ----------
    address
        ``tcp://HOST:PORT``, or ``tls://…`` where Dask is configured for it.

    Yields
    ------
    executor : Executor
        Where to submit calls.
    threads : callable
        How many calls the cluster runs at a time, now; workers may come and go.

    Raises
    ------
    SpikebenchError
        If Dask is not installed, nobody answers at the address, or no worker comes within a minute.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SpikebenchError(
            "a scheduler needs dask.distributed: pip install 'spikebench[cluster]'"
        ) from None
    # What we tell in one line, Dask would tell as well, in hundred.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpikebenchError(
            f"{address}: no Dask scheduler answers there (--scheduler tcp://HOST:PORT): {reason}"
        ) from None

    known = [1, -math.inf]  # threads, and when they were counted

    def threads() -> int:
        if time.monotonic() - known[1] > _SECONDS_BETWEEN_COUNTS:
            with contextlib.suppress(OSError):  # a scheduler that is gone shows in the calls
                workers = client.scheduler_info(n_workers=-1)["workers"].values()
                known[:] = sum(int(one["nthreads"]) for one in workers), time.monotonic()
        return max(int(known[0]), 1)

    try:
        try:
            client.wait_for_workers(1, timeout=_SECONDS_FOR_WORKERS)
        except TimeoutError:
            raise SpikebenchError(
                f"{address}: the scheduler has no workers; start some with: dask worker {address}"
            ) from None
        yield _Cluster(client, address), threads
    finally:
        with contextlib.suppress(Exception):  # a client that lost its scheduler cannot say goodbye
            client.close(timeout=2)
