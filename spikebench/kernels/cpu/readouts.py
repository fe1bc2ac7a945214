"""The loops of the read-out: integrate spikes with a leak, reduce over time."""

from __future__ import annotations

import numpy as np

from spikebench.kernels.cpu.compiling import Floats, Ints, Number, Offsets, compiled, inlined
from spikebench.kernels.cpu.simd import LANES, fill, load, store, write_chosen
from spikebench.kernels.cpu.spike_gradients import Bits
from spikebench.kernels.cpu.tiles import WIDTH, sum_rows, tiles

_NONE, _ONE, _TWO, _THREE, _FOUR = (np.uint64(number) for number in range(5))


@compiled
def readout_forward(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    weight: Floats,
    decay: Floats,
    lengths: Offsets,
    start: Floats,
    reduction: int,
    one: Number,
    scores: Floats,
    trace: Floats,
    peaks: Ints,
    first: int,
    last: int,
) -> None:
    """Integrate and reduce; write the step of each maximum to ``peaks``, and every step to ``trace`` if it has room."""
    n, table = weight.shape[1], _by_tile(weight)
    n_steps = trace.shape[1]
    keeps = trace.size > 0
    out, step = np.empty(n, weight.dtype), np.empty(tiles(n) * LANES, weight.dtype)
    for k in range(first, last):
        out[:] = start[k]
        e, end = offsets[k], offsets[k + 1]
        length = lengths[k]
        for t in range(n_steps if keeps else length):
            begin = e
            while e < end and bins[e] <= t:
                e += 1
            _sum(table, units, begin, e, step)
            for c in range(n):
                out[c] = decay[c] * out[c] + (one - decay[c]) * step[c]
            if keeps:
                for c in range(n):
                    trace[k, t, c] = out[c]
            if t >= length:
                continue
            if reduction == 0:
                for c in range(n):
                    higher = t == 0 or out[c] > scores[k, c]
                    scores[k, c] = out[c] if higher else scores[k, c]
                    peaks[k, c] = t if higher else peaks[k, c]
            elif reduction == 3:
                for c in range(n):
                    scores[k, c] = out[c]
            else:
                for c in range(n):
                    scores[k, c] = out[c] if t == 0 else scores[k, c] + out[c]
        if reduction == 1:
            for c in range(n):
                scores[k, c] /= length


