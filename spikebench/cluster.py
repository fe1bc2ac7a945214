"""A Dask cluster behind the Executor interface of the standard library.

If a worker dies, the scheduler sends its call to another worker; a call is given up after three workers died
on it. Workers need the same versions of all packages; for a conversion they need no access to the recordings.
Calls and results are pickled: connect only to a cluster that you control.
"""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlsplit

from spikebench.errors import SpikebenchError
from spikebench.records.text import os_error_text
from spikebench.workers import CallLostError, ExecutorLostError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["cluster_executor"]

_SECONDS_TO_CONNECT = 15
_SECONDS_FOR_WORKERS = 60
_SECONDS_BETWEEN_COUNTS = 2.0

P = ParamSpec("P")
T = TypeVar("T")


class _Cluster(Executor):
    """Translate the errors of a lost cluster into those of :mod:`spikebench.workers`."""

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
            except Exception as error:  # whatever a worker raises is passed on, translated
                outer.set_exception(_translated(error))

        try:
            self._executor.submit(fn, *args, **kwargs).add_done_callback(hand_over)
        except (RuntimeError, OSError):  # the client has already closed
            raise self._lost() from None
        return outer

    def _lost(self) -> ExecutorLostError:
        return ExecutorLostError(f"the scheduler at {self._address} is no longer reachable")


def _translated(error: Exception) -> Exception:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return CallLostError("lost with three workers one after the other (killed, out of memory?)")
    if isinstance(error, ImportError | AttributeError):
        return ExecutorLostError(
            f"the workers have another version of spikebench, or none: {error}"
        )
    return error


@contextlib.contextmanager
def cluster_executor(
    address: str, notify: Callable[[str], None] = lambda text: None
) -> Iterator[tuple[Executor, Callable[[], int]]]:
    """Connect to the scheduler of a cluster.

    Parameters
    ----------
    address
        ``tcp://HOST:PORT``, or ``tls://HOST:PORT`` where Dask is configured for it.
    notify
        Called with a one-line message when the cluster has no workers.

    Yields
    ------
    executor : Executor
        Where to submit calls.
    threads : callable
        Returns the number of calls that the cluster runs at a time now; workers may join and leave. Raises
        :class:`~spikebench.workers.ExecutorLostError` when there has been no worker for a minute.

    Raises
    ------
    SpikebenchError
        If Dask is not installed, or no scheduler responds at the address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SpikebenchError(
            "a scheduler needs dask.distributed: pip install 'spikebench[cluster]'"
        ) from None
    _require_listener(address)
    # Dask would log at length what is reported here in one line.
    for name in list(logging.Logger.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _no_scheduler(address, error) from None
    try:
        yield _Cluster(client, address), _Threads(client, address, notify).count
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.close(timeout=2)


def _require_listener(address: str) -> None:
    """Raise at once if the address is invalid or no Dask server listens there.

    Dask would wait and then log at length. Its servers send the first byte; with TLS they do not.
    """
    parts = urlsplit(address)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("tcp", "tls") or not host or not port or parts.path:
        raise SpikebenchError(
            f"{address!r}: not the address of a scheduler; give one like tcp://HOST:8786"
        )
    try:
        with socket.create_connection((host, port), timeout=_SECONDS_TO_CONNECT) as connection:
            if parts.scheme == "tcp" and not connection.recv(1):
                raise ConnectionResetError(0, "the connection was closed")
    except TimeoutError:
        raise _no_scheduler(address, TimeoutError(0, "no reply in time")) from None
    except OSError as error:
        raise _no_scheduler(address, error) from None


def _no_scheduler(address: str, error: Exception) -> SpikebenchError:
    text = os_error_text(error) if isinstance(error, OSError) else str(error).lower()
    reason = " ".join(text.split())[:200]
    return SpikebenchError(f"{address}: no Dask scheduler responds there: {reason}")


class _Threads:
    """Count the threads of a cluster's workers, and detect when there are none."""

    def __init__(self, client: Client, address: str, notify: Callable[[str], None]) -> None:
        self._client, self._address, self._notify = client, address, notify
        self._threads = 0
        self._counted = -math.inf
        self._alone_since: float | None = None

    def count(self) -> int:
        """Return the number of threads, at least 1; the scheduler is queried at most every few seconds."""
        now = time.monotonic()
        if now - self._counted > _SECONDS_BETWEEN_COUNTS:
            with contextlib.suppress(OSError):  # if the scheduler is gone, the calls fail
                workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
                self._threads = sum(int(one["nthreads"]) for one in workers)
                self._counted = now
        if self._threads:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
            self._notify(
                f"{self._address} has no workers; waiting for one (dask worker {self._address})"
            )
        elif now - self._alone_since > _SECONDS_FOR_WORKERS:
            raise ExecutorLostError(
                f"{self._address}: no workers for {_SECONDS_FOR_WORKERS:g} s; start workers with the same "
                f"version of spikebench: dask worker {self._address}"
            )
        return max(self._threads, 1)
