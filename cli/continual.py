"""``spikebench continual``: learning task after task."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.study import list_runs, print_files, refuse_failed, repeated, running, study_options
from cli.shared.training_options import default_folder

if TYPE_CHECKING:
    from spikebench.continual.report import ContinualReport
    from spikebench.continual.study import ContinualStudy


@click.command()
@click.argument("data", nargs=-1, metavar="[DATA | STUDY...]")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Train this model; may be repeated.  [default: those of the preset for DATA]",
)
@click.option(
    "--tasks",
    multiple=True,
    metavar="LIST",
    help="Sequences of tasks, separated by commas; may be repeated.  [default: those of the preset for DATA]",
)
@click.option(
    "--methods",
    multiple=True,
    metavar="LIST",
    help="Methods, separated by commas, e.g. none,si:0.1,joint.  [default: those of the preset for DATA]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Seeds 0 … N-1."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Change one setting of the study (continual.damping=0.1) or of every model (training.epochs=5).",
)
@click.option(
    "--test",
    "on_test",
    is_flag=True,
    help="Test on the test split instead of the validation samples; opened once per run, which the result counts.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Train nothing; write a page (Markdown, with pictures beside it) of the finished STUDY folders.",
)
@study_options
def continual(
    data: tuple[str, ...],
    models: tuple[str, ...],
    tasks: tuple[str, ...],
    methods: tuple[str, ...],
    seeds: int,
    settings: tuple[str, ...],
    on_test: bool,
    output: Path | None,
    page: Path | None,
    workers: int | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train on one task after another, and measure what is forgotten with and without methods against it.

    \b
      spikebench continual digits --tasks pairs,speakers -o study
      spikebench continual permuted-digits -o paper
      spikebench continual --page page.md study paper

    DATA is the name of a data set, a spike file, or permuted-digits: ten permutations of the pixels of scikit-learn's
    digits, a small version of the experiment of the paper.

    \b
      tasks                               methods
      pairs         pairs of classes        none      fine-tuning, no method
      languages     English, then German    si:C      synaptic intelligence, strength C
      speakers      speaker after speaker   ewc:L     elastic weight consolidation, strength L
      permutations  of permuted-digits      replay:N  keeps N samples per class and task
                                            joint     all tasks at once, upper bound

    In pairs and languages the model is told the task and chooses among its classes (masked heads); pairs:single and
    languages:single have one head for all classes. Models must be trained by gradients on spikes: lif, rlif, adlif,
    lstm, mlp_counts …

    The test split stays closed without --test. To resume an interrupted study, run the same command with the same -o
    again. A run that fails is listed and does not stop the others; the exit code is then 1.
    docs/methods/synaptic_intelligence.md has equations, definitions and results.
    """  # noqa: D301
    if page is not None:
        if not data:
            raise click.UsageError("give the folders of finished studies after --page FILE")
        _write_page(page, [Path(one) for one in data])
        return
    if len(data) != 1:
        raise click.UsageError("give one DATA (a data set, a spike file or permuted-digits)")
    from spikebench.continual.report import file_name
    from spikebench.continual.results import write_results
    from spikebench.continual.runner import run_study
    from spikebench.continual.study import plan_study

    folder = output or default_folder(data[0], "continual")
    study = plan_study(
        data[0],
        folder,
        models=models,
        tasks=tasks,
        methods=methods,
        seeds=seeds,
        settings=settings,
        tested="test" if on_test else "validation",
    )
    if dry_run:
        _list_runs(study, as_json)
        return
    words = ["spikebench", "continual", data[0]]
    words += repeated(
        {"--model": models, "--tasks": tasks, "--methods": methods, "--set": settings}
    )
    words += ["--seeds", str(seeds), *(["--test"] if on_test else [])]
    if not quiet:
        click.echo(_opening(study), err=True)
    with running("continual", [*words, "-o", str(folder)], quiet) as progress:
        report = run_study(study, workers=workers, progress=progress)
    from spikebench.records.text import shareable
    from spikebench.records.whole_files import write_text

    words[2] = shareable(data[0])
    write_text(folder / "command.txt", shlex.join(words) + "\n")
    pictures = _draw(folder, report, file_name(report.tested, ""))
    results = write_results(study, shlex.join(words))
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        from cli.text.continual import print_continual

        print_continual(report)
        print_files(folder, report, file_name(report.tested, ".csv"), pictures, results)
    refuse_failed(report, len(study.jobs))


def _draw(folder: Path, report: ContinualReport, stem: str) -> list[Path]:
    """Draw a report, one picture per sequence and model with results; returns the files."""
    from spikebench.continual.page import picture_name
    from spikebench.plots.continual import draw_continual
    from spikebench.plots.sample import write_figure

    pictures = []
    for tasks in report.tasks:
        for model in report.models:
            if any(row.done for row in report.rows_of(tasks.name, model.model)):
                name = picture_name(stem, report, tasks.name, model.model)
                pictures.append(folder / name)
                write_figure(draw_continual(report, tasks.name, model.model), pictures[-1])
    return pictures


def _write_page(page: Path, folders: Sequence[Path]) -> None:
    from spikebench.continual.page import page_text, read_reports
    from spikebench.records.whole_files import write_text

    reports = read_reports(folders)
    commands = [(folder / "command.txt").read_text(encoding="utf-8").strip() for folder in folders]
    page.parent.mkdir(parents=True, exist_ok=True)
    for report in reports:
        _draw(page.parent, report, page.stem)
    write_text(page, page_text(reports, commands, page.stem))
    click.echo(f"page: {page}")


def _opening(study: ContinualStudy) -> str:
    n, done = len(study.jobs), sum((job.folder / "result.json").exists() for job in study.jobs)
    tested = (
        "tested on the test split" if study.tested == "test" else "the test split is not opened"
    )
    return (
        f"{', '.join(study.sequences)} of {study.dataset.name} with {', '.join(study.models)}: "
        f"{', '.join(map(str, study.methods))}; {n} runs, {done} of them done; {tested}"
    )


def _list_runs(study: ContinualStudy, as_json: bool) -> None:
    rows = [
        {
            "folder": str(job.folder),
            "tasks": job.sequence,
            "model": job.model,
            "method": str(job.method),
            "seed": job.seed,
            "status": "done" if (job.folder / "result.json").exists() else "new",
        }
        for job in study.jobs
    ]
    list_runs(rows, as_json)
