"""From the samples of a recording to the levels of its mel bands.

::

    x        ← recording, resampled to the rate of the design
    x        ← x / (√2 · rms(x))                     a sine then has the amplitude 1
    X[k, f]  = 2 / Σw · DFT of w · x on the window that ends with time bin k
    L[k, b]  = 10 · log10(max(Σ over f of M[b, f] · |X[k, f]|², 10^(floor/10)))

w is a Hann window, M are triangles of height 1 that are equally spaced on the mel scale of Slaney's Auditory Toolbox
(``librosa.filters.mel``). A level of 0 dB is about that of a sine with the root mean square of the recording. A frame
contains no sound from after its time bin. The level of the whole recording is normalised, as the cochlea does
(:mod:`cochlea.level`), so that both get the same input.

Source: Davis and Mermelstein (1980), doi 10.1109/TASSP.1980.1163420, for mel bands; ``librosa`` for both transforms.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spikebench.bands.level import resampled, sine_scaled
from spikebench.errors import TrainingError

__all__ = ["MelDesign", "log_mel", "mel_centres", "mel_filters"]


@dataclass(frozen=True)
class MelDesign:
    """Parameters of the features.

    Attributes
    ----------
    sample_rate : int
        Rate to which recordings are resampled [Hz].
    hop, window : int
        From one frame to the next, and length of the window [samples]; the window is not shorter than the hop.
    n_bands : int
        Number of bands.
    lowest, highest : float
        Lower edge of the first and upper edge of the last band [Hz].
    floor : float
        Least level, also that of silence [dB].
    """

    sample_rate: int
    hop: int
    window: int
    n_bands: int
    lowest: float
    highest: float
    floor: float

    @property
    def n_fft(self) -> int:
        """Length of the transform [samples]: the next power of two."""
        return 1 << (self.window - 1).bit_length()


def log_mel(
    samples: NDArray[np.float64], sample_rate: int, design: MelDesign
) -> NDArray[np.float32]:
    """Compute the levels of the mel bands of a recording.

    Parameters
    ----------
    samples
        Mono recording, float64, shape (n,), any unit, finite.
    sample_rate
        Its sample rate [Hz].
    design
        Parameters of the features.

    Returns
    -------
    ndarray of float32, shape (frame, band)
        Levels [dB], at least one frame; band 0 is the lowest. Silence has the level of the floor.

    Raises
    ------
    TrainingError
        If a band would contain no frequency of the transform.
    """
    import librosa  # loads numba

    filters = mel_filters(design)
    scaled = sine_scaled(resampled(samples, sample_rate, design.sample_rate))
    n_frames = max(-(-scaled.size // design.hop), 1)
    n_fft = design.n_fft
    # librosa puts the window into the middle of the transform.
    before = design.window - design.hop + (n_fft - design.window) // 2
    after = (n_frames - 1) * design.hop + n_fft - before - scaled.size
    spectrum = librosa.stft(
        np.pad(scaled, (before, after)).astype(np.float32),
        n_fft=n_fft,
        hop_length=design.hop,
        win_length=design.window,
        window="hann",
        center=False,
    )
    # A Hann window of n samples has the sum n/2, as librosa makes it.
    power = np.square(np.abs(spectrum) * np.float32(4 / design.window))
    least = np.float32(10 ** (design.floor / 10))
    levels = 10 * np.log10(np.maximum(filters @ power, least))
    np.maximum(
        levels, np.float32(design.floor), out=levels
    )  # the logarithm of some processors rounds below it
    return np.ascontiguousarray(levels.T, dtype=np.float32)


def mel_centres(design: MelDesign) -> NDArray[np.float64]:
    """Compute the frequencies at which the triangles of the bands have their height.

    Parameters
    ----------
    design
        Parameters of the features.

    Returns
    -------
    ndarray of float64, shape (band,)
        Frequencies [Hz], ascending.
    """
    import librosa  # loads numba

    corners = librosa.mel_frequencies(design.n_bands + 2, fmin=design.lowest, fmax=design.highest)
    return np.asarray(corners[1:-1], np.float64)


@lru_cache(maxsize=4)
def mel_filters(design: MelDesign) -> NDArray[np.float32]:
    """Compute the triangles of the bands.

    Parameters
    ----------
    design
        Parameters of the features.

    Returns
    -------
    ndarray of float32, shape (band, frequency)
        Weights of the powers at the frequencies of the transform, 0 to half the sample rate.

    Raises
    ------
    TrainingError
        If a band would contain no frequency of the transform.
    """
    import librosa  # loads numba

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of empty bands, which are refused below
        filters: NDArray[np.float32] = librosa.filters.mel(
            sr=design.sample_rate,
            n_fft=design.n_fft,
            n_mels=design.n_bands,
            fmin=design.lowest,
            fmax=design.highest,
            norm=None,
            dtype=np.float32,
        )
    if (empty := np.flatnonzero(~filters.any(axis=1))).size:
        apart = design.sample_rate / design.n_fft
        raise TrainingError(
            f"mel.bands = {design.n_bands}: band {empty[0]} lies between two frequencies of the transform, which are "
            f"{apart:g} Hz apart; use fewer mel.bands or a longer mel.window_ms"
        )
    return filters
