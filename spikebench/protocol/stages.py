"""The predictions of learning task after task, and of few-shot tasks: their files and their scores.

::

    stages-seed0.csv        index,after_1,…,after_N: predictions for every tested sample after each training
    predictions-seed0.csv   of few-shot tasks: task,label,predicted for every query, in the order of drawing
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import ResultError
from spikebench.metrics.classification import by_speaker, speaker_intervals
from spikebench.metrics.forgetting import (
    average_accuracy,
    backward_transfer,
    forgetting,
    learned_accuracy,
)
from spikebench.protocol.few_shot import FIRST_EVALUATED, Draws, Sizes, takes_of, usable_samples
from spikebench.protocol.results import DatasetRecord, Interval, Predictions, read_column_file
from spikebench.protocol.studies import ContinualScores, ContinualStudy, FewShotStudy

__all__ = [
    "QUERY_COLUMNS",
    "Queries",
    "columns_text",
    "continual_scores",
    "drawn_labels",
    "few_shot_interval",
    "read_queries",
    "read_stages",
    "stage_names",
    "task_of_samples",
]

QUERY_COLUMNS = ("task", "label", "predicted")
Queries = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def columns_text(names: list[str] | tuple[str, ...], columns: list[NDArray[np.int64]]) -> str:
    """Write columns of whole numbers as CSV.

    Parameters
    ----------
    names, columns
        Names, and int64 arrays of shape (samples,).

    Returns
    -------
    str
        CSV.
    """
    rows = np.stack(columns, axis=1).tolist()
    return "\n".join([",".join(names), *(",".join(map(str, row)) for row in rows), ""])


def stage_names(n_stages: int) -> list[str]:
    """Return the columns of a file of stages.

    Parameters
    ----------
    n_stages
        Number of trainings.

    Returns
    -------
    list of str
        ``index``, ``after_1`` …
    """
    return ["index", *(f"after_{k}" for k in range(1, n_stages + 1))]


def task_of_samples(study: ContinualStudy, predictions: Predictions) -> NDArray[np.int64]:
    """Find the task of every tested sample.

    Parameters
    ----------
    study
        The sequence of tasks.
    predictions
        Of the tested samples.

    Returns
    -------
    ndarray
        int64, shape (samples,); −1 for a sample of no task.
    """
    column = predictions.speaker if study.sequence == "speakers" else predictions.label
    found = np.full(column.size, -1)
    for place, group in enumerate(study.tasks):
        found[np.isin(column, group)] = place
    return found


def read_stages(
    path: Path, sha256: str, study: ContinualStudy, predictions: Predictions
) -> NDArray[np.int64]:
    """Read the predictions after every training; the file is untrusted.

    Parameters
    ----------
    path, sha256
        The file, and its claimed SHA-256.
    study
        The sequence of tasks.
    predictions
        Those after the last training, sorted by index.

    Returns
    -------
    ndarray
        int64, shape (trainings, samples).

    Raises
    ------
    ResultError
        If the file is not valid, is of other samples, or ends with other predictions.
    """
    index, *columns = read_column_file(path, stage_names(study.n_stages), sha256)
    order = np.argsort(index, kind="stable")
    found = np.stack(columns)[:, order]
    if not np.array_equal(index[order], predictions.index):
        raise ResultError(f"{path}: is of other samples than the predictions")
    if not np.array_equal(found[-1], predictions.predicted):
        raise ResultError(f"{path}: the last column differs from the predictions")
    return found


def continual_scores(
    study: ContinualStudy, predictions: Predictions, stages: NDArray[np.int64]
) -> ContinualScores:
    """Compute the measures of one seed.

    Parameters
    ----------
    study
        The sequence of tasks.
    predictions
        Labels and speakers of the tested samples.
    stages
        Predictions after every training, int64, shape (trainings, samples).

    Returns
    -------
    ContinualScores
        See :mod:`spikebench.metrics.forgetting`.

    Raises
    ------
    ValueError
        If a task has no samples.
    """
    task = task_of_samples(study, predictions)
    right = stages == predictions.label
    if any(not (task == k).any() for k in range(len(study.tasks))):
        raise ValueError("a task has no tested samples")
    matrix = np.stack([right[:, task == k].mean(axis=1) for k in range(len(study.tasks))], axis=1)
    average = average_accuracy(matrix)
    if study.is_joint:
        return ContinualScores(average=average)
    return ContinualScores(
        average=average,
        learned=learned_accuracy(matrix),
        forgetting=forgetting(matrix),
        backward_transfer=backward_transfer(matrix),
    )


def read_queries(path: Path, sha256: str | None, study: FewShotStudy) -> Queries:
    """Read the answers to the queries of one seed; the file is untrusted.

    Parameters
    ----------
    path, sha256
        The file, and its claimed SHA-256.
    study
        The tasks.

    Returns
    -------
    task, label, predicted : ndarray of int64, shape (queries,)
        Tasks 0 … n − 1 in order, all of them.

    Raises
    ------
    ResultError
        If the file is not valid, or tasks are missing or out of order.
    """
    task, label, predicted = read_column_file(path, QUERY_COLUMNS, sha256)
    step = np.diff(task)
    if task[0] != 0 or task[-1] != study.tested_tasks - 1 or ((step != 0) & (step != 1)).any():
        raise ResultError(f"{path}: must have the tasks 0 … {study.tested_tasks - 1} in order")
    return task, label, predicted


def drawn_labels(
    study: FewShotStudy,
    dataset: DatasetRecord,
    seed: int,
    labels: NDArray[np.int64],
    speakers: NDArray[np.int64],
) -> Iterator[list[int]]:
    """Draw the tested tasks of a seed again, one after the other.

    Parameters
    ----------
    study, dataset, seed
        The tasks, the data set, and the seed.
    labels, speakers
        Of the samples of its test split, in the order of the file.

    Yields
    ------
    list of int
        Labels of the queries of a task, as in the file of a result.

    Raises
    ------
    ProtocolError
        If the data have no such tasks.
    """
    kept = usable_samples(study.task, "test", speakers, dataset.split.test_only_speakers)
    sizes = Sizes(study.ways, study.shots, study.queries, study.words)
    takes = takes_of(labels[kept], speakers[kept], study.most_takes)
    draws = Draws(takes, study.task, "test", sizes, len(dataset.classes), dataset.name)
    for number in range(study.tested_tasks):
        _, queries = draws.draw(seed, FIRST_EVALUATED + number)
        yield [label for _, label in queries]


def few_shot_interval(queries: Queries) -> tuple[float, Interval]:
    """Compute the accuracy of one seed, the mean over its tasks, and the interval over tasks.

    Parameters
    ----------
    queries
        From :func:`read_queries`.

    Returns
    -------
    accuracy : float
        In 0 … 1.
    interval : Interval
        95 % bootstrap interval.
    """
    task, label, predicted = queries
    right = np.bincount(task, weights=predicted == label) / np.bincount(task)
    # Every task is resampled as a whole.
    intervals, _ = speaker_intervals(by_speaker(right[None], np.arange(right.size)))
    low, high = intervals[0]
    return float(right.mean()), Interval(low=low, high=high, method="bootstrap over tasks")
