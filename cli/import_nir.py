"""``spikebench import``: test a network from a file of the Neuromorphic Intermediate Representation."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.text.metrics import metric_lines

if TYPE_CHECKING:
    from spikebench.models.nir_network import NirNetwork


@click.command("import")
@click.argument("file", metavar="FILE.nir", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data", required=True, help="Data set, or the path of a spike file.")
@click.option(
    "--time-step-ms", type=float, help="Width of a bin.  [default: that of the file, else 10]"
)
@click.option(
    "--duration-ms",
    type=float,
    help="Length of the raster.  [default: that of the file, else 1000]",
)
@click.option(
    "--mode",
    type=click.Choice(["counts", "binary"]),
    help="Value of a cell: the number of its spikes, or 1 if there is any.  [default: that of the file, else counts]",
)
@click.option(
    "--group-units",
    type=click.IntRange(1, 65_536),
    help="Neighbouring units that are one input.  [default: that of the file, else 1]",
)
@click.option(
    "--discretisation",
    type=click.Choice(["exponential", "euler", "norse", "rockpool"]),
    default="exponential",
    show_default=True,
    help="Discretisation of the equations of the file: files of snnTorch need euler, files of norse and Rockpool the "
    "updates of these libraries.",
)
@click.option(
    "--step-ms",
    type=float,
    help="Time step that the time constants refer to; 0.1 for files of snnTorch.  [default: that of the file, else the "
    "width of a bin]",
)
@click.option(
    "--refractory-steps",
    type=click.IntRange(0, 10_000),
    help="Refractory steps after a spike.  [default: that of the file, else 0]",
)
@click.option(
    "--reset",
    type=click.Choice(["value", "subtract", "subtract_later", "subtract_all"]),
    help="At a spike, set the membrane to its reset value (value), or subtract the threshold at once (subtract) or in "
    "the next step (subtract_later); subtract_all: several spikes in a step, as Rockpool.  [default: value]",
)
@click.option(
    "--reduction",
    type=click.Choice(["sum", "mean", "max", "last", "softmax"]),
    help="How the output over time becomes the score of a class.  [default: that of the file, else sum]",
)
@click.option(
    "--name", default="", help="Name of the model in the result.  [default: that of the file]"
)
@click.option(
    "--metrics", "metrics_text", default="", metavar="all|LIST", help="Cost metrics to measure."
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the result.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def import_nir(
    file: Path,
    data: str,
    time_step_ms: float | None,
    duration_ms: float | None,
    mode: str | None,
    group_units: int | None,
    discretisation: str,
    step_ms: float | None,
    refractory_steps: int | None,
    reset: str | None,
    reduction: str | None,
    name: str,
    metrics_text: str,
    output: Path,
    as_json: bool,
) -> None:
    """Test a network from FILE.nir on the test split of a data set, once, and write a result.

    NIR describes neurons by differential equations and does not define how they are discretised; the options do. A
    file of 'spikebench export' needs no options and gives the predictions of its run. The network is not trained, and
    nothing in the file is executed. Its outputs must be in the order of the classes of the data set.

    Next step: spikebench submit FOLDER
    """
    from spikebench.errors import OutputExistsError, TrainingError
    from spikebench.evaluation.benchmark import Benchmark
    from spikebench.models.nir_network import number_said, read_nir, rules_of, said_by
    from spikebench.protocol.results import RESULT_FILE
    from spikebench.records.text import printable

    if (output / RESULT_FILE).exists():
        raise OutputExistsError(
            f"{output}: contains a result already; choose another folder with -o"
        )
    said = said_by(file)
    rules = rules_of(said).model_dump() | {"discretisation": discretisation}
    for key, value in (
        ("step_s", None if step_ms is None else step_ms * 1e-3),
        ("refractory_steps", refractory_steps),
        ("reset", reset),
        ("reduction", reduction),
    ):
        if value is not None:
            rules[key] = value
    said = {"time_step_ms": 10.0, "group_units": 1, "input_mode": "counts"} | said
    cells = mode or said["input_mode"]
    if cells not in ("counts", "binary"):
        raise TrainingError(f"{printable(str(file))}: metadata: input_mode: counts or binary")
    step = (number_said(said, "time_step_ms") if time_step_ms is None else time_step_ms) * 1e-3
    length = number_said(said, "n_steps") * step if "n_steps" in said else 1.0
    benchmark = Benchmark(
        data,
        time_step=step,
        duration=length if duration_ms is None else duration_ms * 1e-3,
        mode="binary" if cells == "binary" else "counts",
        group_units=group_units or int(number_said(said, "group_units")),
        events=True,
    )
    network = read_nir(file, step, rules)
    _check_classes(file, network, said, benchmark.classes)
    with _folder(output):  # made before the test split is opened, so that no opening is lost
        result = benchmark.evaluate(network, metrics_text, name=name or printable(file.stem)[:60])
        result.save(output)
    if as_json:
        click.echo(result.result.model_dump_json(indent=2))
        return
    click.echo(str(result))
    metrics = [seed.metrics for seed in result.result.seeds if seed.metrics is not None]
    for line in metric_lines(metrics):
        click.echo(line)
    click.echo(f"result: {output}\nnext: spikebench submit {output}")


@contextmanager
def _folder(output: Path) -> Iterator[None]:
    """Make the folder of the result and check that it can be written; a new one is removed if the test fails."""
    from spikebench.errors import OutputError
    from spikebench.records.text import os_error_text

    is_new = not output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {os_error_text(error)}") from None
    try:
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                output.rmdir()
        raise


def _check_classes(
    file: Path, network: NirNetwork, said: dict[str, Any], classes: list[str]
) -> None:
    """Refuse a network for other classes."""
    from spikebench.errors import TrainingError
    from spikebench.records.text import printable

    shown = printable(str(file))
    if network.n_outputs != len(classes):
        raise TrainingError(
            f"{shown}: has {network.n_outputs} outputs, the data {len(classes)} classes; choose its data with --data"
        )
    try:
        named = json.loads(said["classes"]) if "classes" in said else classes
    except (TypeError, ValueError):
        raise TrainingError(f"{shown}: classes of the metadata are not a JSON list") from None
    if named != classes:
        raise TrainingError(
            f"{shown}: was trained on other classes than those of the data; choose its data with --data"
        )
