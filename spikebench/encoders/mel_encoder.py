"""What the encoders of mel levels share: parameters, levels of the bands, order of the units, decoding.

The levels L[k, b] are those of :mod:`spikebench.bands.mel`: frame k ends at (k + 1) hops, contains no sound from later,
and nothing below the floor is kept. Before the recording there is silence, L[−1, b] = floor. Unit 0 is the highest
band; an encoder with two polarities has a unit per band that fires when its level rises, and after all of these one per
band that fires when it falls.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from spikebench.bands.mel import MelDesign, log_mel, mel_centres, mel_filters
from spikebench.encoders.encoder import Encoder, Levels, Spikes
from spikebench.encoders.settings import STRICT
from spikebench.errors import SpikebenchError, TrainingError

__all__ = ["MelEncoder", "MelParams", "MelSignal", "frame_of"]

_MOST_BANDS = 512


@dataclass(frozen=True, config=STRICT)
class MelParams:
    """Parameters of the bands.

    Attributes
    ----------
    input_rate : int or None
        Rate to which recordings are resampled first [Hz]; None keeps the original rate.
    hop_ms, window_ms : float
        From one frame to the next, and length of the window [ms]; rounded to samples.
    lowest_hz, highest_hz : float
        Lower edge of the lowest and upper edge of the highest band [Hz].
    floor_db : float
        Least level, also that of silence [dB]; 0 dB is about that of a sine with the root mean square of the recording.
    """

    input_rate: Annotated[int, Field(ge=4000, le=192_000)] | None = 16_000
    hop_ms: Annotated[float, Field(ge=0.5, le=100)] = 5.0
    window_ms: Annotated[float, Field(ge=2, le=500)] = 25.0
    lowest_hz: Annotated[float, Field(ge=0, le=50_000)] = 50.0
    highest_hz: Annotated[float, Field(ge=20, le=50_000)] = 7600.0
    floor_db: Annotated[float, Field(ge=-120, le=-5)] = -40.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.window_ms < self.hop_ms:
            raise ValueError(f"window_ms = {self.window_ms:g} is shorter than hop_ms")
        if self.lowest_hz >= self.highest_hz:
            raise ValueError(f"lowest_hz = {self.lowest_hz:g} is not below highest_hz")
        if self.input_rate is not None and self.highest_hz > self.input_rate / 2:
            raise ValueError(f"highest_hz = {self.highest_hz:g} is above half the sample rate")
        return self


class MelSignal(NamedTuple):
    """Levels of a recording.

    Attributes
    ----------
    levels : ndarray of float64, shape (frame, band)
        Levels [dB]; band 0 is the highest.
    time_step : float
        From one frame to the next [s].
    duration : float
        Length of the recording [s]; the last frame may end later.
    """

    levels: NDArray[np.float64]
    time_step: float
    duration: float


def frame_of(times: NDArray[np.float64], time_step: float, n_frames: int) -> NDArray[np.int64]:
    """Find the frame at whose end, or during which, a spike was fired.

    Parameters
    ----------
    times
        Times of spikes [s], float64, shape (spikes,).
    time_step
        From one frame to the next [s].
    n_frames
        Number of frames.

    Returns
    -------
    ndarray of int64, shape (spikes,)
        Frames; the time (k + 1) · step belongs to frame k, also if it is rounded to single precision.
    """
    frames = np.ceil(times / time_step - 1e-3).astype(np.int64) - 1
    return np.clip(frames, 0, n_frames - 1)


class MelEncoder(Encoder):
    """An encoder of the levels of mel bands; subclasses turn levels into spikes and back."""

    libraries = ("numpy", "scipy", "librosa", "soxr")
    default_units = 40

    params: MelParams

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return self.n_units // self.polarities

    @property
    def look_ahead(self) -> float:
        """How much sound after its time a spike may depend on [s]: up to the end of its frame."""
        return self.params.hop_ms * 1e-3

    def design(self, rate: int) -> MelDesign:
        """Return the parameters of the features at a sample rate [Hz].

        Raises
        ------
        ValueError
            If a band lies above half the sample rate.
        """
        p = self.params
        if p.highest_hz > rate / 2:
            raise ValueError(
                f"highest_hz = {p.highest_hz:g} is above half the sample rate of {rate} Hz"
            )
        hop = max(round(p.hop_ms * 1e-3 * rate), 1)
        window = max(round(p.window_ms * 1e-3 * rate), hop)
        edges = (p.lowest_hz, p.highest_hz)
        return MelDesign(rate, hop, window, self.n_bands, *edges, floor=p.floor_db)

    def check(self) -> None:
        """Raise :class:`SpikebenchError` if the number of units does not suit the parameters."""
        super().check()
        if not 1 <= self.n_bands <= _MOST_BANDS:
            raise SpikebenchError(
                f"encoder {self.name}: {self.n_units} units are {self.n_bands} bands; 1 to {_MOST_BANDS} are possible"
            )
        if self.input_rate is None:
            return
        try:
            mel_filters(self.design(self.input_rate))
        except TrainingError:
            raise SpikebenchError(
                f"encoder {self.name}: {self.n_bands} bands are narrower than the resolution of the window; use fewer "
                f"units than {self.n_units} or a longer window_ms"
            ) from None

    def encode(self, samples: NDArray[np.float64], sample_rate: int, seed: Sequence[int]) -> Spikes:
        """Encode one clip; see :meth:`spikebench.encoders.encoder.Encoder.encode`."""
        return self.fire(self.signal(samples, sample_rate), seed)

    def signal(self, samples: NDArray[np.float64], sample_rate: int) -> MelSignal:
        """Compute the levels of a recording."""
        design = self.design(self.input_rate or sample_rate)
        try:
            levels = log_mel(samples, sample_rate, design)[:, ::-1]
        except TrainingError as error:
            raise ValueError(str(error)) from None
        time_step = design.hop / design.sample_rate
        return MelSignal(levels.astype(np.float64), time_step, samples.size / sample_rate)

    @abstractmethod
    def fire(self, signal: MelSignal, seed: Sequence[int]) -> Spikes:
        """Turn the levels into spikes."""

    @abstractmethod
    def decoded(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Return the levels [dB] that the spikes keep, float64, shape (n_frames, band)."""

    def decode(self, spikes: Spikes, duration: float) -> Levels:
        """Get the levels back; see :meth:`spikebench.encoders.encoder.Encoder.decode`."""
        design = self.design(self.input_rate or round(2 * self.params.highest_hz))
        time_step = design.hop / design.sample_rate
        n_frames = max(int(np.ceil(duration / time_step - 1e-6)), 1)
        units = spikes.units.astype(np.int64)
        levels = self.decoded(spikes.times, units, n_frames, time_step)
        frequencies = self.characteristic_frequencies()[: self.n_bands]
        return Levels(levels, time_step, frequencies, self.params.floor_db)

    def characteristic_frequencies(self) -> NDArray[np.float64]:
        """Compute the centre of the band of each unit [Hz], float64, shape (n_units,)."""
        design = self.design(self.input_rate or round(2 * self.params.highest_hz))
        return np.tile(mel_centres(design)[::-1], self.polarities)

    def in_order(
        self, times: NDArray[np.float64], units: NDArray[np.int64], signal: MelSignal
    ) -> Spikes:
        """Sort spikes by time and unit; the last frame ends with the recording."""
        times = np.minimum(times, signal.duration)
        order = np.lexsort((units, times))
        return Spikes(times[order], units[order].astype(np.uint16))

    def at_frames(self, signs: NDArray[np.int8], signal: MelSignal) -> Spikes:
        """Return a spike at the end of every frame and band whose sign is not 0, shape (frame, band)."""
        frames, bands = signs.nonzero()
        falls = signs[frames, bands] < 0
        times = np.asarray((frames + 1) * signal.time_step, np.float64)
        return self.in_order(times, bands + self.n_bands * falls, signal)

    def sums(
        self, times: NDArray[np.float64], units: NDArray[np.int64], n_frames: int, time_step: float
    ) -> NDArray[np.float64]:
        """Count the spikes of each frame and band, falling ones as −1, float64, shape (n_frames, band)."""
        signs = np.where(units < self.n_bands, 1.0, -1.0)
        cells = frame_of(times, time_step, n_frames) * self.n_bands + units % self.n_bands
        counts = np.bincount(cells, signs, n_frames * self.n_bands).astype(np.float64)
        return counts.reshape(n_frames, self.n_bands)
