"""Predictions under several conditions of noise: their file in a result, and the area that follows from them.

::

    predictions-seed0.csv   index,label,speaker,white:-5dB,…: the predicted class of every sample under each condition
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import ResultError
from spikebench.metrics.areas import area_scores
from spikebench.metrics.classification import by_speaker, speaker_intervals
from spikebench.protocol.results import Interval, Predictions, read_column_file
from spikebench.protocol.studies import NoiseStudy

__all__ = ["NoiseAnswers", "answers_text", "noise_scores", "read_noise_answers"]

_COLUMNS = ("index", "label", "speaker")


@dataclass(frozen=True, eq=False)
class NoiseAnswers:
    """Predictions of one seed, sorted by index.

    Attributes
    ----------
    index, label, speaker
        int64, shape (samples,).
    predicted
        int64, shape (conditions, samples), in the order of :attr:`NoiseStudy.conditions`.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    speaker: NDArray[np.int64]
    predicted: NDArray[np.int64]

    def under(self, condition: int) -> Predictions:
        """Return the predictions under one condition, by its position."""
        return Predictions(
            index=self.index,
            label=self.label,
            predicted=self.predicted[condition],
            speaker=self.speaker,
        )

    def in_one_row(self) -> Predictions:
        """Return the predictions under all conditions, one after the other; ``index`` counts them."""
        n = len(self.predicted)
        return Predictions(
            index=np.arange(self.predicted.size),
            label=np.tile(self.label, n),
            predicted=self.predicted.ravel(),
            speaker=np.tile(self.speaker, n),
        )


def answers_text(study: NoiseStudy, answers: NoiseAnswers) -> str:
    """Write the predictions of one seed as CSV.

    Parameters
    ----------
    study, answers
        The conditions, and the predictions.

    Returns
    -------
    str
        CSV.
    """
    columns = [answers.index, answers.label, answers.speaker, *answers.predicted]
    rows = np.stack(columns, axis=1).tolist()
    names = ",".join([*_COLUMNS, *study.conditions])
    return "\n".join([names, *(",".join(map(str, row)) for row in rows), ""])


def read_noise_answers(path: Path, sha256: str | None, study: NoiseStudy) -> NoiseAnswers:
    """Read the predictions of one seed; the file is untrusted.

    Parameters
    ----------
    path, sha256
        The file, and its claimed SHA-256.
    study
        The conditions.

    Returns
    -------
    NoiseAnswers
        Sorted by index.

    Raises
    ------
    ResultError
        If the file is not valid, or has an index twice.
    """
    index, label, speaker, *predicted = read_column_file(
        path, [*_COLUMNS, *study.conditions], sha256
    )
    order = np.argsort(index, kind="stable")
    if (np.diff(index[order]) == 0).any():
        raise ResultError(f"{path}: a sample index appears twice")
    return NoiseAnswers(
        index[order], label[order], speaker[order], np.stack([one[order] for one in predicted])
    )


def noise_scores(study: NoiseStudy, answers: NoiseAnswers) -> tuple[float, Interval]:
    """Compute the area of one seed, and its interval over speakers.

    Parameters
    ----------
    study, answers
        The conditions, and the predictions.

    Returns
    -------
    area : float
        In 0 … 1.
    interval : Interval
        95 % bootstrap interval.
    """
    right = answers.predicted == answers.label
    places = {name: row for row, name in enumerate(study.conditions)}
    curves = study.curves
    scores = area_scores(
        curves, {one: right[places[str(one)]][None] for those in curves.values() for one in those}
    )
    intervals, method = speaker_intervals(by_speaker(scores, answers.speaker))
    low, high = (min(max(end, 0.0), 1.0) for end in intervals[0])
    area = min(max(float(scores.mean()), 0.0), 1.0)
    return area, Interval(low=low, high=high, method=method)
