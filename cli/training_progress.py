"""How training shows where it is: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from spikebench.time_left import TimeLeft

if TYPE_CHECKING:
    from spikebench.checkpoint import Epoch
    from spikebench.training import Report

_EVERY_SECONDS = 10.0


@contextmanager
def training_progress(title: str, quiet: bool) -> Iterator[Report | None]:
    """Give a function that :func:`spikebench.training.fit` calls after every epoch.

    Parameters
    ----------
    title
        What is trained.
    quiet
        Say nothing.

    Yields
    ------
    callable or None
        To be passed as ``report``.
    """
    if quiet:
        yield None
    elif sys.stderr.isatty():
        yield from _bar(title)
    else:
        yield _lines(title)


def _bar(title: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed}/{task.total} {task.fields[state]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, state="", left="")
        left = _estimate()

        def report(epoch: Epoch, epochs: int) -> None:
            said = left(epoch, epochs)
            progress.update(
                task, total=epochs, completed=epoch.epoch, state=_state(epoch), left=said
            )

        yield report


def _lines(title: str) -> Report:
    last = time.monotonic()
    left = _estimate()

    def report(epoch: Epoch, epochs: int) -> None:
        nonlocal last
        said = left(epoch, epochs)
        if time.monotonic() - last >= _EVERY_SECONDS or epoch.epoch == epochs:
            last = time.monotonic()
            click.echo(
                f"{title}: epoch {epoch.epoch}/{epochs}, {_state(epoch)}"
                + (f", {said}" if said else ""),
                err=True,
            )

    return report


def _estimate() -> Callable[[Epoch, int], str]:
    """Give a function that says the time left; the first epoch, in which loops are compiled, does not count."""
    left = TimeLeft(least_pieces=1)

    def said(epoch: Epoch, epochs: int) -> str:
        now = time.monotonic()
        for done in (epoch.epoch - 1, epoch.epoch):
            left.see(done, now)
        return left.words(epochs) if epoch.epoch < epochs else ""

    return said


def _state(epoch: Epoch) -> str:
    return (
        f"loss {epoch.loss:.3f}, validation {epoch.validation_accuracy:.1%}, "
        f"{epoch.samples_per_second:.0f} samples/s"
    )
