"""Random changes of one sample for training: pure functions on events.

Every function takes times [s] and units of one sample, in any order, and returns new arrays, sorted by time;
spikes at the same time keep their order. The input is not modified. All random numbers are drawn from the
generator, so the same generator in the same state gives the same sample.

A spike whose unit leaves the range or whose time becomes negative is removed: nothing is clipped or wrapped around.
A spike that is moved to a later time is kept; binning leaves out spikes after the last bin.

Sources, with the parts that were used::

    [1] Cramer et al. (2020), doi:10.1109/TNNLS.2020.3044364; its figure from this project's notes.
    [2] Nowotny, Turner and Knight (2025), doi:10.1088/2634-4386/ada852; its code,
        github.com/tnowotny/genn_eventprop, ``utils.py`` and its scans.
    [3] Schöne et al. (2024), arXiv:2404.18508; its code, github.com/Efficient-Scalable-Machine-Learning/event-ssm,
        the settings for SHD.
    [4] Park et al. (2019), arXiv:1904.08779, SpecAugment; its table of policies as implementations quote it.
    [5] Gu et al. (2021), doi:10.24963/ijcai.2021/97; the code, github.com/fuqianggu/EventDrop.
    [6] Yu, Sun and Goodman (2025), arXiv:2507.16043; the abstract.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Sample",
    "blend",
    "delete_spikes",
    "jitter_times",
    "jitter_units",
    "mask_time",
    "mask_units",
    "shift_times",
    "shift_units",
    "warp_time",
]

Sample: TypeAlias = tuple[NDArray[np.floating[Any]], NDArray[np.integer[Any]]]


def jitter_units(
    times: ArrayLike,
    units: ArrayLike,
    n_units: int,
    standard_deviation: float = 20.0,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Displace the unit of every spike by an independent normal number, rounded to the nearest unit.

    Parameters
    ----------
    times
        Spike times [s], float, shape (spikes,), finite and not negative.
    units
        Unit of each spike, integer, shape (spikes,), in 0 … n_units - 1.
    n_units
        Number of units; spikes outside them are removed.
    standard_deviation
        Standard deviation of the displacement [units]; 20 of 700 in [1].
    generator
        Source of all random numbers.

    Returns
    -------
    times : ndarray of float, shape (kept,)
        Spike times [s], ascending, in the dtype of the input; float64 if that is neither float32 nor float64.
    units : ndarray of integer, shape (kept,)
        Their units, in the dtype of the input.

    Raises
    ------
    ValueError
        If a time is negative or not finite, a unit is out of range or not an integer, lengths differ, or a
        parameter is outside its range.
    """
    seconds, unit = _sample(times, units, n_units)
    _check_not_negative("standard_deviation", standard_deviation)
    # Added as float64, so that no displacement overflows.
    moved = unit + np.rint(generator.normal(0.0, standard_deviation, unit.size))
    return _inside(seconds, moved, seconds.dtype, unit.dtype, n_units)


def jitter_times(
    times: ArrayLike,
    units: ArrayLike,
    standard_deviation: float = 0.005,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Displace the time of every spike by an independent normal number, the jitter per spike of [6].

    Parameters
    ----------
    times, units, generator
        As in :func:`jitter_units`.
    standard_deviation
        Standard deviation of the displacement [s]. The default was chosen here: half a bin of 10 ms.

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`; spikes before time 0 are removed.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units)
    _check_not_negative("standard_deviation", standard_deviation)
    moved = seconds + generator.normal(0.0, standard_deviation, seconds.size)
    return _inside(moved, unit, seconds.dtype, unit.dtype)


def shift_units(
    times: ArrayLike,
    units: ArrayLike,
    n_units: int,
    max_shift: int = 40,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Displace the units of the whole sample by one uniform integer.

    The code of [2] truncates a uniform real number instead, so that 0 occurs twice as often as any other shift, and
    the largest shift never.

    Parameters
    ----------
    times, units, n_units, generator
        As in :func:`jitter_units`.
    max_shift
        Largest displacement in either direction [units], inclusive; 40 of 700 in [2].

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units, n_units)
    _check_not_negative("max_shift", max_shift)
    shift = int(generator.integers(-max_shift, max_shift, endpoint=True))
    return _inside(seconds, unit.astype(np.float64) + shift, seconds.dtype, unit.dtype, n_units)


def shift_times(
    times: ArrayLike,
    units: ArrayLike,
    max_shift: float = 0.05,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Displace the times of the whole sample by one uniform number.

    Parameters
    ----------
    times, units, generator
        As in :func:`jitter_units`.
    max_shift
        Largest displacement in either direction [s]. The default was chosen here.

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`; spikes before time 0 are removed.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units)
    _check_not_negative("max_shift", max_shift)
    shift = np.float64(generator.uniform(-max_shift, max_shift))
    return _inside(seconds + shift, unit, seconds.dtype, unit.dtype)


