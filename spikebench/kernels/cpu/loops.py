"""The loops of the CPU kernels: plain arithmetic on arrays, compiled, without the interpreter's lock.

Every function works on some samples (``first`` … ``last``) of a batch and touches no memory of the others, so threads
can share a batch. Rows are as long as the layer is wide; the loops over them are what a compiler makes vectors of.
Numbers come as arguments of the arrays' type, because a literal would be taken as float64.
Equations: :mod:`spikebench.kernels.neuron`; the same in PyTorch: :mod:`spikebench.kernels.reference`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.compiled import compiled
from spikebench.kernels.cpu.vectors import spread_row, sum_rows
from spikebench.kernels.neuron import GAUSSIAN_H, GAUSSIAN_PEAK, GAUSSIAN_S
from spikebench.kernels.scan import STATE_ROWS

Floats = NDArray[Any]  # float32 or float64, the same in one call
Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]

Number = Any  # a number of the arrays' type
_BLOCK = 32  # units that are passed over together if none has fired


def _compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    return compiled(loop)


@_compiled
def check_events(
    offsets: Offsets, bins: Ints, units: Ints, n_steps: int, n_units: int, first: int, last: int
) -> int:
    """Look for what would lead out of memory: 2 a bin, 3 a unit, 4 not sorted; 0 is well. Offsets were checked."""
    for k in range(first, last):
        before = 0
        for e in range(offsets[k], offsets[k + 1]):
            if bins[e] < 0 or bins[e] >= n_steps:
                return 2
            if units[e] < 0 or units[e] >= n_units:
                return 3
            if bins[e] < before:
                return 4
            before = bins[e]
    return 0


@_compiled
def first_in_cell(
    offsets: Offsets, bins: Ints, units: Ints, n_units: int, chosen: NDArray[np.bool_]
) -> int:
    """Mark the first event of every cell; how many there are. Bins are sorted within a sample."""
    stamp = np.full(n_units, -1, dtype=np.int64)
    found = 0
    for k in range(offsets.size - 1):
        stamp[:] = -1
        for e in range(offsets[k], offsets[k + 1]):
            chosen[e] = stamp[units[e]] != bins[e]
            stamp[units[e]] = bins[e]
            found += chosen[e]
    return found


@_compiled
def add_currents(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    weight: Floats,
    current: Floats,
    first: int,
    last: int,
) -> None:
    """current[k, t + s] = Σ weight[s, unit] over the events at t; current need not be zero before."""
    n_taps = weight.shape[0]
    n_steps = current.shape[1]
    for k in range(first, last):
        current[k] = 0
        for s in range(n_taps):
            table = weight[s]
            e, end = offsets[k], offsets[k + 1]
            while e < end and bins[e] + s < n_steps:
                t, begin = bins[e], e
                while e < end and bins[e] == t:
                    e += 1
                sum_rows(table, units, begin, e, current[k, t + s])


@_compiled
def add_weight_gradients(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    gradient: Floats,
    shift: int,
    into: Floats,
    first: int,
    last: int,
) -> None:
    """into[s, unit] += gradient[k, t + shift + s] over the events at t."""
    n_taps = into.shape[0]
    n_steps = gradient.shape[1]
    for k in range(first, last):
        for s in range(n_taps):
            table = into[s]
            e, end = offsets[k], offsets[k + 1]
            while e < end and bins[e] + shift + s < n_steps:
                t, begin = bins[e], e
                while e < end and bins[e] == t:
                    e += 1
                spread_row(table, units, begin, e, gradient[k, t + shift + s])


@_compiled
def scan_forward(
    own: Floats,
    current: Floats,
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    weight: Floats,
    decay_syn: Floats,
    decay_mem: Floats,
    recurrent: Floats,
    adaptation: Floats,
    state: Floats,
    theta: Number,
    one: Number,
    reset: int,
    n_refractory: int,
    membranes: Floats,
    synapses: Floats,
    adapted: Floats,
    end_state: Floats,
    counts: Ints,
    first: int,
    last: int,
) -> Ints:
    """Run neurons; the units that fired, step after step, ``counts`` of them in each.

    Currents are given, or made of weighed events, a sample at a time in ``own``, if there are weights. Membranes,
    synapses and adaptation are kept where their arrays have a place for them.
    """
    n_steps, n = counts.shape[1], decay_mem.size
    weighs = weight.shape[0] > 0  # taps: an input of no units has weights too
    n_taps = recurrent.shape[0]
    adapts = adaptation.shape[0] > 0
    keeps_mem, keeps_syn, keeps_ad = membranes.size > 0, synapses.size > 0, adapted.size > 0
    zero = one - one
    found = np.empty(1024, dtype=np.int32)
    n_found = 0
    starts = np.zeros(n_steps + 1, dtype=np.int64)
    dtype = decay_mem.dtype
    syn, mem, ad = np.empty(n, dtype), np.empty(n, dtype), np.empty(n, dtype)
    fired, driven, rest = np.empty(n, dtype), np.empty(n, dtype), np.empty(n, dtype)
    held = np.empty(n, dtype=np.int64)
    for h in range(n):
        rest[h] = one - decay_mem[h]
    for k in range(first, last):
        if weighs:
            add_currents(offsets[k : k + 2], bins, units, weight, own, 0, 1)
        step = own[0] if weighs else current[k]
        for h in range(n):
            syn[h], mem[h], ad[h] = state[k, 0, h], state[k, 1, h], state[k, 2, h]
            held[h], fired[h] = np.int64(state[k, 3, h]), state[k, 4, h]
        for t in range(n_steps):
            for h in range(n):
                syn[h] = decay_syn[h] * syn[h] + step[t, h]
            for s in range(n_taps):
                before = t - 1 - s
                if before >= 0:
                    sum_rows(recurrent[s], found, starts[before], starts[before + 1], syn)
                else:
                    for u in range(n):
                        if state[k, STATE_ROWS + s - t, u] > zero:
                            for h in range(n):
                                syn[h] += recurrent[s, u, h]
            drive = syn
            if adapts:
                drive = driven
                for h in range(n):
                    drive[h] = syn[h] - ad[h]
            if reset == 0:
                for h in range(n):
                    mem[h] = (decay_mem[h] * mem[h] + rest[h] * drive[h]) * (one - fired[h])
            elif reset == 1:
                for h in range(n):
                    mem[h] = decay_mem[h] * (mem[h] * (one - fired[h])) + rest[h] * drive[h]
            else:
                for h in range(n):
                    mem[h] = decay_mem[h] * (mem[h] - theta * fired[h]) + rest[h] * drive[h]
            if n_refractory > 0:
                for h in range(n):
                    if held[h] > 0:
                        mem[h] = zero
            for h in range(n):
                fired[h] = one if mem[h] >= theta else zero
            if n_refractory > 0:
                for h in range(n):
                    held[h] = n_refractory if fired[h] > zero else max(held[h] - 1, 0)
            if adapts:
                for h in range(n):
                    left = mem[h] - theta * fired[h] if reset == 2 else mem[h] * (one - fired[h])
                    pulled = adaptation[1, h] * left + adaptation[2, h] * fired[h]
                    ad[h] = adaptation[0, h] * ad[h] + (one - adaptation[0, h]) * pulled
            if found.size < n_found + n:
                longer = np.empty(2 * found.size + n, dtype=np.int32)
                longer[:n_found] = found[:n_found]
                found = longer
            starts[t] = n_found
            for begin in range(0, n, _BLOCK):
                end = min(begin + _BLOCK, n)
                n_fired = 0
                for h in range(begin, end):
                    n_fired += fired[h] > zero
                if n_fired == 0:
                    continue
                for h in range(begin, end):  # every unit is written, those that fired stay
                    found[n_found] = h
                    n_found += fired[h] > zero
            starts[t + 1] = n_found
            counts[k, t] = starts[t + 1] - starts[t]
            if keeps_mem:
                for h in range(n):
                    membranes[k, t, h] = mem[h]
            if keeps_syn:
                for h in range(n):
                    synapses[k, t, h] = syn[h]
            if keeps_ad:
                for h in range(n):
                    adapted[k, t, h] = ad[h]
        for h in range(n):
            end_state[k, 0, h], end_state[k, 1, h], end_state[k, 2, h] = syn[h], mem[h], ad[h]
            end_state[k, 3, h] = held[h]
        for s in range(end_state.shape[1] - STATE_ROWS):
            before = n_steps - 1 - s
            if before >= 0:
                for h in range(n):
                    end_state[k, STATE_ROWS + s, h] = zero
                for e in range(starts[before], starts[before + 1]):
                    end_state[k, STATE_ROWS + s, found[e]] = one
            else:
                for h in range(n):
                    end_state[k, STATE_ROWS + s, h] = state[k, STATE_ROWS + s - n_steps, h]
    return found[:n_found]


@_compiled
def surrogate_rows(
    mem: Floats, theta: Number, slope: Number, one: Number, kind: int, out: Floats
) -> None:
    """Compute what stands for dS/dU in one row; kinds as numbered in :data:`spikebench.kernels.neuron.SURROGATES`."""
    n = mem.size
    if kind == 0:
        for h in range(n):
            below = one + slope * abs(mem[h] - theta)
            out[h] = one / (below * below)
    elif kind == 1:
        for h in range(n):
            grown = np.exp(-abs(slope * (mem[h] - theta)))
            out[h] = (one + one + one + one) * grown / ((one + grown) * (one + grown))
    elif kind == 2:
        for h in range(n):
            x = slope * (mem[h] - theta)
            out[h] = one / (one + x * x)
    elif kind == 3:
        for h in range(n):
            out[h] = max(one - slope * abs(mem[h] - theta), one - one)
    else:
        for h in range(n):
            x = slope * (mem[h] - theta)
            middle = (1 + GAUSSIAN_H) * np.exp(-x * x / 2)
            below, above = (x - one) / GAUSSIAN_S, (x + one) / GAUSSIAN_S
            sides = np.exp(-below * below / 2) + np.exp(-above * above / 2)
            out[h] = (middle - GAUSSIAN_H / GAUSSIAN_S * sides) / GAUSSIAN_PEAK


@_compiled
def _credit(
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    first: int,
    cursors: Offsets,
    begin: int,
    end: int,
    shift: int,
    lam: Floats,
    order: Ints,
    places: Offsets,
    into: Floats,
) -> None:
    """into[s, unit] += λ[t] for the events that arrive at begin ≤ t < end, tap s of them from t − shift − s.

    λ of sample first + k at t is row k·steps + t − begin of ``lam``, steps = lam.shape[0] // samples. Events are sorted
    by their units first: then every row of ``into`` is read and written once, and λ only read. Blocks of steps come
    from the last to the first; cursors (sample, tap) stand behind the events that are still to come.
    """
    n_samples, n_taps = cursors.shape
    n_rows = lam.shape[0] // n_samples
    n_units = into.shape[1]
    for s in range(n_taps):
        later = shift + s
        places[:] = 0
        for k in range(n_samples):
            e, start = cursors[k, s], offsets[first + k]
            while e > start and bins[e - 1] + later >= end:
                e -= 1
            cursors[k, s] = e
            while e > start and bins[e - 1] + later >= begin:
                e -= 1
                places[units[e] + 1] += 1
        for u in range(n_units):
            places[u + 1] += places[u]
        for k in range(n_samples):
            e, start = cursors[k, s], offsets[first + k]
            row = k * n_rows + later - begin
            while e > start and bins[e - 1] + later >= begin:
                e -= 1
                order[places[units[e]]] = row + bins[e]
                places[units[e]] += 1
            cursors[k, s] = e
        done = 0
        for u in range(n_units):
            if places[u] > done:
                sum_rows(lam, order, done, places[u], into[s, u])
                done = places[u]


@_compiled
def _mark_held(
    membranes: Floats,
    state: Floats,
    theta: Number,
    n_refractory: int,
    first: int,
    held: NDArray[np.bool_],
) -> None:
    """Mark the steps in which the refractory period held a neuron."""
    n_samples, n_steps, n = held.shape
    for k in range(n_samples):
        for h in range(n):
            left = int(state[first + k, 3, h])
            for t in range(n_steps):
                held[k, t, h] = left > 0
                left = n_refractory if membranes[first + k, t, h] >= theta else max(left - 1, 0)


@_compiled
def scan_backward(
    grad_spikes: Floats,
    grad_membranes: Floats,
    membranes: Floats,
    synapses: Floats,
    adapted: Floats,
    decay_syn: Floats,
    decay_mem: Floats,
    panels: Floats,
    adaptation: Floats,
    state: Floats,
    theta: Number,
    slope: Number,
    one: Number,
    reset: int,
    reset_in_graph: bool,
    n_refractory: int,
    kind: int,
    offsets: Offsets,
    bins: Ints,
    units: Ints,
    spike_offsets: Offsets,
    spike_bins: Ints,
    spike_units: Ints,
    block: Floats,
    grad_current: Floats,
    grad_weight: Floats,
    grad_recurrent: Floats,
    grad_decays: Floats,
    first: int,
    last: int,
) -> None:
    """Go back through a scan.

    ``panels`` (tap, panel, from, to) hold the transposed recurrent weights in blocks of columns: small products are
    the quick ones. ``block`` (sample · step, unit) has place for dL/dI of some steps, from which weights get their
    gradients. Gradients are added where their arrays have a place for them; ``grad_decays`` (5, unit) gets those
    of α, β, ρ, a, b, without synapses only those that need none of them.
    """
    gives_current = grad_current.size > 0
    credits = grad_weight.size + grad_recurrent.size > 0
    n_block = block.shape[0] // (last - first)
    cursors = np.empty((last - first, grad_weight.shape[0]), np.int64)
    spike_cursors = np.empty((last - first, grad_recurrent.shape[0]), np.int64)
    n_order = 0
    for k in range(first, last):
        cursors[k - first] = offsets[k + 1] if grad_weight.size > 0 else 0
        spike_cursors[k - first] = spike_offsets[k + 1]
        if grad_weight.size > 0:
            n_order += offsets[k + 1] - offsets[k]
    n_order = max(n_order, spike_offsets[last] - spike_offsets[first])
    order = np.empty(n_order, np.int32)
    places = np.empty(max(grad_weight.shape[1], grad_recurrent.shape[1]) + 1, np.int64)
    n_samples = last - first
    _, n_steps, n = membranes.shape
    n_taps, n_panels, _, width = panels.shape
    adapts = adaptation.shape[0] > 0
    has_spikes, has_mem, has_syn = grad_spikes.size > 0, grad_membranes.size > 0, synapses.size > 0
    dtype = membranes.dtype
    zero = one - one
    lam_syn = np.zeros((max(n_taps, 1), n_samples, n), dtype)  # dL/dI of the last steps, in a ring
    lam_mem = np.zeros((n_samples, n), dtype)  # dL/dU
    lam_ad = np.zeros((n_samples, n), dtype)
    fed_back = np.zeros((n_panels, n_samples, width), dtype)
    product = np.zeros((n_samples, width), dtype)
    gs, gu, slopes = np.empty(n, dtype), np.empty(n, dtype), np.empty(n, dtype)
    mem, fired, fired_before = np.empty(n, dtype), np.empty(n, dtype), np.empty(n, dtype)
    mem_before, drive = np.empty(n, dtype), np.empty(n, dtype)
    rest = np.empty(n, dtype)
    for h in range(n):
        rest[h] = one - decay_mem[h]
    held = np.zeros((n_samples, n_steps if n_refractory > 0 else 0, n), np.bool_)
    if n_refractory > 0:
        _mark_held(membranes, state, theta, n_refractory, first, held)
    for back in range(n_steps):
        t = n_steps - 1 - back
        if n_taps > 0:
            for p in range(n_panels):
                for s in range(min(n_taps, back)):  # dL/dI[t + 1 + s]
                    np.dot(lam_syn[(t + 1 + s) % n_taps], panels[s, p], product)
                    for k in range(n_samples):
                        for h in range(width):
                            fed_back[p, k, h] = (
                                product[k, h] if s == 0 else fed_back[p, k, h] + product[k, h]
                            )
        ring, ring_next = t % max(n_taps, 1), (t + 1) % max(n_taps, 1)
        for k in range(n_samples):
            b = first + k
            for h in range(n):
                mem[h] = membranes[b, t, h]
                fired[h] = one if mem[h] >= theta else zero
            if t > 0:
                for h in range(n):
                    mem_before[h] = membranes[b, t - 1, h]
                    fired_before[h] = one if mem_before[h] >= theta else zero
            else:
                for h in range(n):
                    mem_before[h], fired_before[h] = state[b, 1, h], state[b, STATE_ROWS, h]
            if has_spikes:
                for h in range(n):
                    gs[h] = grad_spikes[b, t, h]
            else:
                gs[:] = zero
            if n_taps > 0 and back > 0:
                for p in range(n_panels):
                    start = p * width
                    inside = min(width, n - start)
                    part = gs[start : start + inside]
                    for h in range(inside):
                        part[h] += fed_back[p, k, h]
            # What comes from U[t + 1]: lam_mem is zero behind the end.
            if reset == 0:
                for h in range(n):
                    gu[h] = decay_mem[h] * (one - fired[h]) * lam_mem[k, h]
                if reset_in_graph and back > 0:
                    for h in range(n):
                        passed = decay_mem[h] * mem[h] + rest[h] * (
                            synapses[b, t + 1, h] - (adapted[b, t, h] if adapts else zero)
                        )
                        gs[h] -= passed * lam_mem[k, h]
            elif reset == 1:
                for h in range(n):
                    gu[h] = decay_mem[h] * (one - fired[h]) * lam_mem[k, h]
                if reset_in_graph:
                    for h in range(n):
                        gs[h] -= decay_mem[h] * mem[h] * lam_mem[k, h]
            else:
                for h in range(n):
                    gu[h] = decay_mem[h] * lam_mem[k, h]
                if reset_in_graph:
                    for h in range(n):
                        gs[h] -= decay_mem[h] * theta * lam_mem[k, h]
            if has_mem:
                for h in range(n):
                    gu[h] += grad_membranes[b, t, h]
            if adapts:
                for h in range(n):
                    through = one - fired[h] if reset == 0 else one
                    lam = adaptation[0, h] * lam_ad[k, h] - rest[h] * through * lam_mem[k, h]
                    lam_ad[k, h] = lam
                    pull = lam * (one - adaptation[0, h])
                    keeps = one if reset == 2 else one - fired[h]
                    gu[h] += pull * adaptation[1, h] * keeps
                    gs[h] += pull * adaptation[2, h]
                    if reset_in_graph:
                        gs[h] -= pull * adaptation[1, h] * (theta if reset == 2 else mem[h])
            surrogate_rows(mem, theta, slope, one, kind, slopes)
            for h in range(n):
                lam_mem[k, h] = gu[h] + slopes[h] * gs[h]
            if n_refractory > 0:
                for h in range(n):
                    if held[k, t, h]:
                        lam_mem[k, h] = zero
            if reset == 0:
                for h in range(n):
                    lam_syn[ring, k, h] = decay_syn[h] * lam_syn[ring_next, k, h] + rest[h] * (
                        (one - fired_before[h]) * lam_mem[k, h]
                    )
            else:
                for h in range(n):
                    lam_syn[ring, k, h] = (
                        decay_syn[h] * lam_syn[ring_next, k, h] + rest[h] * lam_mem[k, h]
                    )
            lam_now = lam_syn[ring, k]
            if gives_current:
                for h in range(n):
                    grad_current[b, t, h] = lam_now[h]
            if credits:
                for h in range(n):
                    block[k * n_block + t % n_block, h] = lam_now[h]
            if has_syn:
                for h in range(n):
                    before = synapses[b, t - 1, h] if t > 0 else state[b, 0, h]
                    grad_decays[0, h] += lam_syn[ring, k, h] * before
                    drive[h] = synapses[b, t, h]
                if adapts:
                    for h in range(n):
                        drive[h] -= adapted[b, t - 1, h] if t > 0 else state[b, 2, h]
                for h in range(n):
                    passes, before = one, mem_before[h]
                    if reset == 0:
                        passes = one - fired_before[h]
                    elif reset == 1:
                        before = before * (one - fired_before[h])
                    else:
                        before = before - theta * fired_before[h]
                    grad_decays[1, h] += lam_mem[k, h] * passes * (before - drive[h])
            if adapts:
                for h in range(n):
                    left = mem[h] - theta * fired[h] if reset == 2 else mem[h] * (one - fired[h])
                    pulled = adaptation[1, h] * left + adaptation[2, h] * fired[h]
                    before = adapted[b, t - 1, h] if t > 0 else state[b, 2, h]
                    grad_decays[2, h] += lam_ad[k, h] * (before - pulled)
                    pull = lam_ad[k, h] * (one - adaptation[0, h])
                    grad_decays[3, h] += pull * left
                    grad_decays[4, h] += pull * fired[h]
        if credits and t % n_block == 0:
            end = min(t + n_block, n_steps)
            if grad_weight.size > 0:
                _credit(
                    *(offsets, bins, units, first, cursors, t, end, 0),
                    *(block, order, places, grad_weight),
                )
            if grad_recurrent.size > 0:
                _credit(
                    *(spike_offsets, spike_bins, spike_units, first, spike_cursors, t, end, 1),
                    *(block, order, places, grad_recurrent),
                )


@_compiled
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
    """Integrate and reduce; ``peaks`` gets the step of each maximum, ``trace`` every step if it has room."""
    n = weight.shape[1]
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
            sum_rows(weight, units, begin, e, step)
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


@_compiled
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
    grad_weight: Floats,
    grad_decay: Floats,
    first: int,
    last: int,
) -> None:
    """Go back through a read-out; ``trace`` is needed for the gradient of the decay alone.

    The gradient of step t is ``grad_step = (1 − γ)·λ[t]``, λ[t] = γ·λ[t + 1] + what the reduction asks of O[t].
    """
    n = weight.shape[1]
    n_steps = grad_spikes.shape[1]
    lam = np.empty(n, weight.dtype)
    grad_step = np.zeros((n_steps, n), weight.dtype)
    transposed = np.ascontiguousarray(weight.T)
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
            spread_row(grad_weight, units, e, end, grad_step[t])
            if trace.size > 0:
                step[:] = zero
                sum_rows(weight, units, e, end, step)
                for c in range(n):
                    before = trace[k, t - 1, c] if t > 0 else start[k, c]
                    grad_decay[c] += lam[c] * (before - step[c])
        np.dot(grad_step, transposed, grad_spikes[k])
