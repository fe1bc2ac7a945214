"""Predictions of one run under several conditions, kept so that an interrupted study continues.

They are bound to the SHA-256 of the weights, to the data and to the definition of the changes: answers of others are
not used.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spikebench.errors import ResultError
from spikebench.protocol.results import DatasetRecord
from spikebench.records.fields import Count, Fraction, NonNegative, Record, Sha256
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import write_text

__all__ = [
    "MAX_ANSWERS_BYTES",
    "Answers",
    "ConditionAnswers",
    "Tested",
    "origin_of",
    "read_answers",
    "write_answers",
]

Tested = Literal["validation", "test"]
CHANGES = 1  # version of the definitions in spikebench.events.changed
_MAX_SAMPLES = 10_000_000
MAX_ANSWERS_BYTES = 1024 * 1024 * 1024


class ConditionAnswers(Record):
    """Predicted class of every sample under one condition.

    ``input_spikes`` is the mean number of spikes per sample in the bins of the model, ``few_spikes`` the value of
    :func:`spikebench.events.changed.few_spikes`.
    """

    predicted: Annotated[list[Count], Field(max_length=_MAX_SAMPLES)]
    input_spikes: NonNegative
    few_spikes: Fraction | None = None


class Answers(Record):
    """Contents of ``answers-validation.json`` or ``answers-test.json``.

    ``origin`` names weights, data and changes (:func:`origin_of`); ``label`` and ``speaker`` (-1 is unknown) have one
    value per sample, and so has every list of predictions.
    """

    format_version: Literal[1] = 1
    origin: Sha256
    label: Annotated[list[int], Field(max_length=_MAX_SAMPLES)]
    speaker: Annotated[list[int], Field(max_length=_MAX_SAMPLES)]
    conditions: dict[str, ConditionAnswers]

    def right(self, condition: str) -> NDArray[np.bool_]:
        """Return which samples were classified correctly under a condition, bool, shape (samples,)."""
        found: NDArray[np.bool_] = np.array(self.conditions[condition].predicted) == np.array(
            self.label
        )
        return found

    @property
    def is_whole(self) -> bool:
        """Whether all lists have the same length, which is not 0."""
        sizes = {len(one.predicted) for one in self.conditions.values()}
        return sizes | {len(self.speaker)} == {len(self.label)} != {0}


def origin_of(weights_sha256: str, dataset: DatasetRecord, tested: Tested) -> str:
    """Name what answers are of.

    Parameters
    ----------
    weights_sha256
        SHA-256 of the weights.
    dataset
        The data and their split.
    tested
        The samples that were tested.

    Returns
    -------
    str
        SHA-256, equal for the same weights, data, samples and definition of the changes.
    """
    said = [weights_sha256, dataset.model_dump(mode="json"), tested, CHANGES]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_answers(path: Path, origin: str) -> Answers | None:
    """Read kept answers.

    Parameters
    ----------
    path
        The file.
    origin
        What they must be of.

    Returns
    -------
    Answers or None
        None if there are none, they are of another origin, or the file is damaged.
    """
    try:
        answers = read_record(path, Answers, MAX_ANSWERS_BYTES)
    except ResultError:
        return None
    return answers if answers.origin == origin and answers.is_whole else None


def write_answers(path: Path, answers: Answers) -> None:
    """Write answers, whole or not at all.

    Parameters
    ----------
    path
        The file; its folder is created.
    answers
        The answers to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, answers.model_dump_json() + "\n")
