"""The loops of feed-forward layers with given currents: normalise, run the neurons, propagate back.

No step is stored for the backward pass, which runs the neurons of a sample again: its steps stay in the cache, and
reading two arrays of a whole batch takes longer than computing them.

All equations and resets of :mod:`spikebench.kernels.neuron` are one set of equations with a table of coefficients:

::

    I[t] = α·I[t−1] + γ·x̂[t] + β,   x̂[t] = r·x[t] + s           α, r, s, γ, β: 0, 1, 0, 1, 0 where nothing is filtered
    U[t] = (p·C − q·A[t−1] + g·I[t])·(1 − z·S[t−1])               or normalised
    C = U[t−1]·(1 − c·S[t−1]) − ϑ'·S[t−1]                         what a spike leaves to the next step
    A[t] = u·C + v·A[t−1] + m·R + k·S[t],   R = U[t]·(1 − l·S[t]) − ϑ'·S[t]

Numbers lie in tiles of 64 units, row after row, at distances known to the compiler, which could not prove otherwise
that so many rows do not overlap, and would not vectorise. Indices are unsigned for the same reason.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Ints, Number, compiled
from spikebench.kernels.cpu.neurons import surrogate_rows
from spikebench.kernels.cpu.scans import list_units
from spikebench.kernels.scan import STATE_ROWS

TILE = 64  # units
_WIDTH = np.uint64(TILE)
_ROW = tuple(np.uint64(TILE * row) for row in range(13))

# Rows of a tile of coefficients.
COEFFICIENTS = ("p", "q", "g", "u", "v", "m", "k", "α", "r", "s", "γ", "β")
_P, _Q, _G, _U, _V, _M, _K, _ALPHA, _R, _S, _GAMMA, _BETA = _ROW[:12]
_COEFFICIENTS = _ROW[12]  # numbers in a tile
# Rows of a tile of one step: x or x̂, I, U, A, S.
_X, _SYN, _MEM, _AD, _FIRED = _ROW[:5]
_CELLS = _ROW[5]
# Rows of a tile of gradients by the states of the next step, and of what a step needs.
_BY_MEM, _BY_AD, _BY_SYN, _ASKED_MEM, _ASKED, _SLOPE, _THROUGH = _ROW[:7]
_GRADIENTS = _ROW[7]
# Rows of a tile of sums: gradients by p, q, g, u, v, m, k, α, γ, β.
SUMS = 10
_BY_P, _BY_Q, _BY_G, _BY_U, _BY_V, _BY_M, _BY_K, _BY_ALPHA, _BY_GAMMA, _BY_BETA = _ROW[:SUMS]
_SUMS = _ROW[SUMS]


class Layer(NamedTuple):
    """Settings of the layer; ``table`` has the coefficients, tile after tile.

    ``leaves``, ``loses`` and ``silences`` are c, l and z; ``taken`` is ϑ'. Those that end on ``_back`` are the same
    where the reset is differentiated, else 0.
    """

    table: Floats
    threshold: Number
    slope: Number
    one: Number
    surrogate: int
    leaves: Number
    loses: Number
    silences: Number
    taken: Number
    leaves_back: Number
    loses_back: Number
    silences_back: Number
    taken_back: Number


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
    layer: Layer,
    current: Floats,
    state: Floats,
    membranes: Floats,
    end_state: Floats,
    counts: Ints,
    first: int,
    last: int,
) -> Ints:
    """Run neurons; return the units that fired, step after step, with ``counts`` units in each.

    Membranes (sample, step, unit) are stored unless their array is empty.
    """
    n_steps, n = counts.shape[1], state.shape[2]
    now = np.zeros(tiles(n) * TILE * 5, current.dtype)
    fired = np.empty(n, current.dtype)
    found = np.empty(1024, dtype=np.int32)
    n_found = 0
    for k in range(first, last):
        _begin(state[k], now)
        for t in range(n_steps):
            _advance(layer, current[k, t], now)
            _read(now, _FIRED, _CELLS, fired)
            if found.size < n_found + n:
                longer = np.empty(2 * found.size + n, dtype=np.int32)
                longer[:n_found] = found[:n_found]
                found = longer
            before = n_found
            n_found = list_units(fired, layer.one, found, n_found)
            counts[k, t] = n_found - before
            if membranes.size > 0:
                _read(now, _MEM, _CELLS, membranes[k, t])
        for row, at in ((0, _SYN), (1, _MEM), (2, _AD), (STATE_ROWS, _FIRED)):
            _read(now, at, _CELLS, end_state[k, row])
    return found[:n_found]


@compiled
def run_back(
    layer: Layer,
    current: Floats,
    state: Floats,
    grad_spikes: Floats,
    grad_membranes: Floats,
    cells: Floats,
    grad_current: Floats,
    sums: Floats,
    learns: bool,
    adapts: bool,
    normalises: bool,
    first: int,
    last: int,
) -> None:
    """Propagate back: write the gradients by γ·x̂ + β, and add those by coefficients to ``sums``, tile after tile.

    ``cells`` has room for the steps of a sample, one before and one after them. Gradients of the loss by spikes and
    membranes are empty where there are none. Unless the layer ``learns``, only the gradients by γ and β are added;
    those by m and k only if it ``adapts``.
    """
    n_steps, n = current.shape[1:]
    n_tiles = np.uint64(tiles(n))
    size = n_tiles * _CELLS
    moment = np.zeros(tiles(n) * TILE * 5, current.dtype)
    work = np.zeros(tiles(n) * TILE * 7, current.dtype)
    for k in range(first, last):
        _begin(state[k], moment)
        for t in range(n_steps):
            _keep(moment, cells, t)
            _advance(layer, current[k, t], moment)
        _keep(moment, cells, n_steps)
        work[:] = 0
        for back in range(n_steps):
            t = n_steps - 1 - back
            if grad_spikes.size > 0:
                _write(grad_spikes[k, t], work, _ASKED, _GRADIENTS)
            if grad_membranes.size > 0:
                _write(grad_membranes[k, t], work, _ASKED_MEM, _GRADIENTS)
            for tile in range(n_tiles):
                at = np.uint64(tile) * _GRADIENTS
                before = np.uint64(t) * size + np.uint64(tile) * _CELLS
                now = before + size
                c = np.uint64(tile) * _COEFFICIENTS
                surrogate_rows(
                    cells[now + _MEM : now + _MEM + _WIDTH],
                    layer.threshold,
                    layer.slope,
                    layer.one,
                    layer.surrogate,
                    work[at + _SLOPE : at + _SLOPE + _WIDTH],
                )
                _retreat(layer, cells, before, now, now + size, c, work, at)
                into = np.uint64(tile) * _SUMS
                if learns:
                    _add_sums(layer, cells, before, now, work, at, adapts, sums, into)
                if normalises:
                    for h in range(_WIDTH):
                        by_syn = work[at + _BY_SYN + h]
                        sums[into + _BY_GAMMA + h] += by_syn * cells[now + _X + h]
                        sums[into + _BY_BETA + h] += by_syn
            _read(work, _BY_SYN, _GRADIENTS, grad_current[k, t])


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


@compiled
def tiles(n: int) -> int:
    """Return the number of tiles of a layer."""
    return (n + TILE - 1) // TILE


@compiled
def _begin(state: Floats, cells: Floats) -> None:
    """Write a state (row, unit) to the first step."""
    _write(state[0], cells, _SYN, _CELLS)
    _write(state[1], cells, _MEM, _CELLS)
    _write(state[2], cells, _AD, _CELLS)
    _write(state[STATE_ROWS], cells, _FIRED, _CELLS)


@compiled
def _write(row: Floats, table: Floats, at: int, size: int) -> None:
    """Write a row (unit) to the first tiles of a table, which have some size."""
    width = np.uint64(row.size)
    for tile in range(np.uint64(tiles(row.size))):
        begin, place = np.uint64(tile) * _WIDTH, np.uint64(tile) * size + at
        for h in range(min(_WIDTH, width - begin)):
            table[place + h] = row[begin + h]


@compiled
def _read(table: Floats, at: int, size: int, row: Floats) -> None:
    """Read a row (unit) from the first tiles of a table, which have some size."""
    width = np.uint64(row.size)
    for tile in range(np.uint64(tiles(row.size))):
        begin, place = np.uint64(tile) * _WIDTH, np.uint64(tile) * size + at
        for h in range(min(_WIDTH, width - begin)):
            row[begin + h] = table[place + h]


@compiled
def _keep(now: Floats, cells: Floats, step: int) -> None:
    """Copy the numbers of a step to those of a sample."""
    begin = np.uint64(step) * np.uint64(now.size)
    for h in range(np.uint64(now.size)):
        cells[begin + h] = now[h]


@compiled
def _advance(layer: Layer, current: Floats, now: Floats) -> None:
    """Compute a step in place of the one before."""
    table, one, zero = layer.table, layer.one, layer.one - layer.one
    theta, taken = layer.threshold, layer.taken
    leaves, loses, silences = layer.leaves, layer.loses, layer.silences
    _write(current, now, _X, _CELLS)
    for tile in range(np.uint64(tiles(current.size))):
        c, at = np.uint64(tile) * _COEFFICIENTS, np.uint64(tile) * _CELLS
        for h in range(_WIDTH):
            x = table[c + _R + h] * now[at + _X + h] + table[c + _S + h]
            given = table[c + _GAMMA + h] * x + table[c + _BETA + h]
            syn = table[c + _ALPHA + h] * now[at + _SYN + h] + given
            mem, ad, fired = now[at + _MEM + h], now[at + _AD + h], now[at + _FIRED + h]
            carried = mem * (one - leaves * fired) - taken * fired
            charged = table[c + _P + h] * carried - table[c + _Q + h] * ad + table[c + _G + h] * syn
            turned = table[c + _U + h] * carried + table[c + _V + h] * ad
            mem = charged * (one - silences * fired)
            fired = one if mem >= theta else zero
            left = mem * (one - loses * fired) - taken * fired
            now[at + _X + h] = x
            now[at + _SYN + h] = syn
            now[at + _MEM + h] = mem
            now[at + _AD + h] = turned + table[c + _M + h] * left + table[c + _K + h] * fired
            now[at + _FIRED + h] = fired


@compiled
def _retreat(
    layer: Layer,
    cells: Floats,
    before: int,
    now: int,
    after: int,
    c: int,
    work: Floats,
    at: int,
) -> None:
    """Turn the gradients by the states of the next step into those by this step, in one tile."""
    table, one = layer.table, layer.one
    leaves, loses, silences = layer.leaves, layer.loses, layer.silences
    leaves_back, loses_back, taken_back = layer.leaves_back, layer.loses_back, layer.taken_back
    silences_back = layer.silences_back
    for h in range(_WIDTH):
        mem, ad, fired = cells[now + _MEM + h], cells[now + _AD + h], cells[now + _FIRED + h]
        by_mem, by_ad = work[at + _BY_MEM + h], work[at + _BY_AD + h]
        # U[t + 1] and A[t + 1] depend on U, S and A of this step.
        by_charged = (one - silences * fired) * by_mem
        by_carried = table[c + _P + h] * by_charged + table[c + _U + h] * by_ad
        charged = (
            table[c + _P + h] * mem
            - table[c + _Q + h] * ad
            + table[c + _G + h] * cells[after + _SYN + h]
        )
        by_spike = (
            work[at + _ASKED + h]
            - by_carried * (taken_back + leaves_back * mem)
            - by_mem * (silences_back * charged)
        )
        by_potential = work[at + _ASKED_MEM + h] + by_carried * (one - leaves * fired)
        by_ad = table[c + _V + h] * by_ad - table[c + _Q + h] * by_charged
        # A depends on U and S of the same step.
        by_left = table[c + _M + h] * by_ad
        by_potential += by_left * (one - loses * fired)
        by_spike += table[c + _K + h] * by_ad - by_left * (taken_back + loses_back * mem)
        by_mem = by_potential + work[at + _SLOPE + h] * by_spike
        through = (one - silences * cells[before + _FIRED + h]) * by_mem
        by_syn = table[c + _ALPHA + h] * work[at + _BY_SYN + h] + table[c + _G + h] * through
        work[at + _BY_MEM + h] = by_mem
        work[at + _BY_AD + h] = by_ad
        work[at + _BY_SYN + h] = by_syn
        work[at + _THROUGH + h] = through


@compiled
def _add_sums(
    layer: Layer,
    cells: Floats,
    before: int,
    now: int,
    work: Floats,
    at: int,
    adapts: bool,
    sums: Floats,
    into: int,
) -> None:
    """Add the gradients by the coefficients of the neurons, in one tile."""
    one, leaves, loses, taken = layer.one, layer.leaves, layer.loses, layer.taken
    for h in range(_WIDTH):
        fired, ad = cells[before + _FIRED + h], cells[before + _AD + h]
        carried = cells[before + _MEM + h] * (one - leaves * fired) - taken * fired
        through, by_ad = work[at + _THROUGH + h], work[at + _BY_AD + h]
        sums[into + _BY_P + h] += through * carried
        sums[into + _BY_Q + h] -= through * ad
        sums[into + _BY_G + h] += through * cells[now + _SYN + h]
        sums[into + _BY_U + h] += by_ad * carried
        sums[into + _BY_V + h] += by_ad * ad
        sums[into + _BY_ALPHA + h] += work[at + _BY_SYN + h] * cells[before + _SYN + h]
    if adapts:
        for h in range(_WIDTH):
            fired, by_ad = cells[now + _FIRED + h], work[at + _BY_AD + h]
            left = cells[now + _MEM + h] * (one - loses * fired) - taken * fired
            sums[into + _BY_M + h] += by_ad * left
            sums[into + _BY_K + h] += by_ad * fired
