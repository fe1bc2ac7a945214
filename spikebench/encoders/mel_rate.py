"""The encoder ``mel_rate``: a Poisson process per mel band whose rate follows the level.

::

    x[k, b]  level scaled to 0 … 1, eq. (S1) of spikebench.encoders.mel_scaled
    N[k, b]  ~ Poisson(r · x[k, b] · h)         spikes of unit b in frame k           (R1)
    t        uniform in k·h … (k + 1)·h         time of each of them                  (R2)

======  ============  =======  ==================================
symbol  setting       default  meaning
======  ============  =======  ==================================
h       hop_ms        5 ms     from one frame to the next
floor   floor_db      −40 dB   level that gives no spikes
top     top_db        10 dB    level of the highest rate
r       rate_hz       200 Hz   highest rate
======  ============  =======  ==================================

The last frame is as long as the rest of the recording. The spikes of frame k code sound up to its end, so the code runs
h behind the window. All numbers are drawn by the generator Philox of the seed of the recording: first N, frame after
frame, then the times. The decoder smooths the counts by a Gaussian with a standard deviation of 12.5 ms, and inverts
(S1). The levels are in :mod:`spikebench.encoders.mel_encoder`.

Source: Gerstner and Kistler (2002), "Spiking Neuron Models", section 1.4, for rate codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass
from scipy.ndimage import gaussian_filter1d

from spikebench.encoders.encoder import SpikeControl, Spikes
from spikebench.encoders.mel_encoder import MelEncoder, MelSignal
from spikebench.encoders.mel_scaled import ScaledParams
from spikebench.encoders.settings import STRICT

__all__ = ["MelRate", "MelRateParams"]

_SMOOTHING = 0.0125  # [s]


@dataclass(frozen=True, config=STRICT)
class MelRateParams(ScaledParams):
    """Parameters of the bands, and the rate.

    Attributes
    ----------
    rate_hz : float
        Highest rate of a unit [Hz].
    """

    rate_hz: Annotated[float, Field(gt=0, le=100_000)] = 200.0


class MelRate(MelEncoder):
    """A Poisson process per band."""

    name = "mel_rate"
    presets: ClassVar[Mapping[str, MelRateParams]] = {"default": MelRateParams()}
    control = SpikeControl("rate_hz", 0.01, 10_000.0)

    params: MelRateParams

    def fire(self, signal: MelSignal, seed: Sequence[int]) -> Spikes:
        """Draw the spikes, eqs. (R1) and (R2)."""
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(list(seed))))
        starts = np.arange(len(signal.levels)) * signal.time_step
        lengths = np.clip(signal.duration - starts, 0.0, signal.time_step)
        rates = self.params.rate_hz * self.params.scaled(signal.levels)
        counts = generator.poisson(rates * lengths[:, None])
        cells = np.repeat(np.arange(counts.size), counts.ravel())
        frames = cells // self.n_bands
        times = starts[frames] + generator.random(cells.size) * lengths[frames]
        return self.in_order(times, cells % self.n_bands, signal)

    def decoded(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Smooth the rates and invert eq. (S1)."""
        counts = self.sums(times, units, n_frames, time_step)
        rates = (
            gaussian_filter1d(counts, _SMOOTHING / time_step, axis=0, mode="constant") / time_step
        )
        return self.params.levels(rates / self.params.rate_hz)
