"""Settings of a study, TOML with strict keys, and the presets of the data sets.

A preset has three tables: ``[pruning]`` with the settings of this file (``[pruning.ntt]``: those of
:class:`spikebench.learning.tangent_transfer.TransferSettings`), ``[preset.TABLE]`` with changes of the preset of every
model, and ``[models.NAME.TABLE]`` with further changes of one model.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.continual.permuted import NAME
from spikebench.errors import TrainingError
from spikebench.learning.tangent_transfer import TransferSettings
from spikebench.models import check_model_name
from spikebench.presets.preset import OWN_PRESETS, Preset, read_preset
from spikebench.records.problems import first_problem

__all__ = ["PruningSettings", "StudySettings", "model_preset", "read_settings"]

_TABLE = "pruning"


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PruningSettings(_Settings):
    """What is compared."""

    models: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    densities: tuple[float, ...] = Field(min_length=1)  # parts of the weights that are kept
    snip_samples: int = Field(default=128, ge=1, le=1_000_000)
    synflow_rounds: int = Field(default=100, ge=1, le=100_000)
    ntt: TransferSettings = TransferSettings()


class StudySettings(_Settings):
    """Contents of a preset of this package."""

    pruning: PruningSettings
    preset: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, dict[str, Any]]] = {}


def read_settings(data: str, overrides: Sequence[str] = ()) -> StudySettings:
    """Read the preset of a data set.

    Parameters
    ----------
    data
        Name of a data set, path of a spike file, or ``permuted-digits``.
    overrides
        Settings like ``pruning.ntt.steps=100``; those of other tables are left to :func:`model_preset`.

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
    folder = resources.files("spikebench") / "pruning" / "presets"
    if not (folder / f"{name}.toml").is_file():
        name = "digits"
    tables = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    for override in overrides:
        path, equals, text = override.partition("=")
        first, *keys = path.strip().split(".")
        if first != _TABLE:
            continue
        if not (equals and keys and all(keys)):
            raise TrainingError(f"setting {override!r}: must have the form table.key=value")
        place = tables[_TABLE]
        for key in keys[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise TrainingError(f"setting {override!r}: {key} is not a table")
        place[keys[-1]] = _value(text)
    try:
        return StudySettings.model_validate(tables)
    except ValidationError as error:
        raise TrainingError(
            f"preset pruning/{name}: {first_problem(error, StudySettings)}"
        ) from None


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
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
        Settings like ``training.epochs=10``; those of ``pruning`` are left out.

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
