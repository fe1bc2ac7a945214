"""What a run writes down of itself, and the log of it that goes with a result.

Light on purpose: the leaderboard reads logs without torch.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.errors import ResultError
from spikebench.preset import Preset
from spikebench.record import Count, Fraction, NonNegative, Record
from spikebench.results import DatasetRecord, Encoding, write_text
from spikebench.strict_json import first_problem, read_json


class RunRecord(BaseModel):
    """Contents of ``run.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    software: str
    model: str
    preset: Preset
    data: str
    dataset: DatasetRecord
    input_rate: float  # mean count per unit and bin of the training split
    seed: Count
    status: Literal["training", "trained"] = "training"
    epochs: Count = 0
    selected_epoch: Count = 0
    validation_accuracy: Fraction | None = None
    train_seconds: float = 0.0
    late_events: Count = 0  # events of the training split after the last bin
    choice: dict[str, float] = {}  # what validation chose from a grid, if the model has one
    fold: Count | None = None  # the speaker who was left out of the training split to select
    selected_on: Literal["validation", "test"] = "validation"
    encoding: Encoding | None = None  # of the data; None in runs from before it was kept
    test_opened: Count = 0


class LoggedEpoch(Record):
    """One epoch of a log. ``test_accuracy`` is never written here; a log from elsewhere may hold it."""

    epoch: Count
    validation_accuracy: Fraction
    validation_loss: NonNegative | None = None
    loss: NonNegative | None = None
    test_accuracy: Fraction | None = None


class RunLog(Record):
    """A run and what every epoch came to; one per seed, beside the predictions."""

    format_version: Literal[1] = 1
    run: RunRecord
    history: Annotated[list[LoggedEpoch], Field(max_length=100_000)] = Field(default=[])


def collect_log(folder: Path, record: RunRecord) -> RunLog:
    """Collect the log of a run.

    Parameters
    ----------
    folder, record
        The run; its ``history.csv`` may be missing, as for a model without epochs.

    Returns
    -------
    RunLog
        What it has become of it.
    """
    path = folder / "history.csv"
    if not path.is_file():
        return RunLog(run=record)
    kept = ("epoch", "validation_accuracy", "validation_loss", "loss")
    with path.open(encoding="utf-8", newline="") as file:
        lines = [{name: line[name] for name in kept} for line in csv.DictReader(file)]
    return RunLog(run=record, history=[LoggedEpoch.model_validate(line) for line in lines])


def log_text(log: RunLog) -> str:
    """Write a log as text, always the same.

    Parameters
    ----------
    log
        What to write.

    Returns
    -------
    str
        JSON.
    """
    return json.dumps(log.model_dump(mode="json"), indent=1) + "\n"


def write_run_log(path: Path, log: RunLog) -> None:
    """Write a log, whole or not at all.

    Parameters
    ----------
    path
        The file.
    log
        What to write.
    """
    write_text(path, log_text(log))


def read_run_log(path: Path) -> RunLog:
    """Read a log, from anyone.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    RunLog
        Checked.

    Raises
    ------
    ResultError
        If it is missing or does not fit.
    """
    try:
        return RunLog.model_validate(read_json(path))
    except ValidationError as error:
        raise ResultError(f"{path}: {first_problem(error)}") from None
