"""The loops of feed-forward layers with given currents: normalise, run the neurons, propagate back.

No step is stored for the backward pass, which computes the steps of one sample at a time again: they fit in the cache,
which is faster than reading stored arrays of the whole batch.

::

    I[t] = α·I[t−1] + γ·x̂[t] + β,   x̂[t] = r·x[t] + s           r, s, γ, β: 1, 0, 1, 0 without normalisation

The equations of the neurons are in :mod:`spikebench.kernels.cpu.neurons`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Ints, compiled
from spikebench.kernels.cpu.neurons import (
    AD,
    ALPHA,
    ASKED,
    ASKED_MEM,
    BETA,
    BY_BETA,
    BY_GAMMA,
    BY_SYN,
    CELLS,
    COEFFICIENTS,
    FIRED,
    GAMMA,
    GRADIENTS,
    MEM,
    SLOPE,
    SUMS,
    SYN,
    Neuron,
    R,
    S,
    X,
    add_sums,
    advance,
    retreat,
    surrogate_rows,
)
from spikebench.kernels.cpu.scans import list_units
from spikebench.kernels.cpu.tiles import WIDTH, read, tiles, write
from spikebench.kernels.scan import STATE_ROWS


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
    now = np.zeros(np.uint64(tiles(n)) * CELLS, current.dtype)
    fired = np.empty(n, current.dtype)
    found = np.empty(1024, dtype=np.int32)
    n_found = 0
    for k in range(first, last):
        _begin(state[k], now)
        for t in range(n_steps):
            _charge(neuron, current[k, t], now)
            advance(neuron, n, now)
            read(now, FIRED, CELLS, fired)
            if found.size < n_found + n:
                longer = np.empty(2 * found.size + n, dtype=np.int32)
                longer[:n_found] = found[:n_found]
                found = longer
            before = n_found
            n_found = list_units(fired, neuron.one, found, n_found)
            counts[k, t] = n_found - before
            if membranes.size > 0:
                read(now, MEM, CELLS, membranes[k, t])
        for row, at in ((0, SYN), (1, MEM), (2, AD), (STATE_ROWS, FIRED)):
            read(now, at, CELLS, end_state[k, row])
    return found[:n_found]


@compiled
def run_back(
    neuron: Neuron,
    current: Floats,
    state: Floats,
    grad_spikes: Floats,
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

    ``cells`` has room for the steps of a sample, one before and one after them. Gradients of the loss by spikes and
    membranes are empty where there are none. Unless the layer ``learns``, only the gradients by γ and β are added.
    """
    n_steps, n = current.shape[1:]
    n_tiles = np.uint64(tiles(n))
    size = n_tiles * CELLS
    moment = np.zeros(size, current.dtype)
    work = np.zeros(n_tiles * GRADIENTS, current.dtype)
    for k in range(first, last):
        _begin(state[k], moment)
        for t in range(n_steps):
            _keep(moment, cells, t)
            _charge(neuron, current[k, t], moment)
            advance(neuron, n, moment)
        _keep(moment, cells, n_steps)
        work[:] = 0
        for back in range(n_steps):
            t = n_steps - 1 - back
            begin = np.uint64(t) * size
            before = cells[begin : begin + size]
            now = cells[begin + size : begin + 2 * size]
            after = cells[begin + 2 * size : begin + 3 * size]
            if grad_spikes.size > 0:
                write(grad_spikes[k, t], work, ASKED, GRADIENTS)
            if grad_membranes.size > 0:
                write(grad_membranes[k, t], work, ASKED_MEM, GRADIENTS)
            for tile in range(n_tiles):
                cell, at = np.uint64(tile) * CELLS, np.uint64(tile) * GRADIENTS
                surrogate_rows(
                    now[cell + MEM : cell + MEM + WIDTH],
                    neuron.threshold,
                    neuron.slope,
                    neuron.one,
                    neuron.surrogate,
                    work[at + SLOPE : at + SLOPE + WIDTH],
                )
                retreat(neuron, tile, before, now, after, work)
                if learns:
                    add_sums(neuron, tile, before, now, work, sums)
                if normalises:
                    into = np.uint64(tile) * SUMS
                    for h in range(WIDTH):
                        by_syn = work[at + BY_SYN + h]
                        sums[into + BY_GAMMA + h] += by_syn * now[cell + X + h]
                        sums[into + BY_BETA + h] += by_syn
            read(work, BY_SYN, GRADIENTS, grad_current[k, t])


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
def _begin(state: Floats, cells: Floats) -> None:
    """Initialise the values of a step from a state (row, unit)."""
    write(state[0], cells, SYN, CELLS)
    write(state[1], cells, MEM, CELLS)
    write(state[2], cells, AD, CELLS)
    write(state[STATE_ROWS], cells, FIRED, CELLS)


@compiled
def _keep(now: Floats, cells: Floats, step: int) -> None:
    """Store the values of a step in the array of all steps of a sample."""
    begin = np.uint64(step) * np.uint64(now.size)
    for h in range(np.uint64(now.size)):
        cells[begin + h] = now[h]


@compiled
def _charge(neuron: Neuron, current: Floats, now: Floats) -> None:
    """Normalise the currents of a step and filter them: compute x̂ and I."""
    table = neuron.table
    write(current, now, X, CELLS)
    for tile in range(np.uint64(tiles(current.size))):
        c, at = np.uint64(tile) * COEFFICIENTS, np.uint64(tile) * CELLS
        for h in range(WIDTH):
            x = table[c + R + h] * now[at + X + h] + table[c + S + h]
            given = table[c + GAMMA + h] * x + table[c + BETA + h]
            now[at + X + h] = x
            now[at + SYN + h] = table[c + ALPHA + h] * now[at + SYN + h] + given
