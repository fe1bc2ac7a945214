"""Level and window: preparation of a recording for the basilar membrane.

::

    x ← L · x / rms(x)                               (L1)
    x ← x · w,  w = hanning(2h)[:h] on the first h samples, mirrored on the last h     (L2)

======  =====  ====  ===========================================
symbol  value  unit  meaning
======  =====  ====  ===========================================
L       0.3    –     root mean square after normalisation
h       0.030  s     length of a ramp (preset ``shd``)
h       N/2    –     half the clip (preset ``lauscher``)
======  =====  ====  ===========================================

Source: Cramer et al. (2020), arXiv:1910.07407. Departure: silence raises an error here instead of causing a division
by zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normalize_rms(samples: NDArray[np.float64], level: float = 0.3) -> NDArray[np.float64]:
    """Scale a recording to a given root mean square, eq. (L1).

    Parameters
    ----------
    samples
        Recording, float64, shape (n,), any unit.
    level
        Root mean square of the result.

    Returns
    -------
    ndarray of float64, shape (n,)
        Scaled copy.

    Raises
    ------
    ValueError
        If the recording is silent (all samples 0).
    """
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak == 0.0:
        raise ValueError("the recording is silent: every sample is 0")
    # Dividing by the peak first keeps the squares of very quiet and very loud recordings in range.
    relative = samples / peak
    rms = float(np.sqrt(np.mean(relative * relative)))
    return level / rms * relative  # eq. (L1)


def hann_ramp(samples: NDArray[np.float64], n_ramp: int) -> NDArray[np.float64]:
    """Fade a recording in and out with the halves of a Hann window, eq. (L2).

    Parameters
    ----------
    samples
        Recording, float64, shape (n,).
    n_ramp
        Samples of each ramp; at most n // 2 are used.

    Returns
    -------
    ndarray of float64, shape (n,)
        Faded copy.

    Raises
    ------
    ValueError
        If ``n_ramp`` is negative.
    """
    if n_ramp < 0:
        raise ValueError(f"n_ramp must not be negative, got {n_ramp}")
    n_ramp = min(n_ramp, samples.size // 2)
    faded = samples.copy()
    if n_ramp:
        ramp = np.hanning(2 * n_ramp)[:n_ramp]
        faded[:n_ramp] *= ramp  # eq. (L2)
        faded[-n_ramp:] *= ramp[::-1]
    return faded
