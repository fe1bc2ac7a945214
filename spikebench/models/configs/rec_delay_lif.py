"""Settings of :mod:`spikebench.models.rec_delay_lif`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from spikebench.kernels.names import Reset, Surrogate
from spikebench.models.configs.base import (
    MOST_LAYERS,
    ModelConfig,
    ReadoutReduction,
    Units,
)


class RecurrentDelayLIFConfig(ModelConfig):
    """Configuration of :class:`RecurrentDelayLIF`; times in ms."""

    hidden_units: tuple[Units, ...] = Field(default=(128,), min_length=1, max_length=MOST_LAYERS)
    max_delay_ms: float = Field(default=300.0, gt=0, le=10_000)
    init_delay_ms: tuple[float, float] = (0.0, 300.0)  # uniform, limited to the longest
    tau_mem_ms: float = Field(default=20.0, gt=0, le=1e6)
    tau_syn_ms: float = Field(default=0.0, ge=0, le=1e6)  # 0: no filter
    reset: Reset = "restart"
    surrogate: Surrogate = "triangle"
    surrogate_slope: float = Field(default=1.0, gt=0)
    normalisation: bool = True  # of the currents of the input
    normalisation_momentum: float = Field(default=0.05, gt=0, le=1)  # with normalisation only
    dropout: float = Field(default=0.0, ge=0, lt=1)  # of spikes between layers, in training
    recurrent_init: Literal["orthogonal", "normal"] = "orthogonal"
    recurrent_scale: float = Field(
        default=1.0, ge=0
    )  # orthogonal: gain; normal: of 1/√hidden_units
    tau_readout_ms: float = Field(default=20.0, gt=0, le=1e6)
    readout_skip_ms: float = Field(  # left out of the reduction
        default=0.0, ge=0, le=60_000, exclude_if=lambda time: time == 0
    )
    readout: ReadoutReduction = "softmax"
    # the next two: for initial weights without normalisation, refused with it
    init_fluctuation: float = Field(default=1.0, gt=0)
    hidden_rate_hz: float = Field(default=10.0, gt=0)  # expected

    @model_validator(mode="after")
    def _delays_are_a_range(self) -> RecurrentDelayLIFConfig:
        low, high = self.init_delay_ms
        if not 0 <= low <= high <= 10_000:
            raise ValueError(f"init_delay_ms: {low} to {high} is not a range within 0 … 10000")
        return self

    @model_validator(mode="after")
    def _settings_have_an_effect(self) -> RecurrentDelayLIFConfig:
        unused = ("init_fluctuation", "hidden_rate_hz")  # normalised currents have their own scale
        for name in unused if self.normalisation else ("normalisation_momentum",):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} has no effect with normalisation = {str(self.normalisation).lower()}; remove it"
                )
        return self
