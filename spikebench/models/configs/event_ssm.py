"""Settings of :mod:`spikebench.models.event_ssm`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from spikebench.models.configs.base import (
    ModelConfig,
    Units,
)


class EventSSMConfig(ModelConfig):
    """Configuration of :class:`EventSSM`."""

    hidden_units: Units = 64  # features of a token
    states: Units = 16  # complex states of a layer, each for a conjugate pair
    block_states: Units = 8  # complex states of a block of the initial λ; divides ``states``
    layers: int = Field(default=2, ge=1, le=100)  # of a stage
    # Tokens that become one at the head of each stage. The first value merges events: 1 makes every event a token.
    pooling: tuple[int, ...] = Field(default=(4, 4), min_length=1, max_length=16)
    tau_ms: tuple[float, float] = (20.0, 500.0)  # range of the initial time constants 2/Δ
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.states % self.block_states:
            raise ValueError(f"states: {self.states} is not a multiple of block_states")
        if min(self.pooling) < 1:
            raise ValueError("pooling: a group has at least 1 token")
        shortest, longest = self.tau_ms
        if not 0 < shortest <= longest <= 1e6:
            raise ValueError(f"tau_ms: {shortest} to {longest} is not a range within 0 … 1e6")
        return self
