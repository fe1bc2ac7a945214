"""Who is understood and who is not: accuracy per speaker and per language, over all seeds of an entry."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.results import Predictions

# Classes of the data sets that hold more than one language.
LANGUAGES = {
    "English": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "German": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
}


@dataclass(frozen=True)
class Share:
    """Accuracy of one group of test samples, mean over the seeds."""

    name: str
    samples: int
    accuracy: float


@dataclass(frozen=True)
class Breakdown:
    """Accuracy by group; ``fingerprints`` name the predictions of each seed (SHA-256 in the order of the samples)."""

    speakers: tuple[Share, ...] = ()
    languages: tuple[Share, ...] = ()
    fingerprints: tuple[str, ...] = ()


def break_down(predictions: Sequence[Predictions], classes: Sequence[str]) -> Breakdown:
    """Group the samples of a test split.

    Parameters
    ----------
    predictions
        One per seed, all of the same samples.
    classes
        Names of the classes.

    Returns
    -------
    Breakdown
        Speakers in the order of their numbers, unknown ones left out; languages only where the classes belong to
        more than one.
    """
    ordered = [one.in_order() for one in predictions]
    said = np.stack([one.predicted for one in ordered])
    label, speaker = ordered[0].label, ordered[0].speaker
    right = (said == label).sum(0)
    words = {word: name for name, known in LANGUAGES.items() for word in known}
    of_class = [words.get(name, "") for name in classes]
    several = all(of_class) and len(set(of_class)) > 1
    numbers, of_sample = np.unique(speaker, return_inverse=True)
    known = {str(number): place for place, number in enumerate(numbers.tolist()) if number >= 0}
    spoken = {name: place for place, name in enumerate(LANGUAGES) if several}
    of_label = np.array([spoken.get(name, 0) for name in of_class], dtype=np.int64)
    return Breakdown(
        speakers=_shares(known, of_sample, right, len(said)),
        languages=_shares(spoken, of_label[label], right, len(said)),
        fingerprints=tuple(hashlib.sha256(row.astype("<i8").tobytes()).hexdigest() for row in said),
    )


def _shares(
    groups: dict[str, int], group: NDArray[np.int64], right: NDArray[np.int64], seeds: int
) -> tuple[Share, ...]:
    """Take the accuracy of each named group that has samples."""
    samples = np.bincount(group, minlength=len(groups)).tolist()
    answers = np.bincount(group, weights=right, minlength=len(groups)).tolist()
    return tuple(
        Share(name, samples[place], answers[place] / (seeds * samples[place]))
        for name, place in groups.items()
        if samples[place]
    )
