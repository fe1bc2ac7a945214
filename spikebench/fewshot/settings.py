"""The settings of a study: input, tasks, inner steps, meta-training, evaluation, and the networks.

``presets/common.toml`` holds the defaults, ``presets/shd.toml`` those for SHD and its recordings. Single
``table.key=value`` overrides are checked in the same way. A table with the name of a model holds its step size and what
differs from the model's own preset.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.errors import TrainingError
from spikebench.models import MODELS
from spikebench.presets.preset import OWN_PRESETS, InputSettings
from spikebench.records.problems import invalid

_MAX_DEPTH = 4


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FewShotInput(InputSettings):
    """Bins of a word; ``most_takes`` limits the samples of a class and speaker that are used, 0: all."""

    mode: Literal["counts", "binary"]
    most_takes: int = Field(default=0, ge=0, le=1_000_000)


class TaskSettings(_Table):
    """Tasks of one kind: N classes (0: all), k shots and at most as many queries per class.

    ``duration_ms`` is the length of a clip of pairs, ``words`` the number of classes of which pairs are made,
    ``step_factor`` a factor of the size of inner steps in tasks of this kind.
    """

    ways: int = Field(default=5, ge=0, le=10_000)
    shots: int = Field(default=1, ge=1, le=1000)
    queries: int = Field(default=10, ge=1, le=10_000)
    words: int = Field(default=10, ge=2, le=100)
    duration_ms: float = Field(default=0.0, ge=0, le=60_000)  # 0: that of the input
    step_factor: float = Field(default=1.0, gt=0, le=1e6)


class InnerSettings(_Table):
    """Inner steps in meta-training; their size, unless the table of a model has another."""

    steps: int = Field(default=1, ge=1, le=100)
    step_size: float = Field(default=1.0, gt=0, le=1e6)


class MetaSettings(_Table):
    """Meta-training: meta-batches, tasks in each, Adam, and how often it is validated."""

    iterations: int = Field(default=200, ge=1, le=10_000_000)
    tasks: int = Field(default=4, ge=1, le=10_000)
    learning_rate: float = Field(default=2e-3, gt=0, le=1e6)
    gradient_norm: float = Field(default=0.0, ge=0)  # clip above this norm; 0: no clipping
    validate_every: int = Field(default=50, ge=1)
    validation_tasks: int = Field(default=30, ge=1)
    kernels: Literal["reference", "events"] = "reference"  # of second order; others use events


class PretrainSettings(_Table):
    """Training of the baseline ``finetune`` on the classes of the meta-training tasks."""

    iterations: int = Field(default=400, ge=1, le=10_000_000)
    batch_size: int = Field(default=32, ge=1, le=1_000_000)
    learning_rate: float = Field(default=2e-3, gt=0, le=1e6)


class EvaluationSettings(_Table):
    """Adaptation to new tasks: their number per seed, inner steps.

    ``finetune_step_sizes`` are those among which the baseline chooses by its accuracy in the validation tasks.
    """

    tasks: int = Field(default=200, ge=2, le=1_000_000)
    steps: int = Field(default=5, ge=1, le=1000)
    finetune_step_sizes: tuple[float, ...] = Field(default=(0.03, 0.1, 0.3, 1.0), min_length=1)


class NetworkSettings(_Table):
    """Of a model: its step size (0: that of ``inner``), and its configuration."""

    step_size: float = Field(default=0.0, ge=0, le=1e6)
    config: dict[str, Any] = {}


class FewShotSettings(_Table):
    """All settings."""

    input: FewShotInput
    speaker: TaskSettings
    words: TaskSettings
    pairs: TaskSettings
    inner: InnerSettings = InnerSettings()
    meta: MetaSettings = MetaSettings()
    pretrain: PretrainSettings = PretrainSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    models: dict[str, NetworkSettings] = {}

    def network(self, model: str) -> NetworkSettings:
        """Return the table of a model; an empty one if there is none."""
        return self.models.get(model, NetworkSettings())

    def step_size(self, model: str, kind: str) -> float:
        """Return the size of the inner steps of a model in tasks of a kind."""
        factor: float = getattr(self, kind).step_factor
        return factor * (self.network(model).step_size or self.inner.step_size)


def read_settings(data: str = "", overrides: Iterable[str] = ()) -> FewShotSettings:
    """Read the settings for a data set.

    Parameters
    ----------
    data
        Name or path of the data.
    overrides
        Settings like ``meta.iterations=100`` or ``lif.hidden_units=[64]``; the value is TOML.

    Returns
    -------
    FewShotSettings
        The checked settings; configurations of models are checked when they are built.

    Raises
    ------
    TrainingError
        If a setting is unknown or out of range.
    """
    name = f"{OWN_PRESETS[data]}.toml" if data in OWN_PRESETS else "common.toml"
    folder = resources.files("spikebench") / "fewshot" / "presets"
    own = folder / name
    text = (own if own.is_file() else folder / "common.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    for override in overrides:
        _apply(tables, override)
    networks: dict[str, Any] = {}
    for model in [table for table in tables if table in MODELS]:
        table = dict(tables.pop(model))
        networks[model] = {"config": table}
        if "step_size" in table:
            networks[model]["step_size"] = table.pop("step_size")
    try:
        return FewShotSettings.model_validate(tables | {"models": networks})
    except ValidationError as error:
        raise invalid(TrainingError, "settings of fewshot", error, FewShotSettings) from None


def _apply(tables: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    table, dot, key = path.strip().partition(".")
    if not (equals and dot and key) or "\n" in override or "\r" in override:
        raise TrainingError(
            f"setting {override!r}: must have the form table.key=value, in one line"
        )
    known = [name for name in FewShotSettings.model_fields if name != "models"]
    if table not in (*known, *MODELS):
        raise TrainingError(
            f"setting {override!r}: no table {table!r}; available are {', '.join(known)} and the names of models"
        )
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text.strip()
    tables.setdefault(table, {})[key] = value