def warp_time(
    times: ArrayLike,
    units: ArrayLike,
    shortest: float = 0.9,
    longest: float = 1.1,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Multiply all times by one factor, whose logarithm is uniform.

    Parameters
    ----------
    times, units, generator
        As in :func:`jitter_units`.
    shortest, longest
        Range of the factor; 0.9 … 1.1 in scans of [2], 1/1.2 … 1.2 and uniform in [3].

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`; no spike is removed.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    factor = draw_warp(shortest, longest, generator=generator)
    return scale_times(times, units, factor)


def draw_warp(
    shortest: float = 0.9, longest: float = 1.1, *, generator: np.random.Generator
) -> float:
    """Draw the factor of :func:`warp_time`, which also scales the length of the recording.

    Parameters
    ----------
    shortest, longest, generator
        As in :func:`warp_time`.

    Returns
    -------
    float
        Factor for :func:`scale_times`.

    Raises
    ------
    ValueError
        If a bound is outside its range.
    """
    if not 0 < shortest <= longest < np.inf:
        raise ValueError(f"a warp needs 0 < shortest ≤ longest, got {shortest}, {longest}")
    return float(np.exp(generator.uniform(np.log(shortest), np.log(longest))))


def scale_times(times: ArrayLike, units: ArrayLike, factor: float) -> Sample:
    """Multiply all times by a factor.

    Parameters
    ----------
    times, units
        As in :func:`jitter_units`.
    factor
        Positive.

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`; no spike is removed.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units)
    if not 0 < factor < np.inf:
        raise ValueError(f"a factor of time must be positive and finite, got {factor}")
    return _inside(seconds * np.float64(factor), unit, seconds.dtype, unit.dtype)


def delete_spikes(
    times: ArrayLike,
    units: ArrayLike,
    probability: float = 0.1,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Remove every spike independently with the same probability.

    Parameters
    ----------
    times, units, generator
        As in :func:`jitter_units`.
    probability
        Probability of removal; 0.1 in [3], one of 0.1, 0.2 … 0.9 per sample in [5].

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units)
    _check_fraction("probability", probability)
    kept = generator.random(seconds.size) >= probability
    return _inside(seconds[kept], unit[kept], seconds.dtype, unit.dtype)


