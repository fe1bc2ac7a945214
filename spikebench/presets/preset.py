"""Presets: all settings of a training, as TOML with the unit in every key.

``presets/<model>.toml`` holds the default settings of ``spikebench evaluate --model <model>``, and
``presets/shd/<model>.toml`` and ``presets/ssc/<model>.toml`` those for the recordings of SHD and SSC, see
:data:`OWN_PRESETS`. A file of the user replaces that of the model, or is laid over it; it and single
``table.key=value`` overrides are checked in the same way, without PyTorch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spikebench.bands.mel import MelDesign
from spikebench.errors import TrainingError, UnknownNameError
from spikebench.models import check_model_name
from spikebench.models.configs import config_class
from spikebench.records.problems import gathered, is_open_list, problems
from spikebench.records.text import printable

# Data sets with presets of their own, in the folder of this name; models without one use the common preset.
OWN_PRESETS = {
    "shd": "shd",
    "shd-r": "shd",
    "heidelberg-digits": "shd",
    "ssc": "ssc",
    "ssc-r": "ssc",
    "speech-commands": "ssc",
}

_OWN_INPUT = {"time_step_ms": 10.0, "duration_ms": 1000.0, "mode": "counts"}
_MAX_DEPTH = 8  # of tables and lists in a preset


def _is_zero(value: float) -> bool:
    return value == 0


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputSettings(_Settings):
    """Conversion of spikes into a raster; with the mode ``audio``, the frames of :class:`MelSettings`."""

    time_step_ms: float = Field(ge=0.01, le=1000)
    duration_ms: float = Field(gt=0, le=60_000)
    mode: Literal["counts", "binary", "audio"]
    # Neighbouring units that become one input, with the sum of their spikes. Omitted from files if 1, to keep the older
    # format.
    group_units: int = Field(default=1, ge=1, le=65_536, exclude_if=lambda group: group == 1)

    def n_inputs(self, n_units: int) -> int:
        """Return the number of inputs of a model; the last group may have fewer units."""
        return -(-n_units // self.group_units)

    @property
    def n_steps(self) -> int:
        """Number of bins: the duration in time steps, rounded."""
        return max(round(self.duration_ms / self.time_step_ms), 1)


class MelSettings(_Settings):
    """Log-mel features of recordings, the input of models on audio; see :mod:`spikebench.bands.mel`.

    There is one frame per time step of ``input.time_step_ms``, and one input per band.
    """

    bands: int = Field(default=64, ge=1, le=512)
    window_ms: float = Field(default=25.0, gt=0, le=500)  # of sound in a frame
    lowest_hz: float = Field(default=50.0, ge=0)  # edge of the first band
    highest_hz: float = Field(default=8000.0, gt=0)  # edge of the last band
    sample_rate_hz: int = Field(default=16_000, ge=1000, le=192_000)  # recordings are resampled
    floor_db: float = Field(
        default=-80.0, ge=-200, le=0
    )  # level of silence; that of speech is about 0

    def design(self, time_step_ms: float) -> MelDesign:
        """Convert the settings to samples, with frames of a time step [ms]."""
        return MelDesign(
            sample_rate=self.sample_rate_hz,
            hop=round(time_step_ms * 1e-3 * self.sample_rate_hz),
            window=round(self.window_ms * 1e-3 * self.sample_rate_hz),
            n_bands=self.bands,
            lowest=self.lowest_hz,
            highest=self.highest_hz,
            floor=self.floor_db,
        )

    @model_validator(mode="after")
    def _bands_fit_the_rate(self) -> Self:
        if not self.lowest_hz < self.highest_hz <= self.sample_rate_hz / 2:
            raise ValueError(
                f"lowest_hz < highest_hz ≤ sample_rate_hz / 2 is required, got {self.lowest_hz:g}, "
                f"{self.highest_hz:g} and {self.sample_rate_hz / 2:g}"
            )
        return self


class TrainingSettings(_Settings):
    """Training of a network; ignored by models that are not trained by gradients."""

    epochs: int = Field(default=40, ge=1, le=100_000)
    batch_size: int = Field(default=128, ge=1, le=1_000_000)
    optimizer: Literal["adam", "adamw", "adamax"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0, le=3e37)  # limited by the range of float32
    # Full rate of delays, which follows the same schedule; 0: as the weights. Omitted from files if 0.
    learning_rate_delays: float = Field(default=0.0, ge=0, le=3e37, exclude_if=_is_zero)
    # One rate per epoch. cosine, linear and one_cycle end near 0; one_cycle rises to the full rate first.
    schedule: Literal["constant", "cosine", "linear", "one_cycle", "plateau"] = "constant"
    # The rate of plateau is multiplied by this factor after more epochs than these without a better validation. The
    # three are refused with another schedule, and omitted from files at their default.
    plateau_factor: float = Field(default=0.7, gt=0, lt=1, exclude_if=lambda factor: factor == 0.7)
    plateau_patience_epochs: int = Field(default=10, ge=0, exclude_if=lambda epochs: epochs == 10)
    plateau_measure: Literal["accuracy", "loss"] = Field(
        default="accuracy", exclude_if=lambda measure: measure == "accuracy"
    )
    warmup_epochs: int = Field(
        default=0, ge=0, le=100_000
    )  # in which the rate increases to its full value
    weight_decay: float = Field(default=0.0, ge=0)
    gradient_norm: float = Field(default=0.0, ge=0)  # clip above this norm; 0: no clipping
    patience_epochs: int = Field(
        default=0, ge=0
    )  # stop this many epochs after the best one; 0: never
    unit_jitter_percent: float = Field(default=0.0, ge=0, le=100)  # of the number of units
    class_weights: Literal["none", "balanced"] = "none"
    # Part of the target that is spread over all classes. Omitted from files if 0, to keep the older format.
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, exclude_if=lambda part: part == 0)
    # Decay per step of an exponential moving average of the weights, which is validated, tested and kept; 0: none.
    # Omitted from files if 0.
    weight_average: float = Field(default=0.0, ge=0, lt=1, exclude_if=_is_zero)
    # Bits of a weight in the trained model, see spikebench.learning.few_bits; 0: not rounded. Omitted from files if 0.
    weight_bits: int = Field(default=0, ge=0, le=8, exclude_if=lambda bits: bits == 0)
    # Whether the weights are rounded in every step, or once after training. Omitted from files if aware.
    weight_rounding: Literal["aware", "after"] = Field(
        default="aware", exclude_if=lambda rounding: rounding == "aware"
    )
    precision: Literal["float32", "bfloat16"] = "float32"  # of products, for conventional networks
    kernels: Literal["events", "reference"] = "events"  # of spiking layers
    # Epochs of a refit; 0: as many as validation selected. Omitted from files if 0, to keep the older format.
    refit_epochs: int = Field(default=0, ge=0, le=100_000, exclude_if=lambda epochs: epochs == 0)

    @model_validator(mode="after")
    def _refit_is_within_the_schedule(self) -> Self:
        if self.refit_epochs > self.epochs:
            raise ValueError(
                f"refit_epochs: {self.refit_epochs} exceeds the {self.epochs} epochs of the schedule"
            )
        return self

    @model_validator(mode="after")
    def _rounding_has_its_bits(self) -> Self:
        if self.weight_bits == 1:
            raise ValueError("weight_bits: is 0 for weights that are not rounded, or 2 to 8")
        if self.weight_rounding != "aware" and not self.weight_bits:
            raise ValueError("weight_rounding has no effect without weight_bits; remove it")
        return self

    @model_validator(mode="after")
    def _plateau_has_its_schedule(self) -> Self:
        if self.schedule != "plateau":
            for name in ("plateau_factor", "plateau_patience_epochs", "plateau_measure"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f'{name} has no effect with schedule = "{self.schedule}"; remove it'
                    )
        return self


class AugmentationSettings(_Settings):
    """Random changes of every training sample, 0 for none; see ``docs/augmentation.md``.

    Applied in this order: blending with a sample of its class, shifts, warp, deletion, masks, jitter of times (and
    ``training.unit_jitter_percent`` last).
    """

    blend_probability: float = Field(default=0.0, ge=0, le=1)
    unit_shift_percent: float = Field(default=0.0, ge=0, le=100)  # maximum, of the number of units
    time_shift_ms: float = Field(default=0.0, ge=0, le=60_000)  # maximum
    time_warp_percent: float = Field(default=0.0, ge=0, le=1000)  # maximum lengthening
    delete_probability: float = Field(default=0.0, ge=0, le=1)
    unit_mask_fraction: float = Field(default=0.0, ge=0, le=1)
    time_mask_fraction: float = Field(default=0.0, ge=0, le=1)
    time_jitter_ms: float = Field(default=0.0, ge=0, le=60_000)


class RegulariserSettings(_Settings):
    """Activity regularisation of spiking layers; thresholds in spikes per neuron and sample.

    Adds ``lower_strength · mean over neurons of max(0, lower_spikes − mean over samples of n)²`` and
    ``upper_strength · mean over samples of max(0, mean over neurons of n − upper_spikes)²`` per layer, n the
    spikes of a neuron in a sample (Cramer et al. 2020).
    """

    lower_strength: float = Field(default=0.0, ge=0)
    lower_spikes: float = Field(default=0.0, ge=0)
    upper_strength: float = Field(default=0.0, ge=0)
    upper_spikes: float = Field(default=0.0, ge=0)


# Settings of spikes, which have no effect on mel features; table and keys.
_OF_SPIKES = {
    "input": ("group_units",),
    "training": ("unit_jitter_percent",),
    "regulariser": tuple(RegulariserSettings.model_fields),
    "augmentation": (
        "blend_probability",
        "time_warp_percent",
        "delete_probability",
        "time_jitter_ms",
    ),
}


class Preset(_Settings):
    """All settings: input, training, regulariser, and the tables of the model and of the learning rule."""

    input: InputSettings
    # Of models on audio only, and omitted from the files of others.
    mel: MelSettings | None = Field(default=None, exclude_if=lambda mel: mel is None)
    training: TrainingSettings = TrainingSettings()
    regulariser: RegulariserSettings = RegulariserSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    model: dict[str, Any] = {}
    # The learning rule (``rule``), if it is not that of the model, and its settings. Omitted from files if empty.
    learning: dict[str, Any] = Field(default={}, exclude_if=lambda table: not table)

    def n_inputs(self, n_units: int) -> int:
        """Return the number of inputs of a model: bands, or groups of the units of the data."""
        return self.mel.bands if self.mel is not None else self.input.n_inputs(n_units)

    @model_validator(mode="after")
    def _audio_has_its_settings(self) -> Self:
        is_audio = self.input.mode == "audio"
        if is_audio != (self.mel is not None):
            raise ValueError(
                'input.mode = "audio" needs the table [mel]'
                if is_audio
                else f'[mel] has no effect with input.mode = "{self.input.mode}"; remove it'
            )
        if self.mel is None:
            return self
        for table, names in _OF_SPIKES.items():
            settings = getattr(self, table)
            for name in names:
                if getattr(settings, name) != type(settings).model_fields[name].default:
                    raise ValueError(f"{table}.{name} has no effect on audio; remove it")
        hop = self.input.time_step_ms * 1e-3 * self.mel.sample_rate_hz
        if abs(hop - round(hop)) > 1e-6 * hop or hop < 1:
            raise ValueError(
                f"input.time_step_ms: {self.input.time_step_ms:g} ms are {hop:g} samples of mel.sample_rate_hz; "
                "a whole number is required"
            )
        if self.mel.window_ms < self.input.time_step_ms:
            raise ValueError("mel.window_ms: is shorter than input.time_step_ms, so sound is lost")
        return self


def read_preset(
    model: str,
    file: Path | None = None,
    overrides: Iterable[str] = (),
    data: str = "",
    learning: str = "",
    overlay: Path | None = None,
) -> Preset:
    """Read the preset of a model.

    Parameters
    ----------
    model
        Name of the model.
    file
        A TOML file to use instead of the model's own.
    overrides
        Settings like ``training.epochs=10``; the value is TOML (quotes around text are optional).
    data
        Name of the data set, which may have a preset of its own for the model.
    learning
        Name of a learning rule other than that of the model, which may have a preset of its own for it.
    overlay
        A TOML file with some settings, which replace those of the preset.

    Returns
    -------
    Preset
        The checked settings. A single number for a list of numbers has become a list. The table of the learning rule is
        checked by :func:`spikebench.learning.configs.rule_settings`.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    TrainingError
        If the file cannot be read or settings are unknown or out of range; the first is in the message, the others in
        its details.
    """
    check_model_name(model)
    found = preset_name(model, data, learning)
    name = str(file) if file else f"preset {found}"
    tables = _read_toml(file or resources.files("spikebench") / "presets" / f"{found}.toml", name)
    if overlay:
        name = str(overlay)
        _lay_over(tables, _read_toml(overlay, name), name)
    for override in [*([f"learning.rule={learning}"] if learning else []), *overrides]:
        _apply(tables, override)
    if _depth(tables) > _MAX_DEPTH:
        raise TrainingError(f"{name}: nested too deeply; a setting is a value or a list of values")
    _refuse_two_rules(learning, tables)
    config = config_class(model)
    if isinstance(tables.get("model"), dict):
        make_lists(tables["model"], config)
    wrong: list[str] = []
    try:
        preset = Preset.model_validate(tables)
    except ValidationError as error:
        wrong += [f"{name}: {one}" for one in problems(error, Preset)]
    try:
        config.model_validate(tables.get("model", {}))
    except ValidationError as error:
        if isinstance(tables.get("model", {}), dict):  # else a problem of the preset
            wrong += [f"model {model}: {one}" for one in problems(error, config)]
    if wrong:
        raise gathered(TrainingError, wrong)
    return preset


def _refuse_two_rules(learning: str, tables: Mapping[str, Any]) -> None:
    table = tables.get("learning")
    rule = table.get("rule", learning) if isinstance(table, dict) else learning
    if learning and rule != learning:
        raise TrainingError(
            f"--learning {learning} and learning.rule={printable(str(rule))[:40]} are two learning rules; leave one out"
        )


def read_own_settings(
    file: Path | None = None, overrides: Iterable[str] = (), overlay: Path | None = None
) -> Preset:
    """Read the settings of a network of the user.

    Parameters
    ----------
    file
        A TOML file with the tables of a preset; what it leaves out has its default. None: all defaults, with 100 bins
        of 10 ms and counts as the input.
    overrides, overlay
        As for :func:`read_preset`.

    Returns
    -------
    Preset
        The checked settings; ``[model]`` holds the arguments of the constructor.

    Raises
    ------
    TrainingError
        As for :func:`read_preset`.
    """
    name = str(file) if file else "settings"
    tables: dict[str, Any] = {"input": dict(_OWN_INPUT)}
    for one in (file, overlay):
        if one:
            name = str(one)
            _lay_over(tables, _read_toml(one, name), name)
    for override in overrides:
        _apply(tables, override)
    if _depth(tables) > _MAX_DEPTH:
        raise TrainingError(f"{name}: nested too deeply; a setting is a value or a list of values")
    try:
        preset = Preset.model_validate(tables)
    except ValidationError as error:
        raise gathered(
            TrainingError, [f"{name}: {one}" for one in problems(error, Preset)]
        ) from None
    for key, value in preset.model.items():
        if not _is_plain(value):
            raise TrainingError(
                f"{name}: model.{key}: must be a finite number, text, true or false, or a list or table of these"
            )
    return preset


def _is_plain(value: object) -> bool:
    """Return whether a value is the same after it was written as JSON and read again."""
    if isinstance(value, dict | list):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, bool | str) or (isinstance(value, int) and abs(value) <= 2**53)


def _read_toml(file: Path | Traversable, name: str) -> dict[str, Any]:
    try:
        if not file.is_file():
            what = "is a folder, not a TOML file" if file.is_dir() else "no such file"
            raise TrainingError(f"{name}: {what}")
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise TrainingError(f"{name}: nested too deeply") from None
    except (OSError, ValueError) as error:
        raise TrainingError(f"{name}: not readable as TOML: {error}") from None


def _lay_over(tables: dict[str, Any], given: dict[str, Any], name: str) -> None:
    """Replace the settings that are given."""
    for table, settings in given.items():
        if table not in Preset.model_fields:
            known = UnknownNameError("table", table, Preset.model_fields)
            raise TrainingError(f"{name}: {known}")
        if not isinstance(settings, dict):
            raise TrainingError(f"{name}: {table}: must be a table of keys, [{table}]")
        tables.setdefault(table, {}).update(settings)


def make_lists(table: dict[str, Any], config: type[BaseModel]) -> None:
    """Make lists of single numbers where a model takes a list of any length.

    Parameters
    ----------
    table
        Settings of the model, which are changed.
    config
        Class of its settings.
    """
    for key, value in table.items():
        field = config.model_fields.get(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if field is not None and is_number and is_open_list(field.annotation):
            table[key] = [value]


def preset_name(model: str, data: str = "", learning: str = "") -> str:
    """Choose the preset of a model for a data set and a learning rule.

    Parameters
    ----------
    model
        Name of the model.
    data
        Name of the data set.
    learning
        Name of a learning rule, if it is not that of the model.

    Returns
    -------
    str
        The first that exists of ``<folder>/<learning>/<model>``, ``<learning>/<model>``, ``<folder>/<model>`` and
        ``<model>``, with the folder of data sets with presets of their own.
    """
    files = resources.files("spikebench") / "presets"
    own = [f"{OWN_PRESETS[data]}/"] if data in OWN_PRESETS else []
    rules = [f"{learning}/"] if learning else []
    tried = [f"{folder}{rule}{model}" for rule in [*rules, ""] for folder in [*own, ""]]
    return next((name for name in tried if (files / f"{name}.toml").is_file()), model)


def _apply(tables: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    table, dot, key = path.strip().partition(".")
    if not (equals and dot and key):
        raise TrainingError(f"setting {override!r}: must have the form table.key=value")
    if "\n" in override or "\r" in override:
        raise TrainingError(f"setting {override!r}: must be one line; give --set once per setting")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except RecursionError:
        raise TrainingError(f"setting {path.strip()!r}: nested too deeply") from None
    except tomllib.TOMLDecodeError:
        value = text.strip()
    known = Preset.model_fields
    if table not in known:
        raise TrainingError(
            f"setting {override!r}: no table {table!r}; available are {', '.join(known)}"
        )
    if not isinstance(tables.setdefault(table, {}), dict):
        raise TrainingError(f"setting {override!r}: {table} is not a table in the file")
    tables[table][key] = value


def _depth(value: object) -> int:
    """Count how deeply lists and tables are nested, level by level."""
    level, depth = [value], 0
    while level and depth <= _MAX_DEPTH:
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [x for one in inner for x in (one.values() if isinstance(one, dict) else one)]
        depth += bool(inner)
    return depth
