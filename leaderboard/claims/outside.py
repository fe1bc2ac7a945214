"""Entries made with other trainers: predictions by sample index, and a form with the other data.

Predictions are one CSV file with the columns ``seed,index,predicted``. The index is the position of a test sample in
its file, the prediction is a class number. Labels and speakers come from the data set, which must be on this machine.
The form is TOML (:class:`Form`). :func:`write_kit` writes an empty form and a list of all samples with their splits.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from leaderboard.claims.declaration import STUDY_TRACKS, Declarations, Line
from leaderboard.claims.entry import Entry, Link, OwnTrack, check_hardware, make_entry
from leaderboard.claims.hardware import HARDWARE, Hardware, hardware_form
from spikebench.errors import OutputExistsError, ResultError
from spikebench.protocol.opening import LabelledSamples, SplitLabels, read_split_labels
from spikebench.protocol.results import (
    MAX_PREDICTIONS_BYTES,
    ModelRecord,
    Predictions,
    Result,
    SeedRecord,
    write_predictions,
    write_result,
)
from spikebench.protocol.scoring import score, summarise
from spikebench.records.fields import Count, Fraction, Name, NonNegative
from spikebench.records.problems import invalid
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import file_sha256, write_text
from spikebench.store.folder import temporary_folder

MAX_FORM_BYTES = 1024 * 1024
FORM_FILE, SPLITS_FILE, PREDICTIONS_FILE = "form.toml", "splits.csv", "predictions.csv"
_COLUMNS = ["seed", "index", "predicted"]


MAX_CONFIG_DEPTH = 16


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FormModel(_Part):
    """``[model]``: the tested model."""

    name: Annotated[str, Field(min_length=1, max_length=100), Line]
    spiking: bool
    parameters: Annotated[Count, Field(ge=1)]
    spikes_per_sample: NonNegative | None = None


class FormSeed(_Part):
    """``[[seeds]]``: one training; ``epochs = 0`` for a model without epochs."""

    seed: Count
    validation_accuracy: Fraction | None
    epochs: Count = 0
    selected_epoch: Count = 0


class Form(_Part):
    """The description of predictions made with another trainer. The protocol must be that of the data set."""

    schema_version: Literal[1]
    dataset: Name
    protocol: Name
    name: Annotated[str, Field(min_length=1, max_length=100), Line]
    authors: Annotated[str, Field(min_length=1, max_length=500), Line]
    note: Annotated[str, Field(max_length=2000), Line] = ""
    link: Link | None = None
    citation: Annotated[str, Field(max_length=2000), Line] = ""
    track: OwnTrack
    software: Annotated[str, Field(min_length=1, max_length=200), Line]
    command: Annotated[str, Field(max_length=4000), Line] = ""
    selected_on: Literal["validation", "none", "test"]
    refit: bool = False
    test_opened: Count
    model: FormModel
    declared: Declarations
    seeds: Annotated[list[FormSeed], Field(min_length=1, max_length=1000)]
    config: dict[str, Any] = {}
    hardware: Hardware | None = None

    @model_validator(mode="after")
    def _each_seed_once(self) -> Self:
        numbers = [one.seed for one in self.seeds]
        if len(set(numbers)) != len(numbers):
            raise ValueError("a seed appears twice; each may count once")
        level: list[Any] = [self.config]
        for _ in range(MAX_CONFIG_DEPTH):
            inner = [one.values() if isinstance(one, dict) else one for one in level]
            level = [x for one in inner for x in one if isinstance(x, dict | list)]
        if level:
            raise ValueError(f"config: nested deeper than {MAX_CONFIG_DEPTH} levels")
        check_hardware(self.track, self.hardware)
        return self


def read_form(path: Path) -> Form:
    """Read an untrusted form.

    Parameters
    ----------
    path
        A TOML file.

    Returns
    -------
    Form
        The validated form.

    Raises
    ------
    ResultError
        If it is missing, too large, not TOML, or not valid.
    """
    try:
        if not path.is_file():
            raise ResultError(f"{path}: no such file")
        if path.stat().st_size > MAX_FORM_BYTES:
            raise ResultError(f"{path}: larger than {MAX_FORM_BYTES} bytes")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ResultError(f"{path}: nested too deeply") from None
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: not readable as TOML: {error}") from None
    try:
        return Form.model_validate(content)
    except ValidationError as error:
        raise invalid(ResultError, str(path), error, Form) from None
    except RecursionError:
        raise ResultError(f"{path}: nested too deeply") from None


def read_outside_predictions(path: Path) -> dict[int, dict[int, int]]:
    """Read untrusted predictions of several seeds.

    Parameters
    ----------
    path
        CSV with the columns seed, index, predicted.

    Returns
    -------
    dict
        Seed → sample index → predicted class.

    Raises
    ------
    ResultError
        If the file is missing or too large, contains anything but whole numbers, or a sample twice.
    """
    found: dict[int, dict[int, int]] = {}
    try:
        if not path.is_file():
            raise ResultError(f"{path}: no such file")
        if path.stat().st_size > MAX_PREDICTIONS_BYTES:
            raise ResultError(f"{path}: larger than {MAX_PREDICTIONS_BYTES} bytes")
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            if next(rows, None) != _COLUMNS:
                raise ResultError(f"{path}: the first line must be {','.join(_COLUMNS)}")
            for row in rows:
                seed, index, predicted = _numbers(row, rows.line_num)
                if index in found.setdefault(seed, {}):
                    raise ValueError(
                        f"line {rows.line_num}: sample {index} of seed {seed} appears twice"
                    )
                found[seed][index] = predicted
    except (OSError, ValueError, csv.Error) as error:
        raise ResultError(f"{path}: {error}") from None
    if not found:
        raise ResultError(f"{path}: contains no predictions")
    return found


def _numbers(row: list[str], line: int) -> tuple[int, int, int]:
    if len(row) != len(_COLUMNS):
        raise ValueError(f"line {line} has {len(row)} fields instead of {len(_COLUMNS)}")
    for field in row:
        if not (field.isascii() and field.isdigit() and len(field) <= 9):
            raise ValueError(f"line {line}: {field[:40]!r} is not a whole number below 10⁹")
    return int(row[0]), int(row[1]), int(row[2])


@contextmanager
def outside_result(
    predictions: Path, form_file: Path, data: str | None = None
) -> Iterator[tuple[Path, Result, Entry]]:
    """Make a result folder and an entry from predictions and a form.

    Parameters
    ----------
    predictions, form_file
        The two files.
    data
        File of the form's data set, if it is not found by its name.

    Yields
    ------
    folder : Path
        A temporary result folder, for :func:`leaderboard.claims.entry.write_entry`.
    result : Result
        The result, scored here.
    entry : Entry
        The entry with the data of the form.

    Raises
    ------
    ResultError
        If a file is not valid, samples are missing, or the epoch was selected on the test split.
    SpikebenchError
        If the data set is not on this machine.
    """
    form = read_form(form_file)
    given = read_outside_predictions(predictions)
    _check_honest(form, form_file)
    known = read_split_labels(data or form.dataset)
    split = known.dataset.split
    if (known.dataset.name, split.protocol) != (form.dataset, form.protocol):
        raise ResultError(
            f"{form_file}: is for {form.dataset} under {form.protocol}, but the data are {known.dataset.name} "
            f"under {split.protocol}"
        )
    numbers = [one.seed for one in form.seeds]
    if sorted(given) != sorted(numbers):
        raise ResultError(
            f"{predictions}: contains the seeds {_few(given)}, the form {_few(numbers)}; report all seeds in both"
        )
    with temporary_folder("result") as folder:
        seeds = [
            _seed(folder, form, one, known, given[one.seed], predictions) for one in form.seeds
        ]
        result = Result(
            created=_made(predictions),
            software=form.software,
            command=form.command,
            dataset=known.dataset,
            model=ModelRecord(
                name=form.model.name,
                spiking=form.model.spiking,
                parameters=form.model.parameters,
                config=form.config,
                look_ahead=form.declared.look_ahead,
            ),
            training={},
            seeds=seeds,
            summary=summarise(seeds),
            environment={},
        )
        write_result(folder, result)
        entry = make_entry(
            result,
            name=form.name,
            authors=form.authors,
            note=form.note,
            link=form.link,
            citation=form.citation,
            track=form.track,
            declared=form.declared,
            hardware=form.hardware,
        )
        yield folder, result, entry


def _made(path: Path) -> str:
    """Return when predictions were written, so that the same file always makes the same entry."""
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return made.isoformat(timespec="seconds")


def _check_honest(form: Form, path: Path) -> None:
    if form.selected_on == "test":
        raise ResultError(
            f"{path}: the epoch was selected on the test split; such a number belongs to the literature "
            "(leaderboard/literature.csv)"
        )
    if form.test_opened != 1:
        raise ResultError(
            f"{path}: the test split was opened {form.test_opened} times; an entry requires exactly once"
        )
    if (form.track == "spiking") > form.model.spiking:
        raise ResultError(f"{path}: track spiking, but model.spiking is false")
    if form.selected_on == "validation" and any(s.validation_accuracy is None for s in form.seeds):
        raise ResultError(f"{path}: selected on validation, but a seed has no validation_accuracy")


def _few(numbers: Iterable[int]) -> str:
    shown = sorted(numbers)
    return ", ".join(map(str, shown[:8])) + (" …" if len(shown) > 8 else "")


def _order(
    path: Path, given: dict[int, int], seed: FormSeed, test: LabelledSamples, n_classes: int
) -> NDArray[np.int64]:
    """Sort the predictions of one seed in the order of the test samples."""
    known = test.index.tolist()
    missing, more = set(known) - set(given), set(given) - set(known)
    if missing or more:
        what = f"{len(missing)} test samples are missing" if missing else ""
        what += " and " if missing and more else ""
        what += f"{len(more)} are not of the test split ({_few(more)})" if more else ""
        raise ResultError(f"{path}: seed {seed.seed}: {what}; {SPLITS_FILE} lists them")
    predicted = np.array([given[index] for index in known], dtype=np.int64)
    wrong = np.flatnonzero(predicted >= n_classes)
    if wrong.size:
        raise ResultError(
            f"{path}: seed {seed.seed}, sample {known[wrong[0]]}: class {predicted[wrong[0]]} is outside 0 … "
            f"{n_classes - 1}"
        )
    return predicted


def _seed(
    folder: Path,
    form: Form,
    seed: FormSeed,
    known: SplitLabels,
    answers: dict[int, int],
    origin: Path,
) -> SeedRecord:
    """Score the predictions of one seed by sample index, and write them to a file; errors name ``origin``."""
    test = known.test
    given = Predictions(
        index=test.index,
        label=test.labels,
        predicted=_order(origin, answers, seed, test, len(known.dataset.classes)),
        speaker=test.speakers,
    )
    path = folder / f"predictions-seed{seed.seed}.csv"
    write_predictions(path, given)
    return SeedRecord(
        seed=seed.seed,
        validation_accuracy=seed.validation_accuracy,
        **vars(score(given, known.dataset, form.refit)),
        spikes_per_sample=form.model.spikes_per_sample,
        epochs=seed.epochs,
        selected_epoch=seed.selected_epoch,
        selected_on=form.selected_on,
        test_opened=form.test_opened,
        train_seconds=None,
        test_seconds=None,
        predictions_file=path.name,
        predictions_sha256=file_sha256(path),
        weights_file=None,
        weights_sha256=None,
        refit_epochs=seed.selected_epoch if form.refit else None,
    )


_FORM = """\
# Description of predictions that were not made by `spikebench evaluate`. Submit them with:
#     spikebench submit {predictions} --form {form}
schema_version = 1
dataset = {dataset}
protocol = {protocol}
name = ""                          # to be displayed on the leaderboard
authors = ""                       # A. Smith, B. Jones
note = ""                          # for readers, in one line
# link = "https://example.org/paper"
citation = ""
track = {track} # {tracks}
software = ""                      # with its version
command = ""                       # that reproduces the predictions
selected_on = "validation"         # validation, or none: the last epoch without selection
refit = false                      # trained again on training and validation samples after selection
test_opened = 1                    # how often each seed was tested

