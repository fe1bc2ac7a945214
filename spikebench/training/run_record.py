"""The record of a run, and its log that is part of a result.

This module does not import torch, so that the leaderboard can read logs without it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import operator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.errors import ResultError
from spikebench.presets.preset import Preset
from spikebench.protocol.results import DatasetRecord, Encoding
from spikebench.records.fields import Count, Fraction, NonNegative, Record, Sha256
from spikebench.records.problems import first_problem
from spikebench.records.strict_json import read_json
from spikebench.records.text import shareable
from spikebench.records.whole_files import write_text

LOGS_FILE = "run.json"  # of an entry
HISTORY_FILE = "history.csv"
REFIT_HISTORY_FILE = "refit-history.csv"


class RunRecord(BaseModel):
    """Settings and state of a training run, the contents of ``run.json``.

    ``status`` is ``training`` until the model is selected on the validation split, then ``trained``. With ``refit`` it
    is ``chosen`` after the selection, while the model is trained again on training and validation samples together,
    then ``trained``. ``epochs``, ``selected_epoch``, ``validation_accuracy`` and ``choice`` (hyperparameters selected
    from a grid) describe the training before the refit; ``train_seconds`` is the time of both trainings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    software: str
    model: str
    preset: Preset
    data: str
    dataset: DatasetRecord
    # Mean count per unit and bin of the training split; None for a model on audio.
    input_rate: float | None
    seed: Count
    status: Literal["training", "chosen", "trained"] = "training"
    epochs: Count = 0
    selected_epoch: Count = 0
    validation_accuracy: Fraction | None = None
    train_seconds: float = 0.0
    late_events: Count = 0  # events (frames, on audio) of the training split after the last bin
    choice: dict[
        str, float
    ] = {}  # settings that validation selected from a grid, if the model has one
    fold: Count | None = None  # the speaker left out of the training split for validation
    selected_on: Literal["validation", "test"] = "validation"
    # Of the data; None in old runs, which did not record it, and for a model on audio, which does not use it.
    encoding: Encoding | None = None
    test_opened: Count = 0
    # What the test split was opened for last, see evaluation.kept_test; not written if empty.
    opened_for: Annotated[str, Field(max_length=200)] = Field(default="", exclude_if=operator.not_)
    # Omitted from files if false, to keep the format of older runs and the SHA-256 of their logs.
    refit: bool = Field(default=False, exclude_if=operator.not_)
    # Name of the change of all spikes that it was trained and validated on (spikebench timing). Omitted from files if
    # there is none.
    condition: Annotated[str, Field(max_length=100)] = Field(default="", exclude_if=operator.not_)
    # Epochs of the selection after which the schedule plateau reduced the learning rate; a refit repeats them.
    rate_reductions: Annotated[tuple[Count, ...], Field(max_length=100_000)] = Field(
        default=(), exclude_if=operator.not_
    )
    # Of the file of a network of the user; ``model`` then has the names of file and class. Omitted from files if there
    # is none.
    code_sha256: Sha256 | None = Field(default=None, exclude_if=lambda sha256: sha256 is None)

    @property
    def refit_epochs(self) -> int | None:
        """Epochs of the refit, once known; 0 for a model without epochs, None without a refit."""
        if not self.refit or self.status == "training":
            return None
        return (self.preset.training.refit_epochs or self.selected_epoch) if self.epochs else 0


class LoggedEpoch(Record):
    """One epoch before model selection; only logs of other programs have a ``test_accuracy``."""

    epoch: Count
    validation_accuracy: Fraction
    validation_loss: NonNegative | None = None
    loss: NonNegative | None = None
    test_accuracy: Fraction | None = None


class LoggedRefitEpoch(Record):
    """One epoch of a refit; it has no validation accuracy, since the validation samples are trained on."""

    epoch: Count
    loss: NonNegative | None = None


LineT = TypeVar("LineT", LoggedEpoch, LoggedRefitEpoch)


class RunLog(Record):
    """The log of a training run: its record, and loss and accuracy of every epoch; one per seed.

    ``history`` lists the epochs before model selection, ``refit_history`` those of the refit (absent without one).
    """

    format_version: Literal[1] = 1
    run: RunRecord
    history: Annotated[list[LoggedEpoch], Field(max_length=100_000)] = Field(default=[])
    refit_history: Annotated[list[LoggedRefitEpoch], Field(max_length=100_000)] = Field(
        default=[], exclude_if=operator.not_
    )


class Logs(BaseModel):
    """Contents of ``run.json`` of a leaderboard entry: one log per seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    runs: Annotated[list[RunLog], Field(min_length=1, max_length=1000)]


def collect_log(folder: Path, record: RunRecord) -> RunLog:
    """Collect the log of a run.

    Parameters
    ----------
    folder, record
        The run; its histories may be missing, as for models without epochs.

    Returns
    -------
    RunLog
        The record and its histories.
    """
    lines = _read_history(folder / HISTORY_FILE, LoggedEpoch)
    refit = _read_history(folder / REFIT_HISTORY_FILE, LoggedRefitEpoch) if record.refit else []
    shared = record.model_copy(update={"data": shareable(record.data), "opened_for": ""})
    return RunLog(run=shared, history=lines, refit_history=refit)


def _read_history(path: Path, kind: type[LineT]) -> list[LineT]:
    """Read those columns of a history that are part of a log; empty if there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    kept = [name for name in kind.model_fields if name != "test_accuracy"]
    return [kind.model_validate({name: line[name] for name in kept}) for line in lines]


def log_text(log: RunLog) -> str:
    """Convert a log to text; equal logs give equal text.

    Parameters
    ----------
    log
        The log to convert.

    Returns
    -------
    str
        JSON.
    """
    return json.dumps(log.model_dump(mode="json"), indent=1) + "\n"


def log_sha256(log: RunLog) -> str:
    """Compute the SHA-256 of the text of a log (:func:`log_text`), by which a result refers to it.

    Parameters
    ----------
    log
        The log.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.
    """
    return hashlib.sha256(log_text(log).encode()).hexdigest()


def write_run_log(path: Path, log: RunLog) -> None:
    """Write a log, whole or not at all.

    Parameters
    ----------
    path
        The file.
    log
        The log to write.
    """
    write_text(path, log_text(log))


def read_run_log(path: Path) -> RunLog:
    """Read a log from an untrusted source.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    RunLog
        The validated log.

    Raises
    ------
    ResultError
        If it is missing or not valid.
    """
    try:
        return RunLog.model_validate(read_json(path))
    except ValidationError as error:
        raise ResultError(f"{path}: {first_problem(error)}") from None
