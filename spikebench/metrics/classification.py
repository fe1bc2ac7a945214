"""Accuracy, its intervals, and the confusion matrix, from labels and predictions.

Definitions
-----------
accuracy
    correct / all.
confusion matrix
    entry (i, j) counts the samples with label i that were predicted as j.
interval over speakers
    95 % percentile bootstrap over test speakers drawn with replacement, with all samples of a drawn
    speaker, because samples of one voice are not independent (10,000 resamples, fixed seed).
    With fewer than two speakers, or any sample of an unknown one: over single samples, and labelled so.
interval over seeds
    mean ± Student t at 97.5 % · standard deviation / √n, clipped to [0, 1]. If all seeds have the same accuracy
    (a model without randomness), this interval would have zero width; the interval over speakers is used instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

_RESAMPLES = 10_000
_KEPT_SPEAKERS = 256  # 20 MB


def accuracy(reference: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Compute the fraction of predictions that equal the reference.

    Parameters
    ----------
    reference, predicted
        Class indices, int64, shape (samples,).

    Returns
    -------
    float
        Accuracy between 0 and 1.

    Raises
    ------
    ValueError
        If the lengths differ or there are no samples.
    """
    if reference.shape != predicted.shape or reference.size == 0:
        raise ValueError("accuracy needs as many predictions as labels, and at least one")
    return float(np.mean(reference == predicted))


