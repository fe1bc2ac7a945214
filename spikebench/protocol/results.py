"""The result of an evaluation, as JSON: a versioned schema, validated on writing and on reading.

A result folder contains

::

    result.json                  the Result below
    predictions-seed0.csv        index,label,predicted,speaker for every test sample, one file per seed
    weights-seed0.safetensors    the weights of the predictions (their header names model and seed)
    run-seed0.json               the log of the training run: settings and the numbers of every epoch

Everything in ``result.json`` that follows from the predictions (accuracies, confusion matrix,
intervals) can be recomputed from them; :mod:`leaderboard.checks.recomputation` does.
This module imports neither torch nor numba, so that importing it is fast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.encoders import DEFAULT_ENCODER
from spikebench.errors import ResultError
from spikebench.metrics.record import Metrics
from spikebench.protocol.predictions import COLUMNS, read_columns
from spikebench.protocol.studies import Stages, Study
from spikebench.records.fields import Count, FileName, Fraction, Name, NonNegative, Record, Sha256
from spikebench.records.problems import first_problem
from spikebench.records.strict_json import parse_json, read_bytes
from spikebench.records.whole_files import (
    check_sha256,
    write_text,
)

SCHEMA_VERSION = 2
KNOWN_VERSIONS = (1, 2)  # fields that version 2 added are optional
RESULT_FILE = "result.json"
MAX_PREDICTIONS_BYTES = 64 * 1024 * 1024


class Interval(Record):
    """A 95 % interval and the method of its computation, e.g. ``bootstrap over test speakers``."""

    low: Fraction
    high: Fraction
    method: Name


class Split(Record):
    """The assignment of samples to training, validation and test, and the rule behind it."""

    protocol: Name
    rule: Annotated[str, Field(max_length=2000)]
    train_samples: Count
    validation_samples: Count
    test_samples: Count
    validation_speakers: list[int]
    test_only_speakers: list[int]


class Encoding(BaseModel):
    """How recordings were converted to the spikes of a data set; needed to run a model on other recordings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Older files, written when there was only one encoding, do not name it.
    encoder: str = Field(default=DEFAULT_ENCODER, exclude_if=lambda name: name == DEFAULT_ENCODER)
    preset: str = "shd"
    # Parameters of the encoder that differ from the preset.
    settings: dict[str, bool | int | float | str | None] = Field(
        default_factory=dict, exclude_if=lambda settings: not settings
    )
    time_origin: Literal["clip-start", "first-spike"] = "first-spike"

    def __hash__(self) -> int:  # a dict has none
        return hash(self.model_dump_json())


PUBLISHED_ENCODING = Encoding()


class DatasetRecord(Record):
    """The data set of a result: name, SHA-256 of the spike files, fingerprint, units, classes and split.

    Two results are on the same data if their ``fingerprint`` is equal (:mod:`spikebench.spike_files.fingerprint`).
    Results of version 0.1 have no fingerprint and are compared by ``sha256``. ``synthetic`` is true for synthesised
    voices.
    """

    name: Name
    sha256: Sha256
    fingerprint: Sha256 | None = Field(default=None, exclude_if=lambda mark: mark is None)
    n_units: Count
    classes: Annotated[list[str], Field(max_length=10_000)]
    synthetic: bool
    split: Split

    @property
    def identity(self) -> str:
        """The fingerprint, else the SHA-256 of the files: equal for results on the same data."""
        return self.fingerprint or self.sha256

    def first_difference(self, other: DatasetRecord) -> str:
        """Compare with the data of another record.

        Parameters
        ----------
        other
            The other record.

        Returns
        -------
        str
            Name of the first field that differs; empty if data and split are the same.
        """
        what = "fingerprint" if self.fingerprint and other.fingerprint else "sha256"
        fields = (what, "name", "n_units", "classes", "synthetic", "split")
        return next((one for one in fields if getattr(self, one) != getattr(other, one)), "")


