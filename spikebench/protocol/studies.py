"""What a result of a study adds to a :class:`spikebench.protocol.results.Result`: the task, and how it was learned.

A study of pruning or with a substrate in the loop is tested on the test split like any other result, one of noise on
its recordings under several conditions. Learning task
after task is tested on the test samples of its tasks, after every training; few-shot learning on queries that are drawn
from the test split. Results are compared only if ``compared_as`` is equal.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spikebench.degradation.conditions import Condition, parse_condition
from spikebench.errors import SpikebenchError
from spikebench.metrics.areas import kinds_with_area
from spikebench.records.fields import Count, FileName, Fraction, Record, Sha256

__all__ = [
    "ContinualScores",
    "ContinualStudy",
    "FewShotStudy",
    "NoiseStudy",
    "PruningStudy",
    "Stages",
    "Study",
    "SubstrateStudy",
    "other_task",
]

Positive = Annotated[Count, Field(ge=1)]
_Signed = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
_Noise = Annotated[str, Field(pattern=r"^(white|pink|babble):-?[0-9.]{1,13}dB$")]
_Key = Annotated[str, Field(pattern=r"^[a-z_]{1,50}$")]
_KINDS = {"speaker": "new speaker", "words": "new words", "pairs": "new pairs of words"}


class ContinualScores(Record):
    """Measures of :mod:`spikebench.metrics.forgetting` in one seed; ``average`` alone for joint training."""

    average: Fraction
    learned: Fraction | None = None
    forgetting: _Signed | None = None
    backward_transfer: _Signed | None = None


class Stages(Record):
    """The predictions after every training of one seed, in a file of their own, and the measures computed from them."""

    file: FileName
    sha256: Sha256
    scores: ContinualScores


class ContinualStudy(Record):
    """Learning task after task; ``tasks`` has the classes, or the speakers, of each task in order."""

    kind: Literal["continual"] = "continual"
    sequence: Literal["pairs", "pairs:single", "languages", "languages:single", "speakers"]
    method: Annotated[str, Field(pattern=r"^[a-z]+(:[0-9.e+-]{1,30})?$", max_length=60)]
    tasks: Annotated[
        list[Annotated[list[Count], Field(min_length=1, max_length=10_000)]],
        Field(min_length=2, max_length=1000),
    ]

    @property
    def track(self) -> str:
        """Its track on the leaderboard."""
        return "continual"

    @property
    def is_joint(self) -> bool:
        """Whether all tasks are trained at once."""
        return self.method == "joint"

    @property
    def is_part(self) -> bool:
        """Whether only the test samples of some speakers are tested."""
        return self.sequence == "speakers"

    @property
    def is_told(self) -> bool:
        """Whether the model is told the task of a sample, and chooses among its classes."""
        return not self.is_part and not self.sequence.endswith(":single")

    @property
    def n_stages(self) -> int:
        """Number of trainings after which all tasks are tested."""
        return 1 if self.is_joint else len(self.tasks)

    @property
    def compared_as(self) -> str:
        """What results that are compared have in common, in words."""
        told = "the task is told" if self.is_told else "the task is not told"
        return f"{len(self.tasks)} {self.sequence.partition(':')[0]}, {told}"

    @property
    def name(self) -> str:
        """The method."""
        return self.method


class FewShotStudy(Record):
    """Few-shot learning: tasks of ``ways`` classes with ``shots`` samples each, drawn from the test split.

    ``queries`` is the largest number of queries per class, ``words`` the number of classes of which pairs are made,
    ``most_takes`` that of the used samples of a class and speaker (0: all), ``tested_tasks`` that of tasks per seed.
    """

    kind: Literal["few-shot"] = "few-shot"
    task: Literal["speaker", "words", "pairs"]
    method: Literal["maml", "fomaml", "anil", "finetune"]
    bits: Annotated[Count, Field(le=32)]
    ways: Annotated[Count, Field(ge=2, le=10_000)]
    shots: Annotated[Count, Field(ge=1, le=1000)]
    queries: Annotated[Count, Field(ge=1, le=10_000)]
    words: Annotated[Count, Field(ge=2, le=100)]
    most_takes: Count = 0
    tested_tasks: Annotated[Count, Field(ge=1, le=20_000)]

    @property
    def track(self) -> str:
        """Its track on the leaderboard."""
        return "few-shot"

    @property
    def compared_as(self) -> str:
        """What results that are compared have in common, in words."""
        more = f" of {self.words} words" if self.task == "pairs" else ""
        limit = (
            f", at most {self.most_takes} samples of a class and speaker" if self.most_takes else ""
        )
        return f"{_KINDS[self.task]}{more}, {self.ways}-way {self.shots}-shot{limit}"

    @property
    def name(self) -> str:
        """The method, with the bits of the inner steps."""
        return f"{self.method}, {self.bits} bits" if self.bits else self.method


class NoiseStudy(Record):
    """A network on recordings that are degraded before the conversion.

    ``conditions`` are those of the area under its curve, the figure of the result: kinds of noise, each at two or more
    ratios of signal to noise (:mod:`spikebench.metrics.areas`). ``encoder`` is null for a model on audio, ``trained``
    says whether there was noise in its training recordings.
    """

    kind: Literal["noise"] = "noise"
    trained: Literal["clean", "noise"]
    encoder: _Key | None
    conditions: Annotated[list[_Noise], Field(min_length=2, max_length=100)]
    noise_seed: Count

    @model_validator(mode="after")
    def _is_of_curves(self) -> Self:
        found = [one for those in self.curves.values() for one in those]
        if list(map(str, found)) != self.conditions or len({*found}) < len(found):
            raise ValueError(
                "conditions must be the curves of kinds of noise, each at two or more ratios, ascending"
            )
        return self

    @property
    def curves(self) -> dict[str, list[Condition]]:
        """Kind of noise → its conditions."""
        try:
            return kinds_with_area([parse_condition(name) for name in self.conditions])
        except SpikebenchError as error:
            raise ValueError(str(error)) from None

    @property
    def track(self) -> str:
        """Its track on the leaderboard."""
        return "robust"

    @property
    def compared_as(self) -> str:
        """What results that are compared have in common, in words."""
        said: dict[str, list[str]] = {}
        for kind, those in self.curves.items():
            ratios = ", ".join(f"{one.strength:g}" for one in those)
            said.setdefault(ratios, []).append(kind)
        curves = "; ".join(f"{', '.join(kinds)} at {ratios} dB" for ratios, kinds in said.items())
        seed = f", noise of seed {self.noise_seed}" if self.noise_seed else ""
        return f"area under the curve over noise in the recordings: {curves}{seed}"

    @property
    def name(self) -> str:
        """How it was trained."""
        return "trained with noise" if self.trained == "noise" else "trained without noise"


class PruningStudy(Record):
    """A network pruned before training; ``weights`` connections, of which ``kept`` are not 0."""

    kind: Literal["pruning"] = "pruning"
    method: Annotated[str, Field(pattern=r"^[a-z]{1,30}$")]
    weights: Positive
    kept: Positive

    @model_validator(mode="after")
    def _is_pruned(self) -> Self:
        if self.kept >= self.weights:
            raise ValueError("kept must be less than weights: a dense network is not pruned")
        return self

    @property
    def track(self) -> str:
        """Its track on the leaderboard."""
        return "robust"

    @property
    def compared_as(self) -> str:
        """What results that are compared have in common, in words."""
        return f"pruned before training to {100 * self.kept / self.weights:.2g} % of the weights"

    @property
    def name(self) -> str:
        """The method."""
        return self.method


class SubstrateStudy(Record):
    """A network on an emulated chip: under which condition it was trained and tested, and the chip's imperfections."""

    kind: Literal["substrate"] = "substrate"
    substrate: Literal["analog", "fixed-point"]
    condition: Literal["deployed", "in the loop", "robust", "transferred"]
    activity: Literal["plain", "sparse"]
    settings: Annotated[dict[_Key, float], Field(max_length=50)]

    @property
    def track(self) -> str:
        """Its track on the leaderboard."""
        return "robust"

    @property
    def compared_as(self) -> str:
        """What results that are compared have in common, in words."""
        said = json.dumps(self.settings, sort_keys=True).encode()
        chip = f"emulated {self.substrate} chip, settings {hashlib.sha256(said).hexdigest()[:6]}"
        return f"{chip}, trained on another device" if self.condition == "transferred" else chip

    @property
    def name(self) -> str:
        """The condition."""
        return self.condition + (", activity regularised" if self.activity == "sparse" else "")


Study = Annotated[
    ContinualStudy | FewShotStudy | NoiseStudy | PruningStudy | SubstrateStudy,
    Field(discriminator="kind"),
]


def other_task(study: Study | None) -> str:
    """Say which task a study has that differs from classifying the test samples of a data set.

    Parameters
    ----------
    study
        Of a result; None for a classifier.

    Returns
    -------
    str
        Empty for a classifier, also if it is pruned or on a chip.
    """
    others = ContinualStudy | FewShotStudy | NoiseStudy
    return study.compared_as if isinstance(study, others) else ""
