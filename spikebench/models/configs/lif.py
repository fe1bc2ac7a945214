"""Settings of :mod:`spikebench.models.lif`."""

from __future__ import annotations

from pydantic import Field

from spikebench.models.configs.base import (
    MOST_LAYERS,
    AnySurrogate,
    ModelConfig,
    ReadoutReduction,
    Units,
)


class LIFConfig(ModelConfig):
    """Configuration of :class:`LIF`; time constants in ms."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1, max_length=MOST_LAYERS)
    tau_mem_ms: float = Field(default=20.0, gt=0, le=1e6)
    tau_syn_ms: float = Field(default=10.0, gt=0, le=1e6)
    tau_readout_ms: float = Field(default=100.0, gt=0, le=1e6)
    readout: ReadoutReduction = "max"
    surrogate: AnySurrogate = "fast_sigmoid"
    surrogate_slope: float = Field(default=4.0, gt=0)
    # Whether the reset is differentiated. Omitted from files if not, to keep the older format.
    reset_in_graph: bool = Field(default=False, exclude_if=lambda given: not given)
    init_fluctuation: float = Field(default=1.0, gt=0)
    hidden_rate_hz: float = Field(default=10.0, gt=0)  # expected, for the initial weights only
