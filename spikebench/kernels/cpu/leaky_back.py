"""The way back through a layer of leaky neurons from the units near their threshold only: no membrane is needed.

A surrogate with compact support (triangle, boxcar) is 0 far from the threshold. Where U and I are not needed for
anything else (fixed decays, a reset without gradient), the gradients of a step need the spikes, and the surrogate
derivatives of few units:

::

    dL/dS[t] = asked + V·dL/dI[t+1]                              for the units near their threshold
    dL/dU[t] = p·(1 − c·S[t])·B[t+1] + slope·dL/dS[t]            B[t] = (1 − z·S[t−1])·dL/dU[t]
    dL/dI[t] = α·dL/dI[t+1] + g·B[t]

The same equations as :func:`spikebench.kernels.cpu.neurons.retreat` without A; p, g, α, c, z are explained there.
Samples are computed one after the other, or side by side if many units are near their threshold, since small matrix
products are faster then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spikebench.kernels.cpu.compiling import Floats, Ints, Offsets, compiled, inlined
from spikebench.kernels.cpu.events import Events, add_sorted_gradients
from spikebench.kernels.cpu.neurons import Neuron, rules_of, table_of
from spikebench.kernels.cpu.scans import Gradients, cursors_behind, feed_back
from spikebench.kernels.cpu.simd import LANES, load, spread, store
from spikebench.kernels.cpu.spike_gradients import SPARSE, Bits, append_units, product
from spikebench.kernels.cpu.tiles import WIDTH, load_units, store_units, tiles
from spikebench.kernels.scan import STATE_ROWS


class NearCells(NamedTuple):
    """Cells near their threshold: bits (sample, step, tile), places of samples (sample + 1,); one number for each cell.

    ``slopes`` are surrogate derivatives, ``asked`` gradients of the loss by spikes (empty if there are none), in the
    order of the bits. ``everywhere`` are such gradients for all cells (sample, step, unit), or empty.
    """

    bits: Bits
    places: Offsets
    slopes: Floats
    asked: Floats
    everywhere: Floats


class Work(NamedTuple):
    """Arrays of some samples: B[t + 1]; dL/dI of the last steps, a ring (step, sample, unit); slope·dL/dS.

    Then the bits of the units that fired at odd and at even steps (2, sample, tile); the units near their threshold
    (sample, unit); gradients by spikes (sample, unit); places in the lists of near cells and of spikes.
    """

    through: Floats
    by_syn: Floats
    jumps: Floats
    fired: Bits
    active: Ints
    by_spikes: Floats
    near_places: Offsets
    spike_places: Offsets


@compiled
def scan_back_leaky(
    near: NearCells,
    spikes: Events,
    events: Events,
    recurrent: Floats,
    panels: Floats,
    neuron: Neuron,
    state: Floats,
    n_steps: int,
    block: Floats,
    n_block: int,
    order: Ints,
    into: Gradients,
    first: int,
    last: int,
) -> None:
    """Propagate back through a scan.

    Columns of ``recurrent`` (tap, from, to) and rows of ``panels`` are padded to whole tiles with zeros; the rest is
    explained in :func:`spikebench.kernels.cpu.scans.scan_backward`.
    """
    n_samples, n, n_tiles = last - first, neuron.n, tiles(neuron.n)
    padded = n_tiles * LANES
    cursors = cursors_behind(events, first, last, into.weight)
    spike_cursors = cursors_behind(spikes, first, last, into.recurrent)
    places = np.empty(max(into.weight.shape[1], into.recurrent.shape[1]) + 1, np.int64)
    dtype = near.slopes.dtype
    n_past = state.shape[1] - STATE_ROWS
    ring = np.zeros((n_past, n_samples, padded), dtype)
    by_spikes = np.zeros((n_samples, n), dtype)
    work = Work(
        np.zeros(n_samples * padded, dtype),
        ring.ravel(),
        np.zeros(n_samples * padded, dtype),
        np.zeros(2 * n_samples * n_tiles, np.uint32),
        np.empty(n_samples * n, np.int32),
        by_spikes.ravel(),
        near.places[first + 1 : last + 1].copy(),
        spikes.offsets[first + 1 : last + 1].copy(),
    )
    for k in range(n_samples):
        work.spike_places[k] = _mark_fired(
            spikes.bins,
            spikes.units,
            spikes.offsets[first + k],
            work.spike_places[k],
            n_steps - 1,
            work.fired,
            ((n_steps - 1) % 2 * n_samples + k) * n_tiles,
            n_tiles,
        )
    product_ = np.zeros((n_samples, panels.shape[3]), dtype)
    fed_back = np.zeros((panels.shape[1], n_samples, panels.shape[3]), dtype)
    n_near = near.places[last] - near.places[first]
    few = len(recurrent) == 0 or n_near < SPARSE * (n_samples * n_steps * n)
    end = n_steps
    while end > 0:
        begin = (end - 1) // n_block * n_block
        if few:
            for k in range(n_samples):
                _retreat_steps(
                    *(near, spikes, recurrent, neuron, state, n_steps, few, work),
                    *(block, into, first, n_samples, n_block),
                    *(k, k + 1, begin, end),
                )
        else:
            for back in range(end - begin):
                t = end - 1 - back
                by_spikes[:] = 0
                feed_back(
                    ring,
                    panels,
                    t,
                    min(len(recurrent), n_steps - 1 - t),
                    product_,
                    fed_back,
                    by_spikes,
                )
                _retreat_steps(
                    *(near, spikes, recurrent, neuron, state, n_steps, few, work),
                    *(block, into, first, n_samples, n_block),
                    *(0, n_samples, t, t + 1),
                )
        if into.weight.size > 0:
            add_sorted_gradients(
                events, first, cursors, begin, end, 0, block, order, places, into.weight
            )
        if into.recurrent.size > 0:
            add_sorted_gradients(
                spikes, first, spike_cursors, begin, end, 1, block, order, places, into.recurrent
            )
        end = begin


@compiled
def _retreat_steps(
    near: NearCells,
    spikes: Events,
    recurrent: Floats,
    neuron: Neuron,
    state: Floats,
    n_steps: int,
    few: bool,
    work: Work,
    block: Floats,
    into: Gradients,
    first: int,
    n_samples: int,
    n_block: int,
    k_begin: int,
    k_end: int,
    begin: int,
    end: int,
) -> None:
    """Propagate some samples back through the steps begin ≤ t < end; arrays are read from their tuples only once."""
    n, n_tiles, n_past = neuron.n, tiles(neuron.n), state.shape[1] - STATE_ROWS
    taps, initial, currents, rows = (
        recurrent.ravel(),
        state.ravel(),
        into.current.ravel(),
        block.ravel(),
    )
    bits, slopes, asked, everywhere = (
        near.bits.ravel(),
        near.slopes,
        near.asked,
        near.everywhere.ravel(),
    )
    through, by_syn, jumps, fired = work.through, work.by_syn, work.jumps, work.fired
    active, by_spikes, near_places = work.active, work.by_spikes, work.near_places
    spike_places, offsets, bins, units = (
        work.spike_places,
        spikes.offsets,
        spikes.bins,
        spikes.units,
    )
    table, spare = neuron.table, np.zeros(WIDTH, slopes.dtype)
    n_taps, in_state = len(recurrent), state.shape[1] * n
    for back in range(end - begin):
        t = end - 1 - back
        taps_now = min(n_taps, n_steps - 1 - t) if few else 0
        slot, slot_after = t % n_past * n_samples, (t + 1) % n_past * n_samples
        for k in range(k_begin, k_end):
            step = (first + k) * n_steps + t
            begin_active = k * n
            listed = begin_active
            for tile in range(np.uint64(n_tiles)):
                mask = np.uint64(bits[np.uint64(step * n_tiles) + tile])
                listed = append_units(mask, tile, active, listed)
            if few:
                for e in range(begin_active, listed):
                    by_spikes[begin_active + active[e]] = 0
            for s in range(taps_now):
                row = (t + 1 + s) % n_past * n_samples + k
                _add_products(
                    taps, s, n, n_tiles, by_syn, row, active, begin_active, listed, by_spikes
                )
            near_places[k] -= listed - begin_active
            place = near_places[k] - begin_active
            jumps_at = k * n_tiles * LANES
            for e in range(begin_active, listed):
                unit = active[e]
                gradient = by_spikes[begin_active + unit]
                if asked.size > 0:
                    gradient += asked[place + e]
                if everywhere.size > 0:
                    gradient += everywhere[step * n + unit]
                jumps[jumps_at + unit] = slopes[place + e] * gradient
            if t > 0:
                spike_places[k] = _mark_fired(
                    bins,
                    units,
                    offsets[first + k],
                    spike_places[k],
                    t - 1,
                    fired,
                    ((t + 1) % 2 * n_samples + k) * n_tiles,
                    n_tiles,
                )
            _retreat_all(
                neuron,
                table,
                fired,
                (t % 2 * n_samples + k, (t + 1) % 2 * n_samples + k, slot + k, slot_after + k, k),
                initial,
                ((first + k) * in_state + STATE_ROWS * n) if t == 0 else -1,
                through,
                by_syn,
                jumps,
                currents,
                step * n,
                rows,
                (k * n_block + t % n_block) * n,
                spare,
            )
            for e in range(begin_active, listed):
                jumps[jumps_at + active[e]] = 0


@inlined
def _add_products(
    taps: Floats,
    s: int,
    n: int,
    n_tiles: int,
    by_syn: Floats,
    row: int,
    active: Ints,
    begin: int,
    end: int,
    by_spikes: Floats,
) -> None:
    """Add V[s]·dL/dI to the gradients by spikes of the listed units."""
    padded = np.uint64(n_tiles) * WIDTH
    for e in range(begin, end):
        unit = active[e]
        at = np.uint64(s * n + unit) * padded
        by_spikes[begin + unit] += product(taps, at, by_syn, np.uint64(row) * padded, padded)


@inlined
def _retreat_all(
    neuron: Neuron,
    table: Floats,
    fired: Bits,
    places: tuple[int, int, int, int, int],
    initial: Floats,
    at_initial: int,
    through: Floats,
    by_syn: Floats,
    jumps: Floats,
    currents: Floats,
    at_currents: int,
    rows: Floats,
    at_rows: int,
    spare: Floats,
) -> None:
    """Propagate all units of a sample back through a step; see the equations of this file.

    ``places`` are the rows of S[t], S[t − 1], dL/dI[t], dL/dI[t + 1] and of the sample. S[t − 1] is at ``at_initial``
    of the initial state, unless that is negative.
    """
    rules, n, n_tiles = rules_of(neuron), np.uint64(neuron.n), np.uint64(tiles(neuron.n))
    now, before, row, row_after, k = places
    for tile in range(n_tiles):
        at = (np.uint64(k) * n_tiles + tile) * WIDTH
        coefficients = table_of(table, tile)
        now_fired = spread(np.uint64(fired[np.uint64(now) * n_tiles + tile]), table)
        if at_initial < 0:
            before_fired = spread(np.uint64(fired[np.uint64(before) * n_tiles + tile]), table)
        else:
            before_fired = load_units(initial, np.uint64(at_initial), n, tile, spare)
        carried = coefficients.p * load(through, at)
        by_mem = carried * (rules.one - rules.leaves * now_fired) + load(jumps, at)
        passed = (rules.one - rules.silences * before_fired) * by_mem
        after = load(by_syn, (np.uint64(row_after) * n_tiles + tile) * WIDTH)
        current = coefficients.alpha * after + coefficients.g * passed
        store(through, at, passed)
        store(by_syn, (np.uint64(row) * n_tiles + tile) * WIDTH, current)
        if currents.size > 0:
            store_units(currents, np.uint64(at_currents), n, tile, current, spare)
        if rows.size > 0:
            store_units(rows, np.uint64(at_rows), n, tile, current, spare)


@inlined
def _mark_fired(
    bins: Ints,
    units: Ints,
    start: int,
    end: int,
    t: int,
    fired: Bits,
    at: int,
    n_tiles: int,
) -> int:
    """Set the bits of the units of a sample that fired at t, the last in its list before ``end``; return the first."""
    for tile in range(n_tiles):
        fired[at + tile] = 0
    while end > start and bins[end - 1] == t:
        end -= 1
        unit = units[end]
        fired[at + unit // LANES] |= np.uint32(1 << unit % LANES)
    return end
