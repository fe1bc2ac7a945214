"""Changes of spikes under a condition: each removes one kind of information and keeps the others where it can.

The names are in :mod:`spikebench.events.conditions`. T is the end of a recording: its length, or the last spike if the
length is unknown or shorter, or the end of the model's last bin if that is earlier. Spikes after the last bin, which a
model does not see, are removed first. What is then done to each sample, with u uniform in 0 … 1 and z standard normal:

::

    counts           t ← u·T                     counts of all units are kept
    equal-counts:Q%  of each unit, n spikes at random are kept, n the Q-quantile (the lower neighbour) of its counts
                     over the training samples; all of them where there are no more than n
    jitter:S         t ← t + S·z, reflected at 0 and T, so that counts are kept
    unit-jitter:S    the same with one z per unit and sample: intervals within a unit are kept but for reflections
    delete:P%        a spike is removed if u < P
    reverse          t ← T - t
    first-spike      the earliest spike of each unit is kept
    round:W          t ← the centre of its bin of width W; the last bin ends at T
    units:N          unit u is kept if u modulo N is ⌊N/2⌋

Nothing is moved before 0 or out of the last bin: new times are at most T - 1 µs, so that the rounding of float32 and of
bin edges cannot lose a spike. The length of a sample stays what it was, so it remains as information in all conditions.

All random numbers of a sample are determined by the seed, the kind of change and the spikes of the sample. Conditions
of one kind use the same numbers: deletions are nested, displacements proportional.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from spikebench.events.cache import FlatEvents
from spikebench.events.conditions import Condition
from spikebench.events.dataset import SpikeDataset
from spikebench.events.random_words import GOLDEN, mix, uniform
from spikebench.events.raster import EDGE_TOLERANCE, count_units, time_bins

__all__ = [
    "Bins",
    "change",
    "count_limits",
    "few_spikes",
    "first_spikes",
    "reflected",
    "rounded",
    "thinned",
]

_MARGIN = 2 * EDGE_TOLERANCE  # [s]
_SMALLEST = 2.0**-54  # instead of a uniform number of 0, whose normal number is not finite

Seconds = NDArray[np.floating[Any]]
Units = NDArray[np.uint16]


class Bins(NamedTuple):
    """The time bins of a model: their width [s] and number."""

    time_step: float
    n_steps: int


def change(
    samples: SpikeDataset, train: SpikeDataset, condition: Condition, seed: int, bins: Bins
) -> SpikeDataset:
    """Change samples under a condition.

    Parameters
    ----------
    samples
        The samples.
    train
        The training samples, unchanged; ``equal-counts`` takes its counts from them.
    condition
        The condition.
    seed
        Seed of all random numbers, not negative.
    bins
        The bins of the model.

    Returns
    -------
    SpikeDataset
        The changed samples in memory, in the same order, with the same ``index``; under ``clean``, ``samples``.
    """
    if condition.kind == "clean":
        return samples
    limits = None
    if condition.kind == "equal-counts":
        limits = count_limits(train, condition.strength / 100, bins)
    events, rows = samples.events, samples.rows
    changed, durations = [], events.durations[rows].copy()
    for place, row in enumerate(rows):
        here = slice(events.offsets[row], events.offsets[row + 1])
        times, units = events.times[here], events.units[here]
        if not times.size:
            changed.append((times, units))
            continue
        durations[place] = _end(times, durations[place])
        changed.append(
            _changed(times, units, durations[place], condition, seed, bins, samples.n_units, limits)
        )
    sizes = [times.size for times, _ in changed]
    flat = FlatEvents(
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        times=np.concatenate([events.times[:0], *(times for times, _ in changed)]),
        units=np.concatenate([events.units[:0], *(units for _, units in changed)]),
        positions=samples.index,
        labels=samples.labels,
        speakers=samples.speakers,
        durations=durations,
        n_units=samples.n_units,
        keys=samples.keys,
    )
    return SpikeDataset(flat)


def _end(times: Seconds, duration: float) -> float:
    """Return the end of a recording [s]: just after the last spike if its length is unknown or shorter."""
    return max(duration, float(times[-1]) + _MARGIN)


def _changed(
    times: Seconds,
    units: Units,
    duration: float,
    condition: Condition,
    seed: int,
    bins: Bins,
    n_units: int,
    limits: NDArray[np.int64] | None,
) -> tuple[Seconds, Units]:
    """Change one sample with at least one spike; its times are sorted."""
    key = _key(times, units, condition.kind, seed)
    inside = time_bins(times, *bins) < bins.n_steps
    times, units = times[inside], units[inside]
    end = min(duration, bins.time_step * bins.n_steps)
    latest = max(end - _MARGIN, 0.0)
    seconds = times.astype(np.float64)
    kept: NDArray[Any] | None = None
    match condition.kind:
        case "counts":
            seconds = _uniform(key, seconds.size) * latest
        case "equal-counts":
            assert limits is not None
            kept = thinned(units, limits, _uniform(key, seconds.size))
        case "jitter":
            deviation = condition.strength * 1e-3
            seconds = reflected(seconds + deviation * _normal(key, seconds.size), latest)
        case "unit-jitter":
            deviation = condition.strength * 1e-3
            seconds = reflected(seconds + deviation * _normal(key, n_units)[units], latest)
        case "delete":
            kept = _uniform(key, seconds.size) >= condition.strength / 100
        case "reverse":
            seconds = latest - seconds
        case "first-spike":
            kept = first_spikes(units)
        case "round":
            seconds = rounded(seconds, condition.strength * 1e-3, end)
        case "units":
            step = int(condition.strength)
            kept = units % step == step // 2
        case _:
            raise ValueError(f"no change is defined for {condition}")
    if kept is not None:
        return times[kept], units[kept]
    moved = np.clip(seconds, 0.0, latest).astype(times.dtype)
    order = np.argsort(moved, kind="stable")
    return moved[order], units[order]


def reflected(seconds: NDArray[np.float64], latest: float) -> NDArray[np.float64]:
    """Reflect times at 0 and at an end, as often as needed.

    Parameters
    ----------
    seconds
        Times [s], float64, shape (spikes,).
    latest
        The end [s], not negative.

    Returns
    -------
    ndarray of float64, shape (spikes,)
        In 0 … ``latest``.
    """
    if latest == 0:
        return np.zeros_like(seconds)
    folded = np.mod(seconds, 2 * latest)
    return np.minimum(folded, 2 * latest - folded)


def rounded(seconds: NDArray[np.float64], width: float, end: float) -> NDArray[np.float64]:
    """Move times to the centres of bins, of which the last one ends with the recording.

    Parameters
    ----------
    seconds
        Times [s], float64, shape (spikes,), before ``end``.
    width
        Width of the bins [s].
    end
        End of the recording [s].

    Returns
    -------
    ndarray of float64, shape (spikes,)
        Centres [s].
    """
    first = np.floor((seconds + EDGE_TOLERANCE) / width) * width
    return (first + np.minimum(first + width, end)) / 2


def first_spikes(units: Units) -> NDArray[np.intp]:
    """Find the first spike of each unit.

    Parameters
    ----------
    units
        Unit of each spike in the order of time, shape (spikes,).

    Returns
    -------
    ndarray of integers, shape (units with spikes,)
        Positions among the spikes, ascending.
    """
    return np.sort(np.unique(units, return_index=True)[1])


def thinned(
    units: Units, limits: NDArray[np.int64], draws: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Choose at most a given number of spikes of each unit: those with the lowest draws.

    Parameters
    ----------
    units
        Unit of each spike, shape (spikes,).
    limits
        Largest number of spikes of each unit, int64, shape (n_units,).
    draws
        One number per spike, float64, shape (spikes,).

    Returns
    -------
    ndarray of integers, shape (kept,)
        Positions among the spikes, ascending.
    """
    order = np.lexsort((draws, units))
    sorted_units = units[order]
    rank = np.arange(units.size) - np.searchsorted(sorted_units, sorted_units)
    return np.sort(order[rank < limits[sorted_units]])


