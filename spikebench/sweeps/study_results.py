"""Results of a study that was tested on the test split, as ``spikebench submit`` takes them.

One folder per compared row, below ``results`` in the folder of the study, with all its seeds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, Self, TypeVar

from spikebench import __version__
from spikebench.errors import ResultError
from spikebench.evaluation.final_test import describe_environment
from spikebench.metrics.record import Metrics
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset
from spikebench.protocol.noise_answers import NoiseAnswers, answers_text, noise_scores
from spikebench.protocol.results import (
    DatasetRecord,
    ModelRecord,
    Result,
    SeedRecord,
    predictions_text,
    read_result,
    write_result,
)
from spikebench.protocol.scoring import score, summarise
from spikebench.protocol.stages import (
    QUERY_COLUMNS,
    Queries,
    columns_text,
    continual_scores,
    few_shot_interval,
    stage_names,
)
from spikebench.protocol.studies import ContinualStudy, NoiseStudy, Stages, Study
from spikebench.records.whole_files import file_sha256, write_text
from spikebench.sweeps.test_answers import TestAnswers

__all__ = ["TestedSeed", "model_record", "tested_rows", "training_record", "write_study_result"]

RESULTS = "results"


class _Run(Protocol):
    @property
    def answers(self) -> TestAnswers | None: ...


JobT = TypeVar("JobT")
RunT = TypeVar("RunT", bound=_Run)


@dataclass(frozen=True)
class TestedSeed:
    """One tested run: its answers, and what a :class:`spikebench.protocol.results.SeedRecord` says of its training."""

    seed: int
    answers: TestAnswers | NoiseAnswers | Queries
    validation_accuracy: float | None
    epochs: int
    selected_epoch: int
    selected_on: Literal["validation", "none"]
    test_opened: int
    train_seconds: float
    spikes_per_sample: float | None = None
    metrics: Metrics | None = None

    @classmethod
    def of_last_weights(cls, *, epochs: int, **others: Any) -> Self:  # noqa: ANN401
        """Make the record of a run that was tested after its last epoch, and selected nothing."""
        return cls(epochs=epochs, selected_epoch=epochs, selected_on="none", **others)


def tested_rows(
    jobs: Iterable[JobT], row: Callable[[JobT], Hashable], read: Callable[[JobT], RunT | None]
) -> Iterator[tuple[list[JobT], list[RunT]]]:
    """Group the runs of a study by row, and leave out rows of which a run was not tested on the test split.

    Parameters
    ----------
    jobs
        The runs, seed by seed.
    row
        Returns what the seeds of a row have in common.
    read
        Reads the result of a run; None if there is none.

    Yields
    ------
    jobs, results : list
        Of all seeds of a row.
    """
    rows: dict[Hashable, list[JobT]] = {}
    for job in jobs:
        rows.setdefault(row(job), []).append(job)
    for seeds in rows.values():
        runs = [run for job in seeds if (run := read(job)) and run.answers]
        if len(runs) == len(seeds):
            yield seeds, runs


def model_record(name: str, model: Classifier, preset: Preset) -> ModelRecord:
    """Describe a model of a study.

    Parameters
    ----------
    name, model, preset
        The model and its settings.

    Returns
    -------
    ModelRecord
        With the whole configuration.
    """
    return ModelRecord(
        name=name,
        spiking=model.spiking,
        parameters=model.n_parameters(),
        config=model.Config.model_validate(preset.model).model_dump(mode="json"),
        look_ahead=model.looks_ahead,
    )


def training_record(preset: Preset, study: dict[str, Any]) -> dict[str, Any]:
    """Describe a training: the settings that the result of an evaluation has, and those of the study.

    Parameters
    ----------
    preset
        Settings of the model.
    study
        Settings of the study.

    Returns
    -------
    dict
        For ``training`` of a result.
    """
    tables = {"input", "training", "regulariser", "augmentation", "learning"}
    return preset.model_dump(mode="json", include=tables) | {"study": study}


def write_study_result(
    output: Path,
    name: str,
    command: str,
    dataset: DatasetRecord,
    model: ModelRecord,
    training: dict[str, Any],
    study: Study,
    seeds: Sequence[TestedSeed],
) -> Path:
    """Write the result of one row of a study; an existing one with the same contents is kept.

    Parameters
    ----------
    output
        Folder of the study.
    name
        Name of the row; other characters than letters, digits, ``.``, ``=`` and ``-`` become ``-``.
    command
        The command that repeats the study.
    dataset, model, training, study
        What was trained, and how.
    seeds
        At least one.

    Returns
    -------
    Path
        The folder of the result.
    """
    folder = output / RESULTS / re.sub(r"[^A-Za-z0-9.=]+", "-", name).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    records = [_record(folder, dataset, study, one) for one in seeds]
    result = Result(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=f"spikebench {__version__}",
        command=command,
        dataset=dataset,
        model=model,
        training=training,
        seeds=records,
        summary=summarise(records),
        environment=describe_environment("cpu"),
        study=study,
    )
    try:
        before = read_result(folder)
    except ResultError:
        before = None
    # The same result always makes the same entry.
    if before is None or before.model_copy(update={"created": result.created}) != result:
        write_result(folder, result)
    return folder


def _record(folder: Path, dataset: DatasetRecord, study: Study, one: TestedSeed) -> SeedRecord:
    path = folder / f"predictions-seed{one.seed}.csv"
    stages = None
    if isinstance(one.answers, TestAnswers):
        predictions = one.answers.predictions
        write_text(path, predictions_text(predictions))
        scores = vars(score(predictions, dataset))
        if isinstance(study, ContinualStudy):
            stages = _stages(folder / f"stages-seed{one.seed}.csv", study, one.answers)
    elif isinstance(one.answers, NoiseAnswers):
        assert isinstance(study, NoiseStudy)
        write_text(path, answers_text(study, one.answers))
        area, interval = noise_scores(study, one.answers)
        scores = {"test_accuracy": area, "test_interval": interval, "confusion": []}
        scores |= {"seen_accuracy": None, "unseen_accuracy": None}
    else:
        write_text(path, columns_text(QUERY_COLUMNS, list(one.answers)))
        accuracy, interval = few_shot_interval(one.answers)
        scores = {"test_accuracy": accuracy, "test_interval": interval, "confusion": []}
        scores |= {"seen_accuracy": None, "unseen_accuracy": None}
    return SeedRecord(
        seed=one.seed,
        validation_accuracy=one.validation_accuracy,
        **scores,
        spikes_per_sample=one.spikes_per_sample,
        epochs=one.epochs,
        selected_epoch=one.selected_epoch,
        selected_on=one.selected_on,
        test_opened=one.test_opened,
        train_seconds=one.train_seconds,
        test_seconds=None,
        predictions_file=path.name,
        predictions_sha256=file_sha256(path),
        weights_file=None,
        weights_sha256=None,
        metrics=one.metrics,
        stages=stages,
    )


def _stages(path: Path, study: ContinualStudy, answers: TestAnswers) -> Stages:
    predictions, stages = answers.predictions, answers.stages
    columns = [predictions.index, *stages]
    write_text(path, columns_text(stage_names(study.n_stages), columns))
    scores = continual_scores(study, predictions, stages)
    return Stages(file=path.name, sha256=file_sha256(path), scores=scores)
