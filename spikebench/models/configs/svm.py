"""Settings of :mod:`spikebench.models.svm`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic import PositiveFloat as Positive

from spikebench.models.configs.base import (
    ModelConfig,
)


class CountSVMConfig(ModelConfig):
    """Configuration of :class:`CountSVM`: the grid from which validation selects."""

    C: tuple[Positive, ...] = Field(default=(1.0, 10.0, 100.0), min_length=1)
    # Widths relative to scikit-learn's "scale", 1/number of units for standardised features.
    gamma_scale: tuple[Positive, ...] = Field(default=(0.1, 0.3, 1.0), min_length=1)
    # Omitted from files at their default, to keep the older format.
    kernel: Literal["rbf", "linear", "poly"] = Field(
        default="rbf", exclude_if=lambda kernel: kernel == "rbf"
    )
    degree: int = Field(default=3, ge=1, le=10, exclude_if=lambda degree: degree == 3)
    poly_offset: float = Field(default=1.0, ge=0, exclude_if=lambda offset: offset == 1)
