"""Synthetic room responses: a direct sound, and a tail of noise that decays by 60 dB in a stated time.

::

    h[0] = 1                                          the direct sound
    h[k] = a · z[k] · 10^(−3 · k / (T60 · rate)),     k = 1 … T60 · rate                    (R1)
    Σ h[k]² over k ≥ 1  =  1                          as much energy as the direct sound

z are independent normal numbers: Polack's model of late reverberation (1988, thesis, Université du Maine), whose energy
decays exponentially. A direct-to-reverberant ratio of 0 dB is that of a talker at the critical distance of the room.
The recording keeps its length; what sounds on after its end is cut off. A tail of less than one sample is none.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

__all__ = ["reverberate", "room_response"]

Samples = NDArray[np.float64]


def room_response(decay_time: float, sample_rate: int, generator: np.random.Generator) -> Samples:
    """Draw the response of a room, eq. (R1).

    Parameters
    ----------
    decay_time
        Time in which the energy decays by 60 dB [s].
    sample_rate
        Sample rate [Hz].
    generator
        Source of the draws.

    Returns
    -------
    ndarray of float64, shape (1 + ⌊decay_time · sample_rate⌋,)
        The response; the direct sound is its first sample.
    """
    n = math.floor(decay_time * sample_rate)
    tail = generator.standard_normal(n) * 10 ** (
        -3 * np.arange(1, n + 1) / (decay_time * sample_rate)
    )
    if n:
        tail /= np.sqrt(np.square(tail).sum())
    return np.concatenate([[1.0], tail])


def reverberate(samples: Samples, response: Samples) -> Samples:
    """Play a recording in a room.

    Parameters
    ----------
    samples
        Recording, float64, shape (n,).
    response
        Response of the room, float64.

    Returns
    -------
    ndarray of float64, shape (n,)
        The first n samples of their convolution.
    """
    heard: Samples = oaconvolve(samples, response)[: samples.size]
    return heard
