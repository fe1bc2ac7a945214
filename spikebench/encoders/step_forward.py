"""The encoder ``step_forward``: step-forward encoding of mel levels, a rising and a falling unit per band.

::

    B        ← floor                                              baseline
    if L[k] > B + δ:  spike of the rising unit,   B ← B + δ                           (F1)
    if L[k] < B − δ:  spike of the falling unit,  B ← B − δ                           (F2)
    L̂[k]     = floor + δ · (rising − falling spikes up to frame k)                    (F3)

======  ============  =======  ==================================
symbol  setting       default  meaning
======  ============  =======  ==================================
h       hop_ms        5 ms     from one frame to the next
floor   floor_db      −40 dB   level of silence
δ       threshold_db  3 dB     step of the baseline
======  ============  =======  ==================================

There is at most one spike per band and frame, at the end of the frame (k + 1)·h. Steeper slopes than δ/h are followed
late, in contrast to :mod:`spikebench.encoders.mel_level_crossing`. Nothing is random. The levels are in
:mod:`spikebench.encoders.mel_encoder`.

Sources: Petro, Kasabov and Kiss (2020), doi 10.1109/TNNLS.2019.2906158, for encoding and decoding; compared with other
codes on spoken digits by Forno and others (2022), doi 10.3389/fnins.2022.999029. Departure: the baseline begins at the
level of silence instead of the first value, which a decoder would have to be told.
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

__all__ = ["StepForward", "StepForwardParams"]


@dataclass(frozen=True, config=STRICT)
class StepForwardParams(MelParams):
    """Parameters of the bands, and the step.

    Attributes
    ----------
    threshold_db : float
        Step of the baseline [dB].
    """

    threshold_db: Annotated[float, Field(ge=0.05, le=120)] = 3.0


class StepForward(MelEncoder):
    """A rising and a falling unit per band."""

    name = "step_forward"
    presets: ClassVar[Mapping[str, StepForwardParams]] = {"default": StepForwardParams()}
    default_units = 80
    polarities = 2
    control = SpikeControl("threshold_db", 0.05, 60.0)

    params: StepForwardParams

    @property
    def look_ahead(self) -> float:
        """How much sound after its time a spike may depend on: none, it is fired at the end of its frame."""
        return 0.0

    def fire(self, signal: MelSignal, seed: Sequence[int]) -> Spikes:
        """Follow the levels by steps, eqs. (F1) and (F2)."""
        step = self.params.threshold_db
        signs = np.zeros(signal.levels.shape, np.int8)
        base = np.full(self.n_bands, self.params.floor_db)
        for k, level in enumerate(signal.levels):
            signs[k] = (level > base + step).astype(np.int8) - (level < base - step)
            base += step * signs[k]
        return self.at_frames(signs, signal)

    def decoded(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Add up the steps, eq. (F3)."""
        steps = self.sums(times, units, n_frames, time_step).cumsum(0)
        return np.asarray(self.params.floor_db + self.params.threshold_db * steps)
