"""Rate and level of a recording before it is split into bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["resampled", "sine_scaled"]


def resampled(samples: NDArray[np.float64], rate: int, target: int) -> NDArray[np.float64]:
    """Resample a recording, if its rate is another.

    Parameters
    ----------
    samples
        Recording, float64, shape (n,).
    rate, target
        Its sample rate and the wanted one [Hz].

    Returns
    -------
    ndarray of float64, shape (m,)
        The recording at the wanted rate.
    """
    if rate == target:
        return samples
    import soxr

    found: NDArray[np.float64] = soxr.resample(samples, rate, target, quality="VHQ")
    return found


def sine_scaled(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale a recording to the root mean square of a sine of amplitude 1; silence stays silent.

    Parameters
    ----------
    samples
        Recording, float64, shape (n,), any unit.

    Returns
    -------
    ndarray of float64, shape (n,)
        The scaled recording.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0:
        return samples
    relative = samples / peak  # squares of the unscaled samples may overflow
    return relative / float(np.sqrt(2 * np.mean(np.square(relative))))
