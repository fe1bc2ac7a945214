"""``spikebench sweep``: train many seeds and configurations without opening the test split."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.progress.sweep import sweep_progress
from cli.shared.conversion import place, stop_cleanly
from cli.shared.training_options import default_folder

if TYPE_CHECKING:
    from spikebench.protocol.results import Split
    from spikebench.sweeps.report import ConfigurationReport, SweepReport
    from spikebench.sweeps.runner import Sweep


@click.command()
@click.argument("spec_file", metavar="SPEC.toml", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the sweep.  [default: runs/…]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes, each with one thread of torch.  [default: one per core]",
)
@click.option(
    "--scheduler", metavar="tcp://HOST:PORT", help="Train on the Dask cluster at this address."
)
@click.option(
    "--refit",
    is_flag=True,
    help="Like refit = true in SPEC.toml: refit every run with the validation speakers included.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and list the runs; train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when done.")
@click.option("--quiet", is_flag=True, help="Print only errors and the table.")
def sweep(
    spec_file: Path,
    output: Path | None,
    workers: int | None,
    scheduler: str | None,
    refit: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train every configuration in SPEC.toml with every seed, and compare them.

    \b
      model = "lif"                            # or a list of models
      data = "digits"                          # a data set, or a spike file
      learning = "rtrl"                        # a learning rule instead of the model's own
      audio = "recordings"                     # folder of its recordings, for the models mel_…
      preset = "mine.toml"                     # instead of the model's own
      seeds = 3                                # 0, 1, 2; or a list
      refit = true                             # like --refit
      [settings]                               # the same for all, like --set
      "training.epochs" = 10
      [grid]                                   # every combination
      "model.hidden_units" = [[64], [128]]
      "training.learning_rate" = [1e-3, 5e-3]

    Only model is required; the defaults are data = "digits" and seeds = 1. Paths are relative to the folder of
    SPEC.toml. The whole file is checked before a run starts.

    The table shows validation accuracy, the best first. The test split is not opened, because the best of many
    configurations on the same samples is an optimistic estimate: only samples that were not used for selection
    give an unbiased accuracy, and only once. The last line is the command that tests the best configuration. A
    refit does not change the table: its validation accuracies are those before the refit.

    Every run is a folder as train makes it, FOLDER/CONFIGURATION/seedN. To resume an interrupted sweep, run the
    same command with the same -o again; seeds and values of the grid may be added. A run that fails is listed
    with its reason and does not stop the others; the exit code is then 1.

    The workers of a cluster need the same versions, the data and FOLDER under the same paths (a shared file
    system), and one thread each: dask worker tcp://HOST:PORT --nthreads 1 --nworkers N
    """  # noqa: D301
    from cli.shared.training_session import resume_hint
    from spikebench.errors import TrainingError
    from spikebench.sweeps.runner import plan_sweep, run_sweep
    from spikebench.sweeps.spec import read_spec

    spec = read_spec(spec_file)
    spec = spec.model_copy(update={"refit": spec.refit or refit})
    folder = output or default_folder(spec.data, "sweep")
    plan = plan_sweep(spec, folder, None if scheduler else "cpu")
    if dry_run:
        _list_runs(plan, as_json)
        return
    if not quiet:
        click.echo(_opening(plan), err=True)
    again = ["spikebench", "sweep", str(spec_file), "-o", str(folder)]
    again += ["--refit"] if refit else []
    again += ["--workers", str(workers)] if workers else []
    again += ["--scheduler", scheduler] if scheduler else []
    with (
        resume_hint(shlex.join(again)),
        stop_cleanly(()) as check,
        sweep_progress(quiet, check) as progress,
        place(scheduler, lambda text: None if quiet else click.echo(text, err=True)) as (
            executor,
            threads,
        ),
    ):
        report = run_sweep(plan, workers=workers or threads, executor=executor, progress=progress)
    click.echo(report.model_dump_json(indent=2) if as_json else _table(report, folder))
    if failed := [run for run in report.runs if run.failed]:
        raise TrainingError(
            f"{len(failed)} of {len(report.runs)} runs failed, the first: {failed[0].failed}"
        )


def _opening(plan: Sweep) -> str:
    dataset, total = plan.selection.dataset, len(plan.runs)
    split = dataset.split
    lines = [
        f"sweep of {_count(plan.configurations, 'configuration')}, {_count(plan.runs, 'run')}, on {dataset.name}: "
        f"{split.train_samples} samples, selected on {split.validation_samples} ({split.rule})"
        f"{f', then refitted on all {_all(split)}' if plan.spec.refit else ''}; the test split is not opened"
    ]
    if plan.records:
        begun = len(plan.records) - plan.n_trained
        lines.append(
            f"resuming: {plan.n_trained} of {total} runs are trained, {begun} are unfinished"
        )
    return "\n".join(lines)


def _all(split: Split) -> int:
    return split.train_samples + split.validation_samples


def _list_runs(plan: Sweep, as_json: bool) -> None:
    rows = []
    for run in plan.runs:
        record = plan.records.get(run.folder)
        rows.append(
            {
                "folder": str(run.folder),
                "model": run.configuration.model,
                "values": run.configuration.values,
                "seed": run.seed,
                "status": record.status if record else "new",
            }
        )
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        click.echo(f"{row['status']:<8}  {row['folder']}")
    runs, configurations = _count(rows, "run"), _count(plan.configurations, "configuration")
    click.echo(f"{runs} of {configurations}, {plan.n_trained} trained")


def _table(report: SweepReport, folder: Path) -> str:
    data = report.dataset
    voices = " (synthetic voices)" if data.synthetic else ""
    split = data.split
    lines = [
        f"{_count(report.configurations, 'configuration')} on {data.name}{voices}: accuracy on "
        f"{split.validation_samples} validation samples ({split.rule})",
        "      validation  seeds  epochs   seconds   parameters  configuration",
        *(_row(one) for one in report.configurations),
    ]
    if report.spec.get("refit"):
        lines.append(f"then refitted on all {_all(split)} training and validation samples")
    lines += [f"failed: {folder / run.folder}: {run.failed}" for run in report.runs if run.failed]
    opened = sum(run.test_opened for run in report.runs)
    lines += [f"table: {folder / 'sweep.csv'}", f"test split opened: {opened} times"]
    if report.best is not None:
        lines.append(
            f"next: spikebench evaluate --checkpoint {shlex.quote(f'{folder}/{report.best}')}"
        )
    return "\n".join(lines)


def _row(one: ConfigurationReport) -> str:
    done = sum(not run.failed for run in one.runs)
    seeds = str(done) if one.is_complete else f"{done}/{len(one.runs)}"
    if one.validation_mean is None or one.epochs_mean is None or one.train_seconds_mean is None:
        return f"{'failed':>16}  {seeds:>5}  {'–':>6}  {'–':>8}  {'–':>11}  {one.name}"
    spread = "" if one.validation_std is None else f" ± {one.validation_std:.1%}"
    return (
        f"{f'{one.validation_mean:.1%}{spread}':>16}  {seeds:>5}  {one.epochs_mean:>6.4g}  "
        f"{one.train_seconds_mean:>8.1f}  {one.parameters:>11,}  {one.name}"
    )


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"
