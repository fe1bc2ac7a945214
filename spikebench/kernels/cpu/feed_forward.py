"""The loops of feed-forward layers with given currents: normalise, run the neurons, propagate back.

No step is stored for the backward pass, which computes the steps of one sample at a time again: they fit in the cache,
which is faster than reading stored arrays of the whole batch. Some steps of 32 units are computed in turn: their
coefficients and sums stay in registers, rows of currents in the cache.

::

    I[t] = α·I[t−1] + γ·x̂[t] + β,   x̂[t] = r·x[t] + s           r, s, γ, β: 1, 0, 1, 0 without normalisation

The equations of the neurons are in :mod:`spikebench.kernels.cpu.neurons`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Index, Ints, Offsets, compiled, inlined
from spikebench.kernels.cpu.neurons import (
    AD,
    BOXCAR,
    BY_BETA,
    BY_GAMMA,
    BY_SYN,
    CELLS,
    FIRED,
    GRADIENTS,
    MEM,
    SLOPE,
    SUMS,
    SYN,
    TRIANGLE,
    Neuron,
    Normalised,
    add_sums,
    advance,
    compact_surrogate,
    keep_back,
    load_back,
    load_cell,
    near_threshold,
    normalisation_of,
    retreat,
    rules_of,
    store_back,
    store_cell,
    surrogate,
    terms_of,
)
from spikebench.kernels.cpu.scans import longer
from spikebench.kernels.cpu.simd import Vector, bits, load, prefetch, store
from spikebench.kernels.cpu.spike_gradients import (
    Bits,
    Listed,
    append_units,
    find_places,
    load_listed,
)
from spikebench.kernels.cpu.tiles import (
    WIDTH,
    Rows,
    load_row,
    read,
    rows_of,
    store_row,
    tiles,
    units_of,
    write,
)
from spikebench.kernels.scan import STATE_ROWS

_NONE, _ONE = np.uint64(0), np.uint64(1)
_AHEAD = np.uint64(32)
_BLOCK = 32  # steps of a tile that are computed before those of the next tile


class Room(NamedTuple):
    """Memory of a thread: values of one step; gradients and I of one step of a tile, gradients of some; one row."""

    now: Floats
    work: Floats
    after: Floats
    backs: Floats
    spare: Floats


@compiled
def add_moments(
    current: Floats, total: NDArray[np.float64], squares: NDArray[np.float64], first: int, last: int
) -> None:
    """Add the currents (sample, step, unit) of some samples, and their squares."""
    n = total.size
    for k in range(first, last):
        for t in range(current.shape[1]):
            for h in range(n):
                x = np.float64(current[k, t, h])
                total[h] += x
                squares[h] += x * x


@compiled
def run(
    neuron: Neuron,
    current: Floats,
    is_tiled: bool,
    state: Floats,
    membranes: Floats,
    near: NDArray[np.uint32],
    end_state: Floats,
    counts: Ints,
    found: Ints,
    first: int,
    last: int,
) -> Ints:
    """Run neurons; return the units that fired, step after step, with ``counts`` units in each.

    They are a part of ``found`` if it has room for them. Currents are (sample, step, unit), or tiled: (sample, tile,
    step, 32).

    Membranes (sample, step, unit) are stored unless their array is empty, and so are units near their threshold,
    ``near`` (sample, step, tile): a bit each.
    """
    n_steps, n = counts.shape[1], np.uint64(state.shape[2])
    n_tiles = np.uint64(tiles(neuron.n))
    now = np.zeros(n_tiles * CELLS, current.dtype)
    fired = np.zeros((_BLOCK, n_tiles), np.uint64)
    spare = np.zeros(WIDTH, current.dtype)
    n_found = 0
    given, out = current.ravel(), membranes.ravel()
    for k in range(first, last):
        _begin(state[k], now)
        for start in range(0, n_steps, _BLOCK):
            n_block = min(_BLOCK, n_steps - start)
            into = near[k, start:] if near.size > 0 else near.reshape(0, 0)
            for tile in range(n_tiles):
                rows = rows_of(given, is_tiled, np.uint64(k), np.uint64(n_steps), n, tile)
                kept = rows_of(out, False, np.uint64(k), np.uint64(n_steps), n, tile)
                _run_block(
                    neuron, tile, rows, np.uint64(start), n_block, now, fired, into, kept, spare
                )
            found = longer(found, n_found, n_block * n)
            for t in range(n_block):
                before = n_found
                for tile in range(n_tiles):
                    n_found = append_units(fired[t, tile], tile, found, n_found)
                counts[k, start + t] = n_found - before
        for row, at in ((0, SYN), (1, MEM), (2, AD), (STATE_ROWS, FIRED)):
            read(now, at, CELLS, end_state[k, row])
    return found[:n_found]


@inlined
def _run_block(
    neuron: Neuron,
    tile: Index,
    current: Rows,
    start: Index,
    n_block: Index,
    now: Floats,
    fired: NDArray[np.uint64],
    near: NDArray[np.uint32],
    membranes: Rows,
    spare: Floats,
) -> None:
    """Run some steps of a tile of a sample, from ``start`` on.

    ``fired`` and ``near`` (step, tile) get a bit for every unit.
    """
    rules, n = rules_of(neuron), np.uint64(neuron.n)
    table, norm = terms_of(neuron, tile), normalisation_of(neuron.table, tile)
    cell = load_cell(now, tile * CELLS)
    for t in range(np.uint64(n_block)):
        _prefetch(current, start + t + _AHEAD)
        x = _normalised(norm, load_row(current, start + t, spare))
        cell = advance(table, rules, cell, _filtered(table.alpha, cell.syn, norm, x))
        fired[t, tile] = bits(cell.fired) & units_of(tile, n)
        if near.size > 0:
            near[t, tile] = bits(near_threshold(rules, cell.mem)) & units_of(tile, n)
        if membranes.numbers.size > 0:
            store_row(membranes, start + t, cell.mem, spare)
    store_cell(now, tile * CELLS, cell)


@compiled
def run_back(
    neuron: Neuron,
    current: Floats,
    is_tiled: bool,
    state: Floats,
    n_steps: int,
    grad_spikes: Floats,
    near: Bits,
    places: Offsets,
    grad_near: Floats,
    grad_membranes: Floats,
    cells: Floats,
    grad_current: Floats,
    sums: Floats,
    learns: bool,
    normalises: bool,
    first: int,
    last: int,
) -> None:
    """Propagate back: write the gradients by γ·x̂ + β, and add those by coefficients to ``sums``, tile after tile.

    Currents and their gradients may be tiled, see :func:`run`. ``cells`` has room for the steps of a tile of a sample
    and for one before them. Gradients of the loss by spikes are those of all (sample, step, unit), or a list of those
    near their threshold (:func:`spikebench.kernels.cpu.spike_gradients.gather_near`), or, as those by membranes, empty
    where there are none. Unless the layer ``learns``, only the gradients by γ and β are added.
    """
    n, n_steps_ = np.uint64(neuron.n), np.uint64(n_steps)
    n_tiles, dtype = np.uint64(tiles(neuron.n)), current.dtype
    is_listed = grad_near.size > 0
    room = Room(
        np.zeros(n_tiles * CELLS, dtype),
        np.zeros(GRADIENTS, dtype),
        np.zeros(WIDTH, dtype),
        np.zeros(_BLOCK * GRADIENTS, dtype),
        np.zeros(WIDTH, dtype),
    )
    found = np.zeros(n_steps_ * n_tiles if is_listed else _NONE, np.uint64)
    given, out = current.ravel(), grad_current.ravel()
    asked, asked_mem, masks = grad_spikes.ravel(), grad_membranes.ravel(), near.ravel()
    for k in range(first, last):
        _begin(state[k], room.now)
        sample = np.uint64(k)
        if is_listed:
            find_places(near, k, places[k], found)
        for tile in range(n_tiles):
            rows = rows_of(given, is_tiled, sample, n_steps_, n, tile)
            into = rows_of(out, is_tiled, sample, n_steps_, n, tile)
            by_spikes = rows_of(asked, False, sample, n_steps_, n, tile)
            begin = sample * n_steps_ * n_tiles + tile
            listed = Listed(grad_near, found, masks, begin, tile, n_tiles)
            by_membranes = rows_of(asked_mem, False, sample, n_steps_, n, tile)
            store_cell(cells, _NONE, load_cell(room.now, tile * CELLS))
            _keep(neuron, tile, rows, by_spikes, into, n_steps_, cells, room)
            room.work[:] = 0
            room.after[:] = 0
            for later in range(0, n_steps, _BLOCK):
                n_block = np.uint64(min(_BLOCK, n_steps - later))
                start = n_steps_ - np.uint64(later) - n_block
                at = start * CELLS
                _back(
                    *(neuron, tile, by_spikes, listed, by_membranes),
                    *(start, n_block, cells, at, into, room),
                )
                if learns:
                    add_sums(neuron, tile, cells, at, room.backs, n_block, sums)
                if normalises:
                    _add_normalisation(neuron, tile, rows, start, n_block, sums, room)


@inlined
def _keep(
    neuron: Neuron,
    tile: Index,
    current: Rows,
    asked: Rows,
    out: Rows,
    n_steps: Index,
    cells: Floats,
    room: Room,
) -> None:
    """Run a tile of a sample again from the first values in ``cells``, and keep those of all steps after them."""
    rules, spare = rules_of(neuron), room.spare
    table, norm = terms_of(neuron, tile), normalisation_of(neuron.table, tile)
    cell = load_cell(cells, _NONE)
    for t in range(n_steps):
        _prefetch_next(current, t, n_steps)
        _prefetch_next(asked, t, n_steps)
        _prefetch_next(out, t, n_steps)
        x = _normalised(norm, load_row(current, t, spare))
        cell = advance(table, rules, cell, _filtered(table.alpha, cell.syn, norm, x))
        store_cell(cells, (t + _ONE) * CELLS, cell)


@inlined
def _back(
    neuron: Neuron,
    tile: Index,
    asked: Rows,
    listed: Listed,
    asked_mem: Rows,
    start: Index,
    n_block: Index,
    cells: Floats,
    before: Index,
    grad_current: Rows,
    room: Room,
) -> None:
    """Propagate back through some steps of a tile, from ``start`` on; keep their gradients.

    The values of the tile are in ``cells``, those of the step before the first one at ``before``.
    ``room.work`` has the gradients of the step after the last one, ``room.after`` its I.
    """
    rules, now = rules_of(neuron), before + CELLS
    backs, spare = room.backs, room.spare
    is_compact = neuron.surrogate in (TRIANGLE, BOXCAR)
    if not is_compact:  # those with exponential functions are computed number by number
        for t in range(n_block):
            slope = surrogate(neuron, rules, load(cells, now + t * CELLS + MEM), spare)
            store(backs, t * GRADIENTS + SLOPE, slope)
    table = terms_of(neuron, tile)
    back, after = load_back(room.work, _NONE), load(room.after, _NONE)
    for later in range(n_block):
        t = n_block - _ONE - later
        by_spike = by_mem = rules.zero
        if listed.places.size > 0:
            by_spike = load_listed(listed, start + t)
        elif asked.numbers.size > 0:
            by_spike = load_row(asked, start + t, spare)
        if asked_mem.numbers.size > 0:
            by_mem = load_row(asked_mem, start + t, spare)
        fired, cell = load(cells, before + t * CELLS + FIRED), load_cell(cells, now + t * CELLS)
        if is_compact:
            slope = compact_surrogate(neuron.surrogate, rules, cell.mem)
        else:
            slope = load(backs, t * GRADIENTS + SLOPE)
        back = retreat(table, rules, fired, cell, after, back, by_mem, by_spike, slope)
        after = cell.syn
        store_row(grad_current, start + t, back.by_syn, spare)
        keep_back(backs, t * GRADIENTS, back)
    store(room.after, _NONE, after)
    store_back(room.work, _NONE, back)


@inlined
def _add_normalisation(
    neuron: Neuron,
    tile: Index,
    current: Rows,
    start: Index,
    n_block: Index,
    sums: Floats,
    room: Room,
) -> None:
    """Add the gradients by γ and β of some steps of a tile."""
    norm, into = normalisation_of(neuron.table, tile), tile * SUMS
    backs, spare = room.backs, room.spare
    by_gamma, by_beta = load(sums, into + BY_GAMMA), load(sums, into + BY_BETA)
    for later in range(n_block):
        t = n_block - _ONE - later
        by_syn = load(backs, t * GRADIENTS + BY_SYN)
        by_gamma = by_gamma + by_syn * _normalised(norm, load_row(current, start + t, spare))
        by_beta = by_beta + by_syn
    store(sums, into + BY_GAMMA, by_gamma)
    store(sums, into + BY_BETA, by_beta)


@compiled
def normalise_back(
    gradient: Floats, current: Floats, rows: Floats, of_batch: bool, first: int, last: int
) -> None:
    """Turn gradients by γ·x̂ + β into those by x, in place; rows: r, s, γ·r, and the means of g and of g·x̂."""
    n = gradient.shape[2]
    for k in range(first, last):
        for t in range(gradient.shape[1]):
            if of_batch:
                for h in range(n):
                    x = rows[0, h] * current[k, t, h] + rows[1, h]
                    gradient[k, t, h] = rows[2, h] * (
                        gradient[k, t, h] - rows[3, h] - x * rows[4, h]
                    )
            else:
                for h in range(n):
                    gradient[k, t, h] *= rows[2, h]


@inlined
def _prefetch(rows: Rows, t: Index) -> None:
    prefetch(rows.numbers, rows.begin + t * rows.size + rows.column * WIDTH)


@inlined
def _prefetch_next(rows: Rows, t: Index, n_steps: Index) -> None:
    """Prefetch the row of the tile to be processed next: of this sample, or the first one of the next sample."""
    ahead = (rows.column + _ONE) * WIDTH
    if ahead >= rows.size:  # the same if the array is tiled
        ahead = n_steps * rows.size
    prefetch(rows.numbers, rows.begin + t * rows.size + ahead)


@compiled
def _begin(state: Floats, cells: Floats) -> None:
    """Initialise the values of a step from a state (row, unit)."""
    write(state[0], cells, SYN, CELLS)
    write(state[1], cells, MEM, CELLS)
    write(state[2], cells, AD, CELLS)
    write(state[STATE_ROWS], cells, FIRED, CELLS)


@inlined
def _normalised(norm: Normalised, x: Vector) -> Vector:
    return norm.r * x + norm.s


@inlined
def _filtered(alpha: Vector, syn: Vector, norm: Normalised, x: Vector) -> Vector:
    """Compute I[t] from I[t − 1] and x̂[t]."""
    return alpha * syn + (norm.gamma * x + norm.beta)
