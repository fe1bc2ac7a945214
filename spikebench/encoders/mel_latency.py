"""The encoder ``mel_latency``: time to first spike, at most one spike per mel band and frame, the louder the earlier.

::

    x[k, b]  level scaled to 0 … 1, eq. (S1) of spikebench.encoders.mel_scaled
    t[k, b]  = k·h + (1 − x[k, b])·h     if x[k, b] ≥ θ, else no spike                (T1)
    x̂[k, b]  = 1 − (t[k, b] − k·h) / h   if there is a spike, else 0                  (T2)

======  =========  =======  ==================================================
symbol  setting    default  meaning
======  =========  =======  ==================================================
h       hop_ms     10 ms    frame of the code
θ       threshold  0.1      least value with a spike, as a share of the range
======  =========  =======  ==================================================

A last frame that is not complete is left out, except if it is the only one. The spikes of frame k code sound up to its
end, so the code runs h behind the window. Nothing is random. The levels are in :mod:`spikebench.encoders.mel_encoder`.

Source: Thorpe, Delorme and Van Rullen (2001), "Spike-based strategies for rapid processing", Neural Networks 14, 715.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from spikebench.encoders.encoder import SpikeControl, Spikes
from spikebench.encoders.mel_encoder import MelEncoder, MelSignal
from spikebench.encoders.mel_scaled import ScaledParams
from spikebench.encoders.settings import STRICT

__all__ = ["MelLatency", "MelLatencyParams"]

_ROUNDING = 1e-3  # of a frame: times are stored in single precision, and at x = 1 a frame begins with its spike


@dataclass(frozen=True, config=STRICT)
class MelLatencyParams(ScaledParams):
    """Parameters of the bands, and the threshold.

    Attributes
    ----------
    threshold : float
        Least scaled level with a spike.
    """

    hop_ms: Annotated[float, Field(ge=0.5, le=100)] = 10.0
    threshold: Annotated[float, Field(ge=0.01, le=1)] = 0.1


class MelLatency(MelEncoder):
    """One unit per band."""

    name = "mel_latency"
    presets: ClassVar[Mapping[str, MelLatencyParams]] = {"default": MelLatencyParams()}
    control = SpikeControl("threshold", 0.01, 1.0)

    params: MelLatencyParams

    def fire(self, signal: MelSignal, seed: Sequence[int]) -> Spikes:
        """Delay a spike by what the level lacks to the top, eq. (T1)."""
        complete = max(int(signal.duration / signal.time_step + 1e-6), 1)
        scaled = self.params.scaled(signal.levels[:complete])
        frames, bands = np.nonzero(scaled >= self.params.threshold)
        times = (frames + 1 - scaled[frames, bands]) * signal.time_step
        return self.in_order(times, bands, signal)

    def decoded(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Return the level of each spike, eq. (T2), and the floor where there is none."""
        at = times / time_step
        frames = np.clip((at + _ROUNDING).astype(np.int64), 0, n_frames - 1)
        scaled = np.zeros((n_frames, self.n_bands))
        scaled[frames, units] = 1 - (at - frames)
        return self.params.levels(scaled)
