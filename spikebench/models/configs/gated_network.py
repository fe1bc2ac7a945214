"""Settings of :mod:`spikebench.models.gated_network`."""

from __future__ import annotations

from pydantic import Field

from spikebench.models.configs.base import (
    ModelConfig,
    Units,
)


class GatedConfig(ModelConfig):
    """Configuration of a :class:`GatedNetwork`."""

    hidden_units: Units = 128
    layers: int = Field(default=1, ge=1, le=100)
    dropout: float = Field(default=0.2, ge=0, lt=1)
