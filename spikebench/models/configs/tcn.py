"""Settings of :mod:`spikebench.models.tcn`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spikebench.models.configs.base import (
    ModelConfig,
    Units,
)


class TCNConfig(ModelConfig):
    """Configuration of :class:`TCN`."""

    channels: Units = 32
    blocks: int = Field(default=4, ge=1, le=16)
    kernel_bins: int = Field(default=3, ge=2, le=1000)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    readout: Literal["max", "mean", "last"] = "max"
