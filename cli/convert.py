"""``spikebench convert``: audio into spikes."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from spikebench.conversion import ConversionReport

_SOURCES = "auto, none, folders, heidelberg-digits, speech-commands, a '{pattern}' or a CSV file"


@click.command()
@click.argument("audio", type=click.Path(path_type=Path))
@click.argument("output", metavar="OUT.h5", type=click.Path(path_type=Path))
@click.option("--preset", default="shd", show_default=True, help="Parameters: shd or lauscher.")
@click.option(
    "--channels",
    "n_channels",
    default=700,
    show_default=True,
    type=click.IntRange(1, 65_536),
    help="Channels of the cochlea.",
)
@click.option("--native-rate", is_flag=True, help="Do not resample to the preset's rate.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1))
@click.option("--jobs", type=click.IntRange(1, 1024), help="Processes.  [default: one per core]")
@click.option("--labels", default="auto", show_default=True, help=f"Classes from: {_SOURCES}.")
@click.option("--speakers", default="auto", show_default=True, help="Speakers from: the same.")
@click.option("--split", default="auto", show_default=True, help="Split from: the same.")
@click.option(
    "--max-duration",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, 3600, min_open=True),
    help="Longest clip taken [s].",
)
@click.option(
    "--time-dtype",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "float16"]),
    help="float16 as in the published files; coarse above 1 s.",
)
@click.option(
    "--synthetic", is_flag=True, help="The voices are synthetic: the file and all results say so."
)
@click.option(
    "--time-origin",
    default="clip-start",
    show_default=True,
    type=click.Choice(["clip-start", "first-spike"]),
    help="What time 0 is; first-spike as in the published files.",
)
@click.option(
    "--segment",
    type=click.FloatRange(0.01, 3600),
    metavar="SECONDS",
    help="Cut long recordings into numbered pieces.",
)
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT", help="Encode on the Dask cluster that listens there."
)
@click.option("--overwrite", is_flag=True, help="Replace OUT.h5 if it is there.")
@click.option("--restart", is_flag=True, help="Forget what an interrupted run has done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when done.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def convert(
    audio: Path,
    output: Path,
    preset: str,
    n_channels: int,
    native_rate: bool,
    seed: int,
    jobs: int | None,
    labels: str,
    speakers: str,
    split: str,
    max_duration: float,
    time_dtype: str,
    synthetic: bool,
    time_origin: str,
    segment: float | None,
    scheduler: str | None,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Turn AUDIO (a folder, searched recursively, or one file) into spikes in OUT.h5.

    Reads WAV, FLAC, OGG and MP3 of any rate and depth; several channels are mixed down. Low units are
    high frequencies; times count from the start of the clip.

    Whatever interrupts a conversion, the same command goes on where it was: what is done is kept in
    OUT.h5.partial until OUT.h5 is there. Changed options or recordings are noticed and refused;
    --restart begins anew.

    By default labels come from sub-folders if there are at least two, else from a known file-name
    pattern, else there are none (-1). A pattern names its parts in braces:

    \b
      spikebench convert digits out.h5 --labels '{speaker}_{digit}_take{take}'

    The groups speaker, split, trial, take, repetition and session are no part of the label. A CSV file
    has a column path and any of label, speaker, split. heidelberg-digits: the classes of SHD, speakers
    4 and 5 are the test split. speech-commands: the folder is the word, the split Google's rule.

    A recording that cannot be used is named and left out. Exit codes: 0 all converted, 3 some left out,
    4 none usable (no file), 1 and 2 refused or stopped (no file), 130 interrupted (no file).
    """  # noqa: D301
    from spikebench.conversion import ConversionOptions
    from spikebench.conversion import convert as run
    from spikebench.errors import PartialConversionError

    options = ConversionOptions(
        *(preset, n_channels, native_rate, seed, labels, speakers, split, max_duration),
        *(time_dtype, synthetic, segment, time_origin),
    )
    with (
        _stop_cleanly(output) as check,
        _progress(quiet, check) as (notify, progress),
        _place(scheduler) as (executor, threads),
    ):
        report = run(
            audio,
            output,
            options,
            jobs=jobs or threads,
            overwrite=overwrite,
            restart=restart,
            executor=executor,
            notify=notify,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(_as_json(report), ensure_ascii=False))
    elif not quiet:
        click.echo(_summary(report))
    if quiet:
        for one in report.skipped:
            click.echo(f"skipped {one.file}: {one.reason}", err=True)
    if report.skipped:
        raise PartialConversionError(f"{len(report.skipped)} left out, {report.samples} converted")


def _as_json(report: ConversionReport) -> dict[str, object]:
    return {
        "file": str(report.file),
        "samples": report.samples,
        "spikes": report.spikes,
        "audio_seconds": round(report.audio_seconds, 6),
        "classes": list(report.classes),
        "skipped": [{"file": one.file, "reason": one.reason} for one in report.skipped],
        "resumed": report.resumed,
        "wall_seconds": round(report.wall_seconds, 3),
    }


def _summary(report: ConversionReport) -> str:
    return (
        f"{report.file}: {report.samples} samples, {report.spikes:,} spikes, "
        f"{report.audio_seconds:.1f} s of audio in {report.wall_seconds:.1f} s"
    )


@contextlib.contextmanager
def _place(
    scheduler: str | None,
) -> Iterator[tuple[Executor | None, Callable[[], int] | None]]:
    """Where to encode: on a cluster, or (None) in local processes."""
    if scheduler is None:
        yield None, None
        return
    from spikebench.cluster import cluster_executor

    with cluster_executor(scheduler) as (executor, threads):
        yield executor, threads


@contextlib.contextmanager
def _stop_cleanly(output: Path) -> Iterator[Callable[[], None]]:
    """Let Ctrl-C and SIGTERM unwind, so that the work so far is closed, and say where it is.

    An exception that a handler raises is swallowed, and printed, where foreign code calls back into
    Python: the function yielded raises it again, and nothing is printed.
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
        kept = output.with_name(output.name + ".partial")
        if received and kept.exists():
            click.echo(f"{kept}: keeps what is done; the same command goes on", err=True)
        raise
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(
    quiet: bool, check: Callable[[], None]
) -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Notices and progress on standard error, a bar only on a terminal; check after every clip."""
    if quiet:
        yield lambda text: None, lambda done, total: check()
        return
    if not sys.stderr.isatty():
        yield lambda text: click.echo(text, err=True), lambda done, total: check()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("converting"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} clips/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("converting", total=None, rate=0.0)

        first: list[int] = []  # clips that an earlier run had done

        def progress(done: int, total: int) -> None:
            check()
            first.append(done) if not first else None
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = (done - first[0]) / elapsed if elapsed else 0.0
            bar.update(task, completed=done, total=total, rate=rate)

        yield lambda text: console.print(text, markup=False, highlight=False), progress
