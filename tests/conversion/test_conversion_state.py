"""Conversions that something stops: what is kept, what is refused, what is said."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.synthetic_clips import tone, write_clip

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.journal import ConversionJournal, journal_path
from spikebench.conversion.runner import convert
from spikebench.encoders.clip import encode_clip
from spikebench.errors import ConversionStateError, OutputExistsError, SpikebenchError

OPTIONS = ConversionOptions(n_channels=20)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for i in range(8):
        write_clip(tmp_path / "audio" / f"{i}.wav", tone(frequency=300.0 + 50 * i))
    return tmp_path / "audio"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "a.h5"


def after(count: int, act: Callable[[], object]) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == count:
            act()

    return progress


def stop() -> None:
    raise KeyboardInterrupt


def run(audio: Path, output: Path, progress: Callable[[int, int], None] | None = None) -> int:
    """Convert; return how many recordings an earlier run had done."""
    return convert(
        audio, output, OPTIONS, jobs=1, progress=progress or (lambda done, total: None)
    ).resumed


def reference(audio: Path, tmp_path: Path) -> bytes:
    run(audio, tmp_path / "reference.h5")
    return (tmp_path / "reference.h5").read_bytes()


@pytest.mark.parametrize("count", range(9))
def test_stopped_anywhere_the_rest_is_done(audio: Path, output: Path, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(audio, output, after(count, stop))
    assert not output.exists()
    assert run(audio, output) == count
    assert output.read_bytes() == reference(audio, output.parent)
    assert not journal_path(output).exists()


def test_a_source_that_changes_meanwhile_stops_the_run(audio: Path, output: Path) -> None:
    changed = audio / "5.wav"
    before = changed.read_bytes()
    with pytest.raises(ConversionStateError, match=r"5\.wav: changed or was removed during"):
        run(audio, output, after(3, lambda: write_clip(changed, tone(seconds=0.2))))
    changed.write_bytes(before)
    with pytest.raises(ConversionStateError, match=r"6\.wav: changed or was removed during"):
        run(audio, output, after(5, (audio / "6.wav").unlink))
    with pytest.raises(
        ConversionStateError, match=r"clips was \"8 recordings, .* is \"7 recordings"
    ):
        run(audio, output)
    write_clip(audio / "6.wav", tone(frequency=600.0))
    assert run(audio, output) == 6
    assert output.read_bytes() == reference(audio, output.parent)


def test_a_recording_that_changed_after_it_was_done_is_refused(audio: Path, output: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(audio, output, after(4, stop))
    before = (audio / "2.wav").read_bytes()
    write_clip(audio / "2.wav", tone(frequency=401.0))
    with pytest.raises(ConversionStateError, match=r"^2\.wav: has changed since .*--restart"):
        run(audio, output)
    (audio / "2.wav").write_bytes(before)
    assert run(audio, output) == 4


@pytest.mark.parametrize("act", [shutil.rmtree, lambda folder: folder.rename(folder.parent / "b")])
def test_an_output_folder_that_goes_away_is_noticed(
    audio: Path, output: Path, act: Callable[[Path], object]
) -> None:
    with pytest.raises(ConversionStateError, match=r"a\.h5\.partial: is gone, was its folder"):
        run(audio, output, after(3, lambda: act(output.parent)))
    moved = output.parent.parent / "b"
    if moved.exists():
        moved.rename(output.parent)
        assert run(audio, output) == 3
        assert output.exists()


def test_a_full_disk_keeps_what_was_done(audio: Path, tmp_path: Path) -> None:
    """A file system of 300 KiB in a mount namespace of its own; then it grows."""
    for i in range(8, 60):
        write_clip(audio / f"{i}.wav", tone(frequency=300.0 + 10 * i))
    command = f"{sys.executable} -m cli.main convert audio full/a.h5 --channels 70 --jobs 1"
    script = f"""
        mount -t tmpfs -o size=300k tmpfs full || exit 77
        {command}; echo "first $?"
        mount -o remount,size=100m full
        {command}; echo "second $?"
        cp full/a.h5 a.h5
    """
    (tmp_path / "full").mkdir()
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"needs a mount namespace: {done.stderr.strip()}")
    assert "first 1" in done.stdout
    assert (
        "a.h5.partial: the disk is full; free space, then run the same command again" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert "resuming: " in done.stderr
    assert "resuming: 0 of" not in done.stderr
    assert "second 0" in done.stdout
    assert (tmp_path / "a.h5").stat().st_size > 50_000


def test_what_a_killed_writer_left_is_removed(audio: Path, output: Path) -> None:
    left = output.with_name(".a.h5.0a1b2c3d.partial")
    left.write_bytes(b"half a file")
    other = output.with_name(".b.h5.0a1b2c3d.partial")
    other.write_bytes(b"of somebody else")
    run(audio, output)
    assert sorted(os.listdir(output.parent)) == [".b.h5.0a1b2c3d.partial", "a.h5"]


def test_a_journal_that_is_none_is_refused(audio: Path, output: Path) -> None:
    journal_path(output).write_bytes(b"hello" * 1000)
    with pytest.raises(ConversionStateError, match="is not an unfinished conversion; remove it"):
        run(audio, output)
    assert journal_path(output).read_bytes() == b"hello" * 1000


class _OtherVersions(Executor):
    def submit(
        self, fn: Callable[..., object], /, *args: object, **kwargs: object
    ) -> Future[object]:  # type: ignore[override]
        assert fn is encode_clip
        future: Future[object] = Future()
        future.set_result(replace(encode_clip(*args), software="spikebench 0.0.9"))  # type: ignore[arg-type]
        return future


def test_workers_of_another_version_are_refused(audio: Path, output: Path) -> None:
    with pytest.raises(SpikebenchError, match=r"a worker has other versions.*spikebench 0\.0\.9"):
        convert(audio, output, OPTIONS, jobs=1, executor=_OtherVersions())
    assert list(output.parent.iterdir()) == []


def done_but_for_the_file(audio: Path, output: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikebench.conversion.runner.write_samples", lambda *_: stop())
        with pytest.raises(KeyboardInterrupt):
            run(audio, output)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE pieces SET times = substr(times, 1, 7) WHERE position = 3",
        "UPDATE pieces SET times = 'text' WHERE position = 3",
        "UPDATE pieces SET times = zeroblob(length(times)) WHERE position = 3",
        "UPDATE pieces SET units = zeroblob(length(units) + 2) WHERE position = 3",
        "UPDATE pieces SET start = 1.0 WHERE position = 3",
        "DELETE FROM pieces WHERE position = 3",
        "UPDATE clips SET sample_rate = 8000 WHERE position = 3",
        "UPDATE clips SET position = 999 WHERE position = 3",
    ],
)
def test_a_damaged_journal_is_noticed(audio: Path, output: Path, damage: str) -> None:
    done_but_for_the_file(audio, output)
    with contextlib.closing(sqlite3.connect(journal_path(output))) as database, database:
        database.execute(damage)
    with pytest.raises(
        ConversionStateError, match=r"a\.h5\.partial: is damaged; --restart starts over"
    ):
        run(audio, output)
    assert not output.exists()
    assert convert(audio, output, OPTIONS, jobs=1, restart=True).resumed == 0


def test_killed_between_the_file_and_its_journal(
    audio: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ConversionJournal, "finish", lambda self: stop())
        with pytest.raises(KeyboardInterrupt):
            run(audio, output)
    before = output.read_bytes()
    assert journal_path(output).exists()
    assert run(audio, output) == 8
    assert output.read_bytes() == before
    assert not journal_path(output).exists()


def test_another_file_in_the_way_of_a_finished_journal_stays(audio: Path, output: Path) -> None:
    run(audio / "0.wav", output)
    before = output.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikebench.conversion.runner.write_samples", lambda *_: stop())
        with pytest.raises(KeyboardInterrupt):
            convert(audio, output, OPTIONS, jobs=1, overwrite=True)
    with pytest.raises(OutputExistsError, match="exists already"):
        run(audio, output)
    assert output.read_bytes() == before


def test_restart_does_not_touch_a_conversion_that_runs(audio: Path, output: Path) -> None:
    def second() -> None:
        with pytest.raises(ConversionStateError, match="another conversion is writing it"):
            convert(audio, output, OPTIONS, jobs=1, restart=True)

    assert run(audio, output, after(4, second)) == 0
    assert output.read_bytes() == reference(audio, output.parent)


def test_a_strangers_files_stay_even_with_restart(audio: Path, output: Path) -> None:
    path = journal_path(output)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE photographs (x)")
    before = path.read_bytes()
    for restart in (False, True):
        with pytest.raises(
            ConversionStateError, match="is not an unfinished conversion; remove it"
        ):
            convert(audio, output, OPTIONS, jobs=1, restart=restart)
    assert path.read_bytes() == before
    path.unlink()
    path.mkdir()
    with pytest.raises(ConversionStateError, match="cannot be written: is a directory"):
        run(audio, output)
    path.rmdir()
    path.symlink_to(output.parent / "elsewhere")
    with pytest.raises(ConversionStateError, match="is a link; remove it"):
        run(audio, output)
