"""A Dask cluster behind the Executor interface of the standard library.

The scheduler hands a call that was lost with its worker to another one; a call that costs three workers
their lives is given up. Workers need the same versions of everything; to convert, no access to the recordings.
Calls and results travel as pickles: connect to nobody's cluster but your own.
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
        Called with one line when the cluster has no workers.

    Yields
    ------
    executor : Executor
        Where to submit calls.
    threads : callable
        How many calls the cluster runs at a time, now; workers may come and go. Raises
        :class:`~spikebench.workers.ExecutorLostError` when there has been none for a minute.

    Raises
    ------
    SpikebenchError
        If Dask is not installed, or nobody answers at the address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SpikebenchError(
            "a scheduler needs dask.distributed: pip install 'spikebench[cluster]'"
        ) from None
    _require_listener(address)
    # What we tell in one line, Dask would tell as well, in a hundred.
    for name in list(logging.Logger.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _nobody(address, error) from None
    try:
        yield _Cluster(client, address), _Threads(client, address, notify).count
    finally:
        with contextlib.suppress(Exception):  # a client that lost its scheduler cannot say goodbye
            client.close(timeout=2)


def _require_listener(address: str) -> None:
    """Refuse at once what is no address, or one where nobody or somebody else listens.

    Dask would wait and then complain at length. Its servers speak first; with TLS they do not.
    """
    parts = urlsplit(address)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme not in ("tcp", "tls") or not host or not port or parts.path:
        raise SpikebenchError(
            f"{address!r}: no address of a scheduler; it looks like tcp://HOST:8786"
        )
    try:
        with socket.create_connection((host, port), timeout=_SECONDS_TO_CONNECT) as connection:
            if parts.scheme == "tcp" and not connection.recv(1):
                raise ConnectionResetError(0, "the connection was closed")
    except TimeoutError:
        raise _nobody(address, TimeoutError(0, "no word in time")) from None
    except OSError as error:
        raise _nobody(address, error) from None


def _nobody(address: str, error: Exception) -> SpikebenchError:
    reason = " ".join(str(getattr(error, "strerror", None) or error).split())[:200].lower()
    return SpikebenchError(f"{address}: no Dask scheduler answers there: {reason}")


class _Threads:
    """Count what the workers of a cluster can run, and notice when there are none."""

    def __init__(self, client: Client, address: str, notify: Callable[[str], None]) -> None:
        self._client, self._address, self._notify = client, address, notify
        self._threads = 0
        self._counted = -math.inf
        self._alone_since: float | None = None

    def count(self) -> int:
        """Count; at most once in some seconds really."""
        now = time.monotonic()
        if now - self._counted > _SECONDS_BETWEEN_COUNTS:
            with contextlib.suppress(OSError):  # a scheduler that is gone shows in the calls
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
                f"{self._address}: no workers for {_SECONDS_FOR_WORKERS:g} s; they need spikebench "
                "in the same version, start them with: dask worker " + self._address
            )
        return max(self._threads, 1)
