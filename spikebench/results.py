"""What one evaluation says, as JSON: a versioned schema, checked on writing and on reading.

A result folder holds

::

    result.json                  the Result below
    predictions-seed0.csv        index,label,predicted,speaker for every test sample, one file per seed
    weights-seed0.safetensors    the weights that made them (its header says model and seed)
    run-seed0.json               how they came to be: settings, and what every epoch came to

Everything in ``result.json`` that follows from the predictions (accuracies, confusion matrix,
intervals) can be recomputed from them; :mod:`leaderboard.verification` does.
Light on purpose: no torch, no numba.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.errors import ResultError, UnknownNameError
from spikebench.metrics.record import Metrics
from spikebench.prediction_csv import COLUMNS, read_columns
from spikebench.record import Count, FileName, Fraction, Name, NonNegative, Record, Sha256

SCHEMA_VERSION = 2
KNOWN_VERSIONS = (1, 2)  # what version 2 added may be missing
RESULT_FILE = "result.json"
MAX_JSON_BYTES = 16 * 1024 * 1024
MAX_JSON_DEPTH = 32
_CONTAINERS = {dict, list}
MAX_PREDICTIONS_BYTES = 64 * 1024 * 1024


class Interval(Record):
    """A 95 % interval and how it was made, e.g. ``bootstrap over test speakers``."""

    low: Fraction
    high: Fraction
    method: Name


class Split(Record):
    """Which samples train, select and test, and by which rule."""

    protocol: Name
    rule: Annotated[str, Field(max_length=2000)]
    train_samples: Count
    validation_samples: Count
    test_samples: Count
    validation_speakers: list[int]
    test_only_speakers: list[int]


class Encoding(BaseModel):
    """How recordings became the spikes of a data set, as far as a model must know to be asked about others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = "shd"
    time_origin: Literal["clip-start", "first-spike"] = "first-spike"


PUBLISHED_ENCODING = Encoding()


class DatasetRecord(Record):
    """The data: its name, the SHA-256 of the spike file(s), and its split."""

    name: Name
    sha256: Sha256
    n_units: Count
    classes: Annotated[list[str], Field(max_length=10_000)]
    synthetic: bool
    split: Split


class ModelRecord(Record):
    """The model: its name, the full configuration with units in the keys, its size.

    ``look_ahead`` says whether it answers only after it has seen a whole clip, so that it cannot listen.
    """

    name: Name
    spiking: bool
    parameters: Count
    config: dict[str, Any]
    look_ahead: bool | None = None


class SeedRecord(Record):
    """One seed: trained, selected on validation, tested once.

    ``unseen_accuracy`` is over the test samples of ``split.test_only_speakers``, ``seen_accuracy`` over
    those of speakers that were trained on; samples of validation speakers and of unknown speakers are in
    neither, and a number without samples is null.
    ``spikes_per_sample`` counts hidden spikes and is null for a model without spikes.
    ``run_file`` holds what the trainer wrote down of the run; a result from elsewhere has none.
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


class Summary(Record):
    """Over the seeds: means, sample standard deviation (null for one seed), 95 % interval."""

    seeds: Count
    validation_mean: Fraction | None
    test_mean: Fraction
    test_std: NonNegative | None
    test_interval: Interval


class Result(Record):
    """One evaluation of one model on one data set, over one or more seeds."""

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


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Raises
    ------
    ResultError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None


def check_sha256(path: Path, found: str, claimed: str | None) -> None:
    """Refuse a file that is not the one of which a result speaks.

    Parameters
    ----------
    path
        The file.
    found
        Its SHA-256.
    claimed
        What the result says.

    Raises
    ------
    ResultError
        If they differ.
    """
    if found != claimed:
        raise ResultError(
            f"{path}: its SHA-256 is {found[:12]}…, the result says {str(claimed)[:12]}…; "
            "the file was changed after the evaluation"
        )


def plain_file(folder: Path, name: str, max_bytes: int | None = None) -> Path:
    """Find a file that really lies in a folder.

    Parameters
    ----------
    folder
        The folder.
    name
        The file's name, without a path.
    max_bytes
        Its greatest size, if there is one.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If it is missing or too large, or a link, a folder, a pipe or a device.
    """
    path = folder / name
    try:
        found = path.lstat()
    except OSError:
        raise ResultError(f"{path}: no such file; copy the whole result folder") from None
    if not stat.S_ISREG(found.st_mode):
        raise ResultError(f"{path}: must be a plain file, not a link, a folder or a device")
    if max_bytes is not None and found.st_size > max_bytes:
        raise ResultError(f"{path}: larger than {max_bytes} bytes")
    return path


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> Any:  # noqa: ANN401
    """Read JSON from a stranger: bounded size, no duplicate keys, no NaN, bounded depth.

    Parameters
    ----------
    path
        The file.
    max_bytes
        Larger files are refused unread.

    Returns
    -------
    Any
        The parsed value.

    Raises
    ------
    ResultError
        If the file is missing, too large, or not such JSON.
    """
    try:
        if not path.is_file():
            raise ResultError(f"{path}: no such file")
        if path.stat().st_size > max_bytes:
            raise ResultError(f"{path}: larger than {max_bytes} bytes")
        value = json.loads(
            path.read_text(encoding="utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise ResultError(f"{path}: nested too deeply") from None
    except (ValueError, OSError) as error:
        raise ResultError(f"{path}: not readable as JSON: {error}") from None
    level = [[value]]
    for _ in range(MAX_JSON_DEPTH):
        level = [inner for parent in level for inner in _containers(parent)]
    if any(level):
        raise ResultError(f"{path}: nested too deeply")
    return value


def _containers(parent: list[Any]) -> list[list[Any]]:
    """Find what a list holds that holds something itself, objects as lists of their values."""
    if _CONTAINERS.isdisjoint(map(type, parent)):  # rows of numbers are long, and end here
        return []
    lists = [list(one.values()) if isinstance(one, dict) else one for one in parent]
    return [one for one in lists if isinstance(one, list)]


def _finite(digits: str) -> float:
    # 1e999 is valid JSON and becomes infinity, which JSON cannot write again.
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is too large a number")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice[:80]!r} appears twice")
    return keys


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")


def first_problem(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Tell the first problem of a failed validation in one line, with its place.

    Parameters
    ----------
    error
        What pydantic raised.
    kind
        What was validated; with it, an unknown key is answered with the known ones.

    Returns
    -------
    str
        ``place: what is wrong``.
    """
    problem = error.errors(include_url=False, include_input=False)[0]
    parts = [_shown(str(part)) for part in problem["loc"]]
    place = ".".join(parts)
    more = error.error_count() - 1
    what = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden" and kind is not None:
        what = _unknown_key(parts, kind) or what
    elif not place and problem["type"] != "value_error":
        place = "top level"
    return (f"{place}: " if place else "") + what + (f" (and {more} more)" if more else "")


