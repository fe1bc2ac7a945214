"""The parameter of an encoder that gives a wanted number of spikes: found by bisection on recordings.

::

    n(θ) = mean number of spikes of the recordings with the parameter θ
    θ    ← √(low · high), and the half of the range that contains the wanted number is kept       (B1)

until n(θ) is within 0.5 % of the wanted number, 24 values were tried, or six digits of θ do not suffice. The mean, not
the median, is what a link or a chip that runs all day has to carry. The seeds of the recordings stay the same, so the
result is determined by recordings and seed. The count of some codes jumps, so the mean that was reached is returned
too; of all that were tried, the closest is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.encoders.encoder import Encoder
from spikebench.errors import SpikebenchError

__all__ = ["Budgeted", "Heard", "fit_budget", "mean_spikes"]

_CLOSE, _MOST_STEPS = 0.005, 24


class Heard(NamedTuple):
    """A recording as an encoder gets it.

    Attributes
    ----------
    samples : ndarray of float64, shape (n,)
        Mono, not silent.
    sample_rate : int
        Their rate [Hz].
    seed : sequence of int
        Its seed, as :func:`spikebench.encoders.clip.clip_seed` returns it.
    """

    samples: NDArray[np.float64]
    sample_rate: int
    seed: Sequence[int]


class Budgeted(NamedTuple):
    """An encoder with the parameter that was found, and the mean number of spikes that it gives."""

    encoder: Encoder
    mean: float


def mean_spikes(encoder: Encoder, recordings: Sequence[Heard]) -> float:
    """Count the spikes of recordings.

    Parameters
    ----------
    encoder
        The encoder.
    recordings
        At least one.

    Returns
    -------
    float
        Mean number per recording.

    Raises
    ------
    ValueError
        If a recording cannot be encoded.
    """
    counts = [encoder.encode(*recording).times.size for recording in recordings]
    return float(np.mean(counts))


def fit_budget(
    encoder: Encoder,
    recordings: Sequence[Heard],
    budget: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Budgeted:
    """Find the parameter that gives a mean number of spikes per recording.

    Parameters
    ----------
    encoder
        The encoder; its other parameters are kept.
    recordings
        Recordings of the training split, at least one.
    budget
        Wanted mean number of spikes per recording.
    progress
        Called with the number of steps done and the most that there can be.

    Returns
    -------
    Budgeted
        The encoder, and its mean number of spikes.

    Raises
    ------
    SpikebenchError
        If the encoder has no such parameter, or none gives so few or so many spikes.
    ValueError
        If a recording cannot be encoded.
    """
    control = encoder.control
    if control is None:
        raise SpikebenchError(f"encoder {encoder.name} has no parameter that sets the spikes")
    signals = [encoder.signal(one.samples, one.sample_rate) for one in recordings]
    tried: dict[float, Budgeted] = {}

    def count(value: float) -> float:
        changed = encoder.with_settings({control.setting: value})
        counts = [
            changed.fire(signal, one.seed).times.size
            for signal, one in zip(signals, recordings, strict=True)
        ]
        tried[value] = Budgeted(changed, float(np.mean(counts)))
        progress(min(len(tried), _MOST_STEPS), _MOST_STEPS)
        return tried[value].mean

    low, high = control.least, control.most
    at_low, at_high = count(low), count(high)
    fewest, most = sorted((at_low, at_high))
    if not fewest <= budget <= most:
        raise SpikebenchError(
            f"encoder {encoder.name}: {budget:,.0f} spikes per recording cannot be reached by {control.setting}; "
            f"{fewest:,.0f} to {most:,.0f} can, with the other settings as they are"
        )
    while len(tried) < _MOST_STEPS:
        middle = float(f"{math.sqrt(low * high):.6g}")  # eq. (B1)
        if middle in tried:  # six digits are no longer enough to halve the range
            break
        found = count(middle)
        if abs(found - budget) <= _CLOSE * budget:
            break
        low, high = (middle, high) if (found < budget) == (at_low < at_high) else (low, middle)
    best: Budgeted = min(tried.values(), key=lambda one: abs(one.mean - budget))
    progress(_MOST_STEPS, _MOST_STEPS)
    return best
