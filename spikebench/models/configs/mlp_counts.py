"""Settings of :mod:`spikebench.models.mlp_counts`."""

from __future__ import annotations

from pydantic import Field

from spikebench.models.configs.base import (
    MOST_LAYERS,
    ModelConfig,
    Units,
)


class CountMLPConfig(ModelConfig):
    """Configuration of :class:`CountMLP`."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1, max_length=MOST_LAYERS)
    dropout: float = Field(default=0.2, ge=0, lt=1)
