"""Progress of many runs: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import click


class State(Protocol):
    """Progress of the runs: how many of all are done, and how much of the work."""

    @property
    def done(self) -> int:
        """Runs that are done."""

    @property
    def total(self) -> int:
        """All runs."""

    @property
    def work(self) -> float:
        """Runs that are done, and the parts of others."""


_EVERY_SECONDS = 10.0

Some = TypeVar("Some", bound=State)


@contextmanager
def runs_progress(
    title: str, words: Callable[[Some], str], quiet: bool, check: Callable[[], None]
) -> Iterator[Callable[[Some], None]]:
    """Show the progress of runs.

    Parameters
    ----------
    title
        First word.
    words
        Puts a state in words.
    quiet
        Print nothing.
    check
        Called every time; it may raise.

    Yields
    ------
    callable
        To call with every state.
    """
    if quiet:
        yield lambda state: check()
    elif sys.stderr.isatty():
        yield from _bar(title, words, check)
    else:
        yield _lines(title, words, check)


def _bar(
    title: str, words: Callable[[Some], str], check: Callable[[], None]
) -> Iterator[Callable[[Some], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn(title), BarColumn(bar_width=20), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, state="")

        def show(state: Some) -> None:
            check()
            bar.update(task, completed=state.work, total=state.total, state=words(state))

        yield show


def _lines(
    title: str, words: Callable[[Some], str], check: Callable[[], None]
) -> Callable[[Some], None]:
    last = time.monotonic()
    done = -1

    def show(state: Some) -> None:
        nonlocal last, done
        check()
        ended = state.done == state.total != done
        done = state.done
        if time.monotonic() - last >= _EVERY_SECONDS or ended:
            last = time.monotonic()
            click.echo(f"{title}: {words(state)}", err=True)

    return show
