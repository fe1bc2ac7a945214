"""The compiled loops of :mod:`spikebench.events.augmented`: all changes of a sample in few passes over its spikes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.compiled import compiled
from spikebench.events.random_words import fill_words, lowest_bit, normal, random_bits
from spikebench.events.raster_loops import bin_of

_ONE = np.uint64(1)


class Plan(NamedTuple):
    """What happens to each sample of a batch as a whole; arrays of shape (batch,).

    Attributes
    ----------
    first, mate : ndarray of int64
        Positions of the sample and of the sample that it is blended with (-1: none) in the arrays of spikes.
    late, across : ndarray of float64, int64
        Displacement of the sample towards the common centre [s, units]; the mate moves in the other direction.
    kept : ndarray of uint64
        Probability that a spike is kept, times 2⁶⁴.
    unit_shift, time_shift, warp : ndarray of int64, float64, float64
        Displacements [units, s], and the factor of times.
    first_masked, end_masked : ndarray of int64
        Band of units that is masked, from the first to before the end.
    mask_start, mask_end : ndarray of float64
        Span of time that is masked [s].
    state : ndarray of uint64
        State of the stream of random words for the spikes.
    """

    first: NDArray[np.int64]
    mate: NDArray[np.int64]
    late: NDArray[np.float64]
    across: NDArray[np.int64]
    kept: NDArray[np.uint64]
    unit_shift: NDArray[np.int64]
    time_shift: NDArray[np.float64]
    warp: NDArray[np.float64]
    first_masked: NDArray[np.int64]
    end_masked: NDArray[np.int64]
    mask_start: NDArray[np.float64]
    mask_end: NDArray[np.float64]
    state: NDArray[np.uint64]


@compiled
def change_many(
    offsets: NDArray[np.int64],
    times: NDArray[Any],
    units: NDArray[np.uint16],
    plan: Plan,
    time_jitter: float,
    unit_jitter: float,
    time_step: float,
    n_steps: int,
    n_units: int,
    new_offsets: NDArray[np.int64],
    bins: NDArray[np.int32],
    new_units: NDArray[np.int32],
    lengths: NDArray[np.int64],
) -> bool:
    """Change samples by a plan and sort their spikes into bins; return whether ``bins`` has room for them.

    Times must be sorted and finite, and units below ``n_units``: neither is checked here.
    """
    largest = 0
    for row in range(plan.first.size):
        largest = max(largest, _size(offsets, plan.first[row]) + _size(offsets, plan.mate[row]))
    seconds, steps = np.empty(largest + 1), np.empty(largest + 1, dtype=np.int32)
    moved = np.empty(largest + 1, dtype=np.int32)
    table, words = np.empty(n_units, dtype=np.int32), np.empty(largest // 2 + 1, dtype=np.uint64)
    places = np.empty(n_steps + 2, dtype=np.uint32)
    at = 0
    for row in range(plan.first.size):
        state, n = plan.state[row], 0
        for k, sign in ((plan.first[row], 1), (plan.mate[row], -1)):
            if k < 0:
                continue
            here = times[offsets[k] : offsets[k + 1]]
            late, shift, warp = sign * plan.late[row], plan.time_shift[row], plan.warp[row]
            move_units(table, sign * plan.across[row], plan, row)
            # Times are sorted: those before 0 come first, the masked ones are adjacent.
            begin = max(
                first_from(here, late, 0.0, 1.0, 0.0), first_from(here, late, shift, 1.0, 0.0)
            )
            mask_begin = first_from(here, late, shift, warp, plan.mask_start[row])
            mask_end = first_from(here, late, shift, warp, plan.mask_end[row])
            old, there = n, units[offsets[k] : offsets[k + 1]]
            for part_begin, part_end in ((begin, mask_begin), (max(begin, mask_end), here.size)):
                n, state = keep(
                    *(here, there, part_begin, part_end, table, plan.kept[row], state),
                    *(seconds, moved, n),
                )
            for e in range(old, n):
                seconds[e] = ((seconds[e] + late) + shift) * warp
        if time_jitter > 0:
            state = jitter_times(seconds[:n], time_jitter, words, state)
        for e in range(n):
            # A spike before the start, as one without a unit, is sorted behind all bins.
            step = bin_of(max(seconds[e], 0.0), time_step, n_steps)
            steps[e] = step if seconds[e] >= 0 else n_steps + 1
        if unit_jitter > 0:
            jitter_units(moved[:n], steps, unit_jitter, n_units, n_steps + 1, words, state)
        if at + n > bins.size:
            return False
        size = sort_bins(steps[:n], moved, places, bins[at:], new_units[at:])
        lengths[row] = bins[at + size - 1] + 1 if size else 0
        if places[n_steps] > size:
            lengths[row] = n_steps  # a spike is after the last bin
        at += size
        new_offsets[row + 1] = at
    return True


@compiled
def _size(offsets: NDArray[np.int64], k: int) -> int:
    return offsets[k + 1] - offsets[k] if k >= 0 else 0


@compiled
def first_from(times: NDArray[Any], late: float, shift: float, warp: float, bound: float) -> int:
    """Return the position of the first spike that is not before a bound when it is moved."""
    low, high = 0, times.size
    while low < high:
        middle = (low + high) // 2
        if ((times[middle] + late) + shift) * warp < bound:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def move_units(table: NDArray[np.int32], across: int, plan: Plan, row: int) -> None:
    """Write the new unit of each unit; -1 if its spikes are removed."""
    shift, first, end = plan.unit_shift[row], plan.first_masked[row], plan.end_masked[row]
    for unit in range(table.size):
        aligned = unit + across
        new = aligned + shift
        inside = 0 <= aligned < table.size and 0 <= new < table.size
        table[unit] = new if inside and not first <= new < end else -1


@compiled
def keep(
    times: NDArray[Any],
    units: NDArray[np.uint16],
    begin: int,
    end: int,
    table: NDArray[np.int32],
    kept: np.uint64,
    state: np.uint64,
    seconds: NDArray[np.float64],
    moved: NDArray[np.int32],
    n: int,
) -> tuple[int, np.uint64]:
    """Append the kept spikes of a range to ``n`` others; return the new number and the new state."""
    place = np.uint64(n)
    for start in range(begin, end, 64):
        bits, state = random_bits(state, kept)
        if end - start < 64:
            bits &= (_ONE << np.uint64(end - start)) - _ONE
        while bits:
            e = np.uint64(start) + lowest_bit(bits)  # type: ignore[call-arg]
            bits &= bits - _ONE
            unit = table[units[e]]
            # Written in any case, and overwritten by the next spike if the unit is removed: no branch.
            seconds[place], moved[place] = times[e], unit
            place += np.uint64(unit >= 0)
    return int(place), state


@compiled
def jitter_times(
    seconds: NDArray[np.float64], deviation: float, words: NDArray[np.uint64], state: np.uint64
) -> np.uint64:
    """Displace every time by a normal number; return the new state."""
    state = fill_words(words[: (seconds.size + 1) // 2], state)
    halves = words.view(np.uint32)
    for e in range(seconds.size):
        number, state = normal(halves[e], state)
        seconds[e] += deviation * number
    return state


@compiled
def jitter_units(
    units: NDArray[np.int32],
    steps: NDArray[np.int32],
    deviation: float,
    n_units: int,
    removed: int,
    words: NDArray[np.uint64],
    state: np.uint64,
) -> None:
    """Displace every unit by a rounded normal number; the bin of a spike that leaves the units becomes ``removed``."""
    state = fill_words(words[: (units.size + 1) // 2], state)
    halves = words.view(np.uint32)
    for e in range(units.size):
        number, state = normal(halves[e], state)
        unit = units[e] + np.int32(np.rint(deviation * number))
        units[e] = unit
        steps[e] = steps[e] if 0 <= unit < n_units else removed


@compiled
def sort_bins(
    steps: NDArray[np.int32],
    units: NDArray[np.int32],
    places: NDArray[np.uint32],
    bins: NDArray[np.int32],
    new_units: NDArray[np.int32],
) -> int:
    """Sort spikes by counting those of each bin; return how many are in bins before the last two, which are left out.

    Four quarters of the spikes take turns: neighbours are often in one bin, whose count would have to be written before
    it can be read again. The order within a bin is that of these turns. ``places`` then holds the end of each bin.
    """
    n, one = np.uint64(steps.size), np.uint32(1)
    quarter = n // np.uint64(4)
    places[:] = 0
    for k in range(quarter):
        for q in range(4):
            places[np.uint32(steps[np.uint64(k) + np.uint64(q) * quarter])] += one
    for k in range(np.uint64(4) * quarter, n):
        places[np.uint32(steps[np.uint64(k)])] += one
    total = np.uint32(0)
    for t in range(places.size):
        count = places[t]
        places[t] = total
        total += count
    kept = int(places[places.size - 2])
    for k in range(quarter):
        for q in range(4):
            put(np.uint64(k) + np.uint64(q) * quarter, steps, units, places, new_units)
    for k in range(np.uint64(4) * quarter, n):
        put(np.uint64(k), steps, units, places, new_units)
    begin = np.uint64(0)
    for t in range(places.size - 2):
        end = np.uint64(places[t])
        for k in range(begin, end):
            bins[k] = t
        begin = end
    return kept


@compiled
def put(
    e: np.uint64,
    steps: NDArray[np.int32],
    units: NDArray[np.int32],
    places: NDArray[np.uint32],
    new_units: NDArray[np.int32],
) -> None:
    """Write the unit of a spike to the next place of its bin."""
    step = np.uint32(steps[e])
    place = places[step]
    places[step] = place + np.uint32(1)
    new_units[place] = units[e]


@compiled
def centres(
    offsets: NDArray[np.int64],
    times: NDArray[Any],
    units: NDArray[np.uint16],
    chosen: NDArray[np.int64],
    centre: NDArray[np.float64],
) -> None:
    """Write the mean time and the mean unit of each sample; NaN without a spike."""
    for row in range(chosen.size):
        time, unit = 0.0, 0
        begin, end = offsets[chosen[row]], offsets[chosen[row] + 1]
        for e in range(begin, end):
            time += times[e]
            unit += units[e]
        centre[row, 0] = time / (end - begin)
        centre[row, 1] = unit / (end - begin)