def count_limits(train: SpikeDataset, quantile: float, bins: Bins) -> NDArray[np.int64]:
    """Choose the count to which ``equal-counts`` thins each unit.

    Parameters
    ----------
    train
        The training samples.
    quantile
        In 0 … 1; 0 is the lowest count of the unit in any training sample.
    bins
        The bins of the model.

    Returns
    -------
    ndarray of int64, shape (n_units,)
        A count that occurs: the lower neighbour of the quantile.
    """
    counts = _counts(train, bins)
    return np.quantile(counts, quantile, axis=0, method="lower").astype(np.int64)


def few_spikes(
    samples: SpikeDataset, train: SpikeDataset, condition: Condition, bins: Bins
) -> float | None:
    """Measure how much counts still vary under ``equal-counts``.

    Parameters
    ----------
    samples, train, condition, bins
        As for :func:`change`; ``samples`` are unchanged.

    Returns
    -------
    float or None
        Share of the pairs of a sample and a unit in which the unit has fewer spikes than it is thinned to, so that its
        count is still that of the sample. Units that lose all spikes are left out; 0 without any others. None under
        another condition.
    """
    if condition.kind != "equal-counts":
        return None
    limits = count_limits(train, condition.strength / 100, bins)
    used = limits > 0
    few = _counts(samples, bins)[:, used] < limits[used]
    return float(few.mean()) if few.size else 0.0


def _counts(samples: SpikeDataset, bins: Bins) -> NDArray[np.int64]:
    events = samples.events
    return count_units(
        events.offsets,
        times=events.times,
        units=events.units,
        chosen=samples.rows,
        time_step=bins.time_step,
        n_steps=bins.n_steps,
        n_units=samples.n_units,
    )


def _key(times: Seconds, units: Units, kind: str, seed: int) -> np.uint64:
    """Return the key of a stream of random words, which depends on the spikes, not on their place in a file."""
    digest = hashlib.sha256(f"{seed} {kind}\n".encode())
    digest.update(times.astype("<f8").tobytes())
    digest.update(units.astype("<u2").tobytes())
    return np.uint64(int.from_bytes(digest.digest()[:8], "little"))


def _uniform(key: np.uint64, n: int) -> NDArray[np.float64]:
    """Return the first numbers of a stream, in 0 ≤ u < 1."""
    words = mix.py_func(key + np.arange(1, n + 1, dtype=np.uint64) * GOLDEN)  # type: ignore[attr-defined]
    numbers: NDArray[np.float64] = uniform.py_func(words)  # type: ignore[attr-defined]
    return numbers


def _normal(key: np.uint64, n: int) -> NDArray[np.float64]:
    """Return as many standard normal numbers."""
    numbers: NDArray[np.float64] = ndtri(np.maximum(_uniform(key, n), _SMALLEST))
    return numbers
