"""The result of one run, kept so that an interrupted study continues.

The folder of a run::

    result.json              accuracy of every epoch, operations, kept weights; when training has ended
    start.safetensors        masks and weights before training, once they are chosen
    transfer.safetensors     state of neural tangent transfer, until then
    checkpoint.safetensors   weights and optimiser after the last complete epoch
    history.csv              one line per epoch
    opened.json              how often the test split was opened, with --test
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from spikebench.metrics.record import Metrics
from spikebench.presets.preset import Preset
from spikebench.protocol.results import DatasetRecord
from spikebench.pruning.settings import PruningSettings
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record, Sha256
from spikebench.records.whole_files import write_text
from spikebench.sweeps.study_runs import read_run_result
from spikebench.sweeps.test_answers import TestAnswers

__all__ = [
    "RESULT_FILE",
    "Job",
    "KeptWeights",
    "PruningRun",
    "Tested",
    "read_result",
    "write_result",
]

Tested = Literal["validation", "test"]
RESULT_FILE = "result.json"
_PROTOCOL = 1  # version of the definitions of methods
# Settings that determine the result of a method.
_USED = {"ntt": "ntt", "snip": "snip_samples", "synflow": "synflow_rounds"}


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes
    ----------
    model, method, density, seed
        What is trained; ``dense`` has density 1.
    preset, settings
        With which settings.
    data, dataset, tested
        On what.
    folder
        Its folder.
    """

    model: str
    method: str
    density: float
    seed: int
    preset: Preset
    settings: PruningSettings
    data: str
    dataset: DatasetRecord
    tested: Tested
    folder: Path

    @property
    def identity(self) -> str:
        """SHA-256 of all that determines the result."""
        used = _USED.get(self.method)
        said = [
            *(_PROTOCOL, self.model, self.method, self.density, self.seed, self.tested),
            self.preset.model_dump(mode="json"),
            self.settings.model_dump(mode="json")[used] if used else None,
            self.dataset.model_dump(mode="json"),
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


class KeptWeights(Record):
    """Weights of one tensor, and how many of them are kept."""

    name: Name
    weights: Count
    kept: Count


class PruningRun(Record):
    """Contents of ``result.json``.

    ``accuracies`` has the validation accuracy before training and after every epoch, ``accuracy`` is that of the last
    weights on the tested samples. Operations are means per tested sample, of all products of the network; ``distances``
    those of :class:`spikebench.learning.tangent_transfer.TangentTransfer`: step, kernel, scores. ``choice_seconds`` and
    ``seconds`` are the processor time of choosing the mask and of training without tests. ``answers`` and ``metrics``
    are those of the test split.
    """

    format_version: Literal[1] = 1
    identity: Sha256
    accuracies: list[Fraction] = Field(min_length=1, max_length=100_001)
    accuracy: Fraction
    tested_samples: Count
    kept: list[KeptWeights]
    effective_operations: NonNegative
    dense_operations: NonNegative
    spikes: NonNegative
    distances: list[tuple[Count, NonNegative, NonNegative]] = Field(default=[])
    test_opened: Count = 0
    choice_seconds: NonNegative
    seconds: NonNegative
    answers: TestAnswers | None = Field(default=None, exclude_if=lambda answers: answers is None)
    metrics: Metrics | None = Field(default=None, exclude_if=lambda metrics: metrics is None)


def read_result(job: Job) -> PruningRun | None:
    """Read the result of a run, if it is finished.

    Parameters
    ----------
    job
        The run.

    Returns
    -------
    PruningRun or None
        None if there is no result yet.

    Raises
    ------
    TrainingError
        If the folder contains the result of another run, or a damaged one.
    """
    return read_run_result(job.folder / RESULT_FILE, PruningRun, job.identity)


def write_result(job: Job, result: PruningRun) -> None:
    """Write the result of a run, whole or not at all.

    Parameters
    ----------
    job
        The run.
    result
        Its result.
    """
    write_text(job.folder / RESULT_FILE, result.model_dump_json(indent=2) + "\n")
