"""Progress of downloads: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import click

from spikebench.time_left import TimeLeft

_EVERY_SECONDS = 10.0


class Showing(NamedTuple):
    """Callbacks for one-line notices, and for the bytes downloaded and their total."""

    notify: Callable[[str], None]
    progress: Callable[[int, int | None], None]


@contextmanager
def download_progress(quiet: bool) -> Iterator[Showing]:
    """Show notices and progress on standard error; after Ctrl-C, print that the downloaded part is kept.

    Parameters
    ----------
    quiet
        Print nothing.

    Yields
    ------
    Showing
        Callbacks to pass to a download.
    """
    try:
        if quiet:
            yield Showing(lambda text: None, lambda done, total: None)
        elif sys.stderr.isatty():
            yield from _bar()
        else:
            yield Showing(lambda text: click.echo(text, err=True), _lines())
    except KeyboardInterrupt:
        click.echo("the downloaded part is kept; run the same command again to resume", err=True)
        raise


def _bar() -> Iterator[Showing]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("downloading"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("downloading", total=None, visible=False, left="")
        before = -1
        left = _estimate()

        def progress(done: int, total: int | None) -> None:
            nonlocal before
            if before < 0 or done < before:  # another file
                bar.reset(task, total=total, completed=done, visible=True)
            left.see(done, time.monotonic())
            bar.update(task, completed=done, total=total, left=left.words(total) if total else "")
            before = done

        yield Showing(lambda text: console.print(text, markup=False, highlight=False), progress)


def _lines() -> Callable[[int, int | None], None]:
    last = time.monotonic()
    left = _estimate()

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        left.see(done, now)
        if now - last < _EVERY_SECONDS or left.rate is None:
            return
        last = now
        speed = f"{left.rate / 1e6:.2f} MB/s"
        if total is None:
            click.echo(f"{done / 1e6:.0f} MB, {speed}", err=True)
        else:
            click.echo(
                f"{done / 1e6:.0f} of {total / 1e6:.0f} MB, {speed}, {left.words(total)}", err=True
            )

    return progress


def _estimate() -> TimeLeft:
    """Return an estimate without start-up: the first count is the part downloaded by an earlier command."""
    return TimeLeft(least_pieces=1, has_start_up=False)
