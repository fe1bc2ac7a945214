"""A bank of gammatone filters, equally spaced on the ERB scale.

::

    ERB(f)  = 24.7 · (1 + 4.37 · f/1000)                                              (G1)
    E(f)    = 21.4 · log10(1 + 4.37 · f/1000)                number of ERBs below f   (G2)
    b       = 1.019 · ERB(f_c)                                                        (G3)
    a       = exp(2π·(−b + i·f_c) / f_s)                                              (G4)
    z₀[n]   = x[n],   z_k[n] = (1 − |a|) · z_{k−1}[n] + a · z_k[n−1],   k = 1 … 4     (G5)
    y[n]    = 2 · Re z₄[n]                                                            (G6)

======  ==========================  =====
symbol  meaning                     unit
======  ==========================  =====
f_c     centre frequency            Hz
f_s     sample rate                 Hz
b       bandwidth of a pole         Hz
x, y    recording, filtered sound   –
======  ==========================  =====

The impulse response is 2·(1 − |a|)⁴ · C(n+3, 3) · Re aⁿ, a gammatone of fourth order up to the rounding of n³ to
(n+1)(n+2)(n+3). The amplitude of a tone at f_c is kept.

Sources: Glasberg and Moore (1990), doi 10.1016/0378-5955(90)90170-T, for (G1) and (G2); Patterson and others (1992),
"Complex sounds and auditory images", for (G3); Hohmann (2002), Acta Acustica united with Acustica 88, 433, for the
cascade of complex one-pole filters. Departure: (G4) takes the bandwidth of the continuous filter as it is, where
Hohmann designs |a| for an exact attenuation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORDER", "design_gammatone", "erb", "erb_spaced"]

ORDER = 4


def erb(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the equivalent rectangular bandwidth of auditory filters, eq. (G1).

    Parameters
    ----------
    frequency
        Centre frequencies [Hz], float64, any shape.

    Returns
    -------
    ndarray of float64
        Bandwidths [Hz].
    """
    return np.asarray(24.7 * (1 + 4.37e-3 * frequency))


def erb_spaced(n: int, lowest: float, highest: float) -> NDArray[np.float64]:
    """Space frequencies equally on the ERB scale, eq. (G2).

    Parameters
    ----------
    n
        Number of frequencies; a single one is the lowest.
    lowest, highest
        First and last frequency [Hz].

    Returns
    -------
    ndarray of float64, shape (n,)
        Frequencies [Hz], ascending.
    """
    numbers = 21.4 * np.log10(1 + 4.37e-3 * np.array([lowest, highest]))
    frequencies = (10 ** (np.linspace(numbers[0], numbers[1], n) / 21.4) - 1) / 4.37e-3
    return np.asarray(frequencies, np.float64)


def design_gammatone(
    frequencies: NDArray[np.float64], sample_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compute the coefficients of the filters, eqs. (G3) and (G4).

    Parameters
    ----------
    frequencies
        Centre frequencies [Hz], float64, shape (band,).
    sample_rate
        Sample rate [Hz].

    Returns
    -------
    real, imaginary, gain : ndarray of float64, shape (band,)
        The pole a, and the gain ``1 − |a|`` of each of the four stages.
    """
    magnitude = np.exp(-2 * np.pi * 1.019 * erb(frequencies) / sample_rate)
    angle = 2 * np.pi * frequencies / sample_rate
    return magnitude * np.cos(angle), magnitude * np.sin(angle), 1 - magnitude