@compiled
def readout_backward(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    weight: Floats,
    decay: Floats,
    lengths: Offsets,
    start: Floats,
    reduction: int,
    one: Number,
    grad: Floats,
    grad_trace: Floats,
    trace: Floats,
    peaks: Ints,
    grad_spikes: Floats,
    bits: Bits,
    grad_near: Floats,
    places: Offsets,
    grad_weight: Floats,
    grad_decay: Floats,
    first: int,
    last: int,
) -> None:
    """Propagate back through a read-out; ``trace`` is needed for the gradient of the decay only.

    Gradients of spikes are written to ``grad_spikes`` (sample, step, unit), or, if there are ``bits`` (sample, step,
    tile) of the units near their threshold, for these only to ``grad_near``, from ``places`` of the samples on.

    The gradient of step t is ``grad_step = (1 − γ)·λ[t]``, λ[t] = γ·λ[t + 1] + the gradient of the reduction by O[t].
    """
    n_units, n = weight.shape
    is_near = bits.size > 0
    n_steps = bits.shape[1] if is_near else grad_spikes.shape[1]
    lam, extra = np.empty(n, weight.dtype), -n % 4 if is_near else 0
    grad_step = np.zeros((n_steps, n + extra), weight.dtype)
    transposed = np.zeros((n + extra, n_units + (-n_units % LANES if is_near else 0)), weight.dtype)
    transposed[:n, :n_units] = weight.T
    table = _by_tile(weight)
    by_weight, now = np.zeros(table.size, weight.dtype), np.zeros(tiles(n) * LANES, weight.dtype)
    step = np.zeros(now.size, weight.dtype)
    zero = one - one
    for k in range(first, last):
        lam[:] = zero
        length = lengths[k]
        e = offsets[k + 1]
        for back in range(n_steps):
            t = n_steps - 1 - back
            for c in range(n):
                lam[c] = decay[c] * lam[c]
            if reduction == 4:
                for c in range(n):
                    lam[c] += grad_trace[k, t, c]
            elif reduction == 0 and t < length:
                for c in range(n):
                    lam[c] += grad[k, c] if peaks[k, c] == t else zero
            elif (reduction == 3 and t == length - 1) or (reduction == 2 and t < length):
                for c in range(n):
                    lam[c] += grad[k, c]
            elif reduction == 1 and t < length:
                for c in range(n):
                    lam[c] += grad[k, c] / length
            for c in range(n):
                now[c] = grad_step[t, c] = (one - decay[c]) * lam[c]
            end = e
            while e > offsets[k] and bins[e - 1] == t:
                e -= 1
            _spread(by_weight, units, e, end, now)
            if trace.size > 0:
                _sum(table, units, e, end, step)
                for c in range(n):
                    before = trace[k, t - 1, c] if t > 0 else start[k, c]
                    grad_decay[c] += lam[c] * (before - step[c])
        if is_near:
            _propagate_to_near(grad_step, transposed, bits[k], grad_near, places[k])
        else:
            np.dot(grad_step, transposed, grad_spikes[k])
    for u in range(n_units):
        for c in range(n):
            grad_weight[u, c] += by_weight[(c // LANES * n_units + u) * LANES + c % LANES]


@compiled
def _by_tile(weight: Floats) -> Floats:
    """Arrange weights (unit, class) in tiles of 32 classes, (tile, unit, 32) in one dimension."""
    n_units, n = weight.shape
    table = np.zeros(tiles(n) * n_units * LANES, weight.dtype)
    for u in range(n_units):
        for c in range(n):
            table[(c // LANES * n_units + u) * LANES + c % LANES] = weight[u, c]
    return table


@inlined
def _sum(table: Floats, units: Ints, begin: int, end: int, row: Floats) -> None:
    """Write the sum of the rows of some units."""
    size = np.uint64(table.size) // np.uint64(row.size)
    for tile in range(np.uint64(row.size) // WIDTH):
        store(row, tile * WIDTH, sum_rows(table, tile * size * WIDTH, units, begin, end))


@inlined
def _spread(table: Floats, units: Ints, begin: int, end: int, row: Floats) -> None:
    """Add a row to those of some units, one after the other."""
    size = np.uint64(table.size) // np.uint64(row.size)
    for tile in range(np.uint64(row.size) // WIDTH):
        value = load(row, tile * WIDTH)
        for e in range(begin, end):
            at = (tile * size + np.uint64(units[e])) * WIDTH
            store(table, at, load(table, at) + value)


@compiled
def _propagate_to_near(
    by_step: Floats, weight: Floats, bits: Bits, grad_near: Floats, place: int
) -> None:
    """Write Σ weight[c, u]·by_step[t, c] over c for the units u of a sample near their threshold, in order.

    ``weight`` (class, 32·tiles), ``bits`` (step, tile). All units of a tile are computed at once, in four sums, since
    an addition waits for the last.
    """
    n_steps, n_tiles = np.uint64(bits.shape[0]), np.uint64(bits.shape[1])
    width, masks = np.uint64(by_step.shape[1]), bits.ravel()
    table, rows, size, at = weight.ravel(), by_step.ravel(), n_tiles * WIDTH, np.uint64(place)
    for t in range(n_steps):
        for tile in range(n_tiles):
            mask = np.uint64(masks[t * n_tiles + tile])
            if mask == _NONE:
                continue
            a = b = c = d = fill(0, table)
            for k in range(_NONE, width, _FOUR):
                row, place_ = t * width + k, k * size + tile * WIDTH
                a = a + fill(rows[row], table) * load(table, place_)
                b = b + fill(rows[row + _ONE], table) * load(table, place_ + size)
                c = c + fill(rows[row + _TWO], table) * load(table, place_ + _TWO * size)
                d = d + fill(rows[row + _THREE], table) * load(table, place_ + _THREE * size)
            at += write_chosen(grad_near, at, (a + b) + (c + d), mask)
