"""Settings of :mod:`spikebench.models.delay_lif`."""

from __future__ import annotations

from pydantic import Field

from spikebench.models.configs.base import (
    MOST_LAYERS,
    AnySurrogate,
    ModelConfig,
    ReadoutReduction,
    Units,
)


class DelayLIFConfig(ModelConfig):
    """Configuration of :class:`DelayLIF`; times in ms."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1, max_length=MOST_LAYERS)
    max_delay_ms: float = Field(default=200.0, ge=0, le=1000)
    tau_mem_ms: float = Field(default=20.0, gt=0, le=1e6)
    tau_syn_ms: float = Field(default=10.0, gt=0, le=1e6)
    tau_readout_ms: float = Field(default=300.0, gt=0, le=1e6)
    readout: ReadoutReduction = "max"
    surrogate: AnySurrogate = "fast_sigmoid"
    surrogate_slope: float = Field(default=4.0, gt=0)
    # of spikes between layers, in training
    dropout: float = Field(default=0.0, ge=0, lt=1, exclude_if=lambda part: part == 0)
    # of the running averages of the currents; without it, currents are not normalised
    normalisation_momentum: float | None = Field(
        default=None, gt=0, le=1, exclude_if=lambda momentum: momentum is None
    )
    init_fluctuation: float = Field(default=1.0, gt=0)
    hidden_rate_hz: float = Field(default=10.0, gt=0)  # expected, for the initial weights only
