"""The sound of spikes that are a code of levels: the encoder's decoder gives levels back, and every band is a tone.

::

    A_b(t) = 10^(L̂[k, b]/20) at t = (k + ½)·h if L̂[k, b] is above the floor, else 0; linear in between     (L1)
    y(t)   = Σ_b A_b(t) · cos(2π·f_b·t + φ_b)                                                             (L2)

L̂ are the decoded levels [dB], h is the time from one frame to the next, f_b the frequency of a band and φ_b one fixed
random phase per band. Spikes of an encoder without such a decoder become a sound by
:func:`spikebench.resynthesis.sound.spikes_to_sound`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spikebench.encoders.encoder import Levels, Spikes
from spikebench.resynthesis.sound import SoundDesign, spikes_to_sound, with_peak

__all__ = ["Decode", "levels_to_sound", "sound_of_spikes"]

Decode = Callable[[Spikes, float], Levels | None]


def sound_of_spikes(
    spikes: Spikes,
    frequencies: NDArray[np.float64],
    duration: float,
    decode: Decode,
    design: SoundDesign | None = None,
) -> NDArray[np.float64]:
    """Make a sound of spikes, by the decoder of their encoder if it has one.

    Parameters
    ----------
    spikes
        Spikes of the clip.
    frequencies
        Characteristic frequency of each unit [Hz], float64, shape (units,).
    duration
        Length of the sound [s].
    decode
        As :meth:`spikebench.encoders.encoder.Encoder.decode`.
    design
        Parameters; the defaults if None.

    Returns
    -------
    ndarray of float64, shape (samples,)
        The sound, with a largest amplitude of 0.5; zeros without spikes.

    Raises
    ------
    ValueError
        If the duration is not positive, or a unit has no frequency.
    """
    levels = decode(spikes, duration) if spikes.times.size else None
    if levels is None:
        units = spikes.units.astype(np.int64)
        return spikes_to_sound(spikes.times, units, frequencies, duration, design)
    return levels_to_sound(levels, duration, design or SoundDesign())


def levels_to_sound(levels: Levels, duration: float, design: SoundDesign) -> NDArray[np.float64]:
    """Make a sound of the levels of bands, eqs. (L1) and (L2).

    Parameters
    ----------
    levels
        The levels.
    duration
        Length of the sound [s].
    design
        Its sample rate is used; bands above 0.45 times this rate are left out.

    Returns
    -------
    ndarray of float64, shape (samples,)
        The sound, with a largest amplitude of 0.5; zeros if no level is above the floor.

    Raises
    ------
    ValueError
        If the duration is not positive.
    """
    if not 0 < duration < math.inf:
        raise ValueError(f"duration {duration} s is not positive")
    t = np.arange(math.ceil(duration * design.sample_rate)) / design.sample_rate
    at = (np.arange(len(levels.levels)) + 0.5) * levels.time_step
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, levels.frequencies.size)
    heard = levels.levels > levels.floor
    amplitudes = np.where(heard, 10 ** (levels.levels / 20), 0.0)  # eq. (L1)
    sound = np.zeros(t.size)
    for band, frequency in enumerate(levels.frequencies):
        if frequency <= 0.45 * design.sample_rate and heard[:, band].any():
            envelope = np.interp(t, at, amplitudes[:, band])
            sound += envelope * np.cos(2 * np.pi * frequency * t + phases[band])  # eq. (L2)
    return with_peak(sound)
