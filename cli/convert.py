"""``spikebench convert``: convert audio to spikes."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from cli.shared.conversion import print_reports, report_as_json, run_options, running
from cli.shared.device import conversion_device
from cli.shared.encoder_settings import read_settings
from spikebench.encoders import DEFAULT_ENCODER, ENCODERS
from spikebench.naming.conventions import CONVENTIONS

_SOURCES = f"auto, none, folders, {', '.join(CONVENTIONS)}, a '{{pattern}}' or a table.csv"


@click.command()
@click.argument("audio", type=click.Path(path_type=Path))
@click.argument("output", metavar="OUT.h5", type=click.Path(path_type=Path))
@click.option(
    "--encoder",
    default=DEFAULT_ENCODER,
    show_default=True,
    metavar="NAME",
    help=f"Encoder: {', '.join(ENCODERS)}.",
)
@click.option(
    "--preset", help="Parameters of the encoder; cochlea: shd or lauscher.  [default: the first]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one parameter of the encoder, e.g. threshold=0.2; may be repeated.",
)
@click.option(
    "--spikes",
    type=click.IntRange(1),
    metavar="N",
    help="Find the threshold with which a training recording has N spikes on average.",
)
@click.option(
    "--channels",
    "n_channels",
    type=click.IntRange(1, 65_536),
    help="Units; channels of the cochlea.  [default: of the encoder, cochlea: 700]",
)
@click.option("--native-rate", is_flag=True, help="Do not resample to the preset's rate.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1))
@click.option(
    "--labels", default="auto", show_default=True, help=f"Source of the classes: {_SOURCES}."
)
@click.option(
    "--speakers", default="auto", show_default=True, help="Source of the speakers: as for --labels."
)
@click.option(
    "--split", default="auto", show_default=True, help="Source of the split: as for --labels."
)
@click.option(
    "--max-duration",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, 3600, min_open=True),
    help="Longest recording that is accepted [s].",
)
@click.option(
    "--time-dtype",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "float16"]),
    help="float16 as in the published files; coarse above 1 s.",
)
@click.option(
    "--synthetic", is_flag=True, help="Mark the file and all results as made from synthetic voices."
)
@click.option(
    "--time-origin",
    default="clip-start",
    show_default=True,
    type=click.Choice(["clip-start", "first-spike"]),
    help="Origin of the times; first-spike as in the published files.",
)
@click.option(
    "--keep-offset",
    is_flag=True,
    help="Keep constant offsets (preset lauscher always does).",
)
@click.option(
    "--segment",
    type=click.FloatRange(0.01, 3600),
    metavar="SECONDS",
    help="Cut recordings into numbered pieces; a last piece shorter than half is left out.",
)
@conversion_device
@run_options
def convert(
    audio: Path,
    output: Path,
    encoder: str,
    preset: str | None,
    settings: tuple[str, ...],
    spikes: int | None,
    n_channels: int | None,
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
    keep_offset: bool,
    segment: float | None,
    device: str,
    scheduler: str | None,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Convert AUDIO (a folder, searched recursively, or one file) to spikes in OUT.h5.

    Reads WAV, AIFF, AU, CAF, W64, SPHERE, FLAC, Ogg, MP3 and the other types of libsndfile, of any rate and
    depth; several channels are mixed down. Audio of other types (M4A, WMA …) is counted and left out. Low
    units are high frequencies; times count from the start of the recording unless --time-origin is given.

    To resume an interrupted conversion, run the same command (same options, same paths) again: finished
    recordings are kept in OUT.h5.partial until OUT.h5 is complete. Changed options or recordings are
    refused; --restart starts over.

    By default labels come from sub-folders if there are at least two, or from the file names of a known
    corpus if at least 90 % fit (the others are left out), else there are none (-1). Folders named train, test
    and so on are splits if all folders beside them are. If these rules do not decide, the command stops and
    lists the options that do.

    A pattern names its parts in braces; speaker, split, fold, trial, take, repetition and session are not
    part of the label. A table has a column path (or filename, fname …) and any of label (class, category …),
    speaker, split and fold; other column names follow a colon, several tables are separated by commas:

    \b
      spikebench convert digits out.h5 --labels '{speaker}_{digit}_take{take}'
      spikebench convert own out.h5 --labels 'table.csv:path=Recording,label=Kind'
      spikebench convert own out.h5 --labels train=a.tsv,test=b.tsv
      spikebench convert ESC-50 out.h5 --labels esc50:test_fold=3

    docs/recordings.md describes the conventions, the columns and the rules.

    A recording that cannot be used is listed and left out. Exit codes: 0 all converted, 3 some left out,
    4 none usable (no file), 1 and 2 refused or stopped (no file), 130 interrupted (no file).
    """  # noqa: D301
    # Loading numba creates tens of thousands of objects that stay: collections meanwhile take a fifth of the start.
    gc.set_threshold(50_000)
    from spikebench.conversion.job import ConversionOptions
    from spikebench.conversion.runner import convert as run

    options = ConversionOptions(
        encoder=encoder,
        preset=preset,
        settings=read_settings(settings),
        spikes=spikes,
        n_channels=n_channels,
        native_rate=native_rate,
        seed=seed,
        labels=labels,
        speakers=speakers,
        split=split,
        max_duration=max_duration,
        time_dtype=time_dtype,
        synthetic=synthetic,
        segment=segment,
        time_origin=time_origin,
        device=device,
        keep_offset=keep_offset,
    )
    with running([output], quiet, scheduler) as here:
        report = run(
            audio,
            output,
            options,
            jobs=jobs or here.threads,
            overwrite=overwrite,
            restart=restart,
            executor=here.executor,
            notify=here.notify,
            progress=here.progress,
        )
    print_reports([report], report_as_json(report), as_json, quiet)
