"""The encoder ``bens_spiker``: Ben's spiker algorithm on scaled mel levels, one unit per band.

::

    s[k]     ← x[k, b]: level scaled to 0 … 1, eq. (S1) of spikebench.encoders.mel_scaled; 0 after the end
    e₁       = Σ_j |s[k + j] − g[j]|,  e₂ = Σ_j |s[k + j]|,  j = 0 … J − 1            (B1)
    if e₁ ≤ e₂ − θ·G:  spike at the end of frame k,  s[k + j] ← s[k + j] − g[j]         (B2)
    x̂[k]     = Σ_j g[j] · (1 if there is a spike in frame k − j, else 0)              (B3)

======  ===========  =======  =====================================================================
symbol  setting      default  meaning
======  ===========  =======  =====================================================================
h       hop_ms       5 ms     from one frame to the next
J       filter_ms    40 ms    length of the filter, in frames
g       cutoff_hz    20 Hz    low-pass filter: G times ``scipy.signal.firwin(J, cutoff)``
G       filter_gain  1        sum of g: the value that a spike in every frame stands for
θ       threshold    0.6      how much of G a spike must reduce the error by
======  ===========  =======  =====================================================================

The larger G, the fewer spikes; values above G are beyond the highest rate. The decision on frame k needs the sound up
to frame k + J − 1: the code looks ahead by the length of the filter. Nothing is random. The levels are in
:mod:`spikebench.encoders.mel_encoder`.

Sources: Schrauwen and Van Campenhout (2003), "BSA, a fast and accurate spike train encoding scheme", IJCNN, for (B1) to
(B3); Petro, Kasabov and Kiss (2020), doi 10.1109/TNNLS.2019.2906158, and Forno and others (2022), doi
10.3389/fnins.2022.999029, compare it with other codes. Departure: θ is relative to the sum of the filter, so that it
means the same at every G.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from scipy.signal import firwin

from spikebench.encoders.encoder import SpikeControl, Spikes
from spikebench.encoders.mel_encoder import MelEncoder, MelSignal
from spikebench.encoders.mel_scaled import ScaledParams
from spikebench.encoders.settings import STRICT

__all__ = ["BensSpiker", "BensSpikerParams"]


@dataclass(frozen=True, config=STRICT)
class BensSpikerParams(ScaledParams):
    """Parameters of the bands, the filter and the threshold.

    Attributes
    ----------
    filter_ms : float
        Length of the filter [ms]; rounded to frames, at least one.
    cutoff_hz : float
        Cutoff frequency of the filter [Hz], below half the rate of frames.
    filter_gain : float
        Sum of the filter.
    threshold : float
        How much of the sum a spike must reduce the error by.
    """

    filter_ms: Annotated[float, Field(ge=0.5, le=2000)] = 40.0
    cutoff_hz: Annotated[float, Field(gt=0, le=1000)] = 20.0
    filter_gain: Annotated[float, Field(ge=0.01, le=1000)] = 1.0
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.6

    @model_validator(mode="after")
    def _below_half_the_rate(self) -> Self:
        if self.cutoff_hz >= 500 / self.hop_ms:
            raise ValueError(
                f"cutoff_hz = {self.cutoff_hz:g} is not below half the rate of frames, {500 / self.hop_ms:g} Hz"
            )
        return self


class BensSpiker(MelEncoder):
    """One unit per band."""

    name = "bens_spiker"
    presets: ClassVar[Mapping[str, BensSpikerParams]] = {"default": BensSpikerParams()}
    control = SpikeControl("filter_gain", 0.05, 100.0)

    params: BensSpikerParams

    @property
    def look_ahead(self) -> float:
        """How much sound after its time a spike may depend on [s]: the frames that the filter covers."""
        return (len(self._filter()) - 1) * self.params.hop_ms * 1e-3

    def fire(self, signal: MelSignal, seed: Sequence[int]) -> Spikes:
        """Fire where a filter fits below the rest of the level, eqs. (B1) and (B2)."""
        kernel = self._filter()[:, None]
        least = self.params.threshold * self.params.filter_gain
        scaled = self.params.scaled(signal.levels)
        rest = np.concatenate([scaled, np.zeros((len(kernel), self.n_bands))])
        signs = np.zeros(signal.levels.shape, np.int8)
        for k in range(len(signal.levels)):
            ahead = rest[k : k + len(kernel)]
            with_spike, without = np.abs(ahead - kernel).sum(0), np.abs(ahead).sum(0)
            signs[k] = with_spike <= without - least
            ahead -= kernel * signs[k]
        return self.at_frames(signs, signal)

    def decoded(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Filter the spikes, eq. (B3)."""
        counts = self.sums(times, units, n_frames, time_step)
        kernel = self._filter()
        filtered = [np.convolve(train, kernel)[:n_frames] for train in counts.T]
        return self.params.levels(np.stack(filtered, axis=1))

    def _filter(self) -> NDArray[np.float64]:
        p = self.params
        n_taps = max(round(p.filter_ms / p.hop_ms), 1)
        taps = firwin(n_taps, p.cutoff_hz, fs=1000 / p.hop_ms)
        return np.asarray(p.filter_gain * taps, np.float64)
