"""Progress of training: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from spikebench.time_left import TimeLeft

if TYPE_CHECKING:
    from spikebench.training.checkpoint import Epoch
    from spikebench.training.epochs import Report

_EVERY_SECONDS = 10.0


@contextmanager
def training_progress(title: str, quiet: bool) -> Iterator[Report | None]:
    """Show the progress that :func:`spikebench.training.loop.fit` reports after every epoch.

    Parameters
    ----------
    title
        Name of the model and seed.
    quiet
        Print nothing.

    Yields
    ------
    callable or None
        To pass as ``report``.
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
                task,
                description=_phase(title, epoch),
                total=epochs,
                completed=epoch.epoch,
                state=_state(epoch),
                left=said,
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
                f"{_phase(title, epoch)}: epoch {epoch.epoch}/{epochs}, {_state(epoch)}"
                + (f", {said}" if said else ""),
                err=True,
            )

    return report


def _estimate() -> Callable[[Epoch, int], str]:
    """Return a function that formats the time left; the first epoch, which compiles loops, does not count."""
    left = TimeLeft(least_pieces=1)
    is_refit = False

    def said(epoch: Epoch, epochs: int) -> str:
        nonlocal left, is_refit
        if epoch.is_refit != is_refit:  # the epochs of a refit are counted from 1 again
            left, is_refit = TimeLeft(least_pieces=1), epoch.is_refit
        now = time.monotonic()
        for done in (epoch.epoch - 1, epoch.epoch):
            left.see(done, now)
        return left.words(epochs) if epoch.epoch < epochs else ""

    return said


def _phase(title: str, epoch: Epoch) -> str:
    return f"{title}, refit" if epoch.is_refit else title


def _state(epoch: Epoch) -> str:
    validation = (
        "" if epoch.validation_accuracy is None else f"validation {epoch.validation_accuracy:.1%}, "
    )
    return f"loss {epoch.loss:.3f}, {validation}{epoch.samples_per_second:.0f} samples/s"
