"""Thousands of entries show on a terminal how far they are; a few, and files, see nothing of it."""

from __future__ import annotations

import io
import sys

import pytest

from cli.progress.leaderboard import MANY, entries_progress


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "total", "seen"),
    [(Terminal(), MANY, True), (Terminal(), MANY - 1, False), (io.StringIO(), 10_000, False)],
)
def test_a_bar_for_many_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, total: int, seen: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with entries_progress("reading") as tell:
        tell(1, total)
        tell(total, total)
    assert (f"{total}/{total}" in stderr.getvalue()) == seen
    assert ("reading entries" in stderr.getvalue()) == seen
