"""What follows from predictions: the numbers that a result claims of every seed, and over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.metrics.classification import (
    confusion_matrix,
    speaker_groups,
    speaker_intervals,
    summary_interval,
)
from spikebench.results import DatasetRecord, Interval, Predictions, SeedRecord, Summary


@dataclass(frozen=True)
class Scores:
    """Fields of a :class:`spikebench.results.SeedRecord` that follow from its predictions."""

    test_accuracy: float
    test_interval: Interval
    seen_accuracy: float | None
    unseen_accuracy: float | None
    confusion: list[list[int]]


def score(predictions: Predictions, dataset: DatasetRecord) -> Scores:
    """Score the predictions of one seed.

    Parameters
    ----------
    predictions
        Of all test samples.
    dataset
        Its classes and split.

    Returns
    -------
    Scores
        Accuracies, interval, confusion matrix.

    Raises
    ------
    ValueError
        If there are no samples or a class is out of range.
    """
    return score_all([predictions], dataset)[0]


def score_all(predictions: Sequence[Predictions], dataset: DatasetRecord) -> list[Scores]:
    """Score the predictions of all seeds, at once.

    Parameters
    ----------
    predictions
        Of all test samples, one per seed; the samples of each in the order of the first.
    dataset
        Its classes and split.

    Returns
    -------
    list of Scores
        One per seed.

    Raises
    ------
    ValueError
        If there are no samples or a class is out of range.
    """
    label, speaker = predictions[0].label, predictions[0].speaker
    if label.size == 0:
        raise ValueError("no predictions")
    predicted = np.stack([one.predicted for one in predictions])
    confusion = confusion_matrix(label, predicted, len(dataset.classes)).tolist()
    correct = predicted == label
    intervals, method = speaker_intervals(correct, speaker)
    split = dataset.split
    seen, unseen = speaker_groups(speaker, split.test_only_speakers, split.validation_speakers)
    right = correct.mean(axis=1).tolist()
    right_seen, right_unseen = _means(correct[:, seen]), _means(correct[:, unseen])
    return [
        Scores(
            test_accuracy=right[seed],
            test_interval=Interval(low=low, high=high, method=method),
            seen_accuracy=right_seen[seed],
            unseen_accuracy=right_unseen[seed],
            confusion=confusion[seed],
        )
        for seed, (low, high) in enumerate(intervals)
    ]


def summarise(seeds: Sequence[SeedRecord]) -> Summary:
    """Sum up the seeds of a result.

    Parameters
    ----------
    seeds
        At least one.

    Returns
    -------
    Summary
        Means, deviation, interval.
    """
    test = np.array([seed.test_accuracy for seed in seeds])
    validation = [s.validation_accuracy for s in seeds if s.validation_accuracy is not None]
    first = seeds[0].test_interval
    low, high, method = summary_interval(test, (first.low, first.high, first.method))
    return Summary(
        seeds=len(seeds),
        validation_mean=float(np.mean(validation)) if validation else None,
        test_mean=float(test.mean()),
        test_std=float(test.std(ddof=1)) if len(seeds) > 1 else None,
        test_interval=Interval(low=low, high=high, method=method),
    )


def _means(correct: NDArray[np.bool_]) -> list[float | None]:
    """Take the accuracy of every seed; none without samples."""
    return correct.mean(axis=1).tolist() if correct.shape[1] else [None] * len(correct)
