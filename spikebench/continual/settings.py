"""Settings of a study, TOML with strict keys, and the presets of the data sets.

A preset has three tables: ``[continual]`` with the settings of this file, ``[preset.TABLE]`` with changes of the
preset of every model, and ``[models.NAME.TABLE]`` with further changes of one model. ``training.epochs`` is the
number of epochs of each task.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.continual.permuted import NAME
from spikebench.errors import TrainingError
from spikebench.models import check_model_name
from spikebench.presets.preset import OWN_PRESETS, Preset, read_preset
from spikebench.records.problems import invalid

__all__ = ["ContinualSettings", "StudySettings", "model_preset", "read_settings"]

_TABLE = "continual"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Strengths(_Settings):
    """Strengths of methods that are named without one."""

    si: float = Field(default=0.1, ge=0)
    ewc: float = Field(default=100.0, ge=0)
    replay: float = Field(default=2.0, ge=1)


class ContinualSettings(_Settings):
    """What is compared, and how tasks follow each other."""

    models: tuple[str, ...] = Field(min_length=1)
    tasks: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    strengths: Strengths = Strengths()
    damping: float = Field(default=1e-3, gt=0)  # ξ of si
    fisher_samples: int = Field(default=200, ge=1)  # of ewc, per task
    # Whether the moments of the optimiser are set to 0 at the start of a task.
    optimizer_state: Literal["reset", "kept"] = "reset"
    train_fraction: float = Field(default=1.0, gt=0, le=1)  # of the training samples of a task


class StudySettings(_Settings):
    """Contents of a preset of this package."""

    continual: ContinualSettings
    preset: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, dict[str, Any]]] = {}


def read_settings(data: str, overrides: Sequence[str] = ()) -> StudySettings:
    """Read the preset of a data set.

    Parameters
    ----------
    data
        Name of a data set, path of a spike file, or ``permuted-digits``.
    overrides
        Settings like ``continual.damping=0.1``; those of other tables are left to :func:`model_preset`.

    Returns
    -------
    StudySettings
        The checked settings.

    Raises
    ------
    TrainingError
        If a setting is unknown or out of range.
    """
    name = NAME if data == NAME else OWN_PRESETS.get(data, "digits")
    folder = resources.files("spikebench") / "continual" / "presets"
    if not (folder / f"{name}.toml").is_file():
        name = "digits"
    tables = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    for override in overrides:
        path, equals, text = override.partition("=")
        table, _, key = path.strip().partition(".")
        if table != _TABLE:
            continue
        if not (equals and key):
            raise TrainingError(f"setting {override!r}: must have the form table.key=value")
        inner, *keys = reversed(key.split("."))
        place = tables[_TABLE]
        for one in reversed(keys):
            place = place.setdefault(one, {})
            if not isinstance(place, dict):
                raise TrainingError(f"setting {override!r}: {one} is not a table")
        place[inner] = _value(text)
    try:
        return StudySettings.model_validate(tables)
    except ValidationError as error:
        raise invalid(TrainingError, f"preset continual/{name}", error, StudySettings) from None


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def model_preset(
    model: str, data: str, settings: StudySettings, overrides: Sequence[str] = ()
) -> Preset:
    """Read the preset of a model with the changes of a study.

    Parameters
    ----------
    model, data
        Names of the model and of the data.
    settings
        From :func:`read_settings`.
    overrides
        Settings like ``training.epochs=10``; those of ``continual`` are left out.

    Returns
    -------
    Preset
        The preset of the model, changed by the study's ``[preset]``, then ``[models.NAME]``, then the overrides.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    TrainingError
        If a setting is unknown or out of range.
    """
    check_model_name(model)
    own = [
        f"{table}.{key}={json.dumps(value)}"
        for tables in (settings.preset, settings.models.get(model, {}))
        for table, keys in tables.items()
        for key, value in keys.items()
    ]
    given = [one for one in overrides if one.partition(".")[0].strip() != _TABLE]
    return read_preset(model, None, [*own, *given], data)
