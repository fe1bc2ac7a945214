"""Settings of :mod:`spikebench.models.adlif`."""

from __future__ import annotations

from pydantic import Field, model_validator

from spikebench.kernels.names import Surrogate
from spikebench.models.configs.base import (
    MOST_LAYERS,
    ModelConfig,
    Range,
    ReadoutReduction,
    Units,
)


class AdaptiveLIFConfig(ModelConfig):
    """Configuration of :class:`AdaptiveLIF`; time constants in ms, ranges from minimum to maximum."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1, max_length=MOST_LAYERS)
    recurrent: bool = True
    tau_mem_ms: Range = (5.0, 60.0)
    tau_adapt_ms: Range = (60.0, 300.0)
    adapt_to_membrane: Range = (0.0, 1.0)  # a
    adapt_to_spikes: Range = (0.0, 2.0)  # b
    adapt_gain: float = Field(default=1.0, ge=0, le=1000)  # q
    tau_readout_ms: float = Field(default=20.0, gt=0, le=1e6)
    readout_skip_ms: float = Field(  # left out of the reduction
        default=0.0, ge=0, le=60_000, exclude_if=lambda time: time == 0
    )
    readout: ReadoutReduction = "mean"
    surrogate: Surrogate = "fast_sigmoid"
    surrogate_slope: float = Field(default=4.0, gt=0)
    init_fluctuation: float = Field(default=1.0, gt=0)
    hidden_rate_hz: float = Field(default=10.0, gt=0)  # expected, for the initial weights only
    recurrent_scale: float = Field(default=0.2, ge=0)  # of 1/√hidden_units

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> AdaptiveLIFConfig:
        for name in ("tau_mem_ms", "tau_adapt_ms", "adapt_to_membrane", "adapt_to_spikes"):
            low, high = getattr(self, name)
            least = 0.01 if name.startswith("tau") else 0.0
            if not least <= low <= high <= 1e6:
                raise ValueError(f"{name}: {low} to {high} is not a range within {least} … 1e6")
        return self
