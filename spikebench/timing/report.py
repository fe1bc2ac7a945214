"""The results of a study: one row per model, condition and kind of training, as JSON and as CSV.

Accuracies, intervals and changes are those of :mod:`spikebench.metrics.significance`: means over seeds, with the spread
over speakers and over seeds. The change is from the same model trained and tested on unchanged spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from spikebench.events.conditions import CLEAN, Condition
from spikebench.metrics.chance import chance_level
from spikebench.metrics.significance import compare_predictions
from spikebench.presets.preset import Preset
from spikebench.protocol.results import DatasetRecord
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.whole_files import write_text
from spikebench.timing.answers import Answers, Tested

__all__ = [
    "StudyModel",
    "TimingReport",
    "TimingRow",
    "TimingSeed",
    "file_name",
    "row",
    "write_report",
]

Difference = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
_COLUMNS = (
    *("model", "condition", "kind", "strength", "trained_on", "accuracy", "std", "low", "high"),
    *("change", "change_low", "change_high", "seeds", "failed", "input_spikes", "few_spikes"),
)


class TimingSeed(Record):
    """One run under one condition; ``failed`` gives the reason if there is no accuracy.

    ``run`` is its folder, relative to that of the study if it is in it.
    """

    seed: Count
    run: str
    accuracy: Fraction | None = None
    test_opened: Count = 0
    failed: str = ""


class TimingRow(Record):
    """A model under a condition, over its seeds.

    ``trained_on`` is ``clean`` for runs trained on unchanged spikes, ``changed`` for those trained under the condition.
    ``std`` is the sample standard deviation over seeds, null for one. Intervals are 95 %, null without spread;
    ``change`` is null for the unchanged spikes. ``input_spikes`` and ``few_spikes`` are means over seeds
    (:class:`spikebench.timing.answers.ConditionAnswers`).
    """

    model: Name
    condition: Name
    kind: Name
    strength: NonNegative
    trained_on: Literal["clean", "changed"]
    accuracy: Fraction | None = None
    std: NonNegative | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    change: Difference | None = None
    change_low: Difference | None = None
    change_high: Difference | None = None
    input_spikes: NonNegative | None = None
    few_spikes: Fraction | None = None
    seeds: list[TimingSeed]

    @property
    def failed(self) -> list[TimingSeed]:
        """Runs without an accuracy."""
        return [seed for seed in self.seeds if seed.failed]


class StudyModel(Record):
    """A model of a study, by its name in the rows, with its settings and seeds."""

    name: Name
    model: Name
    preset: Preset
    seeds: list[Count]


class TimingReport(Record):
    """Contents of ``timing.json``; ``chance`` is the chance level of the tested samples."""

    format_version: Literal[1] = 1
    software: Name
    dataset: DatasetRecord
    tested: Tested
    samples: Count
    chance: Fraction | None
    interval: str
    test_opened: Count
    models: list[StudyModel]
    conditions: list[Name]
    rows: list[TimingRow]

    @property
    def failed(self) -> list[TimingSeed]:
        """Runs that failed, each once."""
        found = {seed.run: seed for one in self.rows for seed in one.failed}
        return list(found.values())


def row(
    model: str,
    condition: Condition,
    trained_on: Literal["clean", "changed"],
    seeds: Sequence[tuple[TimingSeed, Answers | None]],
    clean: Sequence[Answers],
) -> tuple[TimingRow, str]:
    """Compute the row of a model under a condition.

    Parameters
    ----------
    model, condition, trained_on
        The row.
    seeds
        Every run, with its answers; None if it failed.
    clean
        Answers of the runs on unchanged spikes, from whose accuracy on unchanged spikes the change is computed.

    Returns
    -------
    row : TimingRow
        The row, over the runs that did not fail.
    method : str
        Unit of resampling of the interval; empty without answers.
    """
    name = str(condition)
    done = [answers for _, answers in seeds if answers is not None]
    listed = [
        seed if answers is None else seed.model_copy(update={"accuracy": _mean(answers, name)})
        for seed, answers in seeds
    ]
    found = TimingRow(
        model=model,
        condition=name,
        kind=condition.kind,
        strength=condition.strength,
        trained_on=trained_on,
        seeds=listed,
    )
    if not done:
        return found, ""
    right = [np.stack([one.right(name) for one in done])]
    if clean and condition != CLEAN:
        right.append(np.stack([one.right(str(CLEAN)) for one in clean]))
    compared = compare_predictions(right, np.array(done[0].speaker, dtype=np.int64))
    accuracy = compared.accuracies[0]
    values = {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high}
    values["std"] = float(right[0].mean(axis=1).std(ddof=1)) if len(done) > 1 else None
    if compared.differences:
        change = compared.differences[0]
        values |= {"change": change.value, "change_low": change.low, "change_high": change.high}
    answered = [one.conditions[name] for one in done]
    values["input_spikes"] = float(np.mean([one.input_spikes for one in answered]))
    few = [one.few_spikes for one in answered if one.few_spikes is not None]
    values["few_spikes"] = float(np.mean(few)) if few else None
    return TimingRow.model_validate(found.model_dump() | values), compared.method


def _mean(answers: Answers, condition: str) -> float:
    return float(answers.right(condition).mean())


def chance_of(answers: Answers | None, n_classes: int) -> float | None:
    """Compute the chance level of the tested samples.

    Parameters
    ----------
    answers
        Answers of any run.
    n_classes
        Number of classes.

    Returns
    -------
    float or None
        None without answers.
    """
    if answers is None:
        return None
    return chance_level(np.bincount(answers.label, minlength=n_classes).tolist())


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
        ``timing.json``, or ``timing-test.json``.
    """
    return f"timing{'-test' if tested == 'test' else ''}{suffix}"


def write_report(folder: Path, report: TimingReport) -> None:
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
    for one in report.rows:
        failed = len(one.failed)
        counted = {"seeds": len(one.seeds) - failed, "failed": failed}
        rows.append([counted.get(column, getattr(one, column, None)) for column in _COLUMNS])
    write_text(folder / file_name(report.tested, ".csv"), csv_text(rows, floats=".6g"))
