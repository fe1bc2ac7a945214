"""Settings of substrates and study, and the presets of data sets.

``presets/common.toml`` holds the settings for all data, ``presets/shd.toml`` what differs for the recordings of SHD
(the data sets of :data:`spikebench.presets.preset.OWN_PRESETS`). The tables ``input``, ``training``, ``regulariser``
and ``model`` change the preset of the model, ``lif`` and ``rlif`` its table ``model`` if it is this model; the others
are defined here.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spikebench.errors import TrainingError, UnknownNameError
from spikebench.presets.preset import OWN_PRESETS, Preset, RegulariserSettings, read_preset
from spikebench.records.problems import invalid

__all__ = [
    "AnalogSettings",
    "FixedPointSettings",
    "Settings",
    "SparseSettings",
    "SubstrateName",
    "TrainSettings",
    "read_settings",
]

SubstrateName = Literal["analog", "fixed-point"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AnalogSettings(_Table):
    """Imperfections of the analog substrate; mismatch is the standard deviation of the logarithm of a factor."""

    tau_mem_mismatch: float = Field(default=0.2, ge=0, le=2)
    tau_syn_mismatch: float = Field(default=0.2, ge=0, le=2)
    threshold_mismatch: float = Field(default=0.1, ge=0, le=2)
    gain_mismatch: float = Field(default=0.2, ge=0, le=2)
    weight_bits: int = Field(default=6, ge=2, le=16)  # with sign
    readout_bits: int = Field(default=8, ge=2, le=16)  # with sign
    readout_noise_lsb: float = Field(default=1.0, ge=0, le=1000)
    membrane_noise: float = Field(default=0.02, ge=0, le=10)  # thresholds per step; see the module
    current_range: float = Field(default=10.0, gt=0, le=1e6)  # thresholds
    membrane_range: float = Field(default=2.0, gt=0, le=1e6)  # thresholds
    readout_range: float = Field(default=10.0, gt=0, le=1e6)


class FixedPointSettings(_Table):
    """Widths of the integers of the digital substrate."""

    weight_bits: int = Field(default=8, ge=2, le=16)  # with sign
    state_bits: int = Field(default=24, ge=8, le=32)  # with sign
    fraction_bits: int = Field(default=6, ge=0, le=16)  # of a weight in a state
    decay_bits: int = Field(default=12, ge=4, le=20)

    @model_validator(mode="after")
    def _exact_in_float64(self) -> FixedPointSettings:
        if self.state_bits + self.decay_bits > 51:
            raise ValueError(
                "state_bits + decay_bits must be at most 51, so that products are exact"
            )
        return self


class SparseSettings(_Table):
    """Activity regularisation of the runs with few spikes; fields of [regulariser]."""

    upper_strength: float = Field(default=3e-2, gt=0)
    upper_spikes: float = Field(default=0.0, ge=0)  # per neuron and sample


class TrainSettings(_Table):
    """Which training samples are used: every n-th of the training split, in the order of the file."""

    every_sample: int = Field(default=1, ge=1, le=1000)


class Settings(_Table):
    """All settings of a study; ``preset`` is that of the model without activity regularisation."""

    preset: Preset
    analog: AnalogSettings = AnalogSettings()
    fixed_point: FixedPointSettings = FixedPointSettings()
    sparse: SparseSettings = SparseSettings()
    train: TrainSettings = TrainSettings()

    def regularised(self) -> Preset:
        """Return the preset with activity regularisation."""
        regulariser = self.preset.regulariser.model_dump() | self.sparse.model_dump()
        return self.preset.model_copy(
            update={"regulariser": RegulariserSettings.model_validate(regulariser)}
        )


_MODELS = ("lif", "rlif")  # tables of presets for one model
_OWN = tuple(name for name in Settings.model_fields if name != "preset")


def read_settings(model: str, data: str, overrides: Iterable[str] = ()) -> Settings:
    """Read the settings of a study.

    Parameters
    ----------
    model
        Name of the model.
    data
        Name of the data set, which may have settings of its own.
    overrides
        Settings like ``analog.gain_mismatch=0.3`` or ``training.epochs=10``; the value is TOML.

    Returns
    -------
    Settings
        The checked settings.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    TrainingError
        If a setting is unknown or out of range.
    """
    own: dict[str, dict[str, Any]] = {}
    changes: list[str] = []
    for name in ("common", *([OWN_PRESETS[data]] if data in OWN_PRESETS else [])):
        source = resources.files("spikebench") / "substrate" / "presets" / f"{name}.toml"
        if not source.is_file():
            continue
        for table, values in tomllib.loads(source.read_text(encoding="utf-8")).items():
            if table in _OWN:
                own.setdefault(table, {}).update(values)
                continue
            name_of = "model" if table == model else table
            if table in _MODELS and table != model:
                continue
            changes += [f"{name_of}.{key}={json.dumps(value)}" for key, value in values.items()]
    for override in overrides:
        table = override.partition(".")[0].strip()
        if table in _OWN:
            key, value = _parsed(override)
            own.setdefault(table, {})[key] = value
        elif table in Preset.model_fields:
            changes.append(override)
        else:
            raise TrainingError(
                f"setting {override!r}: {UnknownNameError('table', table, (*_OWN, *Preset.model_fields))}"
            )
    preset = read_preset(model, None, changes, data)
    if preset.regulariser.upper_strength:
        raise TrainingError(
            "regulariser.upper_strength is 0 in the runs without activity regularisation; for the others set "
            "sparse.upper_strength"
        )
    try:
        return Settings.model_validate({"preset": preset, **own})
    except ValidationError as error:
        raise invalid(TrainingError, "settings", error, Settings) from None


def _parsed(override: str) -> tuple[str, object]:
    """Split ``table.key=value``."""
    path, equals, text = override.partition("=")
    key = path.strip().partition(".")[2]
    if not (equals and key) or "\n" in override or "\r" in override:
        raise TrainingError(f"setting {override!r}: must have the form table.key=value")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return key, text.strip()
