"""``spikebench data make``: regenerate SHD and SSC from their audio."""

from __future__ import annotations

from pathlib import Path

import click

from cli.shared.conversion import print_reports, report_as_json, run_options, running
from cli.shared.device import conversion_device


@click.command()
@click.argument("name", metavar="shd-r|ssc-r")
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="Folder of the recordings; searched recursively.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    default=Path(),
    type=click.Path(path_type=Path),
    help="Folder of the files.  [default: this one]",
)
@click.option(
    "--one-file",
    is_flag=True,
    help="Write all splits to NAME.h5, which 'spikebench evaluate --data' accepts.",
)
@click.option(
    "--published-test",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="shd-r: the authors' test_filenames.txt, for exactly their split and order.",
)
@click.option(
    "--published-train",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="shd-r, beside --published-test: their train_filenames.txt, for its order.",
)
@click.option(
    "--time-dtype",
    default="float16",
    show_default=True,
    type=click.Choice(["float16", "float32"]),
    help="float16 as published: times 0.49 ms apart above 0.5 s, 0.98 ms above 1 s. float32 keeps the "
    "model's steps of 0.04 ms.",
)
@click.option(
    "--native-rate",
    is_flag=True,
    help="Do not resample to 48 kHz; at 16 kHz this doubles the spikes.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1))
@conversion_device
@run_options
def make(
    name: str,
    audio: Path | None,
    folder: Path,
    one_file: bool,
    published_test: Path | None,
    published_train: Path | None,
    time_dtype: str,
    native_rate: bool,
    seed: int,
    device: str,
    jobs: int | None,
    scheduler: str | None,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Regenerate SHD or SSC from their audio, one file per split, in the published layout.

    shd-r: from the Heidelberg Digits, hd_audio.tar.gz of https://zenkelab.org/datasets/, into shd-r_train.h5
    and shd-r_test.h5. ssc-r: from Google Speech Commands, speech_commands_v0.02.tar.gz of
    https://storage.googleapis.com/download.tensorflow.org/data/, into ssc-r_train.h5, ssc-r_valid.h5 and
    ssc-r_test.h5. Unpack the archive; this command downloads nothing ('spikebench data get' downloads and converts).

    The files are never identical to the published ones: spikes are random, and the list of the 5 % of the other
    ten speakers that are test samples of SHD is public only in the archive (--published-test). 'spikebench data
    compare' measures how close they are. If some recordings of the data set are missing, the files are marked as
    incomplete (attribute complete).

    Equal recordings give equal spikes on every machine, so every user obtains the same shd-r: the last lines
    report whether the files are as registered, or how many recordings are missing, different or extra.

    To resume an interrupted conversion, run the same command again; finished recordings are kept. Samples of shd-r
    are in the order of the names of the recordings (ssc-r: of their paths), or of the published lists.

    Exit codes: 0 all converted, 3 some recordings could not be used, 4 none of a file, 1 and 2 refused or
    stopped, 130 interrupted.
    """
    from spikebench.conversion.regeneration import make as run
    from spikebench.conversion.regeneration import output_files
    from spikebench.datasets.recipe import load_recipe
    from spikebench.store.registered import find_differences

    recipe = load_recipe(name)
    if audio is None:
        raise click.UsageError(f"--audio FOLDER is missing; {recipe.spec.source}")
    with running(list(output_files(recipe, folder, one_file)), quiet, scheduler) as here:
        reports = run(
            recipe,
            audio,
            folder,
            seed=seed,
            time_dtype=time_dtype,
            native_rate=native_rate,
            published_test=published_test,
            published_train=published_train,
            one_file=one_file,
            device=device,
            jobs=jobs or here.threads,
            executor=here.executor,
            overwrite=overwrite,
            restart=restart,
            notify=here.notify,
            progress=here.progress,
        )
    found = find_differences(recipe, [report.file for report in reports])
    document = {
        "dataset": recipe.spec.name,
        "files": [report_as_json(report) for report in reports],
        "registered": None if found is None else found.as_json(),
    }
    print_reports(reports, document, as_json, quiet, found.lines() if found else ())
