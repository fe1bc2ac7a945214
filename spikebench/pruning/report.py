"""The results of a study, as JSON, CSV and a table in Markdown.

``accuracy`` is that of the tested samples with the last weights. ``change`` is its difference from the dense network,
and ``gain`` that from ``random`` at the same density, both paired by seed. ``epochs`` is the number of epochs until the
validation accuracy first reaches 90 % of that of the dense network of the same seed after its last epoch, the mean over
the seeds that reach it. Intervals are 95 % Student t intervals
over seeds, none for one seed or without spread (:func:`spikebench.metrics.forgetting.interval`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from spikebench.metrics.forgetting import interval
from spikebench.presets.preset import Preset
from spikebench.protocol.results import DatasetRecord
from spikebench.pruning.methods import DENSE
from spikebench.pruning.run import KeptWeights, PruningRun, Tested
from spikebench.pruning.settings import PruningSettings
from spikebench.pruning.speed import LayerTime
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.whole_files import write_text

__all__ = [
    "REACHED",
    "Estimate",
    "PruningReport",
    "PruningRow",
    "PruningSeed",
    "ReportedModel",
    "epochs_text",
    "estimate_text",
    "file_name",
    "rows_of",
    "table_lines",
    "write_report",
]

REACHED = 0.9  # part of the accuracy of the dense network
Signed = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]


class Estimate(Record):
    """A mean over seeds, with its 95 % interval; null without spread."""

    value: Signed
    low: Signed | None = None
    high: Signed | None = None


class PruningSeed(Record):
    """One run, or the reason why it failed; ``run`` is its folder in that of the study.

    ``accuracies`` are those of the validation samples before training and after every epoch.
    """

    seed: Count
    run: str
    accuracy: Fraction | None = None
    accuracies: list[Fraction] = Field(default=[])
    epochs: Count | None = None
    distances: list[tuple[Count, NonNegative, NonNegative]] = Field(default=[])
    failed: str = ""


class PruningRow(Record):
    """A method at a density with a model; operations and spikes are means per sample and over seeds."""

    model: Name
    method: Name
    density: Fraction
    accuracy: Estimate | None = None
    change: Estimate | None = None
    gain: Estimate | None = None
    epochs: NonNegative | None = None
    reached: Count = 0
    kept: list[KeptWeights] = Field(default=[])
    effective_operations: NonNegative = 0.0
    dense_operations: NonNegative = 0.0
    spikes: NonNegative = 0.0
    choice_seconds: NonNegative = 0.0
    seconds: NonNegative = 0.0
    seeds: list[PruningSeed]

    @property
    def done(self) -> list[PruningSeed]:
        """Runs that did not fail."""
        return [seed for seed in self.seeds if not seed.failed]


class ReportedModel(Record):
    """A model with its settings."""

    model: Name
    preset: Preset


class PruningReport(Record):
    """Contents of ``pruning.json``."""

    format_version: Literal[1] = 1
    software: Name
    dataset: DatasetRecord
    tested: Tested
    tested_samples: Count
    train_samples: Count
    chance: Fraction
    settings: PruningSettings
    seeds: Count
    test_opened: Count
    models: list[ReportedModel]
    rows: list[PruningRow]
    times: list[LayerTime] = Field(default=[])

    @property
    def failed(self) -> list[PruningSeed]:
        """Runs that failed."""
        return [seed for row in self.rows for seed in row.seeds if seed.failed]

    def rows_of(self, model: str) -> list[PruningRow]:
        """Return the rows of a model."""
        return [row for row in self.rows if row.model == model]


Ended = tuple[
    int, str, PruningRun | str
]  # seed, folder, and the result or the reason of the failure


def rows_of(model: str, runs: Mapping[tuple[str, float], Sequence[Ended]]) -> list[PruningRow]:
    """Compute the rows of a model.

    Parameters
    ----------
    model
        Its name.
    runs
        The runs of every method and density, the dense network first.

    Returns
    -------
    list of PruningRow
        In the same order.
    """
    found = {
        key: {seed: run for seed, _, run in ended if isinstance(run, PruningRun)}
        for key, ended in runs.items()
    }
    dense = found[DENSE, 1.0]
    return [
        _row(model, *key, ended, dense, found.get(("random", key[1]), {}))
        for key, ended in runs.items()
    ]


def _row(
    model: str,
    method: str,
    density: float,
    ended: Sequence[Ended],
    dense: dict[int, PruningRun],
    drawn: dict[int, PruningRun],
) -> PruningRow:
    seeds = [_seed(one, dense) for one in ended]
    row = PruningRow(model=model, method=method, density=density, seeds=seeds)
    results = {seed: run for seed, _, run in ended if isinstance(run, PruningRun)}
    if not results:
        return row
    epochs = [seed.epochs for seed in seeds if seed.epochs is not None]
    runs = list(results.values())

    def mean(name: str) -> float:
        return float(np.mean([getattr(run, name) for run in runs]))

    return row.model_copy(
        update={
            "accuracy": _estimate([run.accuracy for run in runs], lowest=0.0),
            "change": None if method == DENSE else _difference(results, dense),
            "gain": None if method in (DENSE, "random") else _difference(results, drawn),
            "epochs": float(np.mean(epochs)) if epochs else None,
            "reached": len(epochs),
            "kept": runs[0].kept,
            **{name: mean(name) for name in ("effective_operations", "dense_operations", "spikes")},
            **{name: mean(name) for name in ("choice_seconds", "seconds")},
        }
    )


def _seed(ended: Ended, dense: dict[int, PruningRun]) -> PruningSeed:
    seed, folder, run = ended
    if isinstance(run, str):
        return PruningSeed(seed=seed, run=folder, failed=run)
    reached: list[int] = []
    if seed in dense:
        level = REACHED * dense[seed].accuracies[-1] - 1e-9  # an equal fraction reaches it
        reached = [epoch for epoch, value in enumerate(run.accuracies) if value >= level]
    return PruningSeed(
        seed=seed,
        run=folder,
        accuracy=run.accuracy,
        accuracies=run.accuracies,
        epochs=reached[0] if reached else None,
        distances=run.distances,
    )


def _difference(runs: dict[int, PruningRun], others: dict[int, PruningRun]) -> Estimate | None:
    pairs = [run.accuracy - others[seed].accuracy for seed, run in runs.items() if seed in others]
    return _estimate(pairs) if pairs else None


def _estimate(found: Sequence[float], lowest: float = -1.0) -> Estimate:
    values = np.array(found)
    both = interval(values)
    return Estimate(
        value=float(values.mean()),
        low=max(both[0], lowest) if both else None,
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
        ``pruning.json``, or ``pruning-test.json``.
    """
    return f"pruning{'-test' if tested == 'test' else ''}{suffix}"