class ModelRecord(Record):
    """The model: its name, the full configuration with units in the keys, its size.

    ``look_ahead`` is true if its scores depend on the whole clip, so that it cannot process a stream.
    ``code_sha256`` is the SHA-256 of the file of a network of the user; ``name`` then has the names of file and class.
    """

    name: Name
    spiking: bool
    parameters: Count
    config: dict[str, Any]
    look_ahead: bool | None = None
    code_sha256: Sha256 | None = Field(default=None, exclude_if=lambda sha256: sha256 is None)


class SeedRecord(Record):
    """Training, model selection and test of one seed.

    ``seen_accuracy`` is computed over the test samples of speakers in the training data, ``unseen_accuracy`` over those
    of ``split.test_only_speakers``. Samples of validation speakers and of unknown speakers count for neither; an
    accuracy over no samples is null.
    ``spikes_per_sample`` is the mean number of spikes of hidden neurons per test sample, null for a model without
    spikes.
    ``run_file`` is the log of the training run, null for results of other programs.
    ``refit_epochs`` is the number of epochs of the refit, a second training on training and validation samples
    together, after which the model was tested (0 for a model that is not trained in epochs); it is null or absent
    without a refit. ``validation_accuracy``, ``epochs`` and ``selected_epoch`` describe the training before the refit.
    After a refit, ``seen_accuracy`` includes the samples of validation speakers.
    ``stages`` are the predictions after every training, of learning task after task only. For few-shot tasks the
    accuracy is the mean over tasks, of a study of noise the area under its curve; ``confusion`` is then empty.
    """

    seed: Count
    validation_accuracy: Fraction | None
    test_accuracy: Fraction
    test_interval: Interval
    seen_accuracy: Fraction | None
    unseen_accuracy: Fraction | None
    confusion: Annotated[list[list[Count]], Field(max_length=10_000)]
    spikes_per_sample: NonNegative | None
    epochs: Count
    selected_epoch: Count
    selected_on: Literal["validation", "none", "test"]
    test_opened: Count
    train_seconds: NonNegative | None
    test_seconds: NonNegative | None
    predictions_file: FileName
    predictions_sha256: Sha256
    weights_file: FileName | None
    weights_sha256: Sha256 | None
    run_file: FileName | None = None
    run_sha256: Sha256 | None = None
    metrics: Metrics | None = None
    # Omitted from files if there is none, to keep the format of older results.
    refit_epochs: Count | None = Field(default=None, exclude_if=lambda epochs: epochs is None)
    stages: Stages | None = Field(default=None, exclude_if=lambda stages: stages is None)


class Summary(Record):
    """Statistics over the seeds: means, sample standard deviation (null for one seed), 95 % interval."""

    seeds: Count
    validation_mean: Fraction | None
    test_mean: Fraction
    test_std: NonNegative | None
    test_interval: Interval


class Result(Record):
    """One evaluation of one model on one data set, over one or more seeds.

    ``study`` is null or absent for a classifier of the data set.
    """

    schema_version: Literal[1, 2] = 2
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
    software: Name
    command: Annotated[str, Field(max_length=4000)]
    dataset: DatasetRecord
    model: ModelRecord
    training: dict[str, Any]
    seeds: Annotated[list[SeedRecord], Field(min_length=1, max_length=1000)]
    summary: Summary
    environment: dict[str, str]
    study: Study | None = Field(default=None, exclude_if=lambda study: study is None)

    @property
    def is_refitted(self) -> bool:
        """Whether the tested models were trained on training and validation samples."""
        return any(seed.refit_epochs is not None for seed in self.seeds)


