"""The result of one run, kept so that an interrupted study continues.

The folder of a run::

    result.json              the matrix of accuracies, when all tasks are learned
    checkpoint.safetensors   weights, optimiser and importances after the last complete task, until then
    history.csv              one line per epoch
    opened.json              how often the test split was opened, with --test
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from spikebench.continual.methods import Method
from spikebench.continual.settings import ContinualSettings
from spikebench.continual.tasks import Tested
from spikebench.presets.preset import Preset
from spikebench.protocol.results import DatasetRecord
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record, Sha256
from spikebench.records.whole_files import write_text
from spikebench.sweeps.study_runs import read_run_result
from spikebench.sweeps.test_answers import TestAnswers

__all__ = ["RESULT_FILE", "ContinualRun", "Job", "read_result", "write_result"]

RESULT_FILE = "result.json"
_PROTOCOL = 1  # version of the definitions of tasks and methods


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes
    ----------
    sequence, model, method, seed
        What is trained.
    preset, settings
        With which settings.
    data, dataset, tested
        On what.
    folder
        Its folder.
    """

    sequence: str
    model: str
    method: Method
    seed: int
    preset: Preset
    settings: ContinualSettings
    data: str
    dataset: DatasetRecord
    tested: Tested
    folder: Path

    @property
    def identity(self) -> str:
        """SHA-256 of all that determines the result."""
        used = ("damping", "fisher_samples", "optimizer_state", "train_fraction")
        said = [
            _PROTOCOL,
            *(self.sequence, self.model, str(self.method), self.seed, self.tested),
            self.preset.model_dump(mode="json"),
            {name: getattr(self.settings, name) for name in used},
            self.dataset.model_dump(mode="json"),
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


Row = Annotated[list[Fraction], Field(min_length=1, max_length=10_000)]


class ContinualRun(Record):
    """Contents of ``result.json``.

    ``accuracies`` has one row per training, in order, and one column per task: the accuracy on its tested samples.
    Joint training has one row. ``kept_samples`` is the number of samples that replay keeps after the last task,
    ``kept_spikes`` that of their spikes; ``seconds`` is the time of training without tests. ``answers`` are those
    of the test split, ``validation_accuracy`` the accuracy on the validation samples after the last task beside them.
    """

    format_version: Literal[1] = 1
    identity: Sha256
    tasks: list[Name]
    train_samples: list[Count]
    tested_samples: list[Count]
    accuracies: Annotated[list[Row], Field(min_length=1, max_length=10_000)]
    parameters: Count
    kept_samples: Count = 0
    kept_spikes: Count = 0
    test_opened: Count = 0
    seconds: NonNegative
    validation_accuracy: Fraction | None = Field(
        default=None, exclude_if=lambda found: found is None
    )
    answers: TestAnswers | None = Field(default=None, exclude_if=lambda answers: answers is None)


def read_result(job: Job) -> ContinualRun | None:
    """Read the result of a run, if it is finished.

    Parameters
    ----------
    job
        The run.

    Returns
    -------
    ContinualRun or None
        None if there is no result yet.

    Raises
    ------
    TrainingError
        If the folder contains the result of another run, or a damaged one.
    """
    return read_run_result(job.folder / RESULT_FILE, ContinualRun, job.identity)


def write_result(job: Job, result: ContinualRun) -> None:
    """Write the result of a run, whole or not at all.

    Parameters
    ----------
    job
        The run.
    result
        Its result.
    """
    write_text(job.folder / RESULT_FILE, result.model_dump_json(indent=2) + "\n")
