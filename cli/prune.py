"""``spikebench prune``: networks pruned before training."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.study import list_runs, print_files, refuse_failed, repeated, running, study_options
from cli.shared.training_options import default_folder

if TYPE_CHECKING:
    from spikebench.pruning.report import PruningReport
    from spikebench.pruning.study import PruningStudy


@click.command()
@click.argument("data", nargs=-1, metavar="[DATA | STUDY...]")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="Prune this model; may be repeated.  [default: those of the preset for DATA]",
)
@click.option(
    "--methods",
    multiple=True,
    metavar="LIST",
    help="Methods, separated by commas, e.g. ntt,random.  [default: those of the preset for DATA]",
)
@click.option(
    "--densities",
    multiple=True,
    metavar="LIST",
    help="Fractions of the weights to keep, separated by commas, e.g. 0.1,0.03; the dense network is always trained."
    "  [default: those of the preset for DATA]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, help="Seeds 0 … N-1."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Change one setting of the study (pruning.ntt.steps=100) or of every model (training.epochs=5).",
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
def prune(
    data: tuple[str, ...],
    models: tuple[str, ...],
    methods: tuple[str, ...],
    densities: tuple[str, ...],
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
    """Choose which weights to keep before training, train them, and compare with the dense network.

    \b
      spikebench prune digits -o sparse
      spikebench prune shd-r --model lif --densities 0.1,0.03 --methods ntt,snip,random -o sparse
      spikebench prune --page page.md sparse

    DATA is the name of a data set, a spike file, or permuted-digits: the first permutation of the pixels of
    scikit-learn's digits, for a small version of the experiment of the paper.

    \b
      method     reads            keeps
      ntt        spikes only      weights that nearly preserve the dense network's scores and tangent kernel, per layer
      snip       spikes, labels   weights whose removal would change the loss of a batch most, over all layers
      synflow    nothing          weights that carry the largest flow from inputs to outputs, over all layers
      magnitude  nothing          the largest initial weights, per layer
      random     nothing          random weights, per layer

    Masked weights are exactly 0 from the first step to the last. The weights after the last epoch are tested on the
    validation samples; --test opens the test split instead. To resume an interrupted study, run the same command
    with the same -o again. A run that fails is listed and does not stop the others; the exit code is then 1.
    docs/methods/tangent_transfer.md has equations, definitions and results.
    """  # noqa: D301
    if page is not None:
        if not data:
            raise click.UsageError("give the folders of finished studies after --page FILE")
        _write_page(page, [Path(one) for one in data])
        return
    if len(data) != 1:
        raise click.UsageError("give one DATA (a data set, a spike file or permuted-digits)")
    from spikebench.pruning.report import file_name
    from spikebench.pruning.results import write_results
    from spikebench.pruning.runner import run_study
    from spikebench.pruning.study import plan_study

    folder = output or default_folder(data[0], "prune")
    study = plan_study(
        data[0],
        folder,
        models=models,
        methods=methods,
        densities=densities,
        seeds=seeds,
        settings=settings,
        tested="test" if on_test else "validation",
    )
    if dry_run:
        _list_runs(study, as_json)
        return
    words = ["spikebench", "prune", data[0]]
    words += repeated(
        {"--model": models, "--methods": methods, "--densities": densities, "--set": settings}
    )
    words += ["--seeds", str(seeds), *(["--test"] if on_test else [])]
    if not quiet:
        click.echo(_opening(study), err=True)
    with running("prune", [*words, "-o", str(folder)], quiet) as progress:
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
        from cli.text.pruning import print_pruning

        print_pruning(report)
        print_files(folder, report, file_name(report.tested, ".csv"), pictures, results)
    refuse_failed(report, len(study.jobs))


def _draw(folder: Path, report: PruningReport, stem: str) -> list[Path]:
    """Draw a report, one picture per model with results; returns the files."""
    from spikebench.plots.pruning import draw_pruning
    from spikebench.plots.sample import write_figure
    from spikebench.pruning.page import picture_name

    pictures = []
    for model in report.models:
        if any(row.done for row in report.rows_of(model.model)):
            pictures.append(folder / picture_name(stem, report, model.model))
            write_figure(draw_pruning(report, model.model), pictures[-1])
    return pictures


def _write_page(page: Path, folders: Sequence[Path]) -> None:
    from spikebench.pruning.page import page_text, read_studies
    from spikebench.records.whole_files import write_text

    studies = read_studies(folders)
    page.parent.mkdir(parents=True, exist_ok=True)
    for report, _ in studies:
        _draw(page.parent, report, page.stem)
    write_text(page, page_text(studies, page.stem))
    click.echo(f"page: {page}")


def _opening(study: PruningStudy) -> str:
    n, done = len(study.jobs), sum((job.folder / "result.json").exists() for job in study.jobs)
    tested = (
        "tested on the test split" if study.tested == "test" else "the test split is not opened"
    )
    parts = ", ".join(f"{100 * density:g} %" for density in study.densities)
    return (
        f"{study.dataset.name} with {', '.join(study.models)}: dense, and {parts} of the weights by "
        f"{', '.join(study.methods)}; {n} runs, {done} of them done; {tested}"
    )


def _list_runs(study: PruningStudy, as_json: bool) -> None:
    rows = [
        {
            "folder": str(job.folder),
            "model": job.model,
            "method": job.method,
            "density": job.density,
            "seed": job.seed,
            "status": "done" if (job.folder / "result.json").exists() else "new",
        }
        for job in study.jobs
    ]
    list_runs(rows, as_json)
