"""Progress of reading and writing many entries: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MANY = 500  # fewer take too little time for a bar


@contextmanager
def entries_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with rate and time left on standard error, if it is a terminal and the entries are many.

    Parameters
    ----------
    what
        Name of the work, e.g. ``reading``.

    Yields
    ------
    callable
        Takes the number of finished entries and their total.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{what} entries", total=None, visible=False, rate="")

        def show(done: int, total: int) -> None:
            speed = bar.tasks[0].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            bar.update(task, completed=done, total=total, visible=total >= MANY, rate=rate)

        yield show
