"""Files written whole or not at all, and locks between processes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from spikebench.records.locks import file_lock
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import whole_file, write_text


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with whole_file(path) as partial:
            partial.write_text("half")
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        fail()
    assert (path.read_text(), [one.name for one in tmp_path.iterdir()]) == ("old", ["a.txt"])
    with whole_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert (path.read_text(), [one.name for one in tmp_path.iterdir()]) == ("new", ["a.txt"])


def _hold(path: Path, held: multiprocessing.Queue[str], wait: multiprocessing.Queue[str]) -> None:
    with file_lock(path, lambda: held.put("busy")):
        held.put("held")
        wait.get()


def test_a_lock_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, wait = context.Queue(), context.Queue()
    other = context.Process(target=_hold, args=(tmp_path / ".lock", held, wait))

    class BusyError(Exception):
        pass

    def busy() -> None:
        raise BusyError("held")

    def never() -> None:
        raise AssertionError

    other.start()
    try:
        assert held.get(timeout=60) == "held"
        with pytest.raises(BusyError, match="held"), file_lock(tmp_path / ".lock", busy):
            pass
        asked: list[str] = []

        def release() -> None:
            asked.append("busy")
            wait.put("done")

        with file_lock(tmp_path / ".lock", release):
            assert asked == ["busy"]
    finally:
        other.join(timeout=60)
    with file_lock(tmp_path / ".lock", never):
        pass


def test_reasons_of_the_system_are_in_lower_case_and_without_the_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "A.txt").read_text()
    assert os_error_text(caught.value) == "no such file or directory"
    assert os_error_text(OSError("Odd")) == "odd"
