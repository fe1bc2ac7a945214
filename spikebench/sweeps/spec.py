"""The specification of a sweep: a TOML file of models, data, seeds, fixed settings and a grid.

::

    model = "lif"                            # or a list of models
    learning = "rtrl"                        # a learning rule instead of the model's own
    data = "digits"                          # a data set, or the path of a spike file
    audio = "recordings"                     # folder of its recordings, for the models mel_…
    preset = "mine.toml"                     # instead of the model's own
    seeds = 3                                # 0, 1, 2; or a list
    refit = true                             # refit every run with validation speakers, like --refit
    [settings]                               # the same for all, like --set
    "training.epochs" = 10
    [grid]                                   # every combination
    "model.hidden_units" = [[64], [128]]
    "training.learning_rate" = [1e-3, 5e-3]

``[grid.training]`` with ``learning_rate = …`` below it is equivalent. Paths are relative to the folder of the file.

A configuration is one model with one combination of settings. It is named like its folder: the model, then the values
of the grid, made of letters, digits and ``_.+-=,`` only. If this name is not unambiguous (text with other
characters, more than 100 of them, two equal names), it ends in ``~`` and a hash of the exact values.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from spikebench.datasets import DATASETS, load_spec
from spikebench.errors import SpikebenchError, TrainingError, UnknownNameError
from spikebench.learning.rule import rule_class
from spikebench.models.base import model_class
from spikebench.presets.preset import Preset, read_preset
from spikebench.records.problems import invalid, record_of

__all__ = [
    "MAX_RUNS",
    "Configuration",
    "SweepSpec",
    "list_configurations",
    "make_spec",
    "read_spec",
]

MAX_RUNS = 10_000
MAX_SEEDS = 1000
MAX_NAME = 100
_MAX_BYTES = 1024 * 1024
_HIGHEST_SEED = 2**32


def _problem(text: str) -> PydanticCustomError:
    return PydanticCustomError("sweep", "{text}", {"text": text})


class SweepSpec(BaseModel):
    """Contents of the file; ``settings`` and ``grid`` use the full name of each setting."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: Annotated[tuple[str, ...], Field(min_length=1)]
    # Omitted from reports if it is that of the model.
    learning: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, exclude_if=lambda learning: learning is None
    )
    data: Annotated[str, Field(min_length=1)] = "digits"
    # Omitted from reports if there is none, to keep the older format.
    audio: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, exclude_if=lambda audio: audio is None
    )
    preset: Annotated[str, Field(min_length=1)] | None = None
    seeds: tuple[int, ...] = (0,)
    refit: bool = False
    settings: dict[str, Any] = {}
    grid: dict[str, tuple[Any, ...]] = {}

    @field_validator("model", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _problem("must be the name of a model, or a list of model names")
        _require_distinct(names)
        return tuple(names)

    @field_validator("data", "audio", "preset")
    @classmethod
    def _path(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():
            raise _problem("contains characters that cannot be printed")
        return value

    @field_validator("seeds", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            if not 1 <= value <= MAX_SEEDS:
                raise _problem(f"must be 1 … {MAX_SEEDS} seeds, got {_shown(value)}")
            return tuple(range(value))
        if not isinstance(value, list) or any(type(seed) is not int for seed in value):
            raise _problem("must be a number of seeds, or a list of whole numbers")
        if not 1 <= len(value) <= MAX_SEEDS:
            raise _problem(f"must be 1 … {MAX_SEEDS} seeds, got {len(value)}")
        for seed in value:
            if not 0 <= seed <= _HIGHEST_SEED:
                raise _problem(f"{_shown(seed)} is outside 0 … {_HIGHEST_SEED}")
        _require_distinct(value)
        return tuple(value)

    @field_validator("settings", mode="before")
    @classmethod
    def _fixed(cls, value: object) -> object:
        return {key: _checked(key, one) for key, one in _flat(value)}

    @field_validator("grid", mode="before")
    @classmethod
    def _combined(cls, value: object) -> object:
        grid: dict[str, tuple[Any, ...]] = {}
        for key, values in _flat(value):
            if not isinstance(values, list) or not values:
                raise _problem(f"{key}: must be a list of at least one value")
            grid[key] = tuple(_checked(key, one) for one in values)
            _require_distinct([_toml(one) for one in values], f"{key}: ")
        return grid

    @model_validator(mode="after")
    def _once(self) -> Self:
        if both := [key for key in self.grid if key in self.settings]:
            raise _problem(f"{both[0]}: is given in settings and in grid; remove one")
        if (runs := self.n_configurations * len(self.seeds)) > MAX_RUNS:
            raise _problem(f"{runs:,} runs, more than the maximum of {MAX_RUNS:,} per sweep")
        return self

    @property
    def n_configurations(self) -> int:
        """Number of configurations: models times combinations of settings."""
        return len(self.model) * math.prod(len(values) for values in self.grid.values())


def _flat(tables: object) -> Iterator[tuple[str, object]]:
    """Yield the settings of a table by their full names, including those of nested tables."""
    if not isinstance(tables, dict):
        raise _problem("must be a table")
    seen = set()
    for name, value in tables.items():
        inner = value if isinstance(value, dict) else None
        for key, one in [(name, value)] if inner is None else inner.items():
            full = key if inner is None else f"{name}.{key}"
            if full in seen:
                raise _problem(f"{full}: is given twice")
            seen.add(full)
            yield full, one


def _checked(key: str, value: object) -> object:
    """Accept a number, a text, a truth value, or a list of them."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and not one.isprintable():
            raise _problem(f"{key}: contains characters that cannot be printed")
        if isinstance(one, float) and not math.isfinite(one):
            raise _problem(f"{key}: {one} is not a finite number")
        if isinstance(one, int) and abs(one) >= 2**63:
            raise _problem(f"{key}: a number has more than 64 bits")
        if not isinstance(one, str | float | int):
            raise _problem(f"{key}: must be a number, a text, true or false, or a list of them")
    return value


def _require_distinct(values: Sequence[object], place: str = "") -> None:
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        raise _problem(f"{place}{twice[0]} is given twice")


def _shown(number: int) -> str:
    return str(number) if abs(number) < 2**63 else "a number of more than 64 bits"


@dataclass(frozen=True)
class Configuration:
    """A model with one combination of the grid, to be trained with every seed.

    Attributes
    ----------
    name
        Name of its folder.
    model
        Name of the model.
    values
        Values of the grid, by the full name of each setting.
    preset
        All settings.
    """

    name: str
    model: str
    values: dict[str, Any]
    preset: Preset


def read_spec(path: Path) -> SweepSpec:
    """Read the specification of a sweep.

    Parameters
    ----------
    path
        The TOML file.

    Returns
    -------
    SweepSpec
        Checked except for the ranges of settings; its paths are absolute.

    Raises
    ------
    TrainingError
        If the file cannot be read, a key is unknown or a value does not fit.
    """
    try:
        if not path.is_file():
            raise TrainingError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
        if path.stat().st_size > _MAX_BYTES:
            raise TrainingError(f"{path}: larger than {_MAX_BYTES} bytes")
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path}: not readable as TOML: {error}") from None
    spec = make_spec(tables, str(path))
    try:
        return _located(spec, path.absolute().parent)
    except SpikebenchError as error:
        raise TrainingError(f"{path}: {error}") from None


def make_spec(tables: dict[str, Any], source: str) -> SweepSpec:
    """Make the specification of a sweep.

    Parameters
    ----------
    tables
        Contents of a file.
    source
        Where they are from, for messages.

    Returns
    -------
    SweepSpec
        Checked except for the ranges of settings.

    Raises
    ------
    TrainingError
        If a key is unknown or a value does not fit.
    """
    try:
        for key in tables:
            if key not in SweepSpec.model_fields:
                raise UnknownNameError("key", key, SweepSpec.model_fields)
        spec = SweepSpec.model_validate(tables)
        for model in spec.model:
            known = _known_settings(model, spec.learning)
            for key in (*spec.settings, *spec.grid):
                if key not in known:
                    raise UnknownNameError(f"setting of {model}", key, known)
        return spec
    except ValidationError as error:
        raise invalid(TrainingError, source, error, SweepSpec) from None
    except SpikebenchError as error:
        raise TrainingError(f"{source}: {error}") from None


def _known_settings(model: str, learning: str | None) -> list[str]:
    tables = {name: record_of(field.annotation) for name, field in Preset.model_fields.items()}
    tables["model"] = model_class(model).Config
    tables["learning"] = rule_class(learning).Config if learning else None
    return [
        f"{table}.{key}"
        for table, kind in tables.items()
        if kind is not None
        for key in kind.model_fields
    ]


def _located(spec: SweepSpec, folder: Path) -> SweepSpec:
    """Make its paths absolute, since workers may have other working directories."""
    data, audio, preset = spec.data, spec.audio, spec.preset
    if data not in DATASETS:
        path = os.path.normpath(folder / data)
        if not os.path.lexists(path) and os.path.basename(data) == data and not Path(data).suffix:
            load_spec(data)  # neither a path nor a file: raises with the available names
        data = path
    if audio is not None:
        audio = os.path.normpath(folder / audio)
    if preset is not None:
        preset = os.path.normpath(folder / preset)
    return spec.model_copy(update={"data": data, "audio": audio, "preset": preset})


def list_configurations(spec: SweepSpec) -> list[Configuration]:
    """List the configurations of a sweep, in the order of the file.

    Parameters
    ----------
    spec
        From :func:`read_spec`.

    Returns
    -------
    list of Configuration
        Their names are unique, also on file systems that ignore case.

    Raises
    ------
    TrainingError
        If a setting is out of range, the preset cannot be read, or two configurations are the same.
    """
    fixed = [f"{key}={_toml(value)}" for key, value in spec.settings.items()]
    combinations = [
        (model, dict(zip(spec.grid, values, strict=True)))
        for model in spec.model
        for values in itertools.product(*spec.grid.values())
    ]
    found: dict[str, Configuration] = {}
    for name, (model, values) in zip(_names(combinations), combinations, strict=True):
        overrides = [*fixed, *(f"{key}={_toml(value)}" for key, value in values.items())]
        file = Path(spec.preset) if spec.preset is not None else None
        try:
            preset = read_preset(model, file, overrides, spec.data, spec.learning or "")
        except TrainingError as error:
            raise TrainingError(f"configuration {name}: {error}") from None
        key = f"{model} {preset.model_dump_json()}"  # 1 and 1.0 may be equal settings
        if key in found:
            raise TrainingError(f"configurations {found[key].name} and {name} are the same")
        found[key] = Configuration(name, model, values, preset)
    return list(found.values())


def _toml(value: object) -> str:
    """Write a value as TOML."""
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    # For printable text, JSON uses no escapes that TOML does not have.
    return (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, str | bool | int)
        else repr(value)
    )


def _names(combinations: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    plain = [_plain_name(model, values) for model, values in combinations]
    count = Counter(name.casefold() for name, _ in plain)
    return [
        name
        if is_all and count[name.casefold()] == 1
        else f"{name[: MAX_NAME - 13]}~{_digest(*combination)}"
        for (name, is_all), combination in zip(plain, combinations, strict=True)
    ]


def _plain_name(model: str, values: dict[str, Any]) -> tuple[str, bool]:
    """Make a readable name, and return whether it is unambiguous."""
    last = Counter(key.rpartition(".")[2] for key in values)
    parts, is_all = [model], True
    for key, value in values.items():
        short = key.rpartition(".")[2]
        text = "-".join(_word(one) for one in (value if isinstance(value, list) else [value]))
        safe = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text)
        is_all = is_all and safe == text != ""
        parts.append(f"{short if last[short] == 1 else key}={safe}")
    name = ",".join(parts)
    return name, is_all and len(name) <= MAX_NAME


def _word(value: object) -> str:
    return value if isinstance(value, str) else _toml(value)


def _digest(model: str, values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([model, values]).encode()).hexdigest()[:12]
