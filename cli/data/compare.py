"""``spikebench data compare``: measure how close two spike files are."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from spikebench.fidelity.alignment import Pairing
    from spikebench.fidelity.comparison import Comparison
    from spikebench.fidelity.summary import Samples

_PAIRS = click.Choice(["auto", "order", "none"])
_WHOLE_FROM = 300  # samples; no bar for fewer, which are read at once


@click.command()
@click.argument("data", metavar="FILE")
@click.option(
    "--with",
    "other",
    required=True,
    metavar="OTHER",
    help="The file to compare FILE with, or one sample as a table with lines time_ms,unit (.csv).",
)
@click.option(
    "--pairs",
    default="auto",
    show_default=True,
    type=_PAIRS,
    help="How samples are paired: by the recordings named in the files, in the order of the files, or not.",
)
@click.option("--index", type=click.IntRange(0), help="One sample of FILE, counted from 0.")
@click.option("--source", help="One sample of FILE, by the name of its recording.")
@click.option("--with-index", type=click.IntRange(0), help="One sample of OTHER, counted from 0.")
@click.option(
    "--repeat",
    metavar="FILE2",
    help="The recordings of FILE, converted with another seed: gives the distance between two conversions of the same "
    "recordings.",
)
@click.option(
    "-o",
    "--plot",
    "picture",
    type=click.Path(path_type=Path),
    help="Picture to make: .png, .pdf or .svg.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(
    data: str,
    other: str,
    pairs: str,
    index: int | None,
    source: str | None,
    with_index: int | None,
    repeat: str | None,
    picture: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure the distance between FILE and OTHER, and between two conversions of the same recordings.

    Six measures: spikes per channel, per band of channels and per sample, intervals between spikes,
    spontaneous rate, time. Files that name their recordings are compared recording by recording. Times are
    rounded to steps of the coarser file. FILE and OTHER are spike files or names of data sets.

    The distance of equal files comes from --repeat; without it, and without pairs, from halves of each file.
    """
    from spikebench.errors import SpikebenchError
    from spikebench.fidelity.alignment import choose_pair, find_source, pair_samples
    from spikebench.fidelity.comparison import compare_spikes
    from spikebench.records.text import printable
    from spikebench.records.whole_files import refuse_existing

    if index is not None and source is not None:
        raise click.UsageError("--index and --source both choose a sample of FILE; give one")
    if picture is not None:
        from spikebench.plots.sample import FORMATS

        if picture.suffix.lower() not in FORMATS:
            raise click.BadParameter(
                f"the suffix of a figure must be one of {', '.join(FORMATS)}", param_hint="'--plot'"
            )
        refuse_existing(picture, overwrite)
    with contextlib.ExitStack() as stack:
        first = _open(stack, data, None)
        second = _open(stack, other, first)
        if source is not None:
            index = find_source(first, source)
        one = index is not None or with_index is not None or Path(other).suffix.lower() == ".csv"
        pairing = (
            choose_pair(first, second, index, with_index)
            if one
            else pair_samples(first, second, pairs)  # type: ignore[arg-type]
        )
        again: tuple[Samples, Pairing] | None = None
        if repeat is not None:
            third = _open(stack, repeat, first)
            again = third, _restrict(pair_samples(first, third), pairing)
            if not again[1].first:
                raise SpikebenchError(
                    f"{printable(repeat)}: contains none of the compared recordings of {printable(data)}"
                )
        with _progress() as progress:
            comparison = compare_spikes(first, second, pairing, again, progress)
    report = _report(comparison, data, other, repeat)
    if picture is not None:
        from spikebench.plots.fidelity import draw_comparison
        from spikebench.plots.sample import write_figure

        write_figure(draw_comparison(comparison, Path(data).name, Path(other).name), picture)
        report["picture"] = str(picture)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    else:
        from cli.text.comparison import comparison_lines

        click.echo("\n".join(comparison_lines(comparison, data, other, repeat)))


def _open(stack: contextlib.ExitStack, name: str, like: Samples | None) -> Samples:
    """Open a spike file or, if ``like`` gives the number of units, a table."""
    from spikebench.fidelity.spike_list import read_spike_list
    from spikebench.spike_files.reader import SpikeFile
    from spikebench.store.locate import resolve

    if Path(name).suffix.lower() == ".csv":
        if like is None:
            raise click.UsageError(
                "a table can only be OTHER (--with): FILE must be a spike file, which gives the number of units"
            )
        return read_spike_list(Path(name), like.n_units)
    return stack.enter_context(SpikeFile(resolve(name)[0]))


def _restrict(pairs: Pairing, to: Pairing) -> Pairing:
    """Keep the pairs whose first sample is in ``to``."""
    from spikebench.fidelity.alignment import Pairing

    wanted = set(to.first)
    kept = [(i, k) for i, k in zip(pairs.first, pairs.second, strict=True) if i in wanted]
    if not pairs.by:
        kept = []
    return Pairing([i for i, _ in kept], [k for _, k in kept], pairs.by)


def _report(comparison: Comparison, data: str, other: str, repeat: str | None) -> dict[str, object]:
    from spikebench.fidelity.measures import NAMES

    first, second = comparison.totals
    return {
        "file": data,
        "with": other,
        "repeat": repeat,
        "samples": [first.spikes.size, second.spikes.size],
        "left_out": list(comparison.left_out),
        "pairs_by": comparison.pairing.by or None,
        "resolution_ms": 1e3 * comparison.resolution,
        "equal_files_from": comparison.floor_from or None,
        "class_order": comparison.class_order or None,
        "measures": {
            key: {
                "name": NAMES[key],
                "distance": one.distance,
                "equal_files": one.floor,
                "ratio": one.ratio,
                "verdict": one.verdict,
                **one.figures,
            }
            for key, one in comparison.measures.items()
        },
        "classes": [
            {
                "class": one.name,
                "samples_file": one.samples[0],
                "samples_with": one.samples[1],
                "spikes_mean_file": one.means[0],
                "spikes_mean_with": one.means[1],
            }
            for one in comparison.classes
        ],
    }


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal if there are many samples."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=total > _WHOLE_FROM)

        yield progress
