"""Recomputing what a result of a study claims: learning task after task, and few-shot tasks.

The tasks themselves are checked too: pairs of classes and languages follow from the classes, speakers from the test
split, and few-shot tasks are drawn again from the labels and speakers of the test split, if these are known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leaderboard.checks.agreement import compare, compare_interval
from leaderboard.checks.registered import check_registered, registered_test
from spikebench.errors import ProtocolError, ResultError
from spikebench.protocol.noise_answers import noise_scores, read_noise_answers
from spikebench.protocol.results import Interval, Predictions, Result, SeedRecord
from spikebench.protocol.stages import (
    Queries,
    continual_scores,
    drawn_labels,
    few_shot_interval,
    read_queries,
    read_stages,
    task_of_samples,
)
from spikebench.protocol.studies import ContinualScores, ContinualStudy, FewShotStudy, NoiseStudy
from spikebench.protocol.task_groups import class_groups
from spikebench.records.whole_files import plain_file

__all__ = ["MAX_TESTED_TASKS", "check_continual", "check_few_shot", "check_noise", "stages_size"]

MAX_TESTED_TASKS, MAX_QUERIES = 20_000, 1_000_000  # of all seeds: each task is drawn again


def stages_size(folder: Path, result: Result, record: SeedRecord, where: str) -> int:
    """Check that the file of stages exists if, and only if, the study has one.

    Parameters
    ----------
    folder, result, record
        The result folder, its result, and one of its seeds.
    where
        The result file, for messages.

    Returns
    -------
    int
        Size of the file [bytes]; 0 if there is none.

    Raises
    ------
    ResultError
        If it is missing, not a plain .csv file, or does not belong to the result.
    """
    where = f"{where}, seed {record.seed}"
    if isinstance(result.study, ContinualStudy) != (record.stages is not None):
        raise ResultError(
            f"{where}: learning task after task needs its predictions after every training (stages), and nothing else "
            "has them"
        )
    if record.stages is None:
        return 0
    name = record.stages.file
    others = [one.stages.file for one in result.seeds if one.stages and one is not record]
    taken = [one.predictions_file for one in result.seeds] + others
    if not name.lower().endswith(".csv") or name.casefold() in map(str.casefold, taken):
        raise ResultError(f"{where}: the file of stages {name} must be a .csv file of its own")
    return plain_file(folder, name).stat().st_size


def check_continual(
    folder: Path,
    result: Result,
    study: ContinualStudy,
    predictions: Sequence[Predictions],
    where: str,
) -> None:
    """Recompute the measures of learning task after task.

    Parameters
    ----------
    folder, result, study
        The result folder, its result, and the study in it.
    predictions
        Those after the last training, one per seed, sorted by index.
    where
        The result file, for messages.

    Raises
    ------
    ResultError
        If the tasks are not those of the sequence, or a number does not follow from the predictions.
    """
    _check_groups(result, study, predictions[0], where)
    task = task_of_samples(study, predictions[0])
    if (task < 0).any():
        raise ResultError(f"{where}: some predictions are of samples of no task")
    for record, last in zip(result.seeds, predictions, strict=True):
        assert record.stages is not None  # checked with the files
        path = folder / record.stages.file
        stages = read_stages(path, record.stages.sha256, study, last)
        _check_offered(study, task, stages, len(result.dataset.classes), str(path))
        try:
            found = continual_scores(study, last, stages)
        except ValueError as error:
            raise ResultError(f"{where}: {error}") from None
        for name in ContinualScores.model_fields:
            claimed = getattr(record.stages.scores, name)
            compare(f"{where}, seed {record.seed}", name, claimed, getattr(found, name))


def _check_groups(
    result: Result, study: ContinualStudy, predictions: Predictions, where: str
) -> None:
    """Refuse tasks that are not those of the sequence, such as ones that are easier to tell apart."""
    if study.is_part:
        only = result.dataset.split.test_only_speakers
        known = [
            [speaker] for speaker in np.unique(predictions.speaker).tolist() if speaker not in only
        ]
    else:
        known = list(class_groups(study.sequence, result.dataset.classes).values())
    if not known or study.tasks != known:
        raise ResultError(
            f"{where}: study.tasks are not those of the sequence {study.sequence[:40]!r} on these data"
        )


def _check_offered(
    study: ContinualStudy, task: np.ndarray, stages: np.ndarray, n_classes: int, where: str
) -> None:
    """Refuse classes that do not exist, or that the task of a sample does not have, if the model is told the task."""
    if stages.min() < 0 or stages.max() >= n_classes:
        raise ResultError(f"{where}: a class index is outside 0 … {n_classes - 1}")
    if not study.is_told:
        return
    offered = np.zeros((len(study.tasks), n_classes), dtype=bool)
    for place, group in enumerate(study.tasks):
        offered[place, group] = True
    if not offered[task, stages].all():
        raise ResultError(f"{where}: a prediction is not a class of the task of its sample")


def check_few_shot(
    folder: Path, result: Result, study: FewShotStudy, where: str
) -> tuple[list[Predictions], bool]:
    """Recompute the accuracies in few-shot tasks, and draw the tasks again.

    Parameters
    ----------
    folder, result, study
        The result folder, its result, and the study in it.
    where
        The result file, for messages.

    Returns
    -------
    predictions : list of Predictions
        One per seed: ``index`` counts the queries, speakers are not known.
    labels_compared : bool
        Whether the tasks were drawn again.

    Raises
    ------
    ResultError
        If the queries are not those of the tasks, or a number does not follow from the answers.
    """
    if study.tested_tasks * len(result.seeds) > MAX_TESTED_TASKS:
        raise ResultError(f"{where}: more than {MAX_TESTED_TASKS:,} tasks of all seeds")
    classes = len(result.dataset.classes)
    if study.task == "speaker" and study.ways > classes:
        raise ResultError(f"{where}: study.ways is {study.ways}, but there are {classes} classes")
    n_labels = classes if study.task == "speaker" else study.ways
    test = registered_test(result.dataset, where)
    predictions: list[Predictions] = []
    total = 0
    for record in result.seeds:
        path = folder / record.predictions_file
        queries = read_queries(path, record.predictions_sha256, study)
        total += queries[0].size
        if total > MAX_QUERIES:
            raise ResultError(f"{path}: more than {MAX_QUERIES:,} queries of all seeds")
        for column in queries[1:]:
            if column.min() < 0 or column.max() >= n_labels:
                raise ResultError(f"{path}: a label is outside 0 … {n_labels - 1}")
        if test is not None:
            _check_drawn(result, study, record, queries, test, str(path))
        _check_accuracy(record, queries, f"{where}, seed {record.seed}")
        _, label, predicted = queries
        unknown = np.full(label.size, -1)
        index = np.arange(label.size)
        predictions.append(
            Predictions(index=index, label=label, predicted=predicted, speaker=unknown)
        )
    return predictions, test is not None


def check_noise(
    folder: Path, result: Result, study: NoiseStudy, where: str
) -> tuple[list[Predictions], bool]:
    """Recompute the areas under the curves of a network on degraded recordings.

    Parameters
    ----------
    folder, result, study
        The result folder, its result, and the study in it.
    where
        The result file, for messages.

    Returns
    -------
    predictions : list of Predictions
        One per seed: those under all conditions, one after the other; ``index`` counts them.
    labels_compared : bool
        Whether labels and speakers were compared with those of the data set.

    Raises
    ------
    ResultError
        If the samples are not those of the test split, or a number does not follow from the predictions.
    """
    n_classes, size = len(result.dataset.classes), result.dataset.split.test_samples
    predictions: list[Predictions] = []
    before: Predictions | None = None
    compared = False
    for record in result.seeds:
        path = folder / record.predictions_file
        answers = read_noise_answers(path, record.predictions_sha256, study)
        if answers.label.size != size:
            raise ResultError(f"{path}: {answers.label.size} samples for {size} test samples")
        for column in (answers.label, answers.predicted):
            if column.min() < 0 or column.max() >= n_classes:
                raise ResultError(f"{path}: a class index is outside 0 … {n_classes - 1}")
        first = answers.under(0)
        if before is not None and not first.same_samples(before):
            raise ResultError(f"{path}: is of other samples than the first seed")
        before = first
        compared = check_registered(result.dataset, first, where)
        _check_area(record, *noise_scores(study, answers), f"{where}, seed {record.seed}")
        predictions.append(answers.in_one_row())
    return predictions, compared


def _check_area(record: SeedRecord, area: float, interval: Interval, where: str) -> None:
    compare(where, "test_accuracy", record.test_accuracy, area)
    compare_interval(where, record.test_interval, interval)
    if record.confusion or record.seen_accuracy is not None or record.unseen_accuracy is not None:
        raise ResultError(
            f"{where}: an area under a curve has no confusion matrix, and no accuracy of seen or unseen speakers"
        )


def _check_drawn(
    result: Result,
    study: FewShotStudy,
    record: SeedRecord,
    queries: Queries,
    test: tuple[np.ndarray, np.ndarray, np.ndarray],
    where: str,
) -> None:
    asked = np.split(queries[1], np.flatnonzero(np.diff(queries[0])) + 1)
    drawn = drawn_labels(study, result.dataset, record.seed, test[1], test[2])
    try:
        same = all(own.tolist() == labels for own, labels in zip(asked, drawn, strict=True))
    except ProtocolError as error:
        raise ResultError(f"{where}: {error}") from None
    if not same:
        raise ResultError(
            f"{where}: tasks and labels are not those that seed {record.seed} draws from the test split of "
            f"{result.dataset.name!r}"
        )


def _check_accuracy(record: SeedRecord, queries: Queries, where: str) -> None:
    accuracy, interval = few_shot_interval(queries)
    compare(where, "test_accuracy", record.test_accuracy, accuracy)
    compare_interval(where, record.test_interval, interval)
    if record.confusion or record.seen_accuracy is not None or record.unseen_accuracy is not None:
        raise ResultError(
            f"{where}: few-shot tasks have no confusion matrix, and no accuracy of seen or unseen speakers"
        )
