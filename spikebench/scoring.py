"""What follows from predictions: the numbers that a result claims of every seed, and over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.metrics.classification import (
    accuracy,
    confusion_matrix,
    speaker_groups,
    speaker_interval,
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
    label, predicted, speaker = predictions.label, predictions.predicted, predictions.speaker
    confusion = confusion_matrix(label, predicted, len(dataset.classes))
    correct = label == predicted
    low, high, method = speaker_interval(correct, speaker)
    split = dataset.split
    seen, unseen = speaker_groups(speaker, split.test_only_speakers, split.validation_speakers)
    return Scores(
        test_accuracy=accuracy(label, predicted),
        test_interval=Interval(low=low, high=high, method=method),
        seen_accuracy=_mean(correct[seen]),
        unseen_accuracy=_mean(correct[unseen]),
        confusion=confusion.tolist(),
    )


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


def _mean(correct: NDArray[np.bool_]) -> float | None:
    return float(correct.mean()) if correct.size else None
