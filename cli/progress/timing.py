"""Progress of a study of timing: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from spikebench.time_left import duration

if TYPE_CHECKING:
    from spikebench.timing.runner import StudyProgress

_EVERY_SECONDS = 10.0

Show = Callable[["StudyProgress"], None]


@contextmanager
def study_progress(quiet: bool, check: Callable[[], None]) -> Iterator[Show]:
    """Show the progress that :func:`spikebench.timing.runner.run_study` reports.

    Parameters
    ----------
    quiet
        Print nothing.
    check
        Called every time; it may raise.

    Yields
    ------
    callable
        To pass as ``progress``.
    """
    if quiet:
        yield lambda state: check()
    elif sys.stderr.isatty():
        yield from _bar(check)
    else:
        yield _lines(check)


def _bar(check: Callable[[], None]) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("timing"), BarColumn(bar_width=20), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("timing", total=None, state="")

        def show(state: StudyProgress) -> None:
            check()
            bar.update(task, completed=state.work, total=state.total, state=_words(state))

        yield show


def _lines(check: Callable[[], None]) -> Show:
    last = time.monotonic()
    done = -1

    def show(state: StudyProgress) -> None:
        nonlocal last, done
        check()
        ended = state.done == state.total != done
        done = state.done
        if time.monotonic() - last >= _EVERY_SECONDS or ended:
            last = time.monotonic()
            click.echo(f"timing: {_words(state)}", err=True)

    return show


def _words(state: StudyProgress) -> str:
    parts = [f"{state.done}/{state.total} runs"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.rate and state.done < state.total:
        parts.append(f"{_rate(state.rate)}")
    if state.seconds_left is not None and state.done < state.total:
        parts.append(f"{duration(state.seconds_left)} left")
    return ", ".join(parts)


def _rate(per_second: float) -> str:
    per_minute = 60 * per_second
    return f"{per_minute:.3g} per minute" if per_minute >= 1 else f"{60 * per_minute:.3g} per hour"
