"""The encoder ``mel_level_crossing``: send-on-delta of mel levels, a rising and a falling unit per band.

::

    L(t)     levels [dB], linear between L[k−1] at time k·h and L[k] at time (k + 1)·h
    R        ← floor                                       the last level that was sent
    if L(t) reaches R + δ:  spike of the rising unit,   R ← R + δ                     (D1)
    if L(t) reaches R − δ:  spike of the falling unit,  R ← R − δ                     (D2)
    L̂(t)     = floor + δ · (rising − falling spikes up to t),   |L̂ − L| < δ            (D3)

======  ============  =======  ==================================
symbol  setting       default  meaning
======  ============  =======  ==================================
h       hop_ms        5 ms     from one frame to the next
floor   floor_db      −40 dB   level of silence
δ       threshold_db  3 dB     step from one spike to the next
======  ============  =======  ==================================

A spike is known at the end of the frame in which it lies, so the code runs at most h behind the window. Nothing is
random. The levels are in :mod:`spikebench.encoders.mel_encoder`.

Source: Miskowicz (2006), doi 10.3390/s6010049, for send-on-delta; it is also the code of delta modulators in
event-based sensors.
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

__all__ = ["MelLevelCrossing", "MelLevelCrossingParams"]


@dataclass(frozen=True, config=STRICT)
class MelLevelCrossingParams(MelParams):
    """Parameters of the bands, and the step.

    Attributes
    ----------
    threshold_db : float
        Step of the level from one spike to the next [dB].
    """

    threshold_db: Annotated[float, Field(ge=0.05, le=120)] = 3.0


class MelLevelCrossing(MelEncoder):
    """A rising and a falling unit per band."""

    name = "mel_level_crossing"
    presets: ClassVar[Mapping[str, MelLevelCrossingParams]] = {"default": MelLevelCrossingParams()}
    default_units = 80
    polarities = 2
    control = SpikeControl("threshold_db", 0.05, 60.0)

    params: MelLevelCrossingParams

    def fire(self, signal: MelSignal, seed: Sequence[int]) -> Spikes:
        """Send every crossing of a level, eqs. (D1) and (D2)."""
        step, floor = self.params.threshold_db, self.params.floor_db
        heights = (signal.levels - floor) / step
        sent, before = np.zeros(self.n_bands), np.zeros(self.n_bands)
        times, units = [np.empty(0)], [np.empty(0, np.int64)]
        for k, height in enumerate(heights):
            # Heights are in steps: the level that was sent is a whole number.
            rises = np.trunc(height - sent)
            band = np.repeat(np.arange(self.n_bands), np.abs(rises).astype(np.int64))
            number = np.arange(band.size) - np.searchsorted(band, band) + 1
            crossed = sent[band] + number * np.sign(rises[band])
            part = (crossed - before[band]) / (height[band] - before[band])
            times.append((k + part) * signal.time_step)
            units.append(np.where(rises[band] > 0, band, band + self.n_bands))
            sent, before = sent + rises, height
        return self.in_order(np.concatenate(times), np.concatenate(units), signal)

    def decoded(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Add up the steps, eq. (D3)."""
        steps = self.sums(times, units, n_frames, time_step).cumsum(0)
        return np.asarray(self.params.floor_db + self.params.threshold_db * steps)