[model]
name = ""                          # kind of network
spiking = true
parameters = 0                     # number of trained parameters
# spikes_per_sample = 1000.0       # hidden spikes, mean over the test samples

[declared]
augmentation = "none"              # or a description
extra_data = "none"                # or a description
ensemble = 1                       # networks behind one prediction
look_ahead = false                 # whether a prediction needs the whole clip
input = "counts"                   # counts, binary, events, audio, other
time_step_ms = 10.0
time_steps = 100

# {seeds}
[[seeds]]
seed = 0
validation_accuracy = 0.0          # on the validation samples of {splits}
epochs = 0
selected_epoch = 0

[config]                           # anything that helps to reproduce it
"""


def write_kit(folder: Path, data: str, *, hardware: bool = False) -> list[Path]:
    """Write the files for an entry made with another trainer: form, split of every sample, predictions to fill in.

    Parameters
    ----------
    folder
        Created if it does not exist.
    data
        A registered data set, or a spike file.
    hardware
        Whether the form is for measurements on a chip.

    Returns
    -------
    list of Path
        ``form.toml``, ``splits.csv`` (split,index), ``predictions.csv`` (the test samples, for seed 0).

    Raises
    ------
    OutputExistsError
        If one of them exists.
    SpikebenchError
        If the data set is not on this machine, or the folder cannot be written.
    """
    paths = [folder / name for name in (FORM_FILE, SPLITS_FILE, PREDICTIONS_FILE)]
    for path in paths:
        if path.exists():
            raise OutputExistsError(f"{path}: exists already; choose another folder")
    known = read_split_labels(data)
    parts = {"train": known.train, "validation": known.validation, "test": known.test}
    splits = [f"{name},{index}" for name, part in parts.items() for index in part.index.tolist()]
    own = [track for track in get_args(OwnTrack) if track not in (HARDWARE, *STUDY_TRACKS)]
    form = _FORM.format(
        dataset=_toml(known.dataset.name),
        protocol=_toml(known.dataset.split.protocol),
        track=f"{_toml(HARDWARE if hardware else 'spiking'):<26}",
        tracks="as it is, for measurements on a chip" if hardware else ", ".join(own),
        seeds="One table per trained network on the chip; report all of them."
        if hardware
        else "One table per seed; report all trained seeds. A rank requires five.",
        predictions=PREDICTIONS_FILE,
        form=FORM_FILE,
        splits=SPLITS_FILE,
    )
    if hardware:
        form += "\n" + hardware_form(known.dataset.split.test_samples)
    texts = [form, "\n".join(["split,index", *splits]) + "\n"]
    texts.append(
        "\n".join([",".join(_COLUMNS), *(f"0,{k}," for k in known.test.index.tolist())]) + "\n"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, texts, strict=True):
            write_text(path, text)
    except OSError as error:
        raise ResultError(f"{folder}: cannot be written: {os_error_text(error)}") from None
    return paths


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
