"""Settings of :mod:`spikebench.models.linear_bins`."""

from __future__ import annotations

from pydantic import Field
from pydantic import PositiveFloat as Positive

from spikebench.models.configs.base import (
    ModelConfig,
)


class LinearBinsConfig(ModelConfig):
    """Configuration of :class:`LinearBins`: the values of C from which validation selects."""

    C: tuple[Positive, ...] = Field(default=(0.001, 0.01, 0.1), min_length=1)
    iterations: int = Field(default=1000, ge=1, le=1_000_000)  # maximum