def confusion_matrix(
    reference: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Count the samples of each pair of label and predicted class.

    Parameters
    ----------
    reference
        Class indices in 0 … n_classes - 1, int64, shape (samples,).
    predicted
        Predicted class indices, shape (samples,), or (answers, samples) for several sets of predictions.
    n_classes
        Number of classes.

    Returns
    -------
    ndarray of int64, shape (n_classes, n_classes) or (answers, n_classes, n_classes)
        Row: label; column: prediction.

    Raises
    ------
    ValueError
        If an index is outside that range.
    """
    for both in (reference, predicted):
        if both.size and (both.min() < 0 or both.max() >= n_classes):
            raise ValueError(f"a class index lies outside 0 … {n_classes - 1}")
    shape = (*predicted.shape[:-1], n_classes, n_classes)
    cell = reference * n_classes + predicted
    if predicted.ndim > 1:
        cell += n_classes * n_classes * np.arange(predicted.shape[0])[:, None]
    counts = np.bincount(cell.ravel(), minlength=math.prod(shape))
    return counts.reshape(shape).astype(np.int64)


def speaker_interval(
    correct: NDArray[np.bool_] | NDArray[np.float64], speaker: NDArray[np.int64]
) -> tuple[float, float, str]:
    """Compute the 95 % bootstrap interval of the accuracy, clustered by speaker.

    Parameters
    ----------
    correct
        Whether each prediction is correct, bool, shape (samples,); or the correct fraction, float64 in 0 … 1.
    speaker
        Speaker of each sample, int64, shape (samples,); -1 is unknown.

    Returns
    -------
    low, high : float
        The interval.
    method : str
        The resampled units: test speakers, or test samples if there are fewer than two speakers or any is unknown.
    """
    intervals, method = speaker_intervals(by_speaker(correct[None], speaker))
    return *intervals[0], method


@dataclass(frozen=True)
class BySpeaker:
    """Number of correct predictions of each speaker.

    ``speakers`` are the speakers' numbers, int64, shape (speakers,), ascending; ``samples`` their numbers of samples,
    int64, shape (speakers,); ``right`` how many of these are correct, float64, shape (answers, speakers).
    """

    speakers: NDArray[np.int64]
    samples: NDArray[np.int64]
    right: NDArray[np.float64]

    def accuracies(self, chosen: NDArray[np.bool_]) -> list[float | None]:
        """Compute the accuracy of each set of predictions over the chosen speakers; None if there are none."""
        samples = self.samples[chosen].sum()
        right = self.right[:, chosen].sum(axis=1)
        return (right / samples).tolist() if samples else [None] * len(right)


def by_speaker(
    correct: NDArray[np.bool_] | NDArray[np.float64], speaker: NDArray[np.int64]
) -> BySpeaker:
    """Count the correct predictions of each speaker.

    Parameters
    ----------
    correct
        Whether each prediction is correct, bool, shape (answers, samples); or the correct fraction, float64 in 0 … 1.
    speaker
        Speaker of each sample, int64, shape (samples,); -1 is unknown.

    Returns
    -------
    BySpeaker
        Counts per speaker; unknown speakers count as one speaker, -1.
    """
    speakers, samples, of_sample = _speakers(speaker.tobytes())
    group = speakers.size * np.arange(len(correct))[:, None] + of_sample
    cells = len(correct) * speakers.size
    right = np.bincount(group.ravel(), weights=correct.ravel(), minlength=cells).astype(float)
    return BySpeaker(speakers, samples, right.reshape(len(correct), -1))


@lru_cache(maxsize=4)  # the entries of a leaderboard have the same few test splits
def _speakers(speaker: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the speakers, the numbers of their samples, and the position of each sample's speaker among them."""
    speakers, of_sample, samples = np.unique(
        np.frombuffer(speaker, np.int64), return_inverse=True, return_counts=True
    )
    for shared in (speakers, samples, of_sample):
        shared.flags.writeable = False
    return speakers, samples, of_sample


def speaker_intervals(counts: BySpeaker) -> tuple[list[tuple[float, float]], str]:
    """Compute :func:`speaker_interval` of several sets of predictions for the same samples.

    Parameters
    ----------
    counts
        Result of :func:`by_speaker`.

    Returns
    -------
    intervals : list of (float, float)
        One per set of predictions.
    method : str
        The resampled units.
    """
    samples = counts.samples.astype(float)
    if counts.speakers.size < 2 or counts.speakers[0] < 0:
        n_samples = int(counts.samples.sum())
        drawn = [
            np.random.default_rng(0).binomial(n_samples, right / n_samples, _RESAMPLES)
            for right in counts.right.sum(axis=1).tolist()
        ]
        return _percentiles(np.stack(drawn) / n_samples), "bootstrap over test samples"
    # The values are integers, so the sums are exact in any order.
    parts = [(counts.right @ times) / (samples @ times) for times in _times(counts.speakers.size)]
    means = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return _percentiles(means), f"bootstrap over {counts.speakers.size} test speakers"


def _times(n_speakers: int) -> Iterable[NDArray[np.float64]]:
    """Return how often each speaker is in each draw, shape (speakers, draws), in blocks of draws."""
    return _kept_draws(n_speakers) if n_speakers <= _KEPT_SPEAKERS else _draws(n_speakers)


def _draws(n_speakers: int) -> Iterator[NDArray[np.float64]]:
    generator = np.random.default_rng(0)
    block = max(_RESAMPLES * _KEPT_SPEAKERS // n_speakers, 1)
    for begin in range(0, _RESAMPLES, block):
        draws = min(block, _RESAMPLES - begin)
        drawn = generator.integers(0, n_speakers, (draws, n_speakers))
        drawn += n_speakers * np.arange(draws)[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size)
        yield np.ascontiguousarray(times.reshape(drawn.shape).T, dtype=float)


@lru_cache(maxsize=8)
def _kept_draws(n_speakers: int) -> list[NDArray[np.float64]]:
    return list(_draws(n_speakers))


def _percentiles(means: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Compute the quantiles 0.025 and 0.975 of every row like :func:`numpy.quantile`, but faster."""
    found = []
    for at in (0.025 * (means.shape[1] - 1), 0.975 * (means.shape[1] - 1)):
        place, share = int(at), at % 1
        means.partition(place, axis=1)
        left, right = means[:, place].copy(), means[:, place + 1 :].min(axis=1)
        step = right - left
        found.append(left + step * share if share < 0.5 else right - step * (1 - share))
    return list(zip(found[0].tolist(), found[1].tolist(), strict=True))


def speaker_groups(
    speaker: NDArray[np.int64], test_only: Sequence[int], validation: Sequence[int]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Separate the speakers of the training data from unseen speakers.

    Parameters
    ----------
    speaker
        Speakers, or the speaker of each test sample, int64, shape (n,); -1 is unknown.
    test_only
        Speakers without a sample in training and validation.
    validation
        Speakers on which the epoch was selected: neither trained on nor unseen.

    Returns
    -------
    seen, unseen : ndarray of bool, shape (n,)
        Read-only masks. Validation speakers and unknown speakers are in neither.
    """
    return _groups(speaker.tobytes(), tuple(test_only), tuple(validation))


@lru_cache(maxsize=16)
def _groups(
    speakers: bytes, test_only: tuple[int, ...], validation: tuple[int, ...]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    speaker = np.frombuffer(speakers, np.int64)
    unseen = np.isin(speaker, test_only)
    seen = (speaker >= 0) & ~unseen & ~np.isin(speaker, validation)
    for group in (seen, unseen):
        group.flags.writeable = False  # cached and shared by all callers
    return seen, unseen


def seed_interval(accuracies: NDArray[np.float64]) -> tuple[float, float, str]:
    """Compute the 95 % t interval of the mean accuracy over seeds.

    Parameters
    ----------
    accuracies
        One accuracy per seed, float64, shape (seeds,), at least two.

    Returns
    -------
    low, high : float
        The interval, clipped to [0, 1].
    method : str
        Name of the method.

    Raises
    ------
    ValueError
        If there are fewer than two seeds.
    """
    n = accuracies.size
    if n < 2:
        raise ValueError("an interval over seeds needs at least two")
    half = float(_student_t(n - 1) * accuracies.std(ddof=1) / np.sqrt(n))
    mean = float(accuracies.mean())
    return max(mean - half, 0.0), min(mean + half, 1.0), f"Student t over {n} seeds"


@lru_cache(maxsize=64)
def _student_t(freedom: int) -> float:
    return float(stdtrit(freedom, 0.975))


def summary_interval(
    accuracies: NDArray[np.float64], first: tuple[float, float, str]
) -> tuple[float, float, str]:
    """Choose the interval that represents all seeds.

    Parameters
    ----------
    accuracies
        One accuracy per seed, float64, shape (seeds,), at least one.
    first
        Interval of the first seed, from :func:`speaker_interval`.

    Returns
    -------
    low, high : float
        The interval over seeds, or that of the first seed if there is one seed or all accuracies are equal.
    method : str
        Name of the method.
    """
    if np.all(accuracies == accuracies[0]):
        return first
    return seed_interval(accuracies)
