"""Repeating the study of a result: its settings become settings of a new study with its row alone.

Before anything is trained, the new study must have all settings of the result, so that a result that does not state its
training in full is refused. Nothing in the result is trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from spikebench import __version__
from spikebench.errors import ResultError
from spikebench.evaluation.reproduction import check_size
from spikebench.presets.preset import Preset
from spikebench.protocol.opening import SelectionData
from spikebench.protocol.results import Predictions, Result
from spikebench.sweeps.study_results import training_record
from spikebench.sweeps.study_settings import StudyTables
from spikebench.sweeps.test_answers import TestAnswers
from spikebench.training.run_record import RunRecord

__all__ = ["answers_of", "check_again", "settings_of"]

# What a study of one row has of several rows, or names otherwise.
_LEFT_OUT = {"models", "tasks", "methods", "densities", "strengths", "method", "density"}


def settings_of(result: Result, package: str) -> list[str]:
    """Write the settings of a result as those of a study.

    Parameters
    ----------
    result
        Untrusted result.
    package
        Name of the package of the study, and of its table.

    Returns
    -------
    list of str
        Settings like ``training.epochs=10``.

    Raises
    ------
    ResultError
        If its training has no tables, or its seeds are not those of a study.
    """
    seeds = len(result.seeds)
    if [one.seed for one in result.seeds] != list(range(seeds)):
        raise ResultError(f"the seeds of the result are not 0 … {seeds - 1}, as in a study")
    tables = dict(result.training)
    own = tables.pop("study", {})
    if not isinstance(own, dict) or not all(isinstance(one, dict) for one in tables.values()):
        raise ResultError("training of the result has no tables of settings")
    mine = {key: value for key, value in own.items() if key not in _LEFT_OUT}
    said = _flat({**tables, "model": result.model.config, package: mine})
    return [f"{name}={json.dumps(value)}" for name, value in said.items() if value is not None]


def check_again(
    result: Result,
    selection: SelectionData,
    preset: Preset,
    study: StudyTables,
    package: str,
    *,
    large: bool = False,
) -> None:
    """Refuse a result of which a study would repeat other settings, or a larger model; nothing is allocated.

    Parameters
    ----------
    result, package
        As for :func:`settings_of`.
    selection
        Its data.
    preset, study
        Settings of the model and of the study, with those of the result.
    large
        If true, do not limit the size.

    Raises
    ------
    ResultError
        With the first setting that differs, or the size.
    """
    record = RunRecord(
        software=f"spikebench {__version__}",
        model=result.model.name,
        preset=preset,
        data=selection.data,
        dataset=selection.dataset,
        input_rate=0.0,
        seed=0,
    )
    check_size(record, result.model, len(selection.train), large=large)
    own = study.model_dump(mode="json")[package]
    mine, its = _flat(training_record(preset, own)), _flat(result.training)
    left_out = {f"study.{name}" for name in _LEFT_OUT}
    for name in sorted(mine.keys() | its.keys()):
        if ".".join(name.split(".")[:2]) in left_out or mine.get(name) == its.get(name):
            continue
        raise ResultError(
            f"training.{name[:80]} of the result is {str(its.get(name))[:40]}, but would be {str(mine.get(name))[:40]} "
            "if it were trained again; this version cannot repeat it"
        )


def answers_of(answers: Sequence[TestAnswers | None]) -> list[Predictions]:
    """Return the predictions of all repeated runs.

    Parameters
    ----------
    answers
        Those of every seed; None for a run that failed.

    Returns
    -------
    list of Predictions
        After the last training, one per seed.

    Raises
    ------
    ResultError
        If a run failed.
    """
    found = [one.predictions for one in answers if one]
    if len(found) < len(answers):
        raise ResultError(
            f"{len(answers) - len(found)} of {len(answers)} trainings failed; keep them with -o to see why"
        )
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
