"""Mel levels scaled to 0 … 1, for codes whose rate, latency or filters need a bounded value.

::

    x[k, b] = clip((L[k, b] − floor) / (top − floor), 0, 1)                           (S1)

A step of x is a ratio of amplitudes: the logarithm stands for the compression of the ear. The floor and the top are
settings, so a value does not depend on the loudest moment of its recording.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from spikebench.encoders.mel_encoder import MelParams
from spikebench.encoders.settings import STRICT

__all__ = ["ScaledParams"]


@dataclass(frozen=True, config=STRICT)
class ScaledParams(MelParams):
    """Parameters of the bands, and the level that is scaled to 1.

    Attributes
    ----------
    top_db : float
        Level of the highest value [dB].
    """

    top_db: Annotated[float, Field(ge=-40, le=40)] = 10.0

    @model_validator(mode="after")
    def _above_floor(self) -> Self:
        if self.top_db <= self.floor_db:
            raise ValueError(f"top_db = {self.top_db:g} is not above floor_db")
        return self

    def scaled(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale levels [dB] to 0 … 1, eq. (S1)."""
        return np.clip((levels - self.floor_db) / (self.top_db - self.floor_db), 0.0, 1.0)

    def levels(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the levels [dB] of scaled values, the inverse of :meth:`scaled`."""
        return np.asarray(self.floor_db + (self.top_db - self.floor_db) * np.clip(scaled, 0.0, 1.0))
