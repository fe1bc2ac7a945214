"""``spikebench substrate``: training with an emulated chip in the loop."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cli.progress.study import study_progress
from cli.shared.conversion import stop_cleanly
from cli.shared.study import list_runs, print_results, serial_study_options
from cli.shared.training_options import default_folder

if TYPE_CHECKING:
    from spikebench.substrate.study import Study


@click.command()
@click.argument("data", metavar="DATA")
@click.option("--model", default="rlif", show_default=True, help="lif or rlif.")
@click.option(
    "--on",
    "substrate",
    type=click.Choice(["analog", "fixed-point"]),
    default="analog",
    show_default=True,
    help="The substrate in the loop.",
)
@click.option(
    "--seeds",
    type=click.IntRange(2, 1000),
    default=3,
    show_default=True,
    help="Number of seeds, and on the analog substrate of devices.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="TABLE.KEY=VALUE",
    help="Change one setting, e.g. training.epochs=10 or analog.gain_mismatch=0.3; may be repeated.",
)
@click.option(
    "--test",
    "on_test",
    is_flag=True,
    help="Test on the test split instead of the validation samples; it is opened once, and only if a test is missing.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write table and picture into this Markdown file, as the section of the data set and the substrate.",
)
@serial_study_options
def substrate(
    data: str,
    model: str,
    substrate: Literal["analog", "fixed-point"],
    seeds: int,
    settings: tuple[str, ...],
    on_test: bool,
    output: Path | None,
    page: Path | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train networks with an emulated chip in the loop, and compare with software.

    \b
      spikebench substrate digits -o chip
      spikebench substrate shd-r --on fixed-point --set fixed_point.weight_bits=4 -o integers

    The forward pass runs on the substrate, the backward pass in software on what the substrate recorded. DATA is the
    name of a data set or a spike file. Conditions, without and with activity regularisation (robust: without); robust
    and transferred on the analog substrate only, since copies of the digital one do not differ:

    \b
      software      trained and tested in software
      deployed      trained in software, written to each device
      in the loop   trained with one device in the loop, tested on it
      robust        another random device in every batch, written to devices that it has not seen
      transferred   trained with one device in the loop, written to the others

    Networks are tested on the validation samples, with the weights after the last epoch; the test split is opened with
    --test only. To resume an interrupted study, run the same command with the same -o again: finished runs are kept.
    docs/methods/hardware_in_the_loop.md has equations and results.
    """  # noqa: D301
    from cli.shared.training_session import warn_of_copies
    from spikebench.substrate.report import file_name, markdown
    from spikebench.substrate.results import write_results
    from spikebench.substrate.runner import run_study
    from spikebench.substrate.study import plan_study

    folder = output or default_folder(data, "substrate")
    study = plan_study(
        data,
        folder,
        model=model,
        substrate=substrate,
        seeds=seeds,
        settings=settings,
        tested="test" if on_test else "validation",
    )
    if dry_run:
        _list_runs(study, as_json)
        return
    if on_test:
        warn_of_copies(study.selection, quiet)
    if not quiet:
        click.echo(_opening(study), err=True)
    command = _command(data, model, substrate, seeds, settings)
    words = [*command, *(["--test"] if on_test else []), "-o", str(folder)]
    try:
        with stop_cleanly(()) as check, study_progress(quiet, check, "substrate") as progress:
            report = run_study(study, progress)
    except KeyboardInterrupt:
        hint = f"stopped; finished runs are kept. Resume with: {shlex.join(words)}"
        click.echo(f"\n{hint}", err=True)
        raise
    from spikebench.plots.sample import write_figure
    from spikebench.plots.substrate import draw_substrate
    from spikebench.records.text import shareable
    from spikebench.substrate.page import picture_of, write_page

    picture = folder / file_name(report.tested, ".png")
    write_figure(draw_substrate(report), picture)
    if page is not None:
        write_page(page, report, shlex.join(command))
        write_figure(draw_substrate(report), picture_of(page, report))
    words[2] = shareable(data)
    results = write_results(study, shlex.join(words[:-2]))
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    click.echo(markdown(report), nl=False)
    click.echo(f"Intervals: {report.interval}.")
    click.echo(f"table: {folder / file_name(report.tested, '.csv')}")
    click.echo(f"picture: {picture}")
    print_results(folder, results)


def _command(
    data: str, model: str, substrate: str, seeds: int, settings: tuple[str, ...]
) -> list[str]:
    """Return the words that train the same networks, without what is the default."""
    words = ["spikebench", "substrate", data]
    words += ["--model", model] if model != "rlif" else []
    words += ["--on", substrate] if substrate != "analog" else []
    words += ["--seeds", str(seeds)] if seeds != 3 else []
    return words + [word for setting in settings for word in ("--set", setting)]


def _opening(study: Study) -> str:
    split = study.selection.dataset.split
    done = sum(job.is_trained for job in study.jobs)
    tested = (
        f"tested on {split.test_samples} test samples"
        if study.tested == "test"
        else f"tested on {split.validation_samples} validation samples; the test split is not opened"
    )
    return (
        f"{study.model} on the {study.substrate} substrate, {study.selection.dataset.name}: {len(study.jobs)} runs, "
        f"{done} of them trained, on {len(study.train)} samples, {tested}"
    )


def _list_runs(study: Study, as_json: bool) -> None:
    rows = [
        {"folder": str(job.folder), "status": "trained" if job.is_trained else "new"}
        for job in study.jobs
    ]
    list_runs(rows, as_json, "trained")