def _shown(key: str) -> str:
    """Make a stranger's key fit for a terminal."""
    short = key if len(key) <= 80 else f"{key[:80]}…"
    return short if short.isprintable() else ascii(short)


def _unknown_key(place: list[str], kind: type[BaseModel]) -> str:
    """Name the keys that are known where an unknown one was found."""
    for part in place[:-1]:
        inner = kind.model_fields[part].annotation if part in kind.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        kind = inner
    return str(UnknownNameError("key", place[-1], kind.model_fields))


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
    value = read_json(path)
    if isinstance(value, dict) and value.get("schema_version") not in KNOWN_VERSIONS:
        found = str(value.get("schema_version"))[:40]
        raise ResultError(
            f"{path}: schema version {found} is not known; this version reads "
            + " and ".join(map(str, KNOWN_VERSIONS))
        )
    try:
        return Result.model_validate(value)
    except ValidationError as error:
        raise ResultError(f"{path}: {first_problem(error)}") from None


def share(path: Path) -> None:
    """Give a private temporary file the permissions of any new file: results are meant to be shared.

    Parameters
    ----------
    path
        The file.
    """
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Parameters
    ----------
    path
        The file; what stands there is replaced.
    text
        Its contents, written as UTF-8.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path
        The file; what stands there is replaced.
    content
        Its contents.
    """
    handle, temporary = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.", suffix=".partial"
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        share(Path(temporary))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_result(folder: Path, result: Result) -> Path:
    """Write ``result.json`` into a result folder, whole or not at all.

    Parameters
    ----------
    folder
        The folder; made if it is not there.
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


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as CSV with the columns index, label, predicted, speaker.

    Parameters
    ----------
    path
        The file.
    predictions
        What the model said; ``index`` is the position in the data set's file.
    """
    rows = np.stack([getattr(predictions, name) for name in COLUMNS], axis=1).tolist()
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def read_predictions(path: Path, sha256: str | None = None) -> Predictions:
    """Read predictions written by :func:`write_predictions`, from anyone.

    Parameters
    ----------
    path
        The CSV file.
    sha256
        What the SHA-256 of the file must be, if that was claimed.

    Returns
    -------
    Predictions
        The four columns.

    Raises
    ------
    ResultError
        If the file is missing, too large or another one, or holds anything but the four integer columns, or
        an index twice.
    """
    try:
        if path.stat().st_size > MAX_PREDICTIONS_BYTES:
            raise ResultError(f"{path}: larger than {MAX_PREDICTIONS_BYTES} bytes")
        content = path.read_bytes()
        if sha256 is not None:
            check_sha256(path, hashlib.sha256(content).hexdigest(), sha256)
        columns = read_columns(content)
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: {error}") from None
    index = columns[0]
    if not np.all(index[1:] > index[:-1]) and np.unique(index).size != index.size:
        raise ResultError(f"{path}: a sample index appears twice")
    return Predictions(**dict(zip(COLUMNS, columns, strict=True)))
