"""The encoder ``moving_window``: mel levels against their moving average, a rising and a falling unit per band.

::

    B[k]     = (L[k−w] + … + L[k−1]) / w                          L of before the recording is the floor    (W1)
    if L[k] > B[k] + δ:  spike of the rising unit                                     (W2)
    if L[k] < B[k] − δ:  spike of the falling unit                                    (W3)
    L̂[k]     = (L̂[k−w] + … + L̂[k−1]) / w + δ · (+1, −1 or 0)                          (W4)

======  ============  =======  ==================================
symbol  setting       default  meaning
======  ============  =======  ==================================
h       hop_ms        5 ms     from one frame to the next
w       average_ms    50 ms    length of the average, in frames
floor   floor_db      −40 dB   level of silence
δ       threshold_db  6 dB     distance from the average
======  ============  =======  ==================================

There is at most one spike per band and frame, at the end of the frame (k + 1)·h. A steady level gives no spikes,
however loud it is, and a change gives spikes as long as the average lags behind. Nothing is random. The levels are in
:mod:`spikebench.encoders.mel_encoder`.

Sources: Petro, Kasabov and Kiss (2020), doi 10.1109/TNNLS.2019.2906158, for encoding; compared with other codes on
spoken digits by Forno and others (2022), doi 10.3389/fnins.2022.999029. Departures: the first averages include the
silence before the recording; (W4) inverts (W1) to (W3), where Petro and others add up all spikes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from spikebench.encoders.encoder import SpikeControl, Spikes
from spikebench.encoders.mel_encoder import MelEncoder, MelParams, MelSignal
from spikebench.encoders.settings import STRICT

__all__ = ["MovingWindow", "MovingWindowParams"]


@dataclass(frozen=True, config=STRICT)
class MovingWindowParams(MelParams):
    """Parameters of the bands, the average and the threshold.

    Attributes
    ----------
    average_ms : float
        Length of the moving average [ms]; rounded to frames, at least one.
    threshold_db : float
        Distance of the level from the average [dB].
    """

    average_ms: Annotated[float, Field(ge=0.5, le=10_000)] = 50.0
    threshold_db: Annotated[float, Field(ge=0.05, le=120)] = 6.0


class MovingWindow(MelEncoder):
    """A rising and a falling unit per band."""

    name = "moving_window"
    presets: ClassVar[Mapping[str, MovingWindowParams]] = {"default": MovingWindowParams()}
    default_units = 80
    polarities = 2
    control = SpikeControl("threshold_db", 0.05, 60.0)

    params: MovingWindowParams

    @property
    def look_ahead(self) -> float:
        """How much sound after its time a spike may depend on: none, it is fired at the end of its frame."""
        return 0.0

    def fire(self, signal: MelSignal, seed: Sequence[int]) -> Spikes:
        """Compare the levels with their moving average, eqs. (W1) to (W3)."""
        width, step = self._width(signal.time_step), self.params.threshold_db
        before = np.full((width, self.n_bands), self.params.floor_db)
        padded = np.concatenate([before, signal.levels])
        signs = np.zeros(signal.levels.shape, np.int8)
        for k, level in enumerate(signal.levels):
            base = padded[k : k + width].mean(0)
            signs[k] = (level > base + step).astype(np.int8) - (level < base - step)
        return self.at_frames(signs, signal)

    def decoded(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Add the steps to the average of the levels decoded before, eq. (W4)."""
        width = self._width(time_step)
        steps = self.params.threshold_db * self.sums(times, units, n_frames, time_step)
        levels = np.full((width + n_frames, self.n_bands), self.params.floor_db)
        for k, step in enumerate(steps):
            levels[width + k] = levels[k : k + width].mean(0) + step
        return levels[width:]

    def _width(self, time_step: float) -> int:
        return max(round(self.params.average_ms * 1e-3 / time_step), 1)
