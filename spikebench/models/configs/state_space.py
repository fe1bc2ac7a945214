"""Settings of :mod:`spikebench.models.state_space`."""

from __future__ import annotations

from pydantic import Field

from spikebench.kernels.names import Surrogate
from spikebench.models.configs.base import (
    MOST_LAYERS,
    ModelConfig,
    ReadoutReduction,
    Units,
)


class StateSpaceConfig(ModelConfig):
    """Configuration of :class:`StateSpaceNetwork`."""

    hidden_units: tuple[Units, ...] = Field(
        default=(128, 128), min_length=1, max_length=MOST_LAYERS
    )
    dropout: float = Field(default=0.0, ge=0, lt=1)  # of spikes between layers, in training
    normalisation_momentum: float = Field(default=0.05, gt=0, le=1)
    tau_readout_ms: float = Field(default=20.0, gt=0, le=1e6)
    readout_skip_ms: float = Field(  # left out of the reduction
        default=0.0, ge=0, le=60_000, exclude_if=lambda time: time == 0
    )
    readout: ReadoutReduction = "softmax"
    surrogate: Surrogate = "boxcar"
    surrogate_slope: float = Field(default=2.0, gt=0)
    members: int = Field(  # independent networks whose scores are averaged
        default=1, ge=1, le=16, exclude_if=lambda members: members == 1
    )
