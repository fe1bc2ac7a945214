"""Settings of :mod:`spikebench.models.cnn`."""

from __future__ import annotations

from pydantic import Field

from spikebench.models.configs.base import (
    ModelConfig,
    Units,
)


class PictureConfig(ModelConfig):
    """Configuration of a :class:`PictureNetwork`."""

    filters: tuple[Units, Units, Units] = (16, 32, 64)
    dense_units: Units = 128
    dropout: float = Field(default=0.5, ge=0, lt=1)


class CNNConfig(PictureConfig):
    """Configuration of :class:`CNN`."""

    image_units: int = Field(default=64, ge=8, le=65_536)
