"""White and pink noise, and mixing at a ratio of signal to noise that is measured where speech is.

::

    y = x + g·n                                                                             (A1)
    g = √(P(x) / (P(n) · 10^(SNR/10)))                                                      (A2)
    P(z)  mean of z² over the speech-active samples of x

Speech-active are the frames of 20 ms of x whose power is at most 30 dB below that of its loudest frame; the last frame
may be shorter. Pauses and silence around a word therefore do not make the ratio look worse than it is while somebody
speaks. The noise is added to the whole recording. An infinite ratio adds nothing, and all bits stay as they are.

White noise has independent normal samples, so its band ends at half of the sample rate. Pink noise is white noise whose
spectrum is divided by √f, which gives all octaves the same power, from 20 Hz; below that it is white.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FRAME_S",
    "RANGE_DB",
    "mix",
    "mixing_gain",
    "pink_noise",
    "speech_active",
    "white_noise",
]

FRAME_S, RANGE_DB = 0.02, 30.0
LOWEST_PINK_HZ = 20.0

Samples = NDArray[np.float64]


def speech_active(samples: Samples, sample_rate: int) -> NDArray[np.bool_]:
    """Find the parts of a recording in which there is speech.

    Parameters
    ----------
    samples
        Mono recording, float64, shape (n,), finite.
    sample_rate
        Its sample rate [Hz].

    Returns
    -------
    ndarray of bool, shape (n,)
        True in frames of 20 ms that are at most 30 dB softer than the loudest; all False in silence.
    """
    frame = max(round(FRAME_S * sample_rate), 1)
    peak = np.abs(samples).max(initial=0.0)
    if peak == 0:
        return np.zeros(samples.size, dtype=bool)
    starts = np.arange(0, samples.size, frame)
    energy = np.add.reduceat(np.square(samples / peak), starts)
    power = energy / np.minimum(frame, samples.size - starts)
    active = power >= power.max() * 10 ** (-RANGE_DB / 10)
    return np.repeat(active, frame)[: samples.size]


def mixing_gain(speech: Samples, noise: Samples, active: NDArray[np.bool_], snr_db: float) -> float:
    """Compute the gain of noise for a ratio of signal to noise, eq. (A2).

    Parameters
    ----------
    speech, noise
        float64, shape (n,).
    active
        Samples on which power is measured, bool, shape (n,), at least one.
    snr_db
        Ratio [dB]; infinite for no noise.

    Returns
    -------
    float
        The gain.

    Raises
    ------
    ValueError
        If the noise has no power there, or nothing is active.
    """
    if snr_db == math.inf:
        return 0.0
    if not active.any():
        raise ValueError("there is no speech to which noise could be mixed")
    powers = [float(np.mean(np.square(one[active]))) for one in (speech, noise)]
    if powers[1] == 0:
        raise ValueError("the noise is silent where there is speech")
    return math.sqrt(powers[0] / powers[1]) * 10 ** (-snr_db / 20)


def mix(speech: Samples, noise: Samples, sample_rate: int, snr_db: float) -> Samples:
    """Add noise to a recording, eq. (A1).

    Parameters
    ----------
    speech, noise
        Recording and noise, float64, shape (n,).
    sample_rate
        Sample rate of both [Hz].
    snr_db
        Ratio of signal to noise on the speech-active parts [dB].

    Returns
    -------
    ndarray of float64, shape (n,)
        The mixture; the recording itself if the ratio is infinite.

    Raises
    ------
    ValueError
        As :func:`mixing_gain`.
    """
    gain = mixing_gain(speech, noise, speech_active(speech, sample_rate), snr_db)
    return speech if gain == 0 else speech + gain * noise


def white_noise(n: int, generator: np.random.Generator) -> Samples:
    """Draw white noise.

    Parameters
    ----------
    n
        Number of samples.
    generator
        Source of the draws.

    Returns
    -------
    ndarray of float64, shape (n,)
        Independent standard normal numbers.
    """
    return generator.standard_normal(n)


def pink_noise(n: int, sample_rate: int, generator: np.random.Generator) -> Samples:
    """Draw pink noise.

    Parameters
    ----------
    n
        Number of samples.
    sample_rate
        Their rate [Hz].
    generator
        Source of the draws.

    Returns
    -------
    ndarray of float64, shape (n,)
        Noise of equal power in all octaves from 20 Hz, of no particular level.
    """
    # A transform of an even length that is not shorter keeps the steps between frequencies fine for few samples.
    size = max(2 * n, 2)
    spectrum: NDArray[Any] = np.fft.rfft(generator.standard_normal(size))
    frequencies = np.fft.rfftfreq(size, 1 / sample_rate)
    spectrum /= np.sqrt(np.maximum(frequencies, LOWEST_PINK_HZ))
    return np.fft.irfft(spectrum, size)[:n]
