"""``spikebench timing``: which information of the spikes a model uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.study import list_runs, print_files, refuse_failed, running, study_options
from cli.shared.training_options import default_folder

if TYPE_CHECKING:
    from spikebench.timing.study import Study


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA")
@click.option("--model", "models", multiple=True, help="Train this model; may be repeated.")
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
    help="Conditions with commas, e.g. counts,jitter:10ms; a kind alone selects its usual strengths.  [default: all]",
)
@click.option(
    "--clean-only",
    is_flag=True,
    help="Train nothing on changed spikes; test the models that were trained on unchanged ones.",
)
@click.option(
    "--test",
    "on_test",
    is_flag=True,
    help="Test on the test split instead of the validation samples. It is opened once per run, and counted there.",
)
@study_options
def timing(
    runs: tuple[Path, ...],
    data: str,
    models: tuple[str, ...],
    seeds: int | None,
    settings: tuple[str, ...],
    conditions: tuple[str, ...],
    clean_only: bool,
    on_test: bool,
    output: Path | None,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure which information of the spikes a model uses: their times, their counts, or their units.

    \b
      spikebench timing --model svm --model rlif --seeds 3 shd-r -o timing
      spikebench timing RUN RUN shd-r --conditions counts,jitter --clean-only

    The spikes of every sample are changed under a condition, and the accuracy of each model is measured twice: of runs
    trained on unchanged spikes, and of runs trained under the same condition. DATA is the name of a data set or a spike
    file. A RUN is a finished run on it, or a folder of runs; its settings and seed are used for training, too.

    \b
      counts              random times; only the counts of the units remain
      equal-counts:0%     every unit thinned to one count in all samples: this quantile over the training samples
      jitter:10ms         an independent normal displacement of every spike
      unit-jitter:10ms    a common normal displacement of all spikes of a unit
      delete:30%          every spike removed with this probability
      reverse             time runs backwards
      first-spike         only the first spike of each unit
      round:20ms          times rounded to bins of this width
      units:10            only every tenth unit

    The test split stays closed, so that anything can be tried: accuracies are those on the validation samples. --test
    is for the final table. It adds one opening of the test split to the record of every run, also of each RUN; a RUN
    that is meant for the leaderboard must be tested by evaluate and submitted before.

    To resume an interrupted study, run the same command with the same -o again; conditions and seeds may be added. A
    run that fails is listed and does not stop the others; the exit code is then 1. docs/timing.md has the definitions.
    """  # noqa: D301
    if not runs and not models:
        raise click.UsageError("give RUN, or --model to train a model; DATA is the last argument")
    if not models and (seeds or settings):
        raise click.UsageError("--seeds and --set are for --model; a RUN has its own")
    from cli.shared.training_session import warn_of_copies
    from spikebench.timing.report import file_name
    from spikebench.timing.runner import run_study
    from spikebench.timing.study import plan_study

    folder = output or default_folder(data, "timing")
    study = plan_study(
        data,
        folder,
        conditions,
        runs=runs,
        models=models,
        seeds=seeds or 1,
        settings=settings,
        clean_only=clean_only,
        tested="test" if on_test else "validation",
    )
    if dry_run:
        _list_runs(study, as_json)
        return
    if on_test:
        warn_of_copies(study.selection, quiet)
    if not quiet:
        click.echo(_opening(study), err=True)
    words = ["spikebench", "timing", *map(str, runs)]
    words += [word for model in models for word in ("--model", model)]
    words += ["--seeds", str(seeds)] if seeds else []
    words += [word for setting in settings for word in ("--set", setting)]
    words += [word for names in conditions for word in ("--conditions", names)]
    words += ["--clean-only"] if clean_only else []
    words += ["--test"] if on_test else []
    words += ["--workers", str(workers)] if workers else []
    with running("timing", [*words, "-o", str(folder), data], quiet) as progress:
        report = run_study(study, workers=workers, progress=progress)
    from spikebench.plots.sample import write_figure
    from spikebench.plots.timing import draw_study

    picture = folder / file_name(report.tested, ".png")
    write_figure(draw_study(report), picture)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        from cli.text.timing import print_study

        print_study(report)
        print_files(folder, report, file_name(report.tested, ".csv"), [picture])
    refuse_failed(report, len(study.jobs))


def _opening(study: Study) -> str:
    dataset, split = study.selection.dataset, study.selection.dataset.split
    done = sum(job.is_trained for job in study.jobs)
    tested = (
        f"tested on {split.test_samples} test samples"
        if study.tested == "test"
        else f"tested on {split.validation_samples} validation samples; the test split is not opened"
    )
    return (
        f"timing of {len(study.entries)} model{'s' * (len(study.entries) > 1)} under {len(study.conditions)} "
        f"condition{'s' * (len(study.conditions) > 1)} on {dataset.name}: {len(study.jobs)} runs, {done} of them "
        f"trained, {tested}"
    )


def _list_runs(study: Study, as_json: bool) -> None:
    rows = [
        {
            "folder": str(job.folder),
            "model": job.entry.name,
            "seed": job.seed,
            "trained_on": str(job.trained_on),
            "tested": [str(condition) for condition in job.conditions],
            "status": "trained" if job.is_trained else "new",
        }
        for job in study.jobs
    ]
    list_runs(rows, as_json, "trained")
