"""Sums over many samples for a comparison, read one sample at a time.

Samples are distributed at random into groups, and each group is summed separately. Comparing halves of the groups
shows how much two files with the same kind of samples differ. The required memory is that of one sample
and of the groups, independent of the number of samples.

**Resolution.** Published files store times as float16, 1/1024 s apart above 1 s; spikebench stores float32 on the grid
of the conversion, 1/24000 s; tables often have whole milliseconds. Intervals and first spikes are counted in
steps of the coarser one of the two compared files, so that the storage does not appear as a difference.

**Intervals** are those between successive spikes of one unit of one sample.

**Spontaneous rate.** For published files only the spikes are known, not the sound, so the driven part is determined
from the spikes: it ends with the last 10 ms that contain more than a tenth as many spikes as the busiest 10 ms.
The tail begins 20 ms later and ends with the last spike, if it lasts 20 ms. Its rate is the number of its
spikes except the last, per second and unit. (The last spike defines the end of the tail, so it is not counted.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikebench.events.raster import spike_counts, time_bins

__all__ = [
    "FINEST",
    "Samples",
    "Totals",
    "interval_edges",
    "merge",
    "summarize",
    "time_resolution",
]

FINEST = 1 / 24_000  # s, the grid of the conversion
FLOAT16 = 1 / 1024  # s, float16 between 1 and 2 s
TAIL_BIN, TAIL_SHARE, TAIL_GUARD, TAIL_SHORTEST = 0.010, 0.1, 0.020, 0.020  # s, of the peak, s, s
N_GROUPS = 16
_UNBOUNDED = 2**52
_LONGEST_INTERVAL = 10.0  # s; longer ones count as this
_PROBED = 16


class Samples(Protocol):
    """Samples to compare: a spike file, or one sample from a table."""

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        ...

    @property
    def n_units(self) -> int:
        """Number of units."""
        ...

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each sample, -1 unknown."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """Class names."""
        ...

    @property
    def sources(self) -> tuple[str, ...] | None:
        """Recording of each sample."""
        ...

    @property
    def sha256(self) -> tuple[str, ...] | None:
        """SHA-256 of each recording."""
        ...

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Spikes of each sample."""
        ...

    def events(self, index: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Read times [s] and units of one sample."""
        ...


@dataclass(frozen=True)
class Totals:
    """Sums over samples.

    Attributes
    ----------
    spikes
        Spikes of each sample, int64, shape (samples,).
    channels
        Spikes of each unit over all samples, int64, shape (n_units,).
    intervals
        Number of intervals between the edges of :func:`interval_edges`, int64, shape (edges,); the last is open.
    first
        Time of the first spike of each sample that has one [s], float64.
    tails
        Number of samples with a tail.
    tail_spikes, tail_seconds
        Number of spikes in the tails, and total duration of the tails [s].
    """

    spikes: NDArray[np.int64]
    channels: NDArray[np.int64]
    intervals: NDArray[np.int64]
    first: NDArray[np.float64]
    tails: int
    tail_spikes: int
    tail_seconds: float

    @property
    def rate(self) -> float:
        """Spontaneous rate [1/s per unit]; NaN if no sample has a tail."""
        if not self.tail_seconds:
            return float("nan")
        return self.tail_spikes / self.tail_seconds / self.channels.size


def merge(parts: Sequence[Totals]) -> Totals:
    """Add up totals.

    Parameters
    ----------
    parts
        At least one.

    Returns
    -------
    Totals
        Totals of all their samples.
    """
    return Totals(
        spikes=np.concatenate([part.spikes for part in parts]),
        channels=np.sum([part.channels for part in parts], axis=0),
        intervals=np.sum([part.intervals for part in parts], axis=0),
        first=np.concatenate([part.first for part in parts]),
        tails=sum(part.tails for part in parts),
        tail_spikes=sum(part.tail_spikes for part in parts),
        tail_seconds=sum(part.tail_seconds for part in parts),
    )


def time_resolution(samples: Samples, indices: Sequence[int]) -> float:
    """Return the step of the spike times.

    Parameters
    ----------
    samples
        A table stores its step; the times of a file are taken as float16 if those of its first samples are
        unchanged by a conversion to that dtype.
    indices
        The samples.

    Returns
    -------
    float
        Step [s], at least 1/24000.
    """
    known = getattr(samples, "resolution", None)
    if isinstance(known, float):
        return max(known, FINEST)
    filled = [index for index in indices if samples.spike_counts[index]][:_PROBED]
    for index in filled:
        times, _ = samples.events(index)
        if np.any(np.minimum(times, 6e4).astype(np.float16) != times):
            return FINEST
    return FLOAT16 if filled else FINEST


def interval_edges(resolution: float) -> NDArray[np.int64]:
    """Return the lower edges of the bins of intervals, about evenly spaced on a logarithmic axis.

    Parameters
    ----------
    resolution
        Step of the times [s].

    Returns
    -------
    ndarray of int64, shape (edges,)
        Edges in steps, from 0 to 10 s.
    """
    steps = np.geomspace(1, max(_LONGEST_INTERVAL / resolution, 2), 300)
    return np.concatenate([[0], np.unique(np.rint(steps).astype(np.int64))])


def summarize(
    samples: Samples,
    indices: Sequence[int],
    resolution: float,
    advance: Callable[[], None] = lambda: None,
) -> list[Totals]:
    """Sum up samples in up to sixteen random groups of nearly equal size.

    Parameters
    ----------
    samples
        The file.
    indices
        Indices of its samples; at least one.
    resolution
        Step in which times are counted [s].
    advance
        Called after every sample.

    Returns
    -------
    list of Totals
        One per group. The groups depend only on the number of samples.
    """
    groups: list[list[int]] = [[] for _ in range(min(N_GROUPS, len(indices)))]
    for place, which in enumerate(np.random.default_rng(0).permutation(len(indices)).tolist()):
        groups[place % len(groups)].append(indices[which])
    edges = interval_edges(resolution)
    return [_sum_up(samples, sorted(group), resolution, edges, advance) for group in groups]


def _sum_up(
    samples: Samples,
    indices: Sequence[int],
    resolution: float,
    edges: NDArray[np.int64],
    advance: Callable[[], None],
) -> Totals:
    channels = np.zeros(samples.n_units, dtype=np.int64)
    intervals = np.zeros(edges.size, dtype=np.int64)
    first: list[float] = []
    tails = tail_spikes = 0
    tail_seconds = 0.0
    for index in indices:
        times, units = samples.events(index)
        channels += spike_counts(units, samples.n_units)
        steps = time_bins(times, resolution, _UNBOUNDED)
        between = _intervals(steps, units)
        intervals += np.bincount(
            np.searchsorted(edges, between, side="right") - 1, minlength=edges.size
        )
        if times.size:
            first.append(int(steps.min()) * resolution)
            spikes, seconds = _tail(times)
            tails += seconds > 0
            tail_spikes += spikes
            tail_seconds += seconds
        advance()
    return Totals(
        spikes=samples.spike_counts[np.asarray(indices)],
        channels=channels,
        intervals=intervals,
        first=np.array(first),
        tails=tails,
        tail_spikes=tail_spikes,
        tail_seconds=tail_seconds,
    )


def _intervals(steps: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.lexsort((steps, units))
    same = np.diff(units[order]) == 0
    between: NDArray[np.int64] = np.diff(steps[order])[same]
    return between


def _tail(times: NDArray[np.float64]) -> tuple[int, float]:
    """Return number of spikes and duration [s] of the tail of a sample with spikes; see the module's docstring."""
    bins, counts = np.unique(time_bins(times, TAIL_BIN, _UNBOUNDED), return_counts=True)
    driven = bins[counts > TAIL_SHARE * counts.max()].max()
    start = (int(driven) + 1) * TAIL_BIN + TAIL_GUARD
    seconds = float(times.max()) - start
    if seconds < TAIL_SHORTEST:
        return 0, 0.0
    return int(np.count_nonzero(times >= start)) - 1, seconds
