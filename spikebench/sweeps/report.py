"""The results of a sweep: one table, the best configuration first, as JSON and as CSV.

All numbers were measured on validation samples; a sweep has no access to the test split. The highest of many accuracies
on the same samples is too high. Only test samples that were not used for selection can measure by how much.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from spikebench.protocol.results import DatasetRecord
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative
from spikebench.records.whole_files import write_text

__all__ = [
    "CSV_FILE",
    "JSON_FILE",
    "ConfigurationReport",
    "RunReport",
    "SweepReport",
    "rank",
    "summarise",
    "write_report",
]

JSON_FILE = "sweep.json"
CSV_FILE = "sweep.csv"
_MEASURED = (
    *("validation_mean", "validation_std", "seeds", "failed"),
    *("epochs_mean", "train_seconds_mean", "parameters"),
)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunReport(_Record):
    """One run; ``failed`` gives the reason why it is not trained, and is empty if it is.

    Folders are relative to that of the sweep.
    """

    seed: Count
    folder: str
    validation_accuracy: Fraction | None = None
    epochs: Count = 0
    selected_epoch: Count = 0
    train_seconds: NonNegative = 0.0
    test_opened: Count = 0
    parameters: Count = 0
    failed: str = ""


class ConfigurationReport(_Record):
    """One configuration: means over its trained runs, and their sample standard deviation.

    The deviation is null for fewer than two runs, the means are null without runs.
    """

    name: Name
    folder: str
    model: str
    values: dict[str, Any]
    validation_mean: Fraction | None
    validation_std: NonNegative | None
    epochs_mean: NonNegative | None
    train_seconds_mean: NonNegative | None
    parameters: Count | None
    runs: list[RunReport]

    @property
    def is_complete(self) -> bool:
        """Whether every run is trained."""
        return not any(run.failed for run in self.runs)


class SweepReport(_Record):
    """Contents of ``sweep.json``; ``best`` names the first configuration if all its runs are trained."""

    format_version: Literal[1] = 1
    software: str
    spec: dict[str, Any]
    dataset: DatasetRecord
    configurations: list[ConfigurationReport]
    best: str | None

    @property
    def runs(self) -> list[RunReport]:
        """All runs."""
        return [run for configuration in self.configurations for run in configuration.runs]


def summarise(
    name: str, folder: str, model: str, values: dict[str, Any], runs: Sequence[RunReport]
) -> ConfigurationReport:
    """Compute the means of a configuration.

    Parameters
    ----------
    name, folder, model, values
        The configuration.
    runs
        One per seed.

    Returns
    -------
    ConfigurationReport
        Means over the trained runs.
    """
    done = [run for run in runs if not run.failed]
    accuracies = [run.validation_accuracy for run in done if run.validation_accuracy is not None]
    return ConfigurationReport(
        name=name,
        folder=folder,
        model=model,
        values=values,
        validation_mean=statistics.fmean(accuracies) if accuracies else None,
        validation_std=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        epochs_mean=statistics.fmean(run.epochs for run in done) if done else None,
        train_seconds_mean=statistics.fmean(run.train_seconds for run in done) if done else None,
        parameters=max(run.parameters for run in done) if done else None,
        runs=list(runs),
    )


def rank(configurations: Sequence[ConfigurationReport]) -> list[ConfigurationReport]:
    """Order configurations: the best mean first, and those with a failed run last.

    Parameters
    ----------
    configurations
        In the order of the grid, which breaks ties.

    Returns
    -------
    list of ConfigurationReport
        The best first.
    """
    return sorted(
        configurations, key=lambda one: (not one.is_complete, -(one.validation_mean or 0.0))
    )


def write_report(folder: Path, report: SweepReport) -> None:
    """Write ``sweep.json`` and ``sweep.csv``, each whole or not at all.

    Parameters
    ----------
    folder
        Folder of the sweep.
    report
        The report to write.
    """
    write_text(folder / JSON_FILE, report.model_dump_json(indent=2) + "\n")
    keys = list(dict.fromkeys(key for one in report.configurations for key in one.values))
    rows: list[list[object]] = [["configuration", "model", *keys, *_MEASURED]]
    for one in report.configurations:
        failed = sum(1 for run in one.runs if run.failed)
        rows.append(
            [
                *(one.name, one.model),
                *(_setting(one.values[key]) for key in keys),
                *(_number(one.validation_mean), _number(one.validation_std)),
                *(len(one.runs) - failed, failed),
                *(_number(one.epochs_mean), _number(one.train_seconds_mean), one.parameters),
            ]
        )
    write_text(folder / CSV_FILE, csv_text(rows))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _setting(value: object) -> object:
    """Return a number as it is, and all else as JSON."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number else json.dumps(value, ensure_ascii=False)