def read_result(folder: Path) -> Result:
    """Read ``result.json`` of a result folder (or the file itself).

    Parameters
    ----------
    folder
        The folder, or the JSON file.

    Returns
    -------
    Result
        The checked result.

    Raises
    ------
    ResultError
        If it is missing or does not fit the schema.
    """
    path = folder / RESULT_FILE if folder.is_dir() else folder
    value = parse_json(path, read_bytes(path))
    if isinstance(value, dict) and value.get("schema_version") not in KNOWN_VERSIONS:
        found = str(value.get("schema_version"))[:40]
        raise ResultError(
            f"{path}: schema version {found} is not supported; this version reads "
            + " and ".join(map(str, KNOWN_VERSIONS))
        )
    try:
        result = Result.model_validate(value)
        result.model_dump_json()
    except ValidationError as error:
        raise ResultError(f"{path}: {first_problem(error)}") from None
    except ValueError as error:
        raise ResultError(f"{path}: cannot be converted back to JSON: {error}") from None
    return result


def write_result(folder: Path, result: Result) -> Path:
    """Write ``result.json`` into a result folder, whole or not at all.

    Parameters
    ----------
    folder
        The folder; created if it does not exist.
    result
        The result.

    Returns
    -------
    Path
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULT_FILE
    write_text(path, result.model_dump_json(indent=2) + "\n")
    return path


class Predictions(Record):
    """Test predictions of one seed: parallel int64 arrays of shape (samples,); speaker -1 is unknown."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True, extra="forbid")

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    speaker: NDArray[np.int64]

    def in_order(self) -> Predictions:
        """Return the predictions sorted by index."""
        if (self.index[1:] > self.index[:-1]).all():
            return self
        order = np.argsort(self.index, kind="stable")
        return Predictions(**{name: getattr(self, name)[order] for name in COLUMNS})

    def same_samples(self, other: Predictions) -> bool:
        """Return whether two sets of predictions are of the same samples in the same order: index, label, speaker."""
        names = ("index", "label", "speaker")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as CSV with the columns index, label, predicted, speaker.

    Parameters
    ----------
    path
        The file.
    predictions
        The predictions; ``index`` is the position in the data set's file.
    """
    write_text(path, predictions_text(predictions))


def predictions_text(predictions: Predictions) -> str:
    """Return the text that :func:`write_predictions` writes.

    Parameters
    ----------
    predictions
        The predictions.

    Returns
    -------
    str
        CSV.
    """
    rows = np.stack([getattr(predictions, name) for name in COLUMNS], axis=1).tolist()
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]
    return "\n".join(lines) + "\n"


def read_predictions(path: Path, sha256: str | None = None) -> Predictions:
    """Read a predictions file written by :func:`write_predictions`; the file is untrusted.

    Parameters
    ----------
    path
        The CSV file.
    sha256
        Required SHA-256 of the file, if one was claimed.

    Returns
    -------
    Predictions
        The four columns.

    Raises
    ------
    ResultError
        If the file is missing, too large, or has another SHA-256, or contains anything but the four integer
        columns, or an index twice.
    """
    columns = read_column_file(path, COLUMNS, sha256)
    index = columns[0]
    if not (index[1:] > index[:-1]).all() and np.unique(index).size != index.size:
        raise ResultError(f"{path}: a sample index appears twice")
    return Predictions(**dict(zip(COLUMNS, columns, strict=True)))


def read_column_file(
    path: Path, names: Sequence[str], sha256: str | None = None
) -> tuple[NDArray[np.int64], ...]:
    """Read a CSV file of whole numbers; the file is untrusted.

    Parameters
    ----------
    path
        The CSV file.
    names
        Names of its columns.
    sha256
        Required SHA-256 of the file, if one was claimed.

    Returns
    -------
    tuple of ndarray
        One per column, see :func:`spikebench.protocol.predictions.read_columns`.

    Raises
    ------
    ResultError
        If the file is missing, too large, or has another SHA-256, or contains anything but these columns.
    """
    try:
        if path.stat().st_size > MAX_PREDICTIONS_BYTES:
            raise ResultError(f"{path}: larger than {MAX_PREDICTIONS_BYTES} bytes")
        content = path.read_bytes()
        if sha256 is not None:
            check_sha256(path, hashlib.sha256(content).hexdigest(), sha256)
        return read_columns(content, names)
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: {error}") from None
