"""The results of a study: one row per condition, as JSON, CSV and Markdown.

The accuracy of a seed is the mean over the devices on which its network was tested. ``accuracy`` is the mean over
seeds, its interval that of :func:`spikebench.metrics.classification.summary_interval`: Student t over the seeds.
Differences are paired by seed, with the same kind of interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spikebench import __version__
from spikebench.metrics.chance import chance_level
from spikebench.metrics.classification import seed_interval, speaker_interval, summary_interval
from spikebench.protocol.results import DatasetRecord
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.whole_files import write_text
from spikebench.substrate.answers import CONDITIONS, Answers, Condition, DeviceAnswers
from spikebench.substrate.settings import Settings, SubstrateName
from spikebench.substrate.study import ACTIVITIES, Activity, LoopRun, Study, Tested, Trained

__all__ = [
    "TRAINED",
    "Difference",
    "SubstrateReport",
    "SubstrateRow",
    "file_name",
    "make_report",
    "markdown",
    "write_report",
]

Signed = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
TRAINED: dict[Condition, Trained] = {
    "software": "software",
    "deployed": "software",
    "in the loop": "loop",
    "robust": "robust",
    "transferred": "loop",
}


class Difference(Record):
    """A difference of accuracies with its 95 % interval, null for one seed."""

    value: Signed
    low: Signed | None = None
    high: Signed | None = None


class SubstrateRow(Record):
    """A condition, over its seeds.

    ``activity`` is ``sparse`` with activity regularisation. ``loss`` is the accuracy minus that in software with the
    same activity, ``recovered`` the part of the loss of the deployed networks that is made up for (null without such a
    loss), ``change`` the accuracy minus that without regularisation. ``spikes`` is the mean number of hidden spikes per
    sample, ``decision_ms`` the mean time after which the class no longer changes, ``accuracy_at`` the accuracy after
    every time step, ``seconds_per_batch`` the processor time of a training step [s], ``recorded_bytes`` the memory
    of a recording.
    """

    condition: Condition
    activity: Activity
    accuracies: list[Fraction]
    accuracy: Fraction
    low: Fraction
    high: Fraction
    loss: Difference | None
    recovered: float | None
    change: Difference | None
    spikes: NonNegative
    decision_ms: NonNegative
    accuracy_at: list[Fraction]
    seconds_per_batch: NonNegative
    recorded_bytes: Count


class SubstrateReport(Record):
    """Contents of ``substrate.json``; ``chance`` is the chance level of the tested samples."""

    format_version: Literal[1] = 1
    software: Name
    model: Name
    substrate: SubstrateName
    settings: Settings
    dataset: DatasetRecord
    tested: Tested
    train_samples: Count
    samples: Count
    seeds: Count
    chance: Fraction
    interval: str
    rows: list[SubstrateRow]

    def row(self, condition: Condition, activity: Activity) -> SubstrateRow | None:
        """Return a row; None if the condition was not tested."""
        found = [r for r in self.rows if (r.condition, r.activity) == (condition, activity)]
        return found[0] if found else None


def make_report(
    study: Study, runs: Sequence[LoopRun], answers: Sequence[Answers]
) -> SubstrateReport:
    """Compute the report of a study.

    Parameters
    ----------
    study
        The study.
    runs, answers
        Its finished runs, and the answers of each.

    Returns
    -------
    SubstrateReport
        All rows.
    """
    first = answers[0]
    rows: list[SubstrateRow] = []
    method = ""
    for activity in ACTIVITIES:
        for condition in CONDITIONS:
            chosen = [
                (run, one)
                for run, one in zip(runs, answers, strict=True)
                if run.activity == activity and run.trained == TRAINED[condition]
            ]
            made = _row(condition, activity, chosen, rows)
            if made is not None:
                rows.append(made[0])
                method = method or made[1]
    return SubstrateReport(
        software=f"spikebench {__version__}",
        model=study.model,
        substrate=study.substrate,
        settings=study.settings,
        dataset=study.selection.dataset,
        tested=study.tested,
        train_samples=len(study.train),
        samples=len(first.label),
        seeds=study.seeds,
        chance=chance_level(
            np.bincount(first.label, minlength=len(study.selection.dataset.classes)).tolist()
        ),
        interval=method.replace("test ", f"{study.tested} "),
        rows=rows,
    )


def _row(
    condition: Condition,
    activity: Activity,
    chosen: list[tuple[LoopRun, Answers]],
    before: list[SubstrateRow],
) -> tuple[SubstrateRow, str] | None:
    """Compute a row and the method of its interval; None if no network was tested under the condition."""
    if not chosen:
        return None
    label = np.array(chosen[0][1].label, dtype=np.int64)
    tested = [[one for one in a.devices if one.condition == condition] for _, a in chosen]
    if not all(tested):
        return None
    right = [np.mean([_right(one, label) for one in seed], axis=0) for seed in tested]
    accuracies = np.array([one.mean() for one in right])
    speaker = np.array(chosen[0][1].speaker, dtype=np.int64)
    low, high, method = summary_interval(accuracies, speaker_interval(right[0], speaker))
    others = {(row.condition, row.activity): row for row in before}
    software, deployed = others.get(("software", activity)), others.get(("deployed", activity))
    plain = others.get((condition, "plain"))
    every = [one for seed in tested for one in seed]
    return SubstrateRow(
        condition=condition,
        activity=activity,
        accuracies=accuracies.tolist(),
        accuracy=float(accuracies.mean()),
        low=low,
        high=high,
        loss=_difference(accuracies, software),
        recovered=_recovered(float(accuracies.mean()), software, deployed),
        change=_difference(accuracies, plain) if activity == "sparse" else None,
        spikes=float(np.mean([one.spikes for one in every])),
        decision_ms=float(np.mean([one.decision_ms for one in every])),
        accuracy_at=np.mean([one.accuracy_at for one in every], axis=0).tolist(),
        seconds_per_batch=float(np.mean([run.seconds_per_batch for run, _ in chosen])),
        recorded_bytes=chosen[0][0].recorded_bytes,
    ), method


def _right(one: DeviceAnswers, label: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.array(one.predicted) == label, dtype=np.float64)


def _difference(accuracies: NDArray[np.float64], other: SubstrateRow | None) -> Difference | None:
    """Compute the difference from another row, paired by seed."""
    if other is None:
        return None
    paired = accuracies - np.array(other.accuracies)
    value = float(paired.mean())
    if paired.size < 2:
        return Difference(value=value)
    # The interval is for fractions, so differences are mapped from −1 … 1 to 0 … 1 and back.
    low, high, _ = seed_interval((paired + 1) / 2)
    return Difference(value=value, low=2 * low - 1, high=2 * high - 1)


def _recovered(
    accuracy: float, software: SubstrateRow | None, deployed: SubstrateRow | None
) -> float | None:
    if software is None or deployed is None or software.accuracy <= deployed.accuracy:
        return None
    return (accuracy - deployed.accuracy) / (software.accuracy - deployed.accuracy)


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
        ``substrate.json``, or ``substrate-test.json``.
    """
    return f"substrate{'-test' if tested == 'test' else ''}{suffix}"


