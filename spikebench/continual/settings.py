"""Settings of a study, see :mod:`spikebench.sweeps.study_settings`; ``training.epochs`` are those of each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from spikebench.presets.preset import Preset
from spikebench.sweeps.study_settings import (
    StrictSettings,
    StudyTables,
    read_model_preset,
    read_tables,
)

__all__ = ["ContinualSettings", "StudySettings", "model_preset", "read_settings"]


class Strengths(StrictSettings):
    """Strengths of methods that are named without one."""

    si: float = Field(default=0.1, ge=0)
    ewc: float = Field(default=100.0, ge=0)
    replay: float = Field(default=2.0, ge=1)


class ContinualSettings(StrictSettings):
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


class StudySettings(StudyTables):
    """Contents of a preset of this package."""

    continual: ContinualSettings


def read_settings(data: str, overrides: Sequence[str] = ()) -> StudySettings:
    """Read the settings for a data set, see :func:`spikebench.sweeps.study_settings.read_tables`."""
    return read_tables("continual", data, overrides, StudySettings)


def model_preset(
    model: str, data: str, settings: StudySettings, overrides: Sequence[str] = ()
) -> Preset:
    """Read the preset of a model, see :func:`spikebench.sweeps.study_settings.read_model_preset`."""
    return read_model_preset("continual", model, data, settings, overrides)
