"""Conversion on a Dask cluster: a real scheduler and real workers, which are killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from synthetic_clips import tone, write_clip

from cli.main import main
from spikebench import cluster
from spikebench.cluster import cluster_executor
from spikebench.conversion import ConversionOptions, convert
from spikebench.errors import ConversionStateError, SpikebenchError

pytest.importorskip("distributed", reason="dask.distributed (extra cluster) is not installed")

OPTIONS = ConversionOptions(n_channels=70)


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

    def add_worker(self) -> None:
        self.workers.append(
            self._start(
                "dask_worker",
                *(self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
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


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "dask").mkdir()
    started = Cluster(tmp_path / "dask")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four recordings, and beside them the file that one core makes of them."""
    folder = tmp_path_factory.mktemp("cluster") / "audio"
    for i in range(24):
        write_clip(folder / f"{i}.wav", tone(seconds=0.3, frequency=200.0 + 10 * i))
    convert(folder, folder.with_name("one.h5"), OPTIONS, jobs=1)
    return folder


def when(count: int, act: Callable[[], None]) -> Callable[[int, int], None]:
    """Act once, when so many recordings are done."""
    pending = [act]

    def progress(done: int, total: int) -> None:
        if done >= count and pending:
            pending.pop()()

    return progress


def test_a_worker_is_killed_and_the_file_is_that_of_one_core(
    dask: Cluster, audio: Path, tmp_path: Path
) -> None:
    dask.add_worker()
    dask.add_worker()
    with cluster_executor(dask.address) as (executor, threads):
        deadline = time.monotonic() + 60
        while threads() < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        report = convert(
            audio,
            tmp_path / "a.h5",
            OPTIONS,
            jobs=threads,
            executor=executor,
            progress=when(4, lambda: dask.workers[0].send_signal(signal.SIGKILL)),
        )
        assert threads() == 2 or dask.workers[0].wait() == -signal.SIGKILL
    assert dask.workers[0].poll() == -signal.SIGKILL
    assert dask.workers[1].poll() is None
    assert (report.samples, report.resumed) == (24, 0)
    assert (tmp_path / "a.h5").read_bytes() == audio.with_name("one.h5").read_bytes()


def test_the_scheduler_goes_away_and_the_rest_is_done_here(
    dask: Cluster, audio: Path, tmp_path: Path
) -> None:
    dask.add_worker()
    with (
        cluster_executor(dask.address) as (executor, threads),
        pytest.raises(
            ConversionStateError,
            match=rf"scheduler at {dask.address} is gone; what was done is kept",
        ),
    ):
        convert(
            audio,
            tmp_path / "a.h5",
            OPTIONS,
            jobs=threads,
            executor=executor,
            progress=when(4, lambda: dask.scheduler.send_signal(signal.SIGKILL)),
        )
    assert not (tmp_path / "a.h5").exists()
    report = convert(audio, tmp_path / "a.h5", OPTIONS, jobs=1)
    assert 4 <= report.resumed < 24
    assert (tmp_path / "a.h5").read_bytes() == audio.with_name("one.h5").read_bytes()


def test_the_command_runs_on_a_cluster(
    dask: Cluster, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dask.add_worker()
    words = ["convert", audio, tmp_path / "a.h5", "--channels", 70, "--scheduler", dask.address]
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    assert caught.value.code == 0
    assert "24 samples" in capsys.readouterr().out
    assert (tmp_path / "a.h5").read_bytes() == audio.with_name("one.h5").read_bytes()


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS_TO_CONNECT", 1)
    with (
        pytest.raises(
            SpikebenchError, match=r"^tcp://127.0.0.1:9: no Dask scheduler answers there"
        ),
        cluster_executor("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize("address", ["nonsense", "http://localhost:1", "tcp://"])
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(cluster, "_SECONDS_TO_CONNECT", 1)
    with (
        pytest.raises(SpikebenchError, match=r"--scheduler tcp://HOST:PORT"),
        cluster_executor(address),
    ):
        pass


def test_a_cluster_without_workers(dask: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS_FOR_WORKERS", 1)
    with (
        pytest.raises(SpikebenchError, match="the scheduler has no workers; start some with"),
        cluster_executor(dask.address),
    ):
        pass
