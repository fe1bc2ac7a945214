"""How a download shows where it is: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click

_EVERY_SECONDS = 10.0


class Showing(NamedTuple):
    """Whom to tell what is decided, and how many bytes of how many are there."""

    notify: Callable[[str], None]
    progress: Callable[[int, int | None], None]


@contextmanager
def download_progress(quiet: bool) -> Iterator[Showing]:
    """Show notices and progress on standard error; after Ctrl-C, say that what came is kept.

    Parameters
    ----------
    quiet
        Say nothing.

    Yields
    ------
    Showing
        What a download is to be given.
    """
    try:
        if quiet:
            yield Showing(lambda text: None, lambda done, total: None)
        elif sys.stderr.isatty():
            yield from _bar()
        else:
            yield Showing(lambda text: click.echo(text, err=True), _lines())
    except KeyboardInterrupt:
        click.echo("what came is kept; the same command goes on", err=True)
        raise


def _bar() -> Iterator[Showing]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("downloading"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("downloading", total=None, visible=False)
        before = -1

        def progress(done: int, total: int | None) -> None:
            nonlocal before
            if before < 0 or done < before:  # another file
                bar.reset(task, total=total, completed=done, visible=True)
            bar.update(task, completed=done, total=total)
            before = done

        yield Showing(lambda text: console.print(text, markup=False, highlight=False), progress)


def _lines() -> Callable[[int, int | None], None]:
    first = before = 0
    started = last = time.monotonic()

    def progress(done: int, total: int | None) -> None:
        nonlocal first, before, started, last
        now = time.monotonic()
        if done < before or before == 0:  # another file; what is there already did not come now
            first, started = done, now
        before = done
        if now - last < _EVERY_SECONDS or done == first:
            return
        last = now
        rate = (done - first) / (now - started)
        if total is None:
            click.echo(f"{done / 1e6:.0f} MB, {rate / 1e6:.2f} MB/s", err=True)
            return
        left = duration((total - done) / rate)
        click.echo(
            f"{done / 1e6:.0f} of {total / 1e6:.0f} MB, {rate / 1e6:.2f} MB/s, {left} left",
            err=True,
        )

    return progress


def duration(seconds: float) -> str:
    """Write a time as h:mm:ss.

    Parameters
    ----------
    seconds
        The time [s].

    Returns
    -------
    str
        For people.
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