_COLUMNS = (
    *("model", "method", "density", "seeds", "failed", "accuracy", "low", "high", "change"),
    *("gain", "gain_low", "gain_high", "epochs", "reached", "weights", "kept"),
    *("effective_operations", "dense_operations", "spikes", "choice_seconds", "seconds"),
)


def write_report(folder: Path, report: PruningReport) -> None:
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
    rows: list[Sequence[object]] = [_COLUMNS]
    for row in report.rows:
        accuracy, gain = row.accuracy, row.gain
        cells: dict[str, object] = {
            "seeds": len(row.done),
            "failed": len(row.seeds) - len(row.done),
            "accuracy": accuracy and accuracy.value,
            "low": accuracy and accuracy.low,
            "high": accuracy and accuracy.high,
            "change": row.change and row.change.value,
            "gain": gain and gain.value,
            "gain_low": gain and gain.low,
            "gain_high": gain and gain.high,
            "weights": sum(one.weights for one in row.kept),
            "kept": sum(one.kept for one in row.kept),
        }
        rows.append([cells[one] if one in cells else getattr(row, one) for one in _COLUMNS])
    write_text(name.with_suffix(".csv"), csv_text(rows, floats=".6g"))
    lines: list[str] = []
    for model in report.models:
        lines += [model.model, "", *table_lines(report.rows_of(model.model)), ""]
    write_text(name.with_suffix(".md"), "\n".join(lines))


def table_lines(rows: Sequence[PruningRow]) -> list[str]:
    """Write rows as a table in Markdown.

    Parameters
    ----------
    rows
        The rows of a model.

    Returns
    -------
    list of str
        Its lines; accuracies in %, differences in percentage points, intervals in brackets.
    """
    lines = [
        "| density | method | weights kept | accuracy | against `random` | epochs to 90 % of dense "
        "| effective operations |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        failed = len(row.seeds) - len(row.done)
        kept = " + ".join(f"{one.kept:,}" for one in row.kept)
        cells = [
            f"{100 * row.density:g} %",
            f"`{row.method}`" + (f" ({failed} failed)" if failed else ""),
            kept or "–",
            estimate_text(row.accuracy),
            estimate_text(row.gain, signed=True),
            epochs_text(row),
            f"{row.effective_operations:,.0f}" if row.done else "–",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def epochs_text(row: PruningRow) -> str:
    """Write the epochs until 90 % of the dense accuracy.

    Parameters
    ----------
    row
        A row.

    Returns
    -------
    str
        The mean, with the number of seeds if not all reach it.
    """
    if row.epochs is None:
        return "not reached" if row.done else "–"
    part = f" ({row.reached} of {len(row.done)} seeds)" if row.reached < len(row.done) else ""
    return f"{row.epochs:.1f}{part}"


def estimate_text(found: Estimate | None, signed: bool = False) -> str:
    """Write an estimate in %.

    Parameters
    ----------
    found
        The estimate; None if there is none.
    signed
        Whether it is a difference.

    Returns
    -------
    str
        With its interval in brackets.
    """
    if found is None:
        return "–"
    form = "{:+.1f}" if signed else "{:.1f}"
    text = form.format(100 * found.value)
    if found.low is not None and found.high is not None:
        text += f" [{form.format(100 * found.low)}, {form.format(100 * found.high)}]"
    return text.replace("-", "−")
