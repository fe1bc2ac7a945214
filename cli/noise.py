"""``spikebench noise``: how well models do when recordings are degraded before they are converted."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.progress.noise import noise_progress
from cli.shared.conversion import place, running, stop_cleanly
from cli.shared.study import list_runs, print_files, refuse_failed, repeated, study_options
from cli.shared.training_options import default_folder
from spikebench.encoders import ENCODERS

if TYPE_CHECKING:
    from spikebench.noise.report import NoiseReport
    from spikebench.noise.study import Study


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=click.Path(path_type=Path))
@click.option(
    "--audio",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the recordings of which the samples were made. Needed, except with --page.",
)
@click.option("--model", "models", multiple=True, help="Train this model; may be repeated.")
@click.option(
    "--data",
    help="A data set's name, or a spike file that names its recordings.  [default: the data of RUN]",
)
@click.option(
    "--encoder",
    type=click.Choice([*ENCODERS]),
    help="With --model and without --data: convert the folder by this encoder first.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), help="With --model: seeds 0 … N-1.  [default: 1]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="With --model: change one setting of every model, e.g. training.epochs=10; may be repeated.",
)
@click.option(
    "--conditions",
    multiple=True,
    metavar="LIST",
    help="Conditions with commas, e.g. white,babble:5dB; a kind alone selects its usual strengths.  [default: all]",
)
@click.option(
    "--noise",
    type=click.Path(path_type=Path),
    help="Recordings to mix with, for the condition recorded.",
)
@click.option(
    "--noise-seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of what is done to the recordings.",
)
@click.option(
    "--train-noise",
    "noisy_training",
    is_flag=True,
    help="Train every run a second time, with noise mixed into half of the training recordings.",
)
@click.option(
    "--test",
    "on_test",
    is_flag=True,
    help="Test on the test split instead of the validation samples. It is opened once per run, and counted there.",
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Convert, train and test on the Dask cluster at this address.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page in Markdown with pictures from finished studies, RUN being their folders; nothing else is done. "
    "A file note.md in a folder says what its data are, for the top of the page.",
)
@study_options
def noise(
    runs: tuple[Path, ...],
    audio: Path | None,
    models: tuple[str, ...],
    data: str | None,
    encoder: str | None,
    seeds: int | None,
    settings: tuple[str, ...],
    conditions: tuple[str, ...],
    noise: Path | None,
    noise_seed: int,
    noisy_training: bool,
    on_test: bool,
    scheduler: str | None,
    page: Path | None,
    output: Path | None,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Degrade recordings before they are converted to spikes, and measure what models make of them.

    \b
      spikebench noise --model svm --model lif --seeds 3 --data shd-r --audio hd_audio -o noise
      spikebench noise RUN RUN --audio hd_audio --conditions babble,reverb
      spikebench noise --model lif --encoder mel_rate --audio recordings/ --noise kitchen/

    The recordings of the tested samples are degraded under every condition and converted again, as the data of the
    models were; models on audio hear the same sound. Beside it, the spikes of the undisturbed recordings are damaged
    after the conversion. A RUN is a finished run, or a folder of runs such as a result; its data must name their
    recordings, as files of convert do.

    \b
      white:5dB, pink:5dB  noise at a ratio of signal to noise, measured where there is speech; infdB is none
      babble:5dB           six other speakers of the training split
      recorded:5dB         the recordings of --noise
      reverb:300ms         a synthetic room in which sound decays by 60 dB in this time
      telephone            the band 300 … 3,400 Hz
      clipping:20dB        peaks cut off this far below the highest
      level:-20dB          amplified by this gain, then stored with 16 bits
      speed:0.8            played this many times as fast
      loss:10%             packets of 20 ms replaced by silence with this probability

    The figure of a model is the area under its curve over the ratios of signal to noise, its mean accuracy over them.
    The test split stays closed, so that anything can be tried: accuracies are those on the validation samples. --test
    is for the final table. It adds one opening of the test split to the record of every run, also of each RUN.

    To resume an interrupted study, run the same command with the same -o again: finished conversions, runs and
    predictions are kept. The workers of a cluster need the same versions, one thread each, and data, recordings and
    the folder of the study under the same paths. docs/noise.md has the definitions.
    """  # noqa: D301
    if page is not None:
        _write_page(page, runs)
        return
    if audio is None:
        raise click.UsageError("give the folder of the recordings with --audio FOLDER")
    if not runs and not models:
        raise click.UsageError("give RUN, or --model to train a model")
    if not models and (seeds or settings):
        raise click.UsageError("--seeds and --set are for --model; a RUN has its own")
    if encoder and (data or runs):
        raise click.UsageError("--encoder makes the data itself; leave out RUN and --data")
    if models and not (data or runs or encoder):
        raise click.UsageError(
            "--model needs data: --data NAME|FILE, or --encoder NAME to convert the folder"
        )
    from cli.shared.training_session import warn_of_copies
    from spikebench.degradation.conditions import select_conditions
    from spikebench.noise.study import plan_study
    from spikebench.records.text import shareable

    select_conditions(conditions, has_recorded=noise is not None)  # before anything is converted
    folder = output or default_folder(data or encoder or "runs", "noise")
    if encoder and dry_run and not (folder / f"{encoder}.h5").is_file():
        raise click.UsageError(
            f"--dry-run converts nothing, and {audio} is not converted by {encoder} yet"
        )
    if encoder:
        data = str(_converted(encoder, audio, folder, workers, quiet))
    study = plan_study(
        audio,
        folder,
        conditions,
        data=data,
        runs=runs,
        models=models,
        seeds=seeds or 1,
        settings=settings,
        noise=noise,
        noise_seed=noise_seed,
        noisy_training=noisy_training,
        tested="test" if on_test else "validation",
    )
    if dry_run:
        _list_runs(study, as_json)
        return
    if on_test:
        warn_of_copies(study.selection, quiet)
    if not quiet:
        click.echo(_opening(study), err=True)
    options = repeated({"--model": models, "--set": settings, "--conditions": conditions})
    options += ["--encoder", encoder] if encoder else []
    for name, given in (("--seeds", seeds), ("--noise-seed", noise_seed)):
        options += [name, str(given)] if given else []
    options += ["--train-noise"] if noisy_training else []
    options += ["--test"] if on_test else []
    paths: dict[str, object] = {
        "--data": None if encoder else data,
        "--audio": audio,
        "--noise": noise,
    }
    here = {"--workers": workers, "--scheduler": scheduler, "-o": folder}
    report = _run(study, _words(runs, paths | here, options), workers, scheduler, quiet)
    shared = {name: shareable(str(path)) for name, path in paths.items() if path}
    command = _words([shareable(str(run)) for run in runs], shared, options)
    _finish(report, study, folder, shlex.join(command), as_json)


