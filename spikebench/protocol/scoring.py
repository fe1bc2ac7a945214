"""Scores computed from predictions: the numbers that a result claims of every seed and over all, and agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikebench.errors import ResultError
from spikebench.metrics.classification import (
    by_speaker,
    confusion_matrix,
    speaker_groups,
    speaker_intervals,
    summary_interval,
)
from spikebench.protocol.results import DatasetRecord, Interval, Predictions, SeedRecord, Summary


@dataclass(frozen=True)
class Scores:
    """Fields of a :class:`spikebench.protocol.results.SeedRecord` that are computed from its predictions."""

    test_accuracy: float
    test_interval: Interval
    seen_accuracy: float | None
    unseen_accuracy: float | None
    confusion: list[list[int]]


def score(predictions: Predictions, dataset: DatasetRecord, refitted: bool = False) -> Scores:
    """Score the predictions of one seed.

    Parameters
    ----------
    predictions
        Predictions of all test samples.
    dataset
        Record of the data set with its classes and split.
    refitted
        As for :func:`score_all`.

    Returns
    -------
    Scores
        Accuracies, interval, confusion matrix.

    Raises
    ------
    ValueError
        If there are no samples or a class is out of range.
    """
    return score_all([predictions], dataset, refitted)[0]


def score_all(
    predictions: Sequence[Predictions], dataset: DatasetRecord, refitted: bool = False
) -> list[Scores]:
    """Score the predictions of all seeds, at once.

    Parameters
    ----------
    predictions
        Predictions of all test samples, one set per seed; the samples of each in the order of the first.
    dataset
        Record of the data set with its classes and split.
    refitted
        Whether the model was also trained on validation speakers, which then count as seen.

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
    counts = by_speaker(predicted == label, speaker)
    intervals, method = speaker_intervals(counts)
    split = dataset.split
    held_out = [] if refitted else split.validation_speakers
    groups = speaker_groups(counts.speakers, split.test_only_speakers, held_out)
    seen, unseen = (counts.accuracies(group) for group in groups)
    return [
        Scores(
            test_accuracy=accuracy,
            test_interval=Interval(low=low, high=high, method=method),
            seen_accuracy=seen[seed],
            unseen_accuracy=unseen[seed],
            confusion=confusion[seed],
        )
        for seed, (accuracy, (low, high)) in enumerate(
            zip((counts.right.sum(axis=1) / label.size).tolist(), intervals, strict=True)
        )
    ]


def summarise(seeds: Sequence[SeedRecord]) -> Summary:
    """Compute the statistics over the seeds of a result.

    Parameters
    ----------
    seeds
        Records of the seeds, at least one.

    Returns
    -------
    Summary
        Means, standard deviation, interval.
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


def agreement(claimed: Predictions, found: Predictions) -> float:
    """Compute the fraction of equal predictions.

    Parameters
    ----------
    claimed, found
        Predictions for the same samples, in any order.

    Returns
    -------
    float
        Number of equal predictions / number of samples.

    Raises
    ------
    ResultError
        If they are not of the same samples with the same classes and speakers.
    """
    said, here = claimed.in_order(), found.in_order()
    for column in ("index", "label", "speaker"):
        if not np.array_equal(getattr(said, column), getattr(here, column)):
            raise ResultError(
                f"column {column} of the predictions differs from the test split of the data"
            )
    return float(np.mean(said.predicted == here.predicted))
