"""What lines, amplifiers and players do to a recording.

::

    telephone     Butterworth band-pass of order 8, 300 … 3,400 Hz (−3 dB), as far as the sample rate goes
    clipping:D    x ← min(max(x, −c), c),  c = max |x| · 10^(−D/20)
    level:G       x ← round(2¹⁵ · x · 10^(G/20)) / 2¹⁵, limited to −1 … 1 − 2⁻¹⁵: 16 bits of full scale 1
    speed:F       resampled to 1/F of its length (soxr, quality VHQ): faster and higher, as a tape
    loss:P%       x ← 0 in packets of 20 ms, each lost independently with probability P

All keep the length but ``speed``. Encoders scale recordings to a common level, so a gain alone would change nothing;
what remains of it is the range of the converter. The same random numbers decide on packets at every P, so the packets
lost at 10 % are also lost at 30 %. A whole band of sample rates above 6.8 kHz passes a telephone; below, only its lower
edge applies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

__all__ = [
    "BAND_HZ",
    "PACKET_S",
    "change_level",
    "change_speed",
    "clip_peaks",
    "lose_packets",
    "telephone",
]

BAND_HZ = (300.0, 3400.0)
PACKET_S = 0.02
_ORDER = 8
_STEPS = 2.0**15  # per unit of full scale

Samples = NDArray[np.float64]


def telephone(samples: Samples, sample_rate: int) -> Samples:
    """Pass the band of a telephone line.

    Parameters
    ----------
    samples
        float64, shape (n,).
    sample_rate
        Sample rate [Hz], above 600.

    Returns
    -------
    ndarray of float64, shape (n,)
        The filtered recording.
    """
    low, high = BAND_HZ
    if high < 0.49 * sample_rate:
        filters = butter(_ORDER, (low, high), "bandpass", fs=sample_rate, output="sos")
    else:
        filters = butter(_ORDER, low, "highpass", fs=sample_rate, output="sos")
    heard: Samples = np.asarray(sosfilt(filters, samples), dtype=np.float64)
    return heard


def clip_peaks(samples: Samples, depth_db: float) -> Samples:
    """Cut off peaks.

    Parameters
    ----------
    samples
        float64, shape (n,).
    depth_db
        How far below the highest peak [dB], not negative.

    Returns
    -------
    ndarray of float64, shape (n,)
        The clipped recording.
    """
    limit = np.abs(samples).max(initial=0.0) * 10 ** (-depth_db / 20)
    return np.clip(samples, -limit, limit)


def change_level(samples: Samples, gain_db: float) -> Samples:
    """Amplify a recording, and store it with 16 bits.

    Parameters
    ----------
    samples
        float64, shape (n,), full scale 1.
    gain_db
        Gain [dB].

    Returns
    -------
    ndarray of float64, shape (n,)
        What the 16 bits hold.
    """
    steps = np.rint(samples * (_STEPS * 10 ** (gain_db / 20)))
    return np.clip(steps, -_STEPS, _STEPS - 1) / _STEPS


def change_speed(samples: Samples, factor: float) -> Samples:
    """Play a recording faster or slower.

    Parameters
    ----------
    samples
        float64, shape (n,).
    factor
        How many times as fast.

    Returns
    -------
    ndarray of float64, shape about (n / factor,)
        At the same sample rate, at least one sample.
    """
    if factor == 1:
        return samples
    import soxr

    played: Samples = soxr.resample(samples, factor, 1.0, quality="VHQ")
    return played if played.size else samples[:1]


def lose_packets(
    samples: Samples, sample_rate: int, share: float, generator: np.random.Generator
) -> Samples:
    """Replace lost packets by silence.

    Parameters
    ----------
    samples
        float64, shape (n,).
    sample_rate
        Sample rate [Hz].
    share
        Probability of each packet to be lost, 0 … 1.
    generator
        Source of one draw per packet; the last packet may be shorter.

    Returns
    -------
    ndarray of float64, shape (n,)
        Copy of the recording without these packets.
    """
    length = max(round(PACKET_S * sample_rate), 1)
    lost = generator.random(-(-samples.size // length)) < share
    kept = samples.copy()
    kept[np.repeat(lost, length)[: samples.size]] = 0.0
    return kept
