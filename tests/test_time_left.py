"""Rate and time left: said late rather than wrong, whatever is converted, downloaded or trained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.progress.download import download_progress
from cli.progress.training import training_progress
from cli.shared.conversion import _progress, clip_lines
from spikebench.time_left import TimeLeft, duration
from spikebench.training.checkpoint import Epoch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the time is, to be set."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@given(
    start_up=st.floats(0, 1e5),
    each=st.floats(0.5, 100),
    there=st.integers(0, 1000),
    pieces=st.integers(6, 30),
)
def test_neither_start_up_nor_earlier_work_counts(
    start_up: float, each: float, there: int, pieces: int
) -> None:
    left = TimeLeft()
    left.see(there, 0.0)
    for k in range(pieces):
        assert left.rate is None or k > 5
        left.see(there + k + 1, start_up + k * each)
    assert left.rate == pytest.approx(1 / each, rel=1e-6)
    assert left.seconds(there + pieces + 10) == pytest.approx(10 * each, rel=1e-6)


def test_a_burst_says_nothing_yet() -> None:
    left = TimeLeft()
    for done in range(100):
        left.see(done, 0.001 * done)
    assert left.rate is None
    assert left.words(1000) == ""


def test_what_is_found_done_is_no_speed() -> None:
    left = TimeLeft()
    for second in range(8):
        left.see(second, float(second))
    left.skip(5000)
    for second in range(8, 12):
        left.see(5000 + second, float(second))
    assert left.rate == pytest.approx(1.0, rel=1e-12)
    assert left.words(5021) == "0:00:10 left"


def test_another_file_begins_anew() -> None:
    left = TimeLeft(least_pieces=1, has_start_up=False)
    left.see(0, 0.0)
    left.see(100, 10.0)
    assert left.rate == 10
    left.see(0, 20.0)
    assert left.rate is None
    left.see(50, 25.0)
    assert left.rate == 10


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (400_000, "111:06:40")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_conversion_that_starts_slowly_tells_no_absurd_time(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = clip_lines()
    progress(0, 40_000)
    for k in range(1, 42):
        clock[0] = 10 + 0.5 * k  # loops are compiled for ten seconds, then two clips a second
        progress(k, 40_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "1 of 40,000 recordings",
        "21 of 40,000 recordings, 2.0 clips/s, 5:33:10 left",
        "41 of 40,000 recordings, 2.0 clips/s, 5:33:00 left",
    ]


def test_recordings_that_an_earlier_run_had_done_are_no_speed(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = clip_lines()
    progress(1000, 3000)
    for k in range(1, 11):
        clock[0] = float(k)
        progress(1000 + k, 3000)
    progress(2000, 3000)  # the next of several files, most of which was done
    for k in range(11, 22):
        clock[0] = float(k)
        progress(1990 + k, 3000)
    assert capsys.readouterr().err.splitlines() == [
        "1,010 of 3,000 recordings, 1.0 clips/s, 0:33:10 left",
        "2,010 of 3,000 recordings, 1.0 clips/s, 0:16:30 left",
    ]


def test_a_terminal_waits_as_well(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with _progress(False, lambda: None) as (_, progress):
        for k in range(4):
            clock[0] = 20.0 * k
            progress(k, 40_000)
    assert "left" not in capsys.readouterr().err
    with _progress(False, lambda: None) as (_, progress):
        for k in range(20):
            clock[0] = 100.0 + k
            progress(k, 40_000)
    assert "1.0 clips/s, 11:06:21 left" in capsys.readouterr().err


def test_a_download_that_waited_tells_no_absurd_time(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with download_progress(quiet=False) as showing:
        clock[0] = 60.0  # the server took its time
        showing.progress(0, 100_000_000)
        clock[0] = 60.001
        showing.progress(100_000, 100_000_000)
        assert capsys.readouterr().err == ""
        clock[0] = 70.0
        showing.progress(1_000_000, 100_000_000)
    assert capsys.readouterr().err == "1 of 100 MB, 0.10 MB/s, 0:16:30 left\n"


def test_the_first_epoch_does_not_count(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with training_progress("lif seed 0", quiet=False) as report:
        assert report is not None
        for number in range(1, 5):
            clock[0] = 60.0 + 12.0 * number  # a minute of compiling, then 12 s each
            report(Epoch(number, 1.0, 1.0, 0.5, 0.0, 0.1, 12.0, 100.0), 4)
    assert [line.partition("samples/s")[2] for line in capsys.readouterr().err.splitlines()] == [
        "",
        ", 0:00:24 left",
        ", 0:00:12 left",
        "",
    ]
