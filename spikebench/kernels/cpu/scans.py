"""The scan of the CPU kernels: samples, steps, recurrent inputs and lists of spikes, for any neuron.

Every function on a batch processes some samples (``first`` … ``last``) and writes no memory of the others, so threads
can share a batch. Currents, products and stored values are rows with the width of the layer; neurons are computed in
tiles of 32 units. Their equations are in :mod:`spikebench.kernels.cpu.neurons`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import (
    Floats,
    Index,
    Ints,
    Offsets,
    compiled,
    inlined,
)
from spikebench.kernels.cpu.events import Events, add_currents, add_sorted_gradients
from spikebench.kernels.cpu.neurons import (
    AD,
    CELLS,
    FIRED,
    GRADIENTS,
    MEM,
    Cell,
    Neuron,
    Rules,
    add_step,
    advance,
    advance_leaky,
    load_back,
    load_cell,
    near_threshold,
    retreat,
    rules_of,
    store_back,
    store_cell,
    surrogate,
    table_of,
)
from spikebench.kernels.cpu.recurrent_delays import (
    add_arrived,
    arrive_again,
    feed_back_delayed,
    feed_back_delayed_active,
    products_of_taps,
    send,
)
from spikebench.kernels.cpu.simd import at_least, bits, load, lowest, store
from spikebench.kernels.cpu.spike_gradients import SPARSE, Bits, add_products, append_units
from spikebench.kernels.cpu.tiles import (
    WIDTH,
    load_units,
    read,
    store_units,
    tiles,
    units_of,
    write,
)
from spikebench.kernels.cpu.vectors import sum_rows_at
from spikebench.kernels.neuron import SURROGATES
from spikebench.kernels.scan import STATE_ROWS

_NONE, _ONE = np.uint64(0), np.uint64(1)
_TRIANGLE, _BOXCAR = SURROGATES["triangle"], SURROGATES["boxcar"]  # 0 far from the threshold


class Kept(NamedTuple):
    """U, I and A of all steps (sample, step, unit); empty if not stored."""

    membranes: Floats
    synapses: Floats
    adapted: Floats


class Near(NamedTuple):
    """Units near their threshold: bits (sample, step, tile), empty if not stored; their number in every sample."""

    bits: Bits
    counts: Offsets


class Asked(NamedTuple):
    """Gradients of the loss by spikes and membranes (sample, step, unit); empty where there are none."""

    spikes: Floats
    membranes: Floats


class Rows(NamedTuple):
    """Arrays of a backward pass in one dimension: U, I, A of all steps; gradients by U; state; dL/dI; a block of it."""

    membranes: Floats
    synapses: Floats
    adapted: Floats
    by_membranes: Floats
    state: Floats
    current: Floats
    block: Floats


class Gradients(NamedTuple):
    """Gradients computed by a scan; empty if not requested.

    ``current`` (sample, step, unit) is written. ``weight`` and ``recurrent`` (tap, from, to) are added to, and so are
    the gradients by the coefficients of the neurons, ``sums``, in tiles.
    """

    current: Floats
    weight: Floats
    recurrent: Floats
    sums: Floats


@compiled
def scan_forward(
    own: Floats,
    current: Floats,
    events: Events,
    weight: Floats,
    decay_syn: Floats,
    recurrent: Floats,
    late: Offsets,
    neuron: Neuron,
    state: Floats,
    kept: Kept,
    near: Near,
    end_state: Floats,
    counts: Ints,
    found: Ints,
    slopes: Floats,
    first: int,
    last: int,
) -> tuple[Ints, Floats]:
    """Run neurons; return the units that fired, step after step, with ``counts`` units in each.

    Currents are given, or, if there are weights, computed from the events one sample at a time in ``own``. Membranes,
    synapses and adaptation are stored unless their arrays are empty, and so are the bits of the units near their
    threshold, whose surrogate derivatives are returned, in order. ``late`` (unit) is empty without recurrent delays.
    Both lists are written to ``found`` and ``slopes`` if these have room for them.
    """
    n_steps, n = counts.shape[1], decay_syn.size
    delays = late.size > 0
    n_past = state.shape[1] - STATE_ROWS
    arriving = np.empty((n_past if delays else 0, 2 * n), dtype=np.int32)
    n_arriving = np.zeros(len(arriving), dtype=np.int64)
    weighs = weight.shape[0] > 0  # by taps: an input without units has weights too
    steps, taps = (own if weighs else current).ravel(), recurrent.ravel()
    n_found = n_slopes = 0
    starts = np.zeros(n_steps + 1, dtype=np.int64)
    now = np.zeros(np.uint64(tiles(n)) * CELLS, decay_syn.dtype)
    arrived = np.zeros(np.uint64(tiles(n)) * WIDTH, decay_syn.dtype)
    spare = np.zeros(WIDTH, decay_syn.dtype)
    membranes, synapses, adapted = (
        kept.membranes.ravel(),
        kept.synapses.ravel(),
        kept.adapted.ravel(),
    )
    near_bits, table, syn = near.bits.ravel(), neuron.table, arrived[:n]
    for k in range(first, last):
        if weighs:
            add_currents(events.offsets[k : k + 2], events.bins, events.units, weight, own, 0, 1)
        syn[:] = state[k, 0]
        write(state[k, 1], now, MEM, CELLS)
        write(state[k, 2], now, AD, CELLS)
        write(state[k, STATE_ROWS], now, FIRED, CELLS)
        if delays:
            arrive_again(state[k, STATE_ROWS:], late, arriving, n_arriving)
        found = longer(found, n_found, n_steps * n)
        if near_bits.size > 0:
            slopes = longer(slopes, n_slopes, n_steps * n)
        begin = n_slopes
        for t in range(n_steps):
            at = ((0 if weighs else k) * n_steps + t) * n
            _decay_and_add(table, steps, np.uint64(at), np.uint64(n), arrived, spare)
            if delays:
                add_arrived(recurrent, arriving, n_arriving, t, syn)
            else:
                _add_recurrent(taps, found, starts, state, k, t, arrived, n)
            starts[t] = n_found
            n_found, n_slopes = _advance_all(
                neuron,
                table,
                now,
                arrived,
                membranes,
                synapses,
                adapted,
                near_bits,
                np.uint64(k * n_steps + t),
                found,
                n_found,
                slopes,
                n_slopes,
                spare,
            )
            starts[t + 1] = n_found
            counts[k, t] = n_found - starts[t]
            if delays:
                send(found, starts[t], n_found, late, t, arriving, n_arriving)
        if near_bits.size > 0:
            near.counts[k] = n_slopes - begin
        end_state[k, 0] = syn
        read(now, MEM, CELLS, end_state[k, 1])
        read(now, AD, CELLS, end_state[k, 2])
        _end_spikes(found, starts, state, k, end_state)
    return found[:n_found], slopes[:n_slopes]


@inlined
def _decay_and_add(
    table: Floats, steps: Floats, at: Index, n: Index, syn: Floats, spare: Floats
) -> None:
    """Compute I[t] = α·I[t − 1] + the currents of a step, which are at ``at``."""
    for tile in range((n + WIDTH - _ONE) // WIDTH):
        alpha, place = table_of(table, tile).alpha, tile * WIDTH
        store(syn, place, alpha * load(syn, place) + load_units(steps, at, n, tile, spare))


@inlined
def _add_recurrent(
    taps: Floats,
    found: Ints,
    starts: Offsets,
    state: Floats,
    k: int,
    t: int,
    syn: Floats,
    n: int,
) -> None:
    """I += Σ V[s] of the units that fired at t − 1 − s."""
    for s in range(taps.size // max(n * n, 1)):
        before = t - 1 - s
        if before >= 0:
            sum_rows_at(taps, s * n * n, found, starts[before], starts[before + 1], syn, 0, n)
        else:
            for u in range(n):
                if state[k, STATE_ROWS + s - t, u] > 0:
                    for h in range(n):
                        syn[h] += taps[(s * n + u) * n + h]


@compiled
def longer(found: NDArray[Any], n_found: int, n_new: int) -> NDArray[Any]:
    """Return a list with the same ``n_found`` numbers and room for some more: the list itself if it has it."""
    if found.size >= n_found + n_new:
        return found
    larger_list = np.empty(2 * found.size + n_new, found.dtype)
    larger_list[:n_found] = found[:n_found]
    return larger_list


@inlined
def _advance_all(
    neuron: Neuron,
    table: Floats,
    now: Floats,
    syn: Floats,
    membranes: Floats,
    synapses: Floats,
    adapted: Floats,
    near: Bits,
    step: Index,
    found: Ints,
    n_found: int,
    slopes: Floats,
    n_slopes: int,
    spare: Floats,
) -> tuple[int, int]:
    """Advance all units by one step, in place, where I[t] is given; append those that fire, return the new number.

    ``step`` counts the steps of all samples. The same for the surrogate derivatives of the units near their threshold.
    """
    rules, n, n_tiles = rules_of(neuron), np.uint64(neuron.n), np.uint64(tiles(neuron.n))
    changes = neuron.couples or neuron.adapts
    for tile in range(n_tiles):
        at = tile * CELLS
        before, reached = load_cell(now, at), load(syn, tile * WIDTH)
        if changes:
            cell = advance(table_of(table, tile), rules, before, reached)
        else:
            cell = advance_leaky(table_of(table, tile), rules, before, reached)
        store_cell(now, at, cell)
        existing = units_of(tile, n)
        n_found = append_units(bits(cell.fired) & existing, tile, found, n_found)
        if membranes.size > 0:
            store_units(membranes, step * n, n, tile, cell.mem, spare)
        if synapses.size > 0:
            store_units(synapses, step * n, n, tile, reached, spare)
        if adapted.size > 0:
            store_units(adapted, step * n, n, tile, cell.ad, spare)
        if near.size > 0:
            mask = bits(near_threshold(rules, cell.mem)) & existing
            near[step * n_tiles + tile] = mask
            if mask != _NONE:
                store(spare, _NONE, surrogate(neuron, rules, cell.mem, spare))
                while mask != _NONE:
                    slopes[n_slopes] = spare[lowest(mask)]
                    n_slopes += 1
                    mask &= mask - _ONE
    return n_found, n_slopes


@compiled
def _end_spikes(found: Ints, starts: Offsets, state: Floats, k: int, end_state: Floats) -> None:
    """Write the spikes of the last steps into the state."""
    n_steps = starts.size - 1
    for s in range(end_state.shape[1] - STATE_ROWS):
        row = end_state[k, STATE_ROWS + s]
        before = n_steps - 1 - s
        if before >= 0:
            row[:] = 0
            for e in range(starts[before], starts[before + 1]):
                row[found[e]] = 1
        else:
            row[:] = state[k, STATE_ROWS + s - n_steps]


@compiled
def scan_backward(
    asked: Asked,
    kept: Kept,
    spikes: Events,
    events: Events,
    recurrent: Floats,
    panels: Floats,
    late: Offsets,
    neuron: Neuron,
    state: Floats,
    block: Floats,
    n_block: int,
    order: Ints,
    into: Gradients,
    first: int,
    last: int,
) -> None:
    """Propagate back through a scan.

    ``panels`` (tap, panel, from, to) hold the transposed recurrent weights in blocks of columns, since small products
    are faster. No product is needed where a surrogate with compact support is 0: if few units are near their threshold,
    only their rows of ``recurrent`` are used. ``block`` (sample · step, unit) stores dL/dI of some steps, from which
    the gradients of the weights are computed; ``order`` has room for the events of these samples. ``sums`` is computed
    only if I is stored.

    With recurrent delays, ``late`` (unit) is not empty; ``spikes`` are then the arrivals at the taps of all units, and
    the gradient of the recurrent weights has the shape (1, tap · from, to).
    """
    n_samples = last - first
    _, n_steps, n = kept.membranes.shape
    to_weight, to_recurrent = into.weight.size > 0, into.recurrent.size > 0
    cursors = cursors_behind(events, first, last, into.weight)
    spike_cursors = cursors_behind(spikes, first, last, into.recurrent)
    places = np.empty(max(into.weight.shape[1], into.recurrent.shape[1]) + 1, np.int64)
    n_taps, _, _ = recurrent.shape
    _, n_panels, _, width = panels.shape
    learns = kept.synapses.size > 0
    dtype = recurrent.dtype
    n_past = state.shape[1] - STATE_ROWS
    lam_syn = np.zeros((n_past, n_samples, n), dtype)  # dL/dI of the last steps, a ring buffer
    shape = (n_samples, n)
    delays = late.size > 0
    # A surrogate without compact support needs the products of all units: they are kept, not computed at each arrival.
    is_compact = neuron.surrogate == _TRIANGLE or neuron.surrogate == _BOXCAR
    keeps_products = delays and not is_compact
    products = np.zeros((n_past if keeps_products else 0, n_taps, n, n_samples), dtype)
    work = np.zeros(np.uint64(n_samples * tiles(n)) * GRADIENTS, dtype)
    rows = Rows(
        kept.membranes.ravel(),
        kept.synapses.ravel(),
        kept.adapted.ravel(),
        asked.membranes.ravel(),
        state.ravel(),
        into.current.ravel(),
        block.ravel(),
    )
    spare = np.zeros(WIDTH, dtype)
    fed_back = np.zeros((n_panels, n_samples, width), dtype)
    product = np.zeros((n_samples, width), dtype)
    gs = np.empty(shape, dtype)
    active, n_active = np.empty(shape, np.int32), np.empty(n_samples, np.int64)
    has_spikes, none = asked.spikes.size > 0, neuron.one - neuron.one
    for back in range(n_steps):
        t = n_steps - 1 - back
        for k in range(n_samples):
            for h in range(n):
                gs[k, h] = asked.spikes[first + k, t, h] if has_spikes else none
        taps_now = min(n_taps, back)
        if keeps_products:
            feed_back_delayed(products, late, t, gs)
        elif taps_now > 0 or delays:
            if is_compact:
                _list_near(neuron, rows.membranes, first, t, n_steps, spare, active, n_active)
            if delays:
                feed_back_delayed_active(lam_syn, recurrent, late, t, n_steps, active, n_active, gs)
            elif is_compact and n_active.sum() < SPARSE * gs.size:
                _feed_back_active(lam_syn, recurrent, t, taps_now, active, n_active, gs)
            else:
                feed_back(lam_syn, panels, t, taps_now, product, fed_back, gs)
        lam_now = lam_syn[t % n_past]
        place = n_block, t % n_block
        _retreat_all(
            neuron, rows, gs, first, t, n_steps, work, lam_now, place, learns, into.sums, spare
        )
        if keeps_products:
            products_of_taps(lam_now, panels, product, products[t % n_past])
        if t % n_block == 0:
            end = min(t + n_block, n_steps)
            if to_weight:
                add_sorted_gradients(
                    events,
                    first,
                    cursors,
                    t,
                    end,
                    0,
                    block,
                    order,
                    places,
                    into.weight,
                )
            if to_recurrent:
                add_sorted_gradients(
                    spikes,
                    first,
                    spike_cursors,
                    t,
                    end,
                    0 if delays else 1,
                    block,
                    order,
                    places,
                    into.recurrent,
                )


@compiled
def _retreat_all(
    neuron: Neuron,
    rows: Rows,
    gs: Floats,
    first: int,
    t: int,
    n_steps: int,
    work: Floats,
    lam_now: Floats,
    place: tuple[int, int],
    learns: bool,
    sums: Floats,
    spare: Floats,
) -> None:
    """Replace the gradients of all units at step t + 1, ``work``, by those at step t, from the gradients by spikes.

    dL/dI is written to ``lam_now`` (sample, unit), to the currents and to step ``place[1]`` of ``place[0]`` of the
    block. The gradients by coefficients are added if the layer ``learns``.
    """
    rules, n, n_tiles = rules_of(neuron), np.uint64(neuron.n), np.uint64(tiles(neuron.n))
    by_spikes, lam, coefficients = gs.ravel(), lam_now.ravel(), neuron.table
    membranes, synapses, adapted = rows.membranes, rows.synapses, rows.adapted
    by_membranes, state, current, block = rows.by_membranes, rows.state, rows.current, rows.block
    in_state = np.uint64(state.size) // np.uint64(membranes.size // n_steps) * n
    for k in range(np.uint64(len(gs))):
        sample = np.uint64(first) + k
        at = (sample * np.uint64(n_steps) + np.uint64(t)) * n
        at_block = (k * np.uint64(place[0]) + np.uint64(place[1])) * n
        for tile in range(n_tiles):
            now = _recalled(membranes, synapses, adapted, at, n, tile, rules, spare)
            if t > 0:
                before = _recalled(membranes, synapses, adapted, at - n, n, tile, rules, spare)
            else:
                before = _initial(state, sample * in_state, n, tile, spare)
            after = asked_mem = rules.zero
            if synapses.size > 0 and t + 1 < n_steps:
                after = load_units(synapses, at + n, n, tile, spare)
            if by_membranes.size > 0:
                asked_mem = load_units(by_membranes, at, n, tile, spare)
            asked = load_units(by_spikes, k * n, n, tile, spare)
            slope = surrogate(neuron, rules, now.mem, spare)
            cell = (k * n_tiles + tile) * GRADIENTS
            back = load_back(work, cell)
            table = table_of(coefficients, tile)
            back = retreat(table, rules, before.fired, now, after, back, asked_mem, asked, slope)
            store_back(work, cell, back)
            store_units(lam, k * n, n, tile, back.by_syn, spare)
            if current.size > 0:
                store_units(current, at, n, tile, back.by_syn, spare)
            if block.size > 0:
                store_units(block, at_block, n, tile, back.by_syn, spare)
            if learns:
                add_step(neuron, rules, tile, before, now, back, sums)


@inlined
def _recalled(
    membranes: Floats,
    synapses: Floats,
    adapted: Floats,
    at: Index,
    n: Index,
    tile: Index,
    rules: Rules,
    spare: Floats,
) -> Cell:
    """Read the stored values of a tile from the rows at ``at``; those that are not stored are 0."""
    mem = load_units(membranes, at, n, tile, spare)
    syn = ad = rules.zero
    if synapses.size > 0:
        syn = load_units(synapses, at, n, tile, spare)
    if adapted.size > 0:
        ad = load_units(adapted, at, n, tile, spare)
    return Cell(syn, mem, ad, at_least(mem, rules.threshold))


@inlined
def _initial(state: Floats, at: Index, n: Index, tile: Index, spare: Floats) -> Cell:
    """Read the values of a tile before the first step from the state of a sample, which is at ``at``."""
    return Cell(
        load_units(state, at, n, tile, spare),
        load_units(state, at + n, n, tile, spare),
        load_units(state, at + np.uint64(2) * n, n, tile, spare),
        load_units(state, at + np.uint64(STATE_ROWS) * n, n, tile, spare),
    )


@compiled
def _list_near(
    neuron: Neuron,
    membranes: Floats,
    first: int,
    t: int,
    n_steps: int,
    spare: Floats,
    active: Ints,
    n_active: Offsets,
) -> None:
    """List the units of every sample in the support of a compact surrogate."""
    rules, n = rules_of(neuron), np.uint64(neuron.n)
    for k in range(len(n_active)):
        at = np.uint64((first + k) * n_steps + t) * n
        found, listed = active[k], 0
        for tile in range(np.uint64(tiles(neuron.n))):
            near = near_threshold(rules, load_units(membranes, at, n, tile, spare))
            listed = append_units(bits(near) & units_of(tile, n), tile, found, listed)
        n_active[k] = listed


@compiled
def cursors_behind(events: Events, first: int, last: int, into: Floats) -> Offsets:
    """Set a cursor behind all events of every sample, for every tap of the requested gradients."""
    cursors = np.empty((last - first, into.shape[0] if into.size > 0 else 0), np.int64)
    for k in range(cursors.shape[0]):
        for s in range(cursors.shape[1]):
            cursors[k, s] = events.offsets[first + k + 1]
    return cursors


@compiled
def feed_back(
    lam_syn: Floats,
    panels: Floats,
    t: int,
    n_taps: int,
    product: Floats,
    fed_back: Floats,
    gs: Floats,
) -> None:
    """Add dL/dI[t + 1 + s], multiplied by the recurrent weights, to the gradients by spikes."""
    n_panels, n_samples, width = fed_back.shape
    if n_taps == 0:
        return
    for p in range(n_panels):
        for s in range(n_taps):
            np.dot(lam_syn[(t + 1 + s) % lam_syn.shape[0]], panels[s, p], product)
            for k in range(n_samples):
                for h in range(width):
                    fed_back[p, k, h] = (
                        product[k, h] if s == 0 else fed_back[p, k, h] + product[k, h]
                    )
        start = p * width
        inside = min(width, gs.shape[1] - start)
        for k in range(n_samples):
            for h in range(inside):
                gs[k, start + h] += fed_back[p, k, h]


@compiled
def _feed_back_active(
    lam_syn: Floats,
    recurrent: Floats,
    t: int,
    n_taps: int,
    active: Ints,
    n_active: Offsets,
    gs: Floats,
) -> None:
    """Like :func:`feed_back`, only for the active units: the gradients by spikes of the others are not used."""
    for k in range(len(gs)):
        for s in range(n_taps):
            lam = lam_syn[(t + 1 + s) % lam_syn.shape[0], k]
            add_products(recurrent[s], active[k], n_active[k], lam, gs[k])
