"""The results of a study, as JSON, CSV and a table in Markdown.

Measures and intervals are those of :mod:`spikebench.metrics.forgetting`. The change is the difference of the average
accuracy from that of fine-tuning (``none``) with the same seeds, paired by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spikebench.continual.costs import StepCost
from spikebench.continual.methods import Method
from spikebench.continual.run import ContinualRun, Row
from spikebench.continual.settings import ContinualSettings
from spikebench.continual.tasks import Tested
from spikebench.metrics.forgetting import (
    average_accuracy,
    backward_transfer,
    forgetting,
    interval,
    learned_accuracy,
)
from spikebench.presets.preset import Preset
from spikebench.protocol.results import DatasetRecord
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.whole_files import write_text

__all__ = [
    "ContinualReport",
    "ContinualRow",
    "ContinualSeed",
    "Estimate",
    "ReportedModel",
    "ReportedTasks",
    "file_name",
    "rows_of",
    "table_lines",
    "write_report",
]

Signed = Annotated[float, Field(ge=-2.0, le=2.0, allow_inf_nan=False)]
_MEASURES: dict[str, Callable[[NDArray[np.float64]], float]] = {
    "average": average_accuracy,
    "learned": learned_accuracy,
    "forgetting": forgetting,
    "backward_transfer": backward_transfer,
}


class Estimate(Record):
    """A mean over seeds, with its sample standard deviation and 95 % interval; null without spread."""

    value: Signed
    std: NonNegative | None = None
    low: Signed | None = None
    high: Signed | None = None


class ContinualSeed(Record):
    """One run: its matrix of accuracies, or the reason why it failed; ``run`` is its folder in that of the study."""

    seed: Count
    run: str
    accuracies: list[Row] = Field(default=[])
    failed: str = ""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """R, float64, shape (trainings, tasks)."""
        return np.array(self.accuracies)


class ContinualRow(Record):
    """A method on a sequence of tasks with a model; joint training has an average accuracy only."""

    tasks: Name
    model: Name
    method: Name
    kind: Name
    strength: NonNegative | None
    average: Estimate | None = None
    learned: Estimate | None = None
    forgetting: Estimate | None = None
    backward_transfer: Estimate | None = None
    change: Estimate | None = None
    parameters: Count = 0
    kept_samples: Count = 0
    kept_spikes: Count = 0
    seconds: NonNegative = 0.0
    seeds: list[ContinualSeed]

    @property
    def done(self) -> list[ContinualSeed]:
        """Runs that did not fail."""
        return [seed for seed in self.seeds if not seed.failed]


class ReportedTasks(Record):
    """A sequence of tasks: names, samples of each task, and the chance level."""

    name: Name
    tasks: list[Name]
    masked: bool
    train_samples: list[Count]
    tested_samples: list[Count]
    chance: Fraction


class ReportedModel(Record):
    """A model with its settings."""

    model: Name
    preset: Preset


class ContinualReport(Record):
    """Contents of ``continual.json``."""

    format_version: Literal[1] = 1
    software: Name
    dataset: DatasetRecord
    tested: Tested
    settings: ContinualSettings
    seeds: Count
    test_opened: Count
    models: list[ReportedModel]
    tasks: list[ReportedTasks]
    rows: list[ContinualRow]
    costs: list[StepCost] = Field(default=[])

    @property
    def failed(self) -> list[ContinualSeed]:
        """Runs that failed."""
        return [seed for row in self.rows for seed in row.seeds if seed.failed]

    def rows_of(self, tasks: str, model: str) -> list[ContinualRow]:
        """Return the rows of a sequence and a model."""
        return [row for row in self.rows if (row.tasks, row.model) == (tasks, model)]


def rows_of(
    tasks: str,
    model: str,
    runs: Sequence[tuple[Method, Sequence[tuple[ContinualSeed, ContinualRun | None]]]],
) -> list[ContinualRow]:
    """Compute the rows of a sequence and a model.

    Parameters
    ----------
    tasks, model
        The sequence and the model.
    runs
        The runs of each method, with their results; None if a run failed.

    Returns
    -------
    list of ContinualRow
        One per method.
    """
    plain = {
        seed.seed: average_accuracy(seed.matrix)
        for method, seeds in runs
        if method.kind == "none"
        for seed, result in seeds
        if result
    }
    return [_row(tasks, model, method, seeds, plain) for method, seeds in runs]


def _row(
    tasks: str,
    model: str,
    method: Method,
    seeds: Sequence[tuple[ContinualSeed, ContinualRun | None]],
    plain: dict[int, float],
) -> ContinualRow:
    done = [(seed, result) for seed, result in seeds if result is not None]
    values: dict[str, object] = {}
    if done:
        matrices = [seed.matrix for seed, _ in done]
        names = ["average"] if method.kind == "joint" else list(_MEASURES)
        values = {name: _estimate([_MEASURES[name](one) for one in matrices]) for name in names}
        last = done[-1][1]
        values |= {
            name: getattr(last, name) for name in ("parameters", "kept_samples", "kept_spikes")
        }
        values["seconds"] = float(np.median([result.seconds for _, result in done]))
        pairs = [
            average_accuracy(seed.matrix) - plain[seed.seed]
            for seed, _ in done
            if seed.seed in plain
        ]
        if pairs and method.kind != "none":
            values["change"] = _estimate(pairs)
    return ContinualRow(
        tasks=tasks,
        model=model,
        method=str(method),
        kind=method.kind,
        strength=method.strength,
        seeds=[seed for seed, _ in seeds],
        **values,
    )


def _estimate(found: Sequence[float]) -> Estimate:
    values = np.array(found)
    both = interval(values)
    return Estimate(
        value=float(values.mean()),
        std=float(values.std(ddof=1)) if values.size > 1 else None,
        low=both[0] if both else None,
        high=both[1] if both else None,
    )


def file_name(tested: Tested, suffix: str) -> str:
    """Name a file of the report.

    Parameters
    ----------
    tested
        The samples that were tested.
    suffix
        For example ``.json``.

    Returns
    -------
    str
        ``continual.json``, or ``continual-test.json``.
    """
    return f"continual{'-test' if tested == 'test' else ''}{suffix}"


def write_report(folder: Path, report: ContinualReport) -> None:
    """Write the report as JSON, CSV and Markdown, each whole or not at all.

    Parameters
    ----------
    folder
        Folder of the study.
    report
        The report to write.
    """
    name = folder / file_name(report.tested, "")
    write_text(name.with_suffix(".json"), report.model_dump_json(indent=2) + "\n")
    measures = [*_MEASURES, "change"]
    parts = ("value", "std", "low", "high")
    lines: list[Sequence[object]] = [
        ["tasks", "model", "method", "kind", "strength", "seeds", "failed"]
        + [
            f"{measure}{'' if part == 'value' else '_' + part}"
            for measure in measures
            for part in parts
        ]
        + ["parameters", "kept_samples", "kept_spikes", "seconds"]
    ]
    for row in report.rows:
        cells: list[object] = [row.tasks, row.model, row.method, row.kind, row.strength]
        cells += [len(row.done), len(row.seeds) - len(row.done)]
        for measure in measures:
            found = getattr(row, measure)
            cells += [getattr(found, part) if found else None for part in parts]
        cells += [row.parameters, row.kept_samples, row.kept_spikes, row.seconds]
        lines.append(cells)
    write_text(name.with_suffix(".csv"), csv_text(lines, floats=".6g"))
    said = []
    for tasks in report.tasks:
        for model in report.models:
            said += [f"{tasks.name}, {model.model}", ""]
            said += [*table_lines(report.rows_of(tasks.name, model.model)), ""]
    write_text(name.with_suffix(".md"), "\n".join(said))


def table_lines(rows: Sequence[ContinualRow]) -> list[str]:
    """Write rows as a table in Markdown.

    Parameters
    ----------
    rows
        The rows of a sequence and a model.

    Returns
    -------
    list of str
        Its lines; accuracies in %, differences in percentage points, intervals in brackets.
    """
    lines = [
        "| method | average accuracy | after own task | forgetting | backward transfer | change from `none` |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        failed = len(row.seeds) - len(row.done)
        name = f"`{row.method}`" + (f" ({failed} failed)" if failed else "")
        cells = [
            name,
            *(_cell(one) for one in (row.average, row.learned, row.forgetting)),
            _cell(row.backward_transfer, signed=True),
            _cell(row.change, signed=True),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _cell(found: Estimate | None, signed: bool = False) -> str:
    if found is None:
        return "–"
    form = "{:+.1f}" if signed else "{:.1f}"
    text = form.format(100 * found.value)
    if found.low is not None and found.high is not None:
        text += f" [{form.format(100 * found.low)}, {form.format(100 * found.high)}]"
    return text.replace("-", "−")
