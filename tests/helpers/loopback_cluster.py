"""A Dask cluster on the loopback address, for tests: a real scheduler and real workers, which can be killed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Cluster:
    """A scheduler and its workers, each a process of its own, on the loopback address."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", "--no-show"
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port))):
                return
            time.sleep(0.02)

    def have_workers(self, n: int) -> None:
        """Start as many workers of one thread as are missing; those of earlier tests have loaded torch."""
        for _ in range(n - len(self.alive())):
            self.add_worker()

    def alive(self) -> list[subprocess.Popen[bytes]]:
        return [process for process in self.workers if process.poll() is None]

    def end_workers(self) -> None:
        for process in self.alive():
            process.kill()
            process.wait()

    def add_worker(self, threads: int = 1) -> None:
        self.workers.append(
            self._start(
                "dask_worker",
                *(self.address, "--nthreads", str(threads), "--no-nanny", "--no-dashboard"),
                *("--local-directory", str(self.folder)),
            )
        )

    def _start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *words],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """A scheduler without workers, gone at the end with all that were added."""
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.stop()
