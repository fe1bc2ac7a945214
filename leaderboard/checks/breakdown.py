"""Accuracy per speaker and per language, over all seeds of an entry."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.metrics.classification import by_speaker
from spikebench.naming.conventions import heidelberg_digits
from spikebench.protocol.results import Predictions

# Classes of the data sets with more than one language.
LANGUAGES = {language.title(): words for language, words in heidelberg_digits.LANGUAGES.items()}
_LANGUAGE_OF = {word: name for name, words in LANGUAGES.items() for word in words}


@dataclass(frozen=True)
class GroupAccuracy:
    """Accuracy of one group of test samples, mean over the seeds."""

    name: str
    samples: int
    accuracy: float


@dataclass(frozen=True)
class Breakdown:
    """Accuracy by group; ``fingerprints`` are the SHA-256 of each seed's predictions in the order of the samples."""

    speakers: tuple[GroupAccuracy, ...] = ()
    languages: tuple[GroupAccuracy, ...] = ()
    fingerprints: tuple[str, ...] = ()


def break_down(predictions: Sequence[Predictions], classes: Sequence[str]) -> Breakdown:
    """Compute the accuracy of groups of test samples.

    Parameters
    ----------
    predictions
        Predictions of the same samples, one set per seed.
    classes
        Names of the classes.

    Returns
    -------
    Breakdown
        Speakers in the order of their numbers, without unknown ones; languages only if the classes belong to
        more than one.
    """
    ordered = [one.in_order() for one in predictions]
    said = np.stack([one.predicted for one in ordered])
    label = ordered[0].label
    correct = said == label
    counts = by_speaker(correct, ordered[0].speaker)
    speakers = zip(
        counts.speakers.tolist(),
        counts.samples.tolist(),
        counts.right.sum(axis=0).tolist(),
        strict=True,
    )
    return Breakdown(
        speakers=tuple(
            GroupAccuracy(str(speaker), samples, right / (len(said) * samples))
            for speaker, samples, right in speakers
            if speaker >= 0
        ),
        languages=_languages(correct, label, classes),
        fingerprints=fingerprints(ordered),
    )


def fingerprints(predictions: Sequence[Predictions]) -> tuple[str, ...]:
    """Compute the SHA-256 of the predictions of every seed.

    Parameters
    ----------
    predictions
        One set per seed, sorted by index.

    Returns
    -------
    tuple of str
        64 lower-case hexadecimal digits each.
    """
    return tuple(
        hashlib.sha256(one.predicted.astype("<i4").tobytes()).hexdigest() for one in predictions
    )


def _languages(
    correct: NDArray[np.bool_], label: NDArray[np.int64], classes: Sequence[str]
) -> tuple[GroupAccuracy, ...]:
    """Compute the accuracy of each language, if every class belongs to one and there are several."""
    of_class = [_LANGUAGE_OF.get(name, "") for name in classes]
    if not all(of_class) or len(set(of_class)) < 2:
        return ()
    place = np.array([list(LANGUAGES).index(name) for name in of_class])[label]
    samples = np.bincount(place, minlength=len(LANGUAGES)).tolist()
    right = np.bincount(place, weights=correct.sum(axis=0), minlength=len(LANGUAGES)).tolist()
    return tuple(
        GroupAccuracy(name, n, right[number] / (len(correct) * n))
        for number, (name, n) in enumerate(zip(LANGUAGES, samples, strict=True))
        if n
    )
