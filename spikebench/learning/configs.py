"""Settings of the learning rules, the table ``[learning]`` of a preset; importable without PyTorch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spikebench.errors import TrainingError
from spikebench.learning import check_rule_name
from spikebench.presets.preset import Preset
from spikebench.records.problems import invalid

Feedback = Literal["symmetric", "random", "uniform"]


class RuleConfig(BaseModel):
    """Settings of a rule, the table ``[learning]`` of a preset without ``rule``; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RtrlConfig(RuleConfig):
    """Settings of :class:`RealTimeRecurrentLearning`."""

    gradient: Literal["block_diagonal", "exact", "bptt", "truncated"] = "block_diagonal"
    feedback: Literal["symmetric", "random"] = "symmetric"
    update_every_steps: int = Field(default=0, ge=0, le=10_000)
    window_steps: int = Field(default=0, ge=0, le=10_000)

    @model_validator(mode="after")
    def _settings_have_an_effect(self) -> RtrlConfig:
        through_time = self.gradient in ("bptt", "truncated")
        if (self.gradient == "truncated") != bool(self.window_steps):
            raise ValueError('window_steps belongs to gradient = "truncated", which needs it')
        if through_time and (self.update_every_steps or self.feedback != "symmetric"):
            raise ValueError(
                f'gradient = "{self.gradient}" has symmetric feedback, and changes the weights at the end of a clip'
            )
        return self


class EpropConfig(RuleConfig):
    """Settings of :class:`EligibilityPropagation`."""

    feedback: Literal["symmetric", "random"] = "random"
    update_every_steps: int = Field(default=0, ge=0, le=10_000)


class LocalConfig(RuleConfig):
    """Settings of :class:`LocalLosses`."""

    update_every_steps: int = Field(default=0, ge=0, le=10_000)


class SuperSpikeConfig(RuleConfig):
    """Settings of :class:`SuperSpike`."""

    feedback: Feedback = "symmetric"
    update_every_steps: int = Field(default=0, ge=0, le=10_000)


CONFIGS: dict[str, type[RuleConfig]] = {
    "bptt": RuleConfig,
    "counts": RuleConfig,
    "rtrl": RtrlConfig,
    "eprop": EpropConfig,
    "superspike": SuperSpikeConfig,
    "local_losses": LocalConfig,
}


def rule_settings(preset: Preset) -> RuleConfig:
    """Check the table ``[learning]`` of a preset.

    Parameters
    ----------
    preset
        Settings.

    Returns
    -------
    RuleConfig
        The settings of the rule; without ``rule`` those of the model's own rule, which has none.

    Raises
    ------
    UnknownNameError
        If there is no such rule.
    TrainingError
        If ``rule`` is not a name, or a setting is unknown or out of range.
    """
    table = dict(preset.learning)
    name = table.pop("rule", "")
    if not isinstance(name, str):
        raise TrainingError("learning.rule: must be the name of a learning rule")
    if name:
        check_rule_name(name)
    config = CONFIGS.get(name, RuleConfig)
    if name and name not in CONFIGS:  # added to the registry of rules only
        from spikebench.learning.rule import rule_class

        config = rule_class(name).Config
    for key in table.keys() - config.model_fields.keys():
        others = [rule for rule, kind in CONFIGS.items() if key in kind.model_fields]
        if others:
            raise TrainingError(
                f"[learning]: {key}: unknown key of {name or 'the rule of the model'}; it is a setting of "
                f"{', '.join(others)}; add --learning {others[0]}, or leave the setting out"
            )
    try:
        return config.model_validate(table)
    except ValidationError as error:
        raise invalid(TrainingError, "[learning]", error, config) from None
