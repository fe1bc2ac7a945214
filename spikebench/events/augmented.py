"""Batches of augmented samples: all random changes at once, in compiled loops, straight into time bins.

The changes are those of :mod:`spikebench.events.augmentation`, in the order of :class:`Changes`, with the same
distribution. All random numbers of a sample depend on a key and its position only, so other samples of the batch, their
order and the other changes do not affect them.

Times are moved in float64 and rounded once, to bins; the functions on samples round to float32 after every change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.events.augmentation_loops import Plan, centres, change_many
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.random_words import ALWAYS, GOLDEN, mix, uniform
from spikebench.events.raster import Binned

__all__ = ["AugmentedSamples", "Changes"]

# Words of a sample, in this order; a change that is off leaves its word unused, so others draw the same.
(_BLEND, _MATE, _UNIT_SHIFT, _TIME_SHIFT, _WARP, _BAND, _BAND_START, _SPAN, _SPAN_START) = range(9)
_WORDS = 9
_SHARE = 0.5  # of the first sample of a blend


class Changes(NamedTuple):
    """Strengths of all changes, in the order in which they are applied; 0 is none.

    Attributes
    ----------
    blend_probability : float
        Probability that a sample is blended with one of its class, half of the spikes of each.
    max_unit_shift : int
        Largest common displacement [units].
    max_time_shift : float
        Largest common displacement [s].
    longest_warp : float
        Largest factor of times, at least 1; the least is its inverse.
    delete_probability : float
        Probability of removing a spike.
    max_unit_mask : int
        Largest width of the masked band [units].
    max_time_mask : float
        Largest width of the masked span [s].
    time_jitter, unit_jitter : float
        Standard deviations of the displacement of each spike [s, units].
    """

    blend_probability: float = 0.0
    max_unit_shift: int = 0
    max_time_shift: float = 0.0
    longest_warp: float = 1.0
    delete_probability: float = 0.0
    max_unit_mask: int = 0
    max_time_mask: float = 0.0
    time_jitter: float = 0.0
    unit_jitter: float = 0.0


class AugmentedSamples:
    """Samples from which augmented batches are made.

    Parameters
    ----------
    samples
        The samples and their grid of time bins.
    changes
        Strengths of the changes.
    """

    def __init__(self, samples: BinnedSamples, changes: Changes) -> None:
        self.samples, self.changes = samples, changes
        # Samples of one class are adjacent in this order.
        self._by_class = np.argsort(samples.labels, kind="stable")
        _, self._class, self._sizes = np.unique(
            samples.labels, return_inverse=True, return_counts=True
        )
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._centres = np.zeros((len(samples), 2))
        if changes.blend_probability > 0:
            events = samples.samples.events
            centres(events.offsets, events.times, events.units, samples.samples.rows, self._centres)

    def batch(self, chosen: NDArray[np.int64], seed: Sequence[int]) -> EventBatch:
        """Make a batch.

        Parameters
        ----------
        chosen
            Positions among the samples, int64, shape (batch,).
        seed
            Integers, not negative; with them, the changes of a sample depend on its position only.

        Returns
        -------
        EventBatch
            The augmented samples.
        """
        data, changes, samples = self.samples.samples, self.changes, self.samples
        events = data.events
        plan = self.plan(chosen, seed)
        offsets = np.zeros(chosen.size + 1, dtype=np.int64)
        lengths = np.zeros(chosen.size, dtype=np.int64)
        for room in _rooms(np.diff(events.offsets), plan):
            bins, units = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
            if change_many(
                events.offsets,
                events.times,
                events.units,
                plan,
                changes.time_jitter,
                changes.unit_jitter,
                samples.time_step,
                samples.n_steps,
                data.n_units,
                offsets,
                bins,
                units,
                lengths,
            ):
                break
        size, group = int(offsets[-1]), np.int32(samples.group_units)
        grouped = units[:size] // group if group > 1 else units[:size]
        durations = self._durations(plan)
        return samples.of_binned(Binned(offsets, bins[:size], grouped, lengths), chosen, durations)

    def _durations(self, plan: Plan) -> NDArray[np.float64]:
        """Return the length of each recording [s]: the longer of two, scaled; negative if unknown."""
        durations = self.samples.samples.events.durations
        own, other = durations[plan.first], durations[plan.mate]
        blended = np.where(np.minimum(own, other) >= 0, np.maximum(own, other), -1.0)
        return np.where(plan.mate < 0, own, blended) * plan.warp

    def plan(self, chosen: NDArray[np.int64], seed: Sequence[int]) -> Plan:
        """Draw what happens to each sample as a whole.

        Parameters
        ----------
        chosen, seed
            As in :meth:`batch`.

        Returns
        -------
        Plan
            Of each chosen sample.
        """
        changes, data = self.changes, self.samples.samples
        duration = self.samples.time_step * self.samples.n_steps
        (key,) = np.random.SeedSequence([*seed], spawn_key=(1,)).generate_state(1, np.uint64)
        keys = _mix(key + (chosen.astype(np.uint64) + np.uint64(1)) * GOLDEN)
        places = np.arange(1, _WORDS + 1, dtype=np.uint64) * GOLDEN
        drawn = uniform.py_func(_mix(keys + places[:, None]))  # type: ignore[attr-defined]

        blended = drawn[_BLEND] < changes.blend_probability
        kind = self._class[chosen]
        mates = self._by_class[self._starts[kind] + _whole(drawn[_MATE], self._sizes[kind])]
        apart = np.where(blended, (self._centres[mates] - self._centres[chosen]).T / 2, 0.0)
        apart[:, np.isnan(apart).any(0)] = 0.0  # a sample without spikes has no centre
        share = np.where(blended, _SHARE, 1.0) * (1 - changes.delete_probability)
        shift = changes.max_unit_shift
        longest = np.log(changes.longest_warp)
        band = _whole(drawn[_BAND], changes.max_unit_mask + 1)
        first = _whole(drawn[_BAND_START], data.n_units - band + 1)
        span = drawn[_SPAN] * changes.max_time_mask
        start = drawn[_SPAN_START] * (duration - span)
        return Plan(
            first=data.rows[chosen],
            mate=np.where(blended, data.rows[mates], -1),
            late=apart[0],
            across=np.rint(apart[1]).astype(np.int64),
            kept=np.where(share < 1, share * 2.0**64, 0.0).astype(np.uint64)
            + np.where(share < 1, np.uint64(0), ALWAYS),
            unit_shift=_whole(drawn[_UNIT_SHIFT], 2 * shift + 1) - shift,
            time_shift=(2 * drawn[_TIME_SHIFT] - 1) * changes.max_time_shift,
            warp=np.exp((2 * drawn[_WARP] - 1) * longest),
            first_masked=first,
            end_masked=first + band,
            mask_start=start,
            mask_end=start + span,
            state=keys + places[-1],
        )


def _rooms(sizes: NDArray[np.int64], plan: Plan) -> tuple[int, int]:
    """Return numbers of spikes to make room for: one that practically always suffices, and one that does.

    The first access to memory takes time; the number of kept spikes is binomial.
    """
    of_rows = sizes[plan.first] + np.where(plan.mate < 0, 0, sizes[plan.mate])
    share = plan.kept / 2.0**64
    likely = (of_rows * share).sum() + 8 * np.sqrt((of_rows * share * (1 - share)).sum())
    most = int(of_rows.sum())
    return min(int(likely) + 64, most), most


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed: NDArray[np.uint64] = mix.py_func(words)  # type: ignore[attr-defined]
    return mixed


def _whole(drawn: NDArray[np.float64], n: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Return a uniform integer in 0 … n - 1 of a uniform number in 0 ≤ u < 1."""
    return np.floor(drawn * n).astype(np.int64)
