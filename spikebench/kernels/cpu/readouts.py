"""The loops of the read-out: integrate spikes with a leak, reduce over time."""

from __future__ import annotations

import numpy as np

from spikebench.kernels.cpu.compiling import Floats, Ints, Number, Offsets, compiled
from spikebench.kernels.cpu.simd import LANES, lowest
from spikebench.kernels.cpu.spike_gradients import Bits, product
from spikebench.kernels.cpu.tiles import WIDTH, tiles
from spikebench.kernels.cpu.vectors import spread_row_at, sum_rows_at

_NONE, _ONE = np.uint64(0), np.uint64(1)


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
    n, table = weight.shape[1], weight.ravel()
    n_steps = trace.shape[1]
    keeps = trace.size > 0
    out, step = np.empty(n, weight.dtype), np.empty(n, weight.dtype)
    for k in range(first, last):
        out[:] = start[k]
        e, end = offsets[k], offsets[k + 1]
        length = lengths[k]
        for t in range(n_steps if keeps else length):
            step[:] = one - one
            begin = e
            while e < end and bins[e] <= t:
                e += 1
            sum_rows_at(table, 0, units, begin, e, step, 0, n)
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
    width = tiles(n) * LANES if is_near else n
    lam = np.empty(n, weight.dtype)
    grad_step = np.zeros((n_steps, width), weight.dtype)
    transposed = np.ascontiguousarray(weight.T) if not is_near else np.empty((0, 0), weight.dtype)
    padded = np.zeros((n_units if is_near else 0, width), weight.dtype)
    if is_near:
        padded[:, :n] = weight
    table, by_weight, by_step = weight.ravel(), grad_weight.ravel(), grad_step.ravel()
    step = np.empty(n, weight.dtype)
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
                grad_step[t, c] = (one - decay[c]) * lam[c]
            end = e
            while e > offsets[k] and bins[e - 1] == t:
                e -= 1
            spread_row_at(by_weight, units, e, end, by_step, t * width, n)
            if trace.size > 0:
                step[:] = zero
                sum_rows_at(table, 0, units, e, end, step, 0, n)
                for c in range(n):
                    before = trace[k, t - 1, c] if t > 0 else start[k, c]
                    grad_decay[c] += lam[c] * (before - step[c])
        if is_near:
            _propagate_to_near(by_step, padded.ravel(), bits[k], grad_near, places[k])
        else:
            np.dot(grad_step, transposed, grad_spikes[k])


@compiled
def _propagate_to_near(
    by_step: Floats, weight: Floats, bits: Bits, grad_near: Floats, place: int
) -> None:
    """Write Σ weight[u]·by_step[t] for the units of a sample near their threshold, ``bits`` (step, tile), in order."""
    n_steps, n_tiles = bits.shape
    width, masks = np.uint64(by_step.size // n_steps), bits.ravel()
    for t in range(np.uint64(n_steps)):
        for tile in range(np.uint64(n_tiles)):
            mask = np.uint64(masks[t * np.uint64(n_tiles) + tile])
            while mask != _NONE:
                unit = tile * WIDTH + lowest(mask)
                grad_near[place] = product(weight, unit * width, by_step, t * width, width)
                place += 1
                mask &= mask - _ONE
