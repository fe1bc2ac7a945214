"""From the spikes of a clip to the samples of a sound: every channel is a tone that its spikes modulate.

::

    a_c(t) = Σ_s h_c(t − t_s) · exp(−iφ_s)               over the spikes s of channel c
    y(t)   = Σ_c Re{ |a_c(t)|^(p−1) · a_c(t) · exp(2πi·f_c·t) }

    φ_s = 2π·f_c·t_s   if f_c ≤ limit: the spikes keep the phase of the sound there
    φ_s = φ_c          above: one fixed random phase per channel, so that only the rate counts

======  =================================================  ==========
symbol  meaning                                            default
======  =================================================  ==========
f_c     characteristic frequency of channel c [Hz]         of the encoder
h_c     Gaussian of height 1, standard deviation max(σ, cycles/f_c)
σ       least standard deviation [s]                       0.008
cycles  standard deviation in periods                      1
limit   highest frequency with phase locking [Hz]          1,500
p       expansion of the amplitude, since rates saturate   2
======  =================================================  ==========

Neurons lock to the phase of tones up to some kHz (Rose et al. 1967, doi 10.1152/jn.1967.30.4.769), and the envelopes of
frequency bands are sufficient for recognising words (Shannon et al. 1995, doi 10.1126/science.270.5234.303). The time
that a sound takes along the basilar membrane is not compensated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from spikebench.errors import SpikebenchError
from spikebench.records.text import os_error_text, printable
from spikebench.records.whole_files import whole_file

__all__ = ["SoundDesign", "sound_format", "spikes_to_sound", "with_peak", "write_sound"]

_FORMATS = {".wav": "WAV", ".flac": "FLAC"}

_HALF_WIDTHS = 4.0  # of the Gaussian, in standard deviations
_PEAK = 0.5
_MODULATION_RATE = 2000  # [Hz]; the Gaussian has no power above some hundred Hz


@dataclass(frozen=True)
class SoundDesign:
    """Parameters of the sound.

    Attributes
    ----------
    sample_rate : int
        Of the sound [Hz]; channels above 0.45 times this rate are left out.
    sigma : float
        Least standard deviation of the Gaussian [s].
    cycles : float
        Its standard deviation in periods of the channel, for low channels.
    locking_limit : float
        Highest characteristic frequency whose spikes keep the phase [Hz].
    expansion : float
        Exponent of the amplitude.
    """

    sample_rate: int = 16_000
    sigma: float = 0.008
    cycles: float = 1.0
    locking_limit: float = 1500.0
    expansion: float = 2.0


def spikes_to_sound(
    times: NDArray[np.float64],
    units: NDArray[np.int64],
    frequencies: NDArray[np.float64],
    duration: float,
    design: SoundDesign | None = None,
) -> NDArray[np.float64]:
    """Make a sound of spikes.

    Parameters
    ----------
    times
        Seconds from the start of the clip, float64, shape (spikes,).
    units
        Channel of each spike, int64, shape (spikes,).
    frequencies
        Characteristic frequency of each channel [Hz], float64, shape (channels,).
    duration
        Length of the sound [s].
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
    design = design or SoundDesign()
    if not 0 < duration < math.inf:
        raise ValueError(f"duration {duration} s is not positive")
    if units.size and not 0 <= units.min() <= units.max() < frequencies.size:
        raise ValueError(f"units exceed the {frequencies.size} frequencies")
    sound = np.zeros(math.ceil(duration * design.sample_rate))
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, frequencies.size)
    order = np.argsort(units, kind="stable")
    bounds = np.searchsorted(units[order], np.arange(frequencies.size + 1))
    for channel in np.flatnonzero(np.diff(bounds)):
        frequency = float(frequencies[channel])
        if frequency <= 0.45 * design.sample_rate:
            own = times[order[bounds[channel] : bounds[channel + 1]]]
            sound += _tone(own, frequency, float(phases[channel]), sound.size, design)
    return with_peak(sound)


def with_peak(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale a sound to a largest amplitude of 0.5; silence stays silent.

    Parameters
    ----------
    sound
        Samples, float64, shape (samples,).

    Returns
    -------
    ndarray of float64, shape (samples,)
        The scaled sound.
    """
    peak = np.abs(sound).max(initial=0.0)
    return sound * (_PEAK / peak) if peak > 0 else sound


def sound_format(path: Path) -> str:
    """Return the format of a sound by the suffix of its file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        ``WAV`` or ``FLAC``.

    Raises
    ------
    SpikebenchError
        If the suffix is another.
    """
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise SpikebenchError(
            f"{printable(str(path))}: the suffix of a sound must be {' or '.join(_FORMATS)}"
        )
    return kind


def write_sound(path: Path, sound: NDArray[np.float64], sample_rate: int) -> None:
    """Write a sound of 16 bits, whole or not at all.

    Parameters
    ----------
    path
        The file; its suffix is the format.
    sound
        Samples within -1 … 1, float64, shape (samples,).
    sample_rate
        Its sample rate [Hz].

    Raises
    ------
    SpikebenchError
        If the suffix is not that of a sound, or the file cannot be written.
    """
    kind = sound_format(path)
    try:
        with whole_file(path) as partial:
            soundfile.write(partial, sound, sample_rate, format=kind, subtype="PCM_16")
    except (OSError, soundfile.SoundFileError) as error:
        why = os_error_text(error) if isinstance(error, OSError) else printable(str(error))
        raise SpikebenchError(f"{printable(str(path))}: cannot be written: {why}") from None


def _tone(
    times: NDArray[np.float64], frequency: float, phase: float, n: int, design: SoundDesign
) -> NDArray[np.float64]:
    """Compute the tone of one channel, float64, shape (n,)."""
    angles = np.full(times.size, phase)
    if frequency <= design.locking_limit:
        angles = 2 * np.pi * frequency * times
    deviation = max(design.sigma, design.cycles / frequency)
    amplitude = _modulation(times, angles, deviation, n / design.sample_rate)
    amplitude *= np.abs(amplitude) ** (design.expansion - 1)
    t = np.arange(n) / design.sample_rate
    at = np.arange(amplitude.size) / _MODULATION_RATE
    angle = 2 * np.pi * frequency * t
    tone: NDArray[np.float64] = np.interp(t, at, amplitude.real) * np.cos(angle)
    tone -= np.interp(t, at, amplitude.imag) * np.sin(angle)
    return tone


def _modulation(
    times: NDArray[np.float64], angles: NDArray[np.float64], deviation: float, duration: float
) -> NDArray[np.complex128]:
    """Compute a_c, which is slow, at a low rate."""
    reach = math.ceil(_HALF_WIDTHS * deviation * _MODULATION_RATE)
    n = math.ceil(duration * _MODULATION_RATE) + 1
    nearest = np.round(times * _MODULATION_RATE).astype(np.int64)
    steps = nearest[:, None] + np.arange(-reach, reach + 1)
    distance = steps / _MODULATION_RATE - times[:, None]
    height = np.exp(-0.5 * (distance / deviation) ** 2 - 1j * angles[:, None])
    inside = (steps >= 0) & (steps < n)
    real = np.bincount(steps[inside], height.real[inside], n)
    imaginary = np.bincount(steps[inside], height.imag[inside], n)
    return np.asarray(real + 1j * imaginary)