def markdown(report: SubstrateReport) -> str:
    """Put the rows into a table.

    Parameters
    ----------
    report
        The report.

    Returns
    -------
    str
        Markdown, accuracies in %, with line breaks.
    """
    head = (
        *("condition", "activity", "accuracy", "95 %", "minus software", "95 %", "recovered"),
        *("spikes", "decision [ms]", "step [ms]"),
    )
    lines = [list(head), ["---", "---", *["--:"] * (len(head) - 2)]]
    for row in report.rows:
        loss = row.loss
        lines.append(
            [
                row.condition,
                "regularised" if row.activity == "sparse" else "free",
                f"{100 * row.accuracy:.1f}",
                f"{100 * row.low:.1f} … {100 * row.high:.1f}",
                "" if loss is None else f"{100 * loss.value:+.1f}",
                ""
                if loss is None or loss.low is None or loss.high is None
                else f"{100 * loss.low:+.1f} … {100 * loss.high:+.1f}",
                "" if row.recovered is None else f"{100 * row.recovered:.0f} %",
                f"{row.spikes:,.0f}",
                f"{row.decision_ms:.0f}",
                f"{1e3 * row.seconds_per_batch:.0f}",
            ]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_report(folder: Path, report: SubstrateReport) -> None:
    """Write the report as JSON, CSV and Markdown, each whole or not at all.

    Parameters
    ----------
    folder
        Folder of the study.
    report
        The report to write.
    """
    name = {
        suffix: folder / file_name(report.tested, suffix) for suffix in (".json", ".csv", ".md")
    }
    write_text(name[".json"], report.model_dump_json(indent=2) + "\n")
    write_text(name[".md"], markdown(report))
    columns = ("condition", "activity", "accuracy", "low", "high", "recovered", "spikes")
    more = ("decision_ms", "seconds_per_batch", "recorded_bytes")
    rows: list[list[object]] = [
        [*columns, "loss", "loss_low", "loss_high", "change", *more, "seeds"]
    ]
    for row in report.rows:
        loss, change = row.loss or Difference(value=0.0), row.change
        values = [getattr(row, column) for column in columns]
        values += [loss.value, loss.low, loss.high, None if change is None else change.value]
        values += [*(getattr(row, column) for column in more), len(row.accuracies)]
        rows.append(values)
    write_text(name[".csv"], csv_text(rows, floats=".6g"))
