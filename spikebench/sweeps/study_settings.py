"""Settings of a study that compares methods: TOML with strict keys, one preset per kind of data.

A preset of a package has a table with its name for the settings of the study, ``[preset.TABLE]`` with changes of the
preset of every model, and ``[models.NAME.TABLE]`` with further changes of one model.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from spikebench.errors import TrainingError
from spikebench.models import check_model_name
from spikebench.presets.preset import OWN_PRESETS, Preset, read_preset
from spikebench.records.problems import invalid

__all__ = [
    "StrictSettings",
    "StudyTables",
    "named",
    "read_model_preset",
    "read_tables",
    "refuse_unused",
]

# Settings that need a selection during training, or change the weights outside of the steps.
_UNUSED = ("patience_epochs", "weight_average", "weight_bits", "refit_epochs")


class StrictSettings(BaseModel):
    """Base of all settings of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StudyTables(StrictSettings):
    """Contents of a preset beside the table of the package."""

    preset: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, dict[str, Any]]] = {}


TablesT = TypeVar("TablesT", bound=StudyTables)


def read_tables(package: str, data: str, overrides: Sequence[str], kind: type[TablesT]) -> TablesT:
    """Read the preset of a data set.

    Parameters
    ----------
    package
        Name of the package, of its table, and of its folder of presets.
    data
        Name of a data set, or path of a spike file, which has the preset of ``digits``.
    overrides
        Settings like ``pruning.ntt.steps=100``; those of other tables are left to :func:`read_model_preset`.
    kind
        Type of the settings.

    Returns
    -------
    StudyTables
        The checked settings.

    Raises
    ------
    TrainingError
        If a setting is unknown or out of range.
    """
    folder = resources.files("spikebench") / package / "presets"
    files = {one.name: one for one in folder.iterdir()}
    names = (data, OWN_PRESETS.get(data, ""), "digits")
    name = next(name for name in names if f"{name}.toml" in files)
    tables = tomllib.loads(files[f"{name}.toml"].read_text(encoding="utf-8"))
    for override in overrides:
        path, equals, text = override.partition("=")
        first, *keys = path.strip().split(".")
        if first != package:
            continue
        if not (equals and keys and all(keys)):
            raise TrainingError(f"setting {override!r}: must have the form table.key=value")
        place = tables[package]
        for key in keys[:-1]:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise TrainingError(f"setting {override!r}: {key} is not a table")
        place[keys[-1]] = _value(text)
    try:
        return kind.model_validate(tables)
    except ValidationError as error:
        raise invalid(TrainingError, f"preset {package}/{name}", error, kind) from None


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text.strip()


def read_model_preset(
    package: str, model: str, data: str, settings: StudyTables, overrides: Sequence[str] = ()
) -> Preset:
    """Read the preset of a model with the changes of a study.

    Parameters
    ----------
    package
        Name of the package.
    model, data
        Names of the model and of the data.
    settings
        From :func:`read_tables`.
    overrides
        Settings like ``training.epochs=10``; those of the package are left out.

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
    given = [one for one in overrides if one.partition(".")[0].strip() != package]
    return read_preset(model, None, [*own, *given], data)


def refuse_unused(model: str, preset: Preset, spiking: bool, where: str = "here") -> None:
    """Refuse settings of a model that a study, which trains all epochs by back-propagation, would ignore.

    Parameters
    ----------
    model, preset
        The model and its settings.
    spiking
        Whether it is spiking, and therefore trained in float32 only.
    where
        Where they cannot be used, in words.

    Raises
    ------
    TrainingError
        One line with the remedy.
    """
    settings = preset.training
    for name in _UNUSED:
        if getattr(settings, name):
            raise TrainingError(
                f"model {model}: training.{name} cannot be used {where}; add --set training.{name}=0"
            )
    if settings.schedule == "plateau":
        raise TrainingError(
            f"model {model}: the schedule plateau needs validation; add --set training.schedule=constant"
        )
    if preset.learning.get("rule", "bptt") != "bptt" or len(preset.learning) > 1:
        raise TrainingError(
            f"model {model}: is trained by back-propagation {where}; remove learning.…, or train it by: "
            f"spikebench train --model {model} --learning RULE"
        )
    if spiking and settings.precision != "float32":
        raise TrainingError(
            f"model {model} is trained in float32 only; add --set training.precision=float32"
        )


def named(given: Sequence[str], otherwise: Sequence[str], option: str) -> list[str]:
    """Split what an option names, each may be several separated by commas.

    Parameters
    ----------
    given
        Values of the option.
    otherwise
        Names if it is not given.
    option
        The option, for the message.

    Returns
    -------
    list of str
        Each once, in order.

    Raises
    ------
    TrainingError
        If the option is given and names nothing.
    """
    words = [word.strip() for one in given or otherwise for word in one.split(",") if word.strip()]
    if not words:
        raise TrainingError(
            f"{option} names nothing; leave it out, or give names such as {otherwise[0]}"
        )
    return list(dict.fromkeys(words))
