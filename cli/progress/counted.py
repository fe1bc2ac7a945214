"""Progress of work on many like items: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from spikebench.time_left import TimeLeft

_EVERY_SECONDS = 10.0


@contextmanager
def counted_progress(what: str, items: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show how many items are done; nothing until the first one is.

    Parameters
    ----------
    what
        Name of the work.
    items
        Plural of an item.
    quiet
        Print nothing.

    Yields
    ------
    callable
        Takes the number of finished items and their total.
    """
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        yield from _bar(what)
    else:
        yield _lines(what, items)


def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield show


def _lines(what: str, items: str) -> Callable[[int, int], None]:
    last = time.monotonic()
    left = TimeLeft(least_pieces=1)

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        left.see(done, now)
        if now - last >= _EVERY_SECONDS:
            last = now
            said = left.words(total)
            click.echo(
                f"{what}: {done} of {total} {items}" + (f", {said}" if said else ""),
                err=True,
            )

    return show
