"""``spikebench fewshot``: meta-learning of networks that learn new speakers and words from few shots."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.shared.study import list_runs, print_files, refuse_failed, repeated, running, study_options
from cli.shared.training_options import default_folder

if TYPE_CHECKING:
    from spikebench.fewshot.study import Study


@click.command()
@click.argument("data", metavar="DATA")
@click.option(
    "--task",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="speaker, words or pairs; may be repeated.  [default: all]",
)
@click.option(
    "--model", "models", multiple=True, help="A network; may be repeated.  [default: lif, gru]"
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="maml, fomaml, anil or finetune; may be repeated.  [default: all]",
)
@click.option(
    "--bits",
    multiple=True,
    type=click.IntRange(2, 16),
    help="Also maml of spiking networks with this many bits per weight and gradient in inner steps; may be repeated.",
)
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(1, 1000), help="Seeds 0 … N-1."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Change one setting, e.g. meta.iterations=100 or lif.hidden_units=[64]; may be repeated.",
)
@click.option(
    "--test",
    "on_test",
    is_flag=True,
    help="Evaluate in tasks of the test split instead of the validation samples; the split is opened once per run.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the results into this Markdown page too, in the part with the name of the folder of the study.",
)
@study_options
def fewshot(
    data: str,
    kinds: tuple[str, ...],
    models: tuple[str, ...],
    methods: tuple[str, ...],
    bits: tuple[int, ...],
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
    """Meta-train networks on many small tasks, and measure how they learn new ones from few shots.

    \b
      spikebench fewshot digits --task words --model lif --method maml --method finetune
      spikebench fewshot shd-r --seeds 3 --bits 8 -o fewshot

    DATA is the name of a data set or a spike file. A task has some shots of every class (its support), on which the
    weights take a few gradient steps, and other samples of the same classes (its queries), on which it is then tested.

    \b
      speaker   all words of one speaker; tested on other speakers than those of meta-training
      words     some words; tested on other words and other speakers
      pairs     ordered pairs of words in one clip; tested on other pairs and other speakers

    \b
      maml      initial weights are learned through the inner steps, with second derivatives
      fomaml    the same without second derivatives
      anil      only the read-out takes inner steps
      finetune  baseline: trained on all classes of meta-training, then the same steps

    The test split stays closed without --test. To resume an interrupted study, run the same command with the same -o
    again. A run that fails is listed and does not stop the others; the exit code is then 1. Definitions:
    docs/methods/maml.md.
    """  # noqa: D301
    from cli.shared.training_session import warn_of_copies
    from spikebench.fewshot.page import markdown, write_page
    from spikebench.fewshot.report import file_name
    from spikebench.fewshot.results import write_results
    from spikebench.fewshot.runner import run_study
    from spikebench.fewshot.study import plan_study
    from spikebench.records.whole_files import write_text

    folder = output or default_folder(data, "fewshot")
    study = plan_study(
        data,
        folder,
        kinds=kinds,
        models=models,
        methods=methods,
        bits=bits,
        seeds=seeds,
        overrides=settings,
        tested="test" if on_test else "validation",
    )
    if dry_run:
        _list_runs(study, as_json)
        return
    if on_test:
        warn_of_copies(study.selection, quiet)
    if not quiet:
        click.echo(_opening(study), err=True)
    words = ["spikebench", "fewshot", data]
    words += repeated({"--task": kinds, "--model": models, "--method": methods, "--bits": bits})
    words += ["--seeds", str(seeds), *repeated({"--set": settings})]
    words += ["--test"] if on_test else []
    again = [*words, *(["--workers", str(workers)] if workers else []), "-o", str(folder)]
    with running("fewshot", again, quiet) as progress:
        report = run_study(study, workers=workers, progress=progress)
    from spikebench.plots.fewshot import draw_fewshot
    from spikebench.plots.sample import write_figure

    picture = folder / file_name(report.tested, ".png")
    write_figure(draw_fewshot(report), picture)
    command = shlex.join(words)
    write_text(
        folder / file_name(report.tested, ".md"), markdown(report, command, picture.name) + "\n"
    )
    from spikebench.records.text import shareable

    words[2] = shareable(data)
    results = write_results(study, shlex.join(words))
    if page is not None:
        beside = page.with_name(f"{page.stem}-{folder.name}.png")
        write_page(page, folder.name, markdown(report, command, beside.name))
        write_figure(draw_fewshot(report), beside)
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        from cli.text.fewshot import print_study

        print_study(report)
        print_files(folder, report, file_name(report.tested, ".md"), [picture], results)
    refuse_failed(report, len(study.jobs))


def _opening(study: Study) -> str:
    kinds = list(dict.fromkeys(job.run.kind for job in study.jobs))
    closed = (
        "the test split is opened" if study.tested == "test" else "the test split is not opened"
    )
    return (
        f"few-shot learning on {study.selection.dataset.name}: {len(study.jobs)} runs, tasks {', '.join(kinds)}, "
        f"tested in tasks of {study.tested} samples; {closed}"
    )


def _list_runs(study: Study, as_json: bool) -> None:
    rows = [
        {
            "folder": str(job.folder),
            "task": job.run.kind,
            "model": job.run.model,
            "method": job.run.method,
            "bits": job.run.bits,
            "seed": job.run.seed,
        }
        for job in study.jobs
    ]
    list_runs(rows, as_json)
