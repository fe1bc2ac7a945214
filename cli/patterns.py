"""``spikebench patterns``: learn precise spike trains by SuperSpike."""

from __future__ import annotations

import json
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.progress.runs import runs_progress
from cli.shared.training_options import default_folder

if TYPE_CHECKING:
    from spikebench.patterns.task import PatternSettings


@click.command()
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="KIND:OUTPUTS",
    help="random:8 or picture:64; may be repeated.  [default: random:1, random:8, random:64, picture:64]",
)
@click.option(
    "--feedback",
    "kinds",
    multiple=True,
    type=click.Choice(["symmetric", "random", "uniform"]),
    help="Feedback to the hidden neurons; may be repeated.  [default: all]",
)
@click.option(
    "--seeds",
    default=3,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Seeds 0 … N-1, each with inputs, targets and weights of its own.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting, e.g. presentations=500; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the study.  [default: runs/…]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--quiet", is_flag=True, help="Print only errors and the results.")
def patterns(
    tasks: tuple[str, ...],
    kinds: tuple[str, ...],
    seeds: int,
    settings: tuple[str, ...],
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn to fire precise output trains in response to frozen Poisson inputs, by SuperSpike.

    A network of one hidden layer learns tasks of rising difficulty; the errors of the outputs reach the hidden neurons
    through the transposed output weights (symmetric), fixed random weights, or equal weights (uniform). Results are the
    van Rossum distances after learning, in percent of that of a silent network. No data set is needed: inputs and
    targets are drawn from the seed. docs/methods/superspike.md has the equations and results.

    To resume an interrupted study, run the same command with the same -o again; tasks and seeds may be added.
    """
    from spikebench.patterns.report import PICTURE_FILE, rows, table, write_report
    from spikebench.patterns.study import FEEDBACK, TASKS, parse_task, run_study
    from spikebench.plots.patterns import draw_patterns
    from spikebench.plots.sample import write_figure

    chosen = [parse_task(task) for task in dict.fromkeys(tasks)] or list(TASKS)
    checked = _settings(settings)
    folder = output or default_folder("patterns", "superspike")
    wanted = [kind for kind in FEEDBACK if kind in kinds] or list(FEEDBACK)
    try:
        with runs_progress("patterns", _words, quiet, lambda: None) as show:

            def report(done: float, total: int) -> None:
                show(_State(int(done), total, done))

            runs = run_study(folder, checked, chosen, wanted, seeds, report)
    except KeyboardInterrupt:
        again = f"the same command with -o {shlex.quote(str(folder))}"
        click.echo(f"\nstopped; finished runs are kept. Resume with: {again}", err=True)
        raise
    write_report(folder, runs)
    write_figure(draw_patterns(runs), folder / PICTURE_FILE)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "rows": rows(runs)}, indent=2))
        return
    click.echo(table(runs))
    click.echo(f"van Rossum distance, % of that of a silent network\nstudy: {folder}")


@dataclass(frozen=True)
class _State:
    done: int
    total: int
    work: float


def _words(state: _State) -> str:
    return f"{state.done}/{state.total} runs, {state.work / state.total:.0%}"


def _settings(words: tuple[str, ...]) -> PatternSettings:
    from pydantic import ValidationError

    from spikebench.errors import TrainingError
    from spikebench.patterns.task import PatternSettings
    from spikebench.records.problems import invalid

    values: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or "\n" in word:
            raise TrainingError(f"setting {word!r}: must have the form key=value")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    try:
        return PatternSettings.model_validate(values)
    except ValidationError as error:
        raise invalid(TrainingError, "settings", error, PatternSettings) from None
