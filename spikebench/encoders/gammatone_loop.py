"""The compiled loop of the encoder ``gammatone``: filters, rectification, compression, neurons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.compiled import compiled

__all__ = ["run_bands"]


@compiled
def run_bands(
    sound: NDArray[np.float64],
    real: NDArray[np.float64],
    imaginary: NDArray[np.float64],
    gain: NDArray[np.float64],
    order: int,
    compression: float,
    decay: float,
    threshold: float,
    n_ref: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Filter a recording and run one neuron per band, eqs. (G5), (G6), (N1) to (N3).

    Parameters
    ----------
    sound
        Scaled recording, float64, shape (sample,).
    real, imaginary, gain
        Pole of each band and gain of its stages, float64, shape (band,).
    order
        Number of stages.
    compression, decay, threshold
        p, α and θ of the neurons.
    n_ref
        Refractory samples after a spike.

    Returns
    -------
    at, units : ndarray of int64, shape (spikes,)
        Sample and band of each spike, band after band.
    """
    at, units = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    stage_re, stage_im = np.zeros(order), np.zeros(order)
    for band in range(real.size):
        stage_re[:], stage_im[:] = 0.0, 0.0
        mem, rest = 0.0, 0
        for n in range(sound.size):
            re, im = sound[n], 0.0
            for k in range(order):
                # eq. (G5)
                new_re = gain[band] * re + (
                    real[band] * stage_re[k] - imaginary[band] * stage_im[k]
                )
                im = gain[band] * im + (real[band] * stage_im[k] + imaginary[band] * stage_re[k])
                re = new_re
                stage_re[k], stage_im[k] = re, im
            if rest > 0:
                rest -= 1
                continue
            # eqs. (G6), (N1), (N2)
            drive = (2.0 * re) ** compression if re > 0.0 else 0.0
            mem = decay * mem + (1.0 - decay) * drive
            if mem >= threshold:  # eq. (N3)
                at.append(np.int64(n))
                units.append(np.int64(band))
                mem, rest = 0.0, n_ref
    return np.array(at, np.int64), np.array(units, np.int64)
