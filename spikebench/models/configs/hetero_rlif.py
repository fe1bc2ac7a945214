"""Settings of :mod:`spikebench.models.hetero_rlif`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from spikebench.models.configs.base import (
    MOST_LAYERS,
    AnySurrogate,
    ModelConfig,
    Range,
    ReadoutReduction,
    Units,
)


class HeterogeneousLIFConfig(ModelConfig):
    """Configuration of :class:`HeterogeneousLIF`; time constants in ms, ranges from minimum to maximum."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1, max_length=MOST_LAYERS)
    tau_mem_ms: float = Field(default=20.0, gt=0, le=1e6)  # mean at the start
    tau_syn_ms: float = Field(default=10.0, gt=0, le=1e6)
    tau_mem_range_ms: Range = (3.0, 300.0)
    tau_syn_range_ms: Range = (1.0, 100.0)
    init_distribution: Literal["gamma", "uniform", "equal"] = "gamma"
    tau_readout_ms: float = Field(default=100.0, gt=0, le=1e6)
    readout: ReadoutReduction = "max"
    surrogate: AnySurrogate = "fast_sigmoid"
    surrogate_slope: float = Field(default=4.0, gt=0)
    init_fluctuation: float = Field(default=1.0, gt=0)
    hidden_rate_hz: float = Field(default=10.0, gt=0)  # expected, for the initial weights only
    recurrent_scale: float = Field(default=0.2, ge=0)  # of 1/√hidden_units

    @model_validator(mode="after")
    def _ranges_contain_their_means(self) -> HeterogeneousLIFConfig:
        for name in ("tau_mem", "tau_syn"):
            low, high = getattr(self, f"{name}_range_ms")
            if not 0.01 <= low < high <= 1e6:
                raise ValueError(
                    f"{name}_range_ms: {low} to {high} is not a range within 0.01 … 1e6"
                )
            if not low <= getattr(self, f"{name}_ms") <= high:
                raise ValueError(f"{name}_ms is outside {name}_range_ms, {low} to {high}")
        return self