def _words(
    runs: Sequence[object], given: Mapping[str, object], options: Sequence[str]
) -> list[str]:
    """Put a command together; options without a value are left out."""
    named = [str(word) for name, value in given.items() if value for word in (name, value)]
    return ["spikebench", "noise", *map(str, runs), *named, *options]


def _converted(encoder: str, audio: Path, folder: Path, workers: int | None, quiet: bool) -> Path:
    """Convert the folder by an encoder, or find it converted."""
    from spikebench.codes.files import Code, convert_code
    from spikebench.conversion.job import ConversionOptions

    with running([folder / f"{encoder}.h5"], quiet, None) as here:
        return convert_code(
            Code(encoder, None),
            audio,
            folder,
            ConversionOptions(encoder=encoder),
            jobs=workers,
            notify=here.notify,
            progress=here.progress,
        )


def _run(
    study: Study, again: list[str], workers: int | None, scheduler: str | None, quiet: bool
) -> NoiseReport:
    from cli.shared.training_session import resume_hint
    from spikebench.noise.runner import run_study

    with (
        resume_hint(shlex.join(again)),
        stop_cleanly(()) as check,
        noise_progress(quiet, check) as (converted, progress),
        place(scheduler, lambda text: None if quiet else click.echo(text, err=True)) as (
            executor,
            threads,
        ),
    ):
        return run_study(
            study,
            workers=workers or threads,
            executor=executor,
            converted=converted,
            progress=progress,
        )


def _finish(report: NoiseReport, study: Study, folder: Path, command: str, as_json: bool) -> None:
    from spikebench.noise.page import COMMAND_FILE
    from spikebench.noise.report import file_name
    from spikebench.noise.results import write_results
    from spikebench.plots.noise import draw_study
    from spikebench.plots.sample import write_figure
    from spikebench.records.whole_files import write_text

    picture = folder / file_name(report.tested, ".png")
    write_figure(draw_study(report), picture)
    write_text(folder / COMMAND_FILE, command + "\n")
    results = [] if report.failed else write_results(study, command)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        from cli.text.noise import print_study

        print_study(report)
        print_files(folder, report, file_name(report.tested, ".csv"), [picture], results)
    refuse_failed(report, len(study.jobs))


def _opening(study: Study) -> str:
    dataset, split = study.selection.dataset, study.selection.dataset.split
    done = sum(job.is_trained for job in study.jobs)
    n = split.test_samples if study.tested == "test" else split.validation_samples
    tested = (
        f"tested on {n} test samples"
        if study.tested == "test"
        else f"tested on {n} validation samples; the test split is not opened"
    )
    conversions = n * (len(study.settings.conditions) - 1) if study.ear else 0
    return (
        f"noise for {len(study.entries)} model{'s' * (len(study.entries) > 1)} under "
        f"{len(study.settings.conditions)} condition{'s' * (len(study.settings.conditions) > 1)} on {dataset.name}: "
        f"{len(study.jobs)} runs, {done} of them trained, {conversions:,} conversions, {tested}"
    )


def _list_runs(study: Study, as_json: bool) -> None:
    rows = [
        {
            "folder": str(job.folder),
            "model": job.entry.name,
            "seed": job.seed,
            "trained_on": job.trained_on,
            "tested": [str(condition) for condition in study.settings.conditions],
            "status": "trained" if job.is_trained else "new",
        }
        for job in study.jobs
    ]
    list_runs(rows, as_json, "trained")


def _write_page(page: Path, folders: tuple[Path, ...]) -> None:
    """Write the page of finished studies, with a picture of each beside it."""
    if not folders:
        raise click.UsageError("--page needs the folders of finished studies")
    from spikebench.noise.page import (
        page_text,
        picture_name,
        read_commands,
        read_note,
        read_reports,
    )
    from spikebench.plots.noise import draw_study
    from spikebench.plots.sample import write_figure
    from spikebench.records.whole_files import write_text

    reports, commands = read_reports(folders), read_commands(folders)
    for number, report in enumerate(reports, start=1):
        picture = page.parent / "images" / picture_name(page.stem, number)
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_figure(draw_study(report), picture)
        click.echo(f"picture: {picture}")
    write_text(page, page_text(reports, commands, list(map(read_note, folders)), page.stem))
    click.echo(f"page: {page}")
