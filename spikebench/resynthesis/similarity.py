"""How similar a sound is to the recording behind its spikes: the correlation of their spectrograms.

::

    L[k, b]   level of mel band b in frame k [dB], limited to 50 dB below the loudest cell of the spectrogram
    A         frames of the recording whose loudest band is within 30 dB of the loudest cell: speech, without silence
    D[k, b]   L[k, b] − mean of L[·, b] over A
    r         correlation of D of the recording with D of the sound, over all bands of A, at the best shift

Without silence and the means of the bands, which all speech shares, unrelated words have a smaller correlation. Spikes
may start at the first spike instead of the start of the recording, so the sound is shifted by whole frames over the
recording; it has the lowest level outside its frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.bands.mel import MelDesign, log_mel

__all__ = ["spectrogram_correlation"]

_RANGE, _SPEECH = 50.0, 30.0  # dB
_DESIGN = MelDesign(
    sample_rate=16_000, hop=160, window=400, n_bands=32, lowest=100.0, highest=7000.0, floor=-120.0
)


def spectrogram_correlation(
    recording: NDArray[np.float64],
    recording_rate: int,
    sound: NDArray[np.float64],
    sound_rate: int,
) -> float:
    """Compute the correlation of two spectrograms.

    Parameters
    ----------
    recording, recording_rate
        Samples, float64, shape (n,), and sample rate [Hz].
    sound, sound_rate
        The same of the sound.

    Returns
    -------
    float
        Between -1 and 1; 0 if one of them is silent.
    """
    reference = _levels(recording, recording_rate)
    found = _levels(sound, sound_rate)
    active = np.flatnonzero(reference.max(1) >= -_SPEECH)
    padded = np.pad(found, ((len(reference),) * 2, (0, 0)), constant_values=-_RANGE)
    starts = len(reference) - np.arange(1 - len(found), len(reference))
    return max(_correlation(reference[active], padded[start + active]) for start in starts)


def _levels(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Compute the levels below the loudest cell [dB], float64, shape (frame, band)."""
    levels = log_mel(samples, rate, _DESIGN).astype(np.float64)
    loudest = max(float(levels.max()), _DESIGN.floor + _RANGE)  # silence has no loud cell
    return np.maximum(levels - loudest, -_RANGE)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    x, y = one - one.mean(0), other - other.mean(0)
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale > 0 else 0.0
