"""The scan of the CPU kernels: samples, steps, recurrent inputs and lists of spikes, for any neuron.

Every function on a batch processes some samples (``first`` … ``last``) and writes no memory of the others, so threads
can share a batch. Rows have the width of the layer, so that compilers vectorise the loops over them.
The equations are in :mod:`spikebench.kernels.cpu.neurons`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spikebench.kernels.cpu.compiling import (
    Floats,
    Ints,
    Offsets,
    compiled,
)
from spikebench.kernels.cpu.events import Events, add_currents, add_sorted_gradients
from spikebench.kernels.cpu.neurons import (
    AD,
    ASKED,
    ASKED_MEM,
    BY_SYN,
    CELLS,
    FIRED,
    GRADIENTS,
    MEM,
    SLOPE,
    SYN,
    Neuron,
    add_sums,
    advance,
    load_back,
    load_cell,
    retreat,
    rules_of,
    store_back,
    store_cell,
    surrogate_rows,
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
from spikebench.kernels.cpu.simd import at_least, bits, fill, load, store
from spikebench.kernels.cpu.spike_gradients import SPARSE, add_products, append_units
from spikebench.kernels.cpu.tiles import WIDTH, read, tiles, units_of, write
from spikebench.kernels.cpu.vectors import sum_rows
from spikebench.kernels.neuron import SURROGATES
from spikebench.kernels.scan import STATE_ROWS

_TRIANGLE, _BOXCAR = SURROGATES["triangle"], SURROGATES["boxcar"]  # 0 far from the threshold

_BLOCK = 32  # units that are skipped together if none has fired


class Kept(NamedTuple):
    """U, I and A of all steps (sample, step, unit); empty if not stored."""

    membranes: Floats
    synapses: Floats
    adapted: Floats


class Asked(NamedTuple):
    """Gradients of the loss by spikes and membranes (sample, step, unit); empty where there are none."""

    spikes: Floats
    membranes: Floats


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
    end_state: Floats,
    counts: Ints,
    first: int,
    last: int,
) -> Ints:
    """Run neurons; return the units that fired, step after step, with ``counts`` units in each.

    Currents are given, or, if there are weights, computed from the events one sample at a time in ``own``. Membranes,
    synapses and adaptation are stored unless their arrays are empty. ``late`` (unit) is empty without recurrent delays.
    """
    n_steps, n = counts.shape[1], decay_syn.size
    delays = late.size > 0
    n_past = state.shape[1] - STATE_ROWS
    arriving = np.empty((n_past if delays else 0, 2 * n), dtype=np.int32)
    n_arriving = np.zeros(len(arriving), dtype=np.int64)
    weighs = weight.shape[0] > 0  # by taps: an input without units has weights too
    found = np.empty(1024, dtype=np.int32)
    n_found = 0
    starts = np.zeros(n_steps + 1, dtype=np.int64)
    now = np.zeros(np.uint64(tiles(n)) * CELLS, decay_syn.dtype)
    syn = np.empty(n, decay_syn.dtype)
    for k in range(first, last):
        if weighs:
            add_currents(events.offsets[k : k + 2], events.bins, events.units, weight, own, 0, 1)
        step = own[0] if weighs else current[k]
        syn[:] = state[k, 0]
        write(state[k, 1], now, MEM, CELLS)
        write(state[k, 2], now, AD, CELLS)
        write(state[k, STATE_ROWS], now, FIRED, CELLS)
        if delays:
            arrive_again(state[k, STATE_ROWS:], late, arriving, n_arriving)
        for t in range(n_steps):
            for h in range(n):
                syn[h] = decay_syn[h] * syn[h] + step[t, h]
            if delays:
                add_arrived(recurrent, arriving, n_arriving, t, syn)
            else:
                _add_recurrent(recurrent, found, starts, state, k, t, syn)
            write(syn, now, SYN, CELLS)
            found = longer(found, n_found, n)
            starts[t] = n_found
            n_found = _advance_all(neuron, now, found, n_found)
            starts[t + 1] = n_found
            counts[k, t] = starts[t + 1] - starts[t]
            if delays:
                send(found, starts[t], n_found, late, t, arriving, n_arriving)
            if kept.membranes.size > 0:
                read(now, MEM, CELLS, kept.membranes[k, t])
            if kept.synapses.size > 0:
                for h in range(n):
                    kept.synapses[k, t, h] = syn[h]
            if kept.adapted.size > 0:
                read(now, AD, CELLS, kept.adapted[k, t])
        end_state[k, 0] = syn
        read(now, MEM, CELLS, end_state[k, 1])
        read(now, AD, CELLS, end_state[k, 2])
        _end_spikes(found, starts, state, k, end_state)
    return found[:n_found]


@compiled
def _add_recurrent(
    recurrent: Floats, found: Ints, starts: Offsets, state: Floats, k: int, t: int, syn: Floats
) -> None:
    """I += Σ V[s] of the units that fired at t − 1 − s."""
    for s in range(recurrent.shape[0]):
        before = t - 1 - s
        if before >= 0:
            sum_rows(recurrent[s], found, starts[before], starts[before + 1], syn)
        else:
            for u in range(syn.size):
                if state[k, STATE_ROWS + s - t, u] > 0:
                    for h in range(syn.size):
                        syn[h] += recurrent[s, u, h]


@compiled
def longer(found: Ints, n_found: int, n_new: int) -> Ints:
    """Return a list with the same ``n_found`` numbers and room for some more: the list itself if it has it."""
    if found.size >= n_found + n_new:
        return found
    larger_list = np.empty(2 * found.size + n_new, dtype=np.int32)
    larger_list[:n_found] = found[:n_found]
    return larger_list


@compiled
def _advance_all(neuron: Neuron, now: Floats, found: Ints, n_found: int) -> int:
    """Advance all units by one step, in place, where I[t] is given; append those that fire, return the new number."""
    rules = rules_of(neuron)
    for tile in range(np.uint64(tiles(neuron.n))):
        at = tile * CELLS
        before = load_cell(now, at)
        cell = advance(table_of(neuron, tile), rules, before, before.syn)
        store_cell(now, at, cell)
        mask = bits(cell.fired) & units_of(tile, np.uint64(neuron.n))
        n_found = append_units(mask, tile, found, n_found)
    return n_found


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
    into: Gradients,
    first: int,
    last: int,
) -> None:
    """Propagate back through a scan.

    ``panels`` (tap, panel, from, to) hold the transposed recurrent weights in blocks of columns, since small products
    are faster. No product is needed where a surrogate with compact support is 0: if few units are near their threshold,
    only their rows of ``recurrent`` are used. ``block`` (sample · step, unit) stores dL/dI of some steps, from which
    the gradients of the weights are computed. ``sums`` is computed only if I is stored.

    With recurrent delays, ``late`` (unit) is not empty; ``spikes`` are then the arrivals at the taps of all units, and
    the gradient of the recurrent weights has the shape (1, tap · from, to).
    """
    n_samples = last - first
    _, n_steps, n = kept.membranes.shape
    n_block = block.shape[0] // n_samples
    to_weight, to_recurrent = into.weight.size > 0, into.recurrent.size > 0
    cursors = _cursors(events, first, last, into.weight)
    spike_cursors = _cursors(spikes, first, last, into.recurrent)
    n_order = spikes.offsets[last] - spikes.offsets[first]
    if to_weight:
        n_order = max(n_order, events.offsets[last] - events.offsets[first])
    order = np.empty(n_order, np.int32)
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
    keeps_products = delays and neuron.surrogate != _TRIANGLE and neuron.surrogate != _BOXCAR
    products = np.zeros((n_past if keeps_products else 0, n_taps, n, n_samples), dtype)
    n_tiles = np.uint64(tiles(n))
    work = np.zeros((n_samples, n_tiles * GRADIENTS), dtype)
    cells = (n_samples, n_tiles * CELLS)
    before, now, after = np.zeros(cells, dtype), np.zeros(cells, dtype), np.zeros(cells, dtype)
    spare = np.zeros(WIDTH, dtype)
    fed_back = np.zeros((n_panels, n_samples, width), dtype)
    product = np.zeros((n_samples, width), dtype)
    gs, slopes = np.empty(shape, dtype), np.empty(shape, dtype)
    active, n_active = np.empty(shape, np.int32), np.empty(n_samples, np.int64)
    has_spikes, none = asked.spikes.size > 0, neuron.one - neuron.one
    for k in range(n_samples):
        _recall(kept, state[first + k], neuron, first + k, n_steps - 1, now[k])
    for back in range(n_steps):
        t = n_steps - 1 - back
        for k in range(n_samples):
            for h in range(n):
                gs[k, h] = asked.spikes[first + k, t, h] if has_spikes else none
            surrogate_rows(neuron, kept.membranes[first + k, t], spare, slopes[k])
        taps_now = min(n_taps, back)
        if keeps_products:
            feed_back_delayed(products, late, t, gs)
        elif delays:
            _list_active(slopes, active, n_active)
            feed_back_delayed_active(lam_syn, recurrent, late, t, n_steps, active, n_active, gs)
        elif taps_now > 0:
            _list_active(slopes, active, n_active)
            if n_active.sum() < SPARSE * slopes.size:
                _feed_back_active(lam_syn, recurrent, t, taps_now, active, n_active, gs)
            else:
                _feed_back(lam_syn, panels, t, taps_now, product, fed_back, gs)
        lam_now = lam_syn[t % n_past]
        for k in range(n_samples):
            _recall(kept, state[first + k], neuron, first + k, t - 1, before[k])
            write(gs[k], work[k], ASKED, GRADIENTS)
            write(slopes[k], work[k], SLOPE, GRADIENTS)
            if asked.membranes.size > 0:
                write(asked.membranes[first + k, t], work[k], ASKED_MEM, GRADIENTS)
            _retreat_all(neuron, before[k], now[k], after[k], work[k], learns, into.sums)
            read(work[k], BY_SYN, GRADIENTS, lam_now[k])
            if into.current.size > 0:
                for h in range(n):
                    into.current[first + k, t, h] = lam_now[k, h]
            if to_weight or to_recurrent:
                for h in range(n):
                    block[k * n_block + t % n_block, h] = lam_now[k, h]
        if keeps_products:
            products_of_taps(lam_now, panels, product, products[t % n_past])
        after, now, before = now, before, after
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
    before: Floats,
    now: Floats,
    after: Floats,
    work: Floats,
    learns: bool,
    sums: Floats,
) -> None:
    """Replace the gradients of all units at step t + 1 by those at step t; add those by coefficients if it learns."""
    rules, one = rules_of(neuron), np.uint64(1)
    for tile in range(np.uint64(tiles(neuron.n))):
        cell, at = tile * CELLS, tile * GRADIENTS
        back = retreat(
            table_of(neuron, tile),
            rules,
            load(before, cell + FIRED),
            load_cell(now, cell),
            load(after, cell + SYN),
            load_back(work, at),
            load(work, at + ASKED_MEM),
            load(work, at + ASKED),
            load(work, at + SLOPE),
        )
        store_back(work, at, back)
        if learns:
            add_sums(neuron, tile, before, cell, now, cell, work, at, one, sums)


@compiled
def _cursors(events: Events, first: int, last: int, into: Floats) -> Offsets:
    """Set a cursor behind all events of every sample, for every tap of the requested gradients."""
    cursors = np.empty((last - first, into.shape[0] if into.size > 0 else 0), np.int64)
    for k in range(cursors.shape[0]):
        for s in range(cursors.shape[1]):
            cursors[k, s] = events.offsets[first + k + 1]
    return cursors


@compiled
def _feed_back(
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
def _list_active(slopes: Floats, active: Ints, n_active: Offsets) -> None:
    """List the units of every sample whose surrogate derivative is not 0."""
    zero = slopes[0, 0] - slopes[0, 0]
    n_samples, n = slopes.shape
    for k in range(n_samples):
        found = 0
        for begin in range(0, n, _BLOCK):
            end = min(begin + _BLOCK, n)
            n_inside = 0
            for h in range(begin, end):
                n_inside += slopes[k, h] != zero
            if n_inside == 0:
                continue
            for h in range(begin, end):  # every unit is written; only active ones are kept
                active[k, found] = h
                found += slopes[k, h] != zero
        n_active[k] = found


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
    """Like :func:`_feed_back`, only for the active units: the gradients by spikes of the others are not used."""
    for k in range(len(gs)):
        for s in range(n_taps):
            lam = lam_syn[(t + 1 + s) % lam_syn.shape[0], k]
            add_products(recurrent[s], active[k], n_active[k], lam, gs[k])


@compiled
def _recall(kept: Kept, state: Floats, neuron: Neuron, k: int, t: int, cells: Floats) -> None:
    """Read the stored values of a step of sample k; before the first step, its state (row, unit)."""
    if t < 0:
        write(state[0], cells, SYN, CELLS)
        write(state[1], cells, MEM, CELLS)
        write(state[2], cells, AD, CELLS)
        write(state[STATE_ROWS], cells, FIRED, CELLS)
        return
    write(kept.membranes[k, t], cells, MEM, CELLS)
    threshold = fill(neuron.threshold, cells)
    for tile in range(np.uint64(tiles(state.shape[1]))):
        at = tile * CELLS
        store(cells, at + FIRED, at_least(load(cells, at + MEM), threshold))
    if kept.synapses.size > 0:
        write(kept.synapses[k, t], cells, SYN, CELLS)
    if kept.adapted.size > 0:
        write(kept.adapted[k, t], cells, AD, CELLS)
