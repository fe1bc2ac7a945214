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
from helpers.commands import Started
from helpers.loopback_cluster import Cluster, started
from helpers.synthetic_clips import tone, write_clip

from cli.main import main
from spikebench import cluster
from spikebench.cluster import cluster_executor
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.errors import ConversionStateError, SpikebenchError

pytest.importorskip("distributed", reason="dask.distributed (extra cluster) is not installed")

OPTIONS = ConversionOptions(n_channels=70)


@pytest.fixture(scope="module")
def one_scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with started(tmp_path_factory.mktemp("dask") / "here") as running:
        yield running


@pytest.fixture
def dask(one_scheduler: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A scheduler that stays up, with the workers of the tests before; they are counted often."""
    monkeypatch.setattr(cluster, "_SECONDS_BETWEEN_COUNTS", 0.1)
    return one_scheduler


@pytest.fixture
def passing(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler that the test may kill."""
    with started(tmp_path / "dask") as running:
        yield running


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
    dask.have_workers(2)
    victim, other = dask.alive()
    with cluster_executor(dask.address) as (executor, threads):
        deadline = time.monotonic() + 60
        while threads() < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        report = convert(
            audio,
            tmp_path / "a.h5",
            OPTIONS,
            jobs=threads,
            executor=executor,
            progress=when(4, lambda: victim.send_signal(signal.SIGKILL)),
        )
    assert victim.wait(timeout=10) == -signal.SIGKILL
    assert other.poll() is None
    assert (report.samples, report.resumed) == (24, 0)
    assert (tmp_path / "a.h5").read_bytes() == audio.with_name("one.h5").read_bytes()


def test_the_command_runs_on_a_cluster(
    dask: Cluster, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dask.have_workers(1)
    words = ["convert", audio, tmp_path / "a.h5", "--channels", 70, "--scheduler", dask.address]
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    assert caught.value.code == 0
    assert "24 samples" in capsys.readouterr().out
    assert (tmp_path / "a.h5").read_bytes() == audio.with_name("one.h5").read_bytes()


@pytest.mark.slow
def test_the_scheduler_goes_away_and_the_rest_is_done_here(
    passing: Cluster, audio: Path, tmp_path: Path
) -> None:
    passing.add_worker()
    words = ["convert", audio, "a.h5", "--channels", "70", "--scheduler", passing.address]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(str, words)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = tmp_path / "a.h5.partial-wal"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.stat().st_size > 60_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    passing.scheduler.kill()
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.splitlines()[-1] == (
        f"spikebench: the scheduler at {passing.address} is no longer reachable; finished recordings are "
        "kept, run the same command again to resume"
    )
    assert "Traceback" not in err
    assert "distributed" not in err
    assert not (tmp_path / "a.h5").exists()
    report = convert(audio, tmp_path / "a.h5", OPTIONS, jobs=1)
    assert 0 < report.resumed < 24
    assert (tmp_path / "a.h5").read_bytes() == audio.with_name("one.h5").read_bytes()


@pytest.mark.slow
def test_the_last_worker_goes_away(
    dask: Cluster, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    dask.end_workers()
    dask.add_worker()

    def end_worker() -> None:
        monkeypatch.setattr(cluster, "_SECONDS_FOR_WORKERS", 2)  # not before: it may come late
        dask.end_workers()

    with (
        cluster_executor(dask.address, notes.append) as (executor, threads),
        pytest.raises(ConversionStateError, match=r"no workers for 2 s; .*are kept"),
    ):
        convert(
            audio,
            tmp_path / "a.h5",
            OPTIONS,
            jobs=threads,
            executor=executor,
            progress=when(4, end_worker),
        )
    told = f"{dask.address} has no workers; waiting for one (dask worker {dask.address})"
    assert set(notes) == {told}  # before the worker came, perhaps, and after it went
    assert convert(audio, tmp_path / "a.h5", OPTIONS, jobs=1).resumed >= 4


def test_workers_without_the_package_are_told(
    dask: Cluster, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "spikebench"
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    dask.end_workers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(other.parent))
        dask.add_worker(threads=2)
    (worker,) = dask.alive()
    with cluster_executor(dask.address) as (executor, threads):
        deadline = time.monotonic() + 60
        while threads() < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert threads() == 2  # it has come, and is not merely late
        monkeypatch.setattr(cluster, "_SECONDS_FOR_WORKERS", 2)
        # Dask ends a worker that cannot read what it is sent, or returns the error.
        told = "no workers for 2 s; start workers with the same version of spikebench: dask worker"
        told += r"|the workers have another version of spikebench, or none: No module named 'spikebench\."
        with pytest.raises(ConversionStateError, match=told) as refused:
            convert(audio, tmp_path / "a.h5", OPTIONS, jobs=threads, executor=executor)
    if "no workers" in str(refused.value):
        assert worker.wait(timeout=10) >= 0  # ended by itself, not by a signal
    assert [path.name for path in tmp_path.glob("a.h5*")] == []
    dask.end_workers()  # it is of no use to others


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (
            "tcp://127.0.0.1:9",
            "tcp://127.0.0.1:9: no Dask scheduler responds there: connection refused",
        ),
        *(
            (address, f"{address!r}: not the address of a scheduler; give one like tcp://HOST:8786")
            for address in (
                *("", "nonsense", "127.0.0.1:8786", "tcp://", "tcp://127.0.0.1", "tcp://h:xx"),
                *("http://127.0.0.1:8786", "foo://x:1"),
            )
        ),
    ],
)
def test_an_address_where_nobody_answers_is_one_line_at_once(
    audio: Path, tmp_path: Path, address: str, told: str
) -> None:
    """In a process of its own, whose streams show whatever Dask says until it has ended."""
    words = ["convert", audio, "a.h5", "--scheduler", address]
    code, out, err = Started(tmp_path, *words).ends(20)
    assert (code, out, err) == (1, "", f"spikebench: {told}\n")


def test_a_listener_that_is_no_scheduler(audio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS_TO_CONNECT", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with (
            pytest.raises(
                SpikebenchError, match=rf"{address}: no Dask scheduler responds there: no reply"
            ),
            cluster_executor(address),
        ):
            pass


def test_a_cluster_without_workers(
    dask: Cluster, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dask.end_workers()
    monkeypatch.setattr(cluster, "_SECONDS_FOR_WORKERS", 0.2)
    with (
        cluster_executor(dask.address) as (executor, threads),
        pytest.raises(ConversionStateError, match=r"no workers for 0.2 s; .* dask worker tcp://"),
    ):
        convert(audio, tmp_path / "a.h5", OPTIONS, jobs=threads, executor=executor)
    assert list(tmp_path.glob("a.h5*")) == []
