"""Settings of a study, see :mod:`spikebench.sweeps.study_settings`.

``[pruning.ntt]`` are those of :class:`spikebench.learning.tangent_transfer.TransferSettings`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from spikebench.learning.tangent_transfer import TransferSettings
from spikebench.presets.preset import Preset
from spikebench.sweeps.study_settings import (
    StrictSettings,
    StudyTables,
    read_model_preset,
    read_tables,
)

__all__ = ["PruningSettings", "StudySettings", "model_preset", "read_settings"]


class PruningSettings(StrictSettings):
    """What is compared."""

    models: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    densities: tuple[float, ...] = Field(min_length=1)  # parts of the weights that are kept
    snip_samples: int = Field(default=128, ge=1, le=1_000_000)
    synflow_rounds: int = Field(default=100, ge=1, le=100_000)
    ntt: TransferSettings = TransferSettings()


class StudySettings(StudyTables):
    """Contents of a preset of this package."""

    pruning: PruningSettings


def read_settings(data: str, overrides: Sequence[str] = ()) -> StudySettings:
    """Read the settings for a data set, see :func:`spikebench.sweeps.study_settings.read_tables`."""
    return read_tables("pruning", data, overrides, StudySettings)


def model_preset(
    model: str, data: str, settings: StudySettings, overrides: Sequence[str] = ()
) -> Preset:
    """Read the preset of a model, see :func:`spikebench.sweeps.study_settings.read_model_preset`."""
    return read_model_preset("pruning", model, data, settings, overrides)
