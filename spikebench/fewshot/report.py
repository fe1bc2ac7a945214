"""The results of a study: one row per task, model and method, as JSON and as CSV.

The accuracy of a run is the mean over tasks after the number of inner steps that was selected in validation tasks. The
interval ``low`` … ``high`` is the 95 % bootstrap interval over all tasks of all seeds; tasks share recordings and
speakers, so it does not cover the choice of speakers. ``seed_low`` … ``seed_high`` is that over seeds. Both are defined
in :mod:`spikebench.metrics.classification`. ``curve`` is the mean accuracy after 0 … J steps. ``steps_to_target`` is
the least number of steps with a mean accuracy of at least ``target``, which is halfway from chance to the best accuracy
of any row of the same kind of task after any number of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spikebench.fewshot.settings import FewShotSettings
from spikebench.fewshot.worker import Curve, Outcome, RunFile, Tested
from spikebench.learning.maml import Method
from spikebench.metrics.classification import by_speaker, seed_interval, speaker_intervals
from spikebench.protocol.few_shot import Kind
from spikebench.protocol.results import DatasetRecord
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.whole_files import write_text

__all__ = ["FewShotReport", "FewShotRow", "FewShotSeed", "file_name", "rows_of", "write_report"]

_COLUMNS = (
    *(
        "kind",
        "model",
        "method",
        "bits",
        "accuracy",
        "low",
        "high",
        "seed_low",
        "seed_high",
        "tasks",
    ),
    *(
        "seeds",
        "failed",
        "before",
        "one_step",
        "steps_to_target",
        "parameters",
        "seconds",
        "graph_bytes",
    ),
)


class FewShotSeed(Record):
    """One run; ``failed`` gives the reason if there is no accuracy. ``run`` is its folder in that of the study."""

    seed: Count
    run: str
    accuracy: Fraction | None = None
    steps: Count = 0
    step_size: NonNegative = 0.0
    failed: str = ""


class FewShotRow(Record):
    """A model with a method in one kind of task, over its seeds; see the module."""

    kind: Kind
    model: Name
    method: Method
    bits: Count
    seeds: list[FewShotSeed]
    tasks: Count = 0
    chance: Fraction | None = None
    accuracy: Fraction | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    seed_low: Fraction | None = None
    seed_high: Fraction | None = None
    curve: list[Fraction] = Field(default=[])
    target: Fraction | None = None
    steps_to_target: Count | None = None
    parameters: Count = 0
    seconds: NonNegative | None = None
    graph_bytes: Count = 0

    @property
    def failed(self) -> list[FewShotSeed]:
        """Runs without an accuracy."""
        return [seed for seed in self.seeds if seed.failed]

    @property
    def name(self) -> str:
        """Method, with the bits of the inner steps."""
        return f"{self.method}, {self.bits} bits" if self.bits else self.method


class FewShotReport(Record):
    """Contents of ``fewshot.json``."""

    format_version: Literal[1] = 1
    software: Name
    dataset: DatasetRecord
    tested: Tested
    test_opened: Count
    settings: FewShotSettings
    rows: list[FewShotRow]

    @property
    def failed(self) -> list[FewShotSeed]:
        """Runs that failed."""
        return [seed for row in self.rows for seed in row.failed]

    def of_kind(self, kind: Kind) -> list[FewShotRow]:
        """Return the rows of a kind of tasks."""
        return [row for row in self.rows if row.kind == kind]


def rows_of(outcomes: Sequence[tuple[RunFile, str, Outcome]]) -> list[FewShotRow]:
    """Compute the rows of a study.

    Parameters
    ----------
    outcomes
        Every run with the name of its folder and its outcome.

    Returns
    -------
    list of FewShotRow
        In the order of the runs.
    """
    groups: dict[tuple[Kind, str, Method, int], list[tuple[RunFile, str, Outcome]]] = {}
    for one in outcomes:
        run = one[0]
        groups.setdefault((run.kind, run.model, run.method, run.bits), []).append(one)
    rows = [_row(group) for group in groups.values()]
    found = []
    for row in rows:
        same = [other for other in rows if other.kind == row.kind and other.curve]
        if not row.curve or row.chance is None:
            found.append(row)
            continue
        best = max(max(other.curve) for other in same)
        target = row.chance + 0.5 * max(best - row.chance, 0.0)
        reached = [step for step, value in enumerate(row.curve) if value >= target]
        first = reached[0] if reached else None
        found.append(row.model_copy(update={"target": target, "steps_to_target": first}))
    return found


def _row(group: Sequence[tuple[RunFile, str, Outcome]]) -> FewShotRow:
    run = group[0][0]
    seeds = [
        FewShotSeed(seed=one.seed, run=folder, failed=outcome.failed)
        if outcome.curve is None
        else FewShotSeed(
            seed=one.seed,
            run=folder,
            accuracy=float(_selected(outcome.curve).mean()),
            steps=outcome.curve.steps,
            step_size=outcome.curve.step_size,
        )
        for one, folder, outcome in group
    ]
    row = FewShotRow(kind=run.kind, model=run.model, method=run.method, bits=run.bits, seeds=seeds)
    curves = [outcome.curve for _, _, outcome in group if outcome.curve is not None]
    if not curves:
        return row
    # Every task is resampled as a whole.
    right = np.concatenate([_selected(curve) for curve in curves])
    intervals, _ = speaker_intervals(by_speaker(right[None], np.arange(right.size)))
    means = np.array([_selected(curve).mean() for curve in curves])
    over_seeds = seed_interval(means)[:2] if means.size > 1 else (None, None)
    return row.model_copy(
        update={
            "tasks": right.size,
            "chance": curves[0].chance,
            "accuracy": float(right.mean()),
            "low": intervals[0][0],
            "high": intervals[0][1],
            "seed_low": over_seeds[0],
            "seed_high": over_seeds[1],
            "curve": np.concatenate([curve.accuracies for curve in curves]).mean(0).tolist(),
            "parameters": curves[0].n_parameters,
            "seconds": float(np.median([curve.seconds for curve in curves])),
            "graph_bytes": max(curve.graph_bytes for curve in curves),
        }
    )


def _selected(curve: Curve) -> NDArray[np.float64]:
    """Return the accuracy of every task after the selected steps, float64, shape (task,)."""
    return np.array(curve.accuracies)[:, curve.steps]


def file_name(tested: Tested, suffix: str) -> str:
    """Name a file of the report.

    Parameters
    ----------
    tested
        Samples of the tasks of the evaluation.
    suffix
        For example ``.json``.

    Returns
    -------
    str
        ``fewshot.json``, or ``fewshot-test.json``.
    """
    return f"fewshot{'-test' if tested == 'test' else ''}{suffix}"


def write_report(folder: Path, report: FewShotReport) -> None:
    """Write the report as JSON and CSV, each whole or not at all.

    Parameters
    ----------
    folder
        Folder of the study.
    report
        The report to write.
    """
    write_text(folder / file_name(report.tested, ".json"), report.model_dump_json(indent=2) + "\n")
    rows: list[Sequence[object]] = [_COLUMNS]
    for row in report.rows:
        failed = len(row.failed)
        extra = {
            "seeds": len(row.seeds) - failed,
            "failed": failed,
            "before": row.curve[0] if row.curve else None,
            "one_step": row.curve[1] if row.curve else None,
        }
        rows.append([extra[name] if name in extra else getattr(row, name) for name in _COLUMNS])
    write_text(folder / file_name(report.tested, ".csv"), csv_text(rows, floats=".6g"))
