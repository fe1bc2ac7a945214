"""Progress of sweeps: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from spikebench.time_left import duration

if TYPE_CHECKING:
    from spikebench.sweeps.runner import SweepProgress

_EVERY_SECONDS = 10.0

Show = Callable[["SweepProgress"], None]


@contextmanager
def sweep_progress(quiet: bool, check: Callable[[], None]) -> Iterator[Show]:
    """Show the progress that :func:`spikebench.sweeps.runner.run_sweep` reports.

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

    columns = (TextColumn("sweep"), BarColumn(bar_width=20), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sweep", total=None, state="")

        def show(state: SweepProgress) -> None:
            check()
            bar.update(task, completed=state.work, total=state.total, state=_words(state))

        yield show


def _lines(check: Callable[[], None]) -> Show:
    last = time.monotonic()
    done = -1

    def show(state: SweepProgress) -> None:
        nonlocal last, done
        check()
        ended = state.done == state.total != done
        done = state.done
        if time.monotonic() - last >= _EVERY_SECONDS or ended:
            last = time.monotonic()
            click.echo(f"sweep: {_words(state)}", err=True)

    return show


def _words(state: SweepProgress) -> str:
    parts = [f"{state.done}/{state.total} runs"]
    if state.failed:
        parts.append(f"{state.failed} failed")
    if state.best is not None:
        parts.append(f"best validation {state.best:.1%}")
    if state.seconds_left is not None and state.done < state.total:
        parts.append(f"{duration(state.seconds_left)} left")
    return ", ".join(parts)
