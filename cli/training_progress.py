"""How training shows where it is: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

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
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed}/{task.total} {task.fields[state]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, state="")

        def report(epoch: Epoch, epochs: int) -> None:
            progress.update(task, total=epochs, completed=epoch.epoch, state=_state(epoch))

        yield report


def _lines(title: str) -> Report:
    last = time.monotonic()

    def report(epoch: Epoch, epochs: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY_SECONDS or epoch.epoch == epochs:
            last = time.monotonic()
            left = (epochs - epoch.epoch) * epoch.seconds
            click.echo(
                f"{title}: epoch {epoch.epoch}/{epochs}, {_state(epoch)}, {left:.0f} s left",
                err=True,
            )

    return report


def _state(epoch: Epoch) -> str:
    return (
        f"loss {epoch.loss:.3f}, validation {epoch.validation_accuracy:.1%}, "
        f"{epoch.samples_per_second:.0f} samples/s"
    )
