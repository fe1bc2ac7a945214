"""The results of a study: one row per model, training, place of the damage and condition; areas; differences of areas.

Accuracies, areas, intervals and changes are those of :mod:`spikebench.metrics.significance`: means over seeds, with the
spread over speakers and over seeds. The change is from the same runs on the recordings as they are. Areas are those of
:mod:`spikebench.metrics.areas`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from spikebench.degradation.conditions import CLEAN, Condition
from spikebench.metrics.areas import area_scores, kinds_with_area
from spikebench.metrics.significance import Estimate, compare_predictions, compare_scores
from spikebench.noise.study import TrainedOn
from spikebench.noise.worker import on_spikes
from spikebench.presets.preset import Preset
from spikebench.protocol.results import DatasetRecord
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record, Sha256
from spikebench.records.whole_files import write_text
from spikebench.timing.answers import Answers, Tested

__all__ = [
    "ALL",
    "Area",
    "AreaDifference",
    "NoiseReport",
    "NoiseRow",
    "NoiseSeed",
    "Place",
    "StudyModel",
    "Trained",
    "areas_of",
    "file_name",
    "row_of",
    "write_report",
]

Difference = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
Place = Literal["sound", "spikes"]
ALL = "all"  # of the kinds of noise
# JSON has no infinity: the strength of an infinite ratio is null.
Strength = Annotated[float, Field(allow_inf_nan=False)] | None
_COLUMNS = (
    *("model", "trained_on", "place", "condition", "kind", "strength", "accuracy", "std"),
    *("low", "high", "change", "change_low", "change_high", "seeds", "input_spikes"),
)


class NoiseSeed(Record):
    """One run; ``failed`` gives the reason if it has no answers.

    ``run`` is its folder, relative to that of the study if it is in it.
    """

    model: Name
    trained_on: TrainedOn
    seed: Count
    run: str
    test_opened: Count = 0
    failed: str = ""


class NoiseRow(Record):
    """A model under a condition, over its seeds.

    ``place`` is ``sound`` if recordings were degraded before the conversion, ``spikes`` if spikes were damaged after
    it. ``std`` is the sample standard deviation over seeds, null for one. Intervals are 95 %, null without spread;
    ``change`` is null for the recordings as they are. ``input_spikes`` is the mean number of spikes per sample.
    """

    model: Name
    trained_on: TrainedOn
    place: Place
    condition: Name
    kind: Name
    strength: Strength
    accuracy: Fraction
    std: NonNegative | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    change: Difference | None = None
    change_low: Difference | None = None
    change_high: Difference | None = None
    seeds: Count
    input_spikes: NonNegative


class Area(Record):
    """The area under the curve of a model over the ratios of a kind of noise, or of all kinds, with its interval."""

    model: Name
    trained_on: TrainedOn
    place: Place
    kind: Name
    area: Fraction
    low: Fraction | None = None
    high: Fraction | None = None


class AreaDifference(Record):
    """The difference of two areas over the same kinds of noise, with its interval.

    ``what`` is ``spikes - sound``, both trained on clean recordings, or ``trained with noise - clean``, both tested on
    degraded sound.
    """

    model: Name
    what: Literal["spikes - sound", "trained with noise - clean"]
    kinds: list[Name]
    difference: Difference
    low: Difference | None = None
    high: Difference | None = None


class StudyModel(Record):
    """A model of a study, by its name in the rows, with its settings and seeds."""

    name: Name
    model: Name
    preset: Preset
    seeds: list[Count]


class NoiseReport(Record):
    """Contents of ``noise.json``.

    ``encoder`` is null if all models work on audio; ``noise_sha256`` names the recordings of the user, null without
    any; ``chance`` is the chance level of the tested samples.
    """

    format_version: Literal[1] = 1
    software: Name
    dataset: DatasetRecord
    encoder: Name | None
    tested: Tested
    samples: Count
    chance: Fraction | None
    interval: str
    noise_seed: Count
    noise_sha256: Sha256 | None
    test_opened: Count
    models: list[StudyModel]
    conditions: list[Name]
    seeds: list[NoiseSeed]
    rows: list[NoiseRow]
    areas: list[Area]
    differences: list[AreaDifference]

    @property
    def failed(self) -> list[NoiseSeed]:
        """Runs that failed."""
        return [seed for seed in self.seeds if seed.failed]

    def area(self, model: str, trained_on: str, place: str, kind: str = ALL) -> Area | None:
        """Return an area; None if there is none."""
        wanted = (model, trained_on, place, kind)
        return next(
            (
                one
                for one in self.areas
                if (one.model, one.trained_on, one.place, one.kind) == wanted
            ),
            None,
        )


class Trained:
    """The answers of a model that was trained in one way.

    Parameters
    ----------
    model, trained_on
        The model.
    answers
        Those of every run that did not fail, at least one.
    """

    def __init__(self, model: str, trained_on: TrainedOn, answers: Sequence[Answers]) -> None:
        self.model, self.trained_on, self.answers = model, trained_on, list(answers)
        self.speaker = np.array(answers[0].speaker, dtype=np.int64)

    def has(self, condition: Condition, place: Place) -> bool:
        """Return whether the runs were tested under a condition."""
        return all(_name(condition, place) in one.conditions for one in self.answers)

    def right(self, condition: Condition, place: Place) -> NDArray[np.bool_]:
        """Return which predictions are correct, bool, shape (seeds, samples)."""
        return np.stack([one.right(_name(condition, place)) for one in self.answers])

    def scores(self, kinds: dict[str, list[Condition]], place: Place) -> NDArray[np.float64]:
        """Return the scores whose mean is the area, float64, shape (seeds, samples)."""
        right = {one: self.right(one, place) for those in kinds.values() for one in those}
        return area_scores(kinds, right)


def _name(condition: Condition, place: Place) -> str:
    return str(condition) if place == "sound" else on_spikes(condition)


def row_of(trained: Trained, condition: Condition, place: Place) -> tuple[NoiseRow, str]:
    """Compute the row of a model under a condition.

    Parameters
    ----------
    trained
        The model; it was tested under the condition.
    condition, place
        The condition.

    Returns
    -------
    row : NoiseRow
        The row.
    method : str
        Unit of resampling of the interval.
    """
    right = [trained.right(condition, place)]
    if condition != CLEAN:
        right.append(trained.right(CLEAN, "sound"))
    compared = compare_predictions(right, trained.speaker)
    accuracy, change = compared.accuracies[0], next(iter(compared.differences), None)
    answered = [one.conditions[_name(condition, place)] for one in trained.answers]
    found = NoiseRow(
        model=trained.model,
        trained_on=trained.trained_on,
        place=place,
        condition=str(condition),
        kind=condition.kind,
        strength=condition.strength if np.isfinite(condition.strength) else None,
        accuracy=accuracy.value,
        std=float(right[0].mean(axis=1).std(ddof=1)) if len(answered) > 1 else None,
        low=accuracy.low,
        high=accuracy.high,
        change=None if change is None else change.value,
        change_low=None if change is None else change.low,
        change_high=None if change is None else change.high,
        seeds=len(answered),
        input_spikes=float(np.mean([one.input_spikes for one in answered])),
    )
    return found, compared.method


def areas_of(
    trained: Sequence[Trained], conditions: Sequence[Condition]
) -> tuple[list[Area], list[AreaDifference]]:
    """Compute the areas of all models, and what sound and spikes, and training with noise make of them.

    Parameters
    ----------
    trained
        The models, those of one model one after the other.
    conditions
        Conditions of the study.

    Returns
    -------
    areas : list of Area
        Of every kind of noise, and of all of them if there are several.
    differences : list of AreaDifference
        Over the kinds of noise that both have.
    """
    areas, differences = [], []
    kinds = kinds_with_area(conditions)
    for one in trained:
        for place in ("sound", "spikes"):
            areas += _areas(one, _tested(one, kinds, place), place)
        both = _tested(one, kinds, "spikes")
        if both and one.trained_on == "clean":
            found = compare_scores(
                [one.scores(both, "spikes"), one.scores(both, "sound")], one.speaker
            )
            differences.append(_difference(one.model, "spikes - sound", both, found.differences[0]))
    for first, second in pairwise(trained):
        if kinds and (first.model, first.trained_on) == (second.model, "clean"):
            scores = [second.scores(kinds, "sound"), first.scores(kinds, "sound")]
            found = compare_scores(scores, first.speaker)
            differences.append(
                _difference(first.model, "trained with noise - clean", kinds, found.differences[0])
            )
    return areas, differences


def _tested(
    one: Trained, kinds: dict[str, list[Condition]], place: Place
) -> dict[str, list[Condition]]:
    return {
        kind: those
        for kind, those in kinds.items()
        if all(one.has(condition, place) for condition in those)
    }


def _areas(one: Trained, kinds: dict[str, list[Condition]], place: Place) -> list[Area]:
    parts = {kind: {kind: those} for kind, those in kinds.items()}
    if len(kinds) > 1:
        parts[ALL] = kinds
    found = []
    for name, part in parts.items():
        estimate = compare_scores([one.scores(part, place)], one.speaker).accuracies[0]
        found.append(
            Area(
                model=one.model,
                trained_on=one.trained_on,
                place=place,
                kind=name,
                area=min(max(estimate.value, 0.0), 1.0),
                low=estimate.low,
                high=estimate.high,
            )
        )
    return found


def _difference(
    model: str,
    what: Literal["spikes - sound", "trained with noise - clean"],
    kinds: dict[str, list[Condition]],
    estimate: Estimate,
) -> AreaDifference:
    return AreaDifference(
        model=model,
        what=what,
        kinds=list(kinds),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
    )


def file_name(tested: Tested, suffix: str) -> str:
    """Name a file of the report.

    Parameters
    ----------
    tested
        The samples that were tested.
    suffix
        For example ``.json``.

    Returns
    -------
    str
        ``noise.json``, or ``noise-test.json``.
    """
    return f"noise{'-test' if tested == 'test' else ''}{suffix}"


def write_report(folder: Path, report: NoiseReport) -> None:
    """Write the report as JSON and CSV, each whole or not at all.

    Parameters
    ----------
    folder
        Folder of the study.
    report
        The report to write.
    """
    write_text(folder / file_name(report.tested, ".json"), report.model_dump_json(indent=2) + "\n")
    rows = ([getattr(one, column) for column in _COLUMNS] for one in report.rows)
    table = csv_text([_COLUMNS, *rows], floats=".6g")
    write_text(folder / file_name(report.tested, ".csv"), table)
