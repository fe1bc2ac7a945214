"""Settings of :mod:`spikebench.models.rlif`."""

from __future__ import annotations

from pydantic import Field

from spikebench.models.configs.base import (
    AnySurrogate,
    ModelConfig,
    ReadoutReduction,
    Units,
)


class RecurrentLIFConfig(ModelConfig):
    """Configuration of :class:`RecurrentLIF`; time constants in ms."""

    hidden_units: Units = 128
    tau_mem_ms: float = Field(default=20.0, gt=0, le=1e6)
    tau_syn_ms: float = Field(default=10.0, gt=0, le=1e6)
    tau_readout_ms: float = Field(default=100.0, gt=0, le=1e6)
    readout: ReadoutReduction = "max"
    surrogate: AnySurrogate = "fast_sigmoid"
    surrogate_slope: float = Field(default=4.0, gt=0)
    # Whether the reset is differentiated. Omitted from files if not, to keep the older format.
    reset_in_graph: bool = Field(default=False, exclude_if=lambda given: not given)
    init_fluctuation: float = Field(default=1.0, gt=0)
    recurrent_scale: float = Field(default=0.2, ge=0)  # of 1/√hidden_units