def blend(
    times: ArrayLike,
    units: ArrayLike,
    other_times: ArrayLike,
    other_units: ArrayLike,
    n_units: int,
    share: float = 0.5,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Mix two samples of one class.

    Both samples are displaced so that their mean times and mean units are halfway between the original means, the
    units rounded to the nearest unit. Then each spike of the first is kept with probability ``share``, each spike of
    the other with ``1 - share``. The code of [2] truncates these displacements, to milliseconds and units. If a sample
    has no spikes and therefore no mean, the other is not displaced.

    Parameters
    ----------
    times, units, n_units, generator
        As in :func:`jitter_units`.
    other_times, other_units
        The second sample; the caller must choose one of the same class.
    share
        Share of the first sample; 0.5 in [2].

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`; units in the dtype of the first sample, times in the wider dtype of both.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units, n_units)
    other_seconds, other_unit = _sample(other_times, other_units, n_units)
    _check_fraction("share", share)
    late, across = np.float64(0), np.float64(0)
    if seconds.size and other_seconds.size:
        late = (other_seconds.mean(dtype=np.float64) - seconds.mean(dtype=np.float64)) / 2
        across = np.rint((other_unit.mean() - unit.mean()) / 2)
    moved = np.concatenate([seconds + late, other_seconds - late])
    moved_units = np.concatenate([unit + across, other_unit - across])
    bound = np.repeat([share, 1 - share], [seconds.size, other_seconds.size])
    kept = generator.random(moved.size) < bound
    wider = np.result_type(seconds, other_seconds)
    return _inside(moved[kept], moved_units[kept], wider, unit.dtype, n_units)


def mask_units(
    times: ArrayLike,
    units: ArrayLike,
    n_units: int,
    max_fraction: float = 0.25,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Remove all spikes of one band of adjacent units, the frequency mask of [4].

    The width is uniform among 0 … ``max_fraction`` of the units; the position is then uniform among all that fit.

    Parameters
    ----------
    times, units, n_units, generator
        As in :func:`jitter_units`.
    max_fraction
        Largest width, as a fraction of all units; 0.25 is the largest side of an area masked in [5].

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units, n_units)
    _check_fraction("max_fraction", max_fraction)
    width = int(generator.integers(0, round(max_fraction * n_units), endpoint=True))
    first = int(generator.integers(0, n_units - width, endpoint=True))
    kept = (unit < first) | (unit >= first + width)
    return _inside(seconds[kept], unit[kept], seconds.dtype, unit.dtype)


def mask_time(
    times: ArrayLike,
    units: ArrayLike,
    duration: float,
    max_fraction: float = 0.2,
    *,
    generator: np.random.Generator,
) -> Sample:
    """Remove all spikes in one interval of time, the time mask of [4].

    The width is uniform in 0 … ``max_fraction`` of the duration; the start is then uniform among all that fit.

    Parameters
    ----------
    times, units, generator
        As in :func:`jitter_units`.
    duration
        Length of the clip [s].
    max_fraction
        Largest width, as a fraction of the duration; 0.2 bounds the mask in both Switchboard policies of [4].

    Returns
    -------
    times, units : ndarray
        As in :func:`jitter_units`.

    Raises
    ------
    ValueError
        As in :func:`jitter_units`.
    """
    seconds, unit = _sample(times, units)
    _check_not_negative("duration", duration)
    _check_fraction("max_fraction", max_fraction)
    width = generator.uniform(0.0, max_fraction * duration)
    start = generator.uniform(0.0, duration - width)
    kept = (seconds < start) | (seconds >= start + width)
    return _inside(seconds[kept], unit[kept], seconds.dtype, unit.dtype)


def _sample(times: ArrayLike, units: ArrayLike, n_units: int | None = None) -> Sample:
    """Check a sample, and convert float16 times to float64, which is exact, for arithmetic."""
    seconds, unit = np.asarray(times), np.asarray(units)
    if seconds.dtype not in (np.float32, np.float64):
        seconds = seconds.astype(np.float64)
    if seconds.ndim != 1 or unit.shape != seconds.shape:
        raise ValueError(f"{seconds.size} times and {unit.size} units")
    if seconds.size and not (seconds.min() >= 0 and seconds.max() < np.inf):
        raise ValueError("spike times must be finite and not negative")
    if unit.dtype.kind not in "iu":
        if unit.size:
            raise ValueError(f"units must be integers, not {unit.dtype}")
        unit = unit.astype(np.int64)
    if n_units is None:
        return seconds, unit
    if n_units < 1:
        raise ValueError(f"n_units must be at least 1, got {n_units}")
    if unit.size and (unit.min() < 0 or unit.max() >= n_units):
        raise ValueError(f"a unit lies outside 0 … {n_units - 1}")
    if n_units - 1 > np.iinfo(unit.dtype).max:
        raise ValueError(f"{unit.dtype} cannot represent the units 0 … {n_units - 1}")
    return seconds, unit


def _inside(
    times: NDArray[Any],
    units: NDArray[Any],
    time_type: np.dtype[Any],
    unit_type: np.dtype[Any],
    n_units: int | None = None,
) -> Sample:
    """Keep the spikes inside the ranges, sorted by time, in the given dtypes."""
    inside = times >= 0
    if n_units is not None:
        inside &= (units >= 0) & (units < n_units)
    seconds = times[inside].astype(time_type)
    order = np.argsort(seconds, kind="stable")
    return seconds[order], units[inside].astype(unit_type)[order]


def _check_not_negative(name: str, value: float) -> None:
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} must be finite and not negative, got {value}")


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in 0 … 1, got {value}")
