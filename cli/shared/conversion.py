"""Shared by the commands that convert (and sweep): options, executors, progress, and clean interruption."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from spikebench.time_left import TimeLeft

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from spikebench.conversion.runner import ConversionReport

F = TypeVar("F", bound=Callable[..., Any])

_EVERY_SECONDS = 10.0
_OPTIONS = (
    click.option(
        "--jobs", type=click.IntRange(1, 1024), help="Processes.  [default: one per core]"
    ),
    click.option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Encode on the Dask cluster at this address.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace existing files."),
    click.option("--restart", is_flag=True, help="Discard the work of an interrupted run."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object when done."),
    click.option("--quiet", is_flag=True, help="Print only errors."),
)


class Running(NamedTuple):
    """Callbacks of a conversion, and the executor that encodes (None: local processes)."""

    notify: Callable[[str], None]
    progress: Callable[[int, int], None]
    executor: Executor | None
    threads: Callable[[], int] | None


def run_options(command: F) -> F:
    """Add the options on how to convert, which do not affect the contents of the file.

    Parameters
    ----------
    command
        Takes ``jobs``, ``scheduler``, ``overwrite``, ``restart``, ``as_json`` and ``quiet``.

    Returns
    -------
    callable
        The command with its options.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextlib.contextmanager
def running(outputs: Sequence[Path], quiet: bool, scheduler: str | None) -> Iterator[Running]:
    """Prepare a conversion that shows its progress and can be interrupted cleanly.

    Parameters
    ----------
    outputs
        Files that the conversion makes.
    quiet
        Print nothing.
    scheduler
        Address of a Dask cluster; None encodes in local processes.

    Yields
    ------
    Running
        Arguments to pass to the conversion.
    """
    with (
        stop_cleanly(outputs) as check,
        _progress(quiet, check) as (notify, progress),
        place(scheduler, notify) as (executor, threads),
    ):
        yield Running(notify, progress, executor, threads)


def report_as_json(report: ConversionReport) -> dict[str, object]:
    """Convert a report to the object that ``--json`` prints.

    Parameters
    ----------
    report
        The report of one conversion.

    Returns
    -------
    dict
        JSON-compatible.
    """
    return {
        "file": str(report.file),
        "samples": report.samples,
        "spikes": report.spikes,
        "audio_seconds": round(report.audio_seconds, 6),
        "classes": list(report.classes),
        "skipped": [one.as_json() for one in report.skipped],
        "remarks": list(report.remarks),
        "resumed": report.resumed,
        "wall_seconds": round(report.wall_seconds, 3),
    }


def print_reports(
    reports: Sequence[ConversionReport],
    document: object,
    as_json: bool,
    quiet: bool,
    more: Sequence[str] = (),
) -> None:
    """Print the reports of conversions and the recordings that were left out.

    Parameters
    ----------
    reports
        One per file.
    document
        The object that ``--json`` prints.
    as_json, quiet
        The options.
    more
        Lines to print after those of the files.

    Raises
    ------
    PartialConversionError
        If recordings were left out.
    """
    from spikebench.errors import PartialConversionError

    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    elif not quiet:
        for report in reports:
            click.echo(_summary(report))
        for line in more:
            click.echo(line)
    skipped = [one for report in reports for one in report.skipped]
    for one in skipped if quiet else ():
        click.echo(f"skipped {one.file}: {one.reason}", err=True)
    if skipped:
        samples = sum(report.samples for report in reports)
        left_out = sum(one.files for one in skipped)
        raise PartialConversionError(f"{left_out} left out, {samples} converted")


def _summary(report: ConversionReport) -> str:
    return (
        f"{report.file}: {report.samples} samples, {report.spikes:,} spikes, "
        f"{report.audio_seconds:.1f} s of audio in {report.wall_seconds:.1f} s"
    )


@contextlib.contextmanager
def place(
    scheduler: str | None, notify: Callable[[str], None]
) -> Iterator[tuple[Executor | None, Callable[[], int] | None]]:
    """Connect to a cluster, if one is given.

    Parameters
    ----------
    scheduler
        Address of the cluster, or None.
    notify
        Called with one line while the cluster has no workers.

    Yields
    ------
    executor : Executor or None
        Where to submit calls; None is for local processes.
    threads : callable or None
        Returns the current number of calls that run at a time.
    """
    if scheduler is None:
        yield None, None
        return
    from spikebench.cluster import cluster_executor

    with cluster_executor(scheduler, notify) as (executor, threads):
        yield executor, threads


@contextlib.contextmanager
def stop_cleanly(outputs: Sequence[Path]) -> Iterator[Callable[[], None]]:
    """Turn Ctrl-C and SIGTERM into exceptions, so that files are closed, and print where the work is kept.

    If the signal arrives while C code calls back into Python, the exception of the handler is swallowed and
    printed as unraisable. The yielded function raises it again, and the printing is suppressed.

    Parameters
    ----------
    outputs
        Files that are being made; finished work is in a ``.partial`` beside each.

    Yields
    ------
    callable
        To call regularly.
    """
    received: list[int] = []
    hook = sys.unraisablehook

    def raise_again() -> None:
        if received:
            raise KeyboardInterrupt if received[0] == signal.SIGINT else SystemExit(143)

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        sys.unraisablehook = lambda swallowed: None
        raise_again()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield raise_again
    except BaseException:
        for kept in (Path(f"{output}.partial") for output in outputs) if received else ():
            if kept.exists():
                click.echo(
                    f"{kept}: finished work is kept; run the same command again to resume", err=True
                )
        raise
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(
    quiet: bool, check: Callable[[], None]
) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Show notices and progress on standard error, a bar only on a terminal; call check after every clip."""
    if quiet:
        yield lambda text: None, lambda done, total: check()
        return
    if not sys.stderr.isatty():
        lines = clip_lines()

        def log(done: int, total: int) -> None:
            check()
            lines(done, total)

        yield lambda text: click.echo(text, err=True), log
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("converting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("converting", total=None, speed="")
        watch = _watch()

        def progress(done: int, total: int) -> None:
            check()
            speed = watch(done, total, time.monotonic())
            bar.update(task, completed=done, total=total, speed=speed)

        yield lambda text: console.print(text, markup=False, highlight=False), progress


def clip_lines() -> Callable[[int, int], None]:
    """Return a function that prints the number of converted recordings every ten seconds, for a log.

    Returns
    -------
    callable
        Takes the number of finished recordings and their total.
    """
    last = time.monotonic()
    watch = _watch()

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        speed = watch(done, total, now)
        if now - last < _EVERY_SECONDS:
            return
        last = now
        said = f"{done:,} of {total:,} recordings"
        click.echo(f"{said}, {speed}" if speed else said, err=True)

    return progress


def _watch() -> Callable[[int, int, float], str]:
    """Return a function that formats rate and time left; a jump of more than one recording is earlier work."""
    left = TimeLeft()
    before: int | None = None

    def watch(done: int, total: int, now: float) -> str:
        nonlocal before
        if before is not None and done > before + 1:
            left.skip(done - before)
        left.see(done, now)
        before = done
        return f"{left.rate:.1f} clips/s, {left.words(total)}" if left.rate else ""

    return watch
