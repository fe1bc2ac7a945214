"""The loops of the GPU kernels, for Triton; :mod:`spikebench.kernels.triton.launch` launches them.

Arrays are dense, of one float type, and their shapes are those of :mod:`spikebench.kernels.cpu.loops`. Numbers that
must not be rounded to float32 come in tensors. No program adds to what another one writes, so the order of every sum
is fixed. Spikes are rare: what they weigh is added row by row, not multiplied out. What threads of a program hand each
other through memory has a barrier behind it. Equations: :mod:`spikebench.kernels.neuron`.
"""
# Triton has no types and is not everywhere.
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from spikebench.kernels import neuron, scan

_H = tl.constexpr(neuron.GAUSSIAN_H)
_S = tl.constexpr(neuron.GAUSSIAN_S)
_PEAK = tl.constexpr(neuron.GAUSSIAN_PEAK)
_STATE_ROWS = tl.constexpr(scan.STATE_ROWS)


@triton.jit
def add_currents(
    starts: tl.tensor,
    units: tl.tensor,
    weight: tl.tensor,
    current: tl.tensor,
    n_taps: tl.tensor,
    n_units: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    EVENTS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """current[k, t + s] = Σ weight[s, unit] over the events at t: one program per sample, step and some columns."""
    cell = tl.program_id(0)
    k = cell // n_steps
    t = cell % n_steps
    lane = tl.program_id(1) * LANES + tl.arange(0, LANES)
    inside = lane < n
    total = tl.zeros((EVENTS, LANES), current.dtype.element_ty)
    at = starts + k.to(tl.int64) * (n_steps + 1) + t
    tap = weight
    for _ in range(tl.minimum(t + 1, n_taps)):
        first = tl.load(at)
        last = tl.load(at + 1)
        for begin in range(first, last, EVENTS):
            event = begin + tl.arange(0, EVENTS)
            valid = event < last
            unit = tl.load(units + event, mask=valid, other=0)
            row = tap + unit[:, None] * n
            total += tl.load(row + lane[None, :], mask=valid[:, None] & inside[None, :], other=0.0)
        at -= 1
        tap += n_units * n
    out = current + cell.to(tl.int64) * n + lane
    tl.store(out, tl.sum(total, 0), mask=inside)


@triton.jit
def add_weight_gradients(
    starts: tl.tensor,
    cells: tl.tensor,
    bins: tl.tensor,
    gradient: tl.tensor,
    into: tl.tensor,
    n_taps: tl.tensor,
    n_units: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    shift: tl.tensor,
    n_parts: tl.tensor,
    EVENTS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """into[part, s, unit] = Σ gradient[k, t + shift + s] over a part of the events of a unit, which are sorted by it.

    ``cells`` are k·(steps) + t. One program per unit, tap and part, and some columns.
    """
    unit = tl.program_id(0)
    s = tl.program_id(1) // n_parts
    part = tl.program_id(1) % n_parts
    lane = tl.program_id(2) * LANES + tl.arange(0, LANES)
    inside = lane < n
    begin = tl.load(starts + unit)
    end = tl.load(starts + unit + 1)
    share = tl.cdiv(end - begin, n_parts)
    begin += part * share
    end = tl.minimum(end, begin + share)
    late = s + shift
    total = tl.zeros((EVENTS, LANES), into.dtype.element_ty)
    for first in range(begin, end, EVENTS):
        event = first + tl.arange(0, EVENTS)
        valid = event < end
        cell = tl.load(cells + event, mask=valid, other=0)
        valid = valid & (tl.load(bins + event, mask=valid, other=0) + late < n_steps)
        row = gradient + (cell + late)[:, None] * n
        total += tl.load(row + lane[None, :], mask=valid[:, None] & inside[None, :], other=0.0)
    place = (part.to(tl.int64) * n_taps + s) * n_units + unit
    tl.store(into + place * n + lane, tl.sum(total, 0), mask=inside)


@triton.jit
def _list_units(fired: tl.tensor, lane: tl.tensor, units: tl.tensor, count: tl.tensor) -> None:
    marks = fired.to(tl.int32)
    tl.store(units + (tl.cumsum(marks, 0) - 1), lane, mask=fired)
    tl.store(count, tl.sum(marks, 0))


@triton.jit
def scan_forward(
    current: tl.tensor,
    decay_syn: tl.tensor,
    decay_mem: tl.tensor,
    recurrent: tl.tensor,
    adaptation: tl.tensor,
    state: tl.tensor,
    threshold: tl.tensor,
    membranes: tl.tensor,
    synapses: tl.tensor,
    adapted: tl.tensor,
    raster: tl.tensor,
    end_state: tl.tensor,
    lists: tl.tensor,
    counts: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    n_rows: tl.tensor,
    n_taps: tl.tensor,
    n_refractory: tl.tensor,
    KEEPS_MEM: tl.constexpr,
    KEEPS_SYN: tl.constexpr,
    KEEPS_AD: tl.constexpr,
    ADAPTS: tl.constexpr,
    RECURS: tl.constexpr,
    HOLDS: tl.constexpr,
    RESET: tl.constexpr,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Run the neurons of one sample; the first rows of its end state.

    ``lists`` (batch, tap + 1, unit) is room for the units that fired in each of the last steps, ``counts``
    (batch, tap + 1) for their numbers: one more than are needed, so that none is written while it is read.
    """
    k = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, LANES)
    inside = lane < n
    alpha = tl.load(decay_syn + lane, mask=inside, other=0.0)
    beta = tl.load(decay_mem + lane, mask=inside, other=0.0)
    rest = 1.0 - beta
    theta = tl.load(threshold)
    begin = state + k * n_rows * n + lane
    syn = tl.load(begin, mask=inside, other=0.0)
    mem = tl.load(begin + n, mask=inside, other=0.0)
    ad = tl.load(begin + 2 * n, mask=inside, other=0.0)
    held = tl.load(begin + 3 * n, mask=inside, other=0.0).to(tl.int32)
    fired = tl.load(begin + _STATE_ROWS * n, mask=inside, other=0.0)
    if ADAPTS:
        rho = tl.load(adaptation + lane, mask=inside, other=0.0)
        to_membrane = tl.load(adaptation + n + lane, mask=inside, other=0.0)
        to_spikes = tl.load(adaptation + 2 * n + lane, mask=inside, other=0.0)
    n_slots = n_taps + 1
    own_lists = lists + k * n_slots * n
    own_counts = counts + k * n_slots
    if RECURS:
        for s in range(n_taps):  # the step −1 − s lies at n_taps − s
            before = tl.load(begin + (_STATE_ROWS + s) * n, mask=inside, other=0.0) > 0.0
            slot = n_taps - s
            _list_units(before, lane, own_lists + slot * n, own_counts + slot)
        tl.debug_barrier()
    at = k * n_steps * n + lane
    upcoming = tl.load(current + at, mask=inside, other=0.0)
    for t in range(n_steps):
        step = upcoming
        upcoming = tl.load(current + at + n, mask=inside & (t + 1 < n_steps), other=0.0)
        syn = alpha * syn + step
        if RECURS:
            heard = tl.zeros((CHUNK, LANES), syn.dtype)
            tap = recurrent
            for s in range(n_taps):
                slot = (t + n_taps - s) % n_slots
                count = tl.load(own_counts + slot)
                for first in range(0, count, CHUNK):
                    e = first + tl.arange(0, CHUNK)
                    unit = tl.load(own_lists + slot * n + e, mask=e < count, other=0)
                    row = tap + unit[:, None] * n
                    valid = (e < count)[:, None] & inside[None, :]
                    heard += tl.load(row + lane[None, :], mask=valid, other=0.0)
                tap += n * n
            syn += tl.sum(heard, 0)
        drive = syn
        if ADAPTS:
            drive = syn - ad
        if RESET == 0:
            mem = (beta * mem + rest * drive) * (1.0 - fired)
        elif RESET == 1:
            mem = beta * (mem * (1.0 - fired)) + rest * drive
        else:
            mem = beta * (mem - theta * fired) + rest * drive
        if HOLDS:
            mem = tl.where(held > 0, 0.0, mem)
        fires = inside & (mem >= theta)
        fired = fires.to(mem.dtype)
        if HOLDS:
            held = tl.where(fires, n_refractory, tl.maximum(held - 1, 0))
        if ADAPTS:
            left = mem - theta * fired if RESET == 2 else mem * (1.0 - fired)
            ad = rho * ad + (1.0 - rho) * (to_membrane * left + to_spikes * fired)
        if RECURS:
            slot = t % n_slots
            _list_units(fires, lane, own_lists + slot * n, own_counts + slot)
        tl.store(raster + at, fires.to(tl.uint8), mask=inside)
        if KEEPS_MEM:
            tl.store(membranes + at, mem, mask=inside)
        if KEEPS_SYN:
            tl.store(synapses + at, syn, mask=inside)
        if KEEPS_AD:
            tl.store(adapted + at, ad, mask=inside)
        at += n
        if RECURS:
            tl.debug_barrier()
    end = end_state + k * n_rows * n + lane
    tl.store(end, syn, mask=inside)
    tl.store(end + n, mem, mask=inside)
    tl.store(end + 2 * n, ad, mask=inside)
    tl.store(end + 3 * n, held.to(mem.dtype), mask=inside)


@triton.jit
def mark_held(
    membranes: tl.tensor,
    state: tl.tensor,
    threshold: tl.tensor,
    held: tl.tensor,
    n_lanes: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    n_rows: tl.tensor,
    n_refractory: tl.tensor,
    LANES: tl.constexpr,
) -> None:
    """Mark the steps in which the refractory period held a neuron; a lane is a neuron of a sample."""
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = lane < n_lanes
    k = (lane // n).to(tl.int64)
    h = lane % n
    theta = tl.load(threshold)
    left = tl.load(state + (k * n_rows + 3) * n + h, mask=inside, other=0.0).to(tl.int32)
    at = k * n_steps * n + h
    for _ in range(n_steps):
        tl.store(held + at, (left > 0).to(tl.uint8), mask=inside)
        mem = tl.load(membranes + at, mask=inside, other=0.0)
        left = tl.where(mem >= theta, n_refractory, tl.maximum(left - 1, 0))
        at += n


@triton.jit
def _slopes(distance: tl.tensor, slope: tl.tensor, KIND: tl.constexpr) -> tl.tensor:
    """Compute what stands for dS/dU; kinds as numbered in :data:`spikebench.kernels.neuron.SURROGATES`."""
    x = slope * distance
    if KIND == 0:
        below = 1.0 + tl.abs(x)
        answer = 1.0 / (below * below)
    elif KIND == 1:
        grown = tl.exp(-tl.abs(x))
        answer = 4.0 * grown / ((1.0 + grown) * (1.0 + grown))
    elif KIND == 2:
        answer = 1.0 / (1.0 + x * x)
    elif KIND == 3:
        answer = tl.maximum(1.0 - tl.abs(x), 0.0)
    else:
        below = (x - 1.0) / _S
        above = (x + 1.0) / _S
        middle = tl.exp(x * x * -0.5) * (1 + _H)
        sides = tl.exp(below * below * -0.5) + tl.exp(above * above * -0.5)
        answer = (middle - sides * (_H / _S)) / _PEAK
    return answer


@triton.jit
def _tile(
    tap: tl.tensor,
    after: tl.tensor,
    first: tl.tensor,
    n: tl.tensor,
    stride: tl.tensor,
    has_other: tl.tensor,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """Read some rows of recurrent weights, and what two samples multiply them by; 0 behind the last."""
    j = first + tl.arange(0, CHUNK)
    lane = tl.arange(0, LANES)
    valid = (j < n)[:, None] & (lane < n)[None, :]
    return (
        tl.load(tap + j[:, None] * n + lane[None, :], mask=valid, other=0.0),
        tl.load(after + j, mask=j < n, other=0.0),
        tl.load(after + stride + j, mask=(j < n) & has_other, other=0.0),
    )


@triton.jit
def scan_backward(
    grad_spikes: tl.tensor,
    grad_membranes: tl.tensor,
    membranes: tl.tensor,
    synapses: tl.tensor,
    adapted: tl.tensor,
    held: tl.tensor,
    decay_syn: tl.tensor,
    decay_mem: tl.tensor,
    transposed: tl.tensor,
    adaptation: tl.tensor,
    state: tl.tensor,
    threshold: tl.tensor,
    surrogate_slope: tl.tensor,
    grad_current: tl.tensor,
    grad_decays: tl.tensor,
    batch: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    n_rows: tl.tensor,
    n_taps: tl.tensor,
    HAS_SPIKES: tl.constexpr,
    HAS_MEM: tl.constexpr,
    HAS_SYN: tl.constexpr,
    ADAPTS: tl.constexpr,
    RECURS: tl.constexpr,
    HOLDS: tl.constexpr,
    RESET: tl.constexpr,
    RESET_IN_GRAPH: tl.constexpr,
    SURROGATE: tl.constexpr,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Go back through a scan, two samples per program, which reads the recurrent weights once for both.

    ``transposed`` (tap, to, from) are these weights. ``grad_decays`` (program, 5, unit) gets the gradients of
    α, β, ρ, a, b; without synapses and adaptation zeros.
    """
    pair = tl.program_id(0).to(tl.int64) * 2
    stride = n_steps * n
    has_other = pair + 1 < batch
    k = pair + tl.arange(0, 2)
    lane = tl.arange(0, LANES)
    column = (lane < n)[None, :]
    inside = (k < batch)[:, None] & column
    alpha = tl.load(decay_syn + lane[None, :], mask=column, other=0.0)
    beta = tl.load(decay_mem + lane[None, :], mask=column, other=0.0)
    rest = 1.0 - beta
    theta = tl.load(threshold)
    slope = tl.load(surrogate_slope)
    begin = state + k[:, None] * n_rows * n + lane[None, :]
    own = k[:, None] * n_steps * n  # the first step of a sample
    last = (n_steps - 1) * n + lane[None, :]
    zero = tl.zeros((2, LANES), membranes.dtype.element_ty)
    mem = tl.load(membranes + own + last, mask=inside, other=0.0)
    fired = (mem >= theta).to(zero.dtype)
    syn = zero
    syn_after = zero
    ad = zero
    if HAS_SYN:
        syn = tl.load(synapses + own + last, mask=inside, other=0.0)
    if ADAPTS:
        rho = tl.load(adaptation + lane[None, :], mask=column, other=0.0)
        to_membrane = tl.load(adaptation + n + lane[None, :], mask=column, other=0.0)
        to_spikes = tl.load(adaptation + 2 * n + lane[None, :], mask=column, other=0.0)
        ad = tl.load(adapted + own + last, mask=inside, other=0.0)
    lam_mem = zero  # dL/dU
    lam_syn = zero
    lam_ad = zero
    to_alpha = zero
    to_beta = zero
    to_rho = zero
    to_a = zero
    to_b = zero
    at = own + last
    for back in range(n_steps):
        t = n_steps - 1 - back
        is_later = inside & (t > 0)
        is_first = inside & (t == 0)
        mem_before = tl.load(membranes + at - n, mask=is_later, other=0.0)
        mem_before += tl.load(begin + n, mask=is_first, other=0.0)
        fired_first = tl.load(begin + _STATE_ROWS * n, mask=is_first, other=0.0)
        fired_before = tl.where(t > 0, (mem_before >= theta).to(zero.dtype), fired_first)
        syn_before = zero
        ad_before = zero
        if HAS_SYN:
            syn_before = tl.load(synapses + at - n, mask=is_later, other=0.0)
            syn_before += tl.load(begin, mask=is_first, other=0.0)
        if ADAPTS:
            ad_before = tl.load(adapted + at - n, mask=is_later, other=0.0)
            ad_before += tl.load(begin + 2 * n, mask=is_first, other=0.0)
        gs = zero
        gu = zero
        if HAS_SPIKES:
            gs = tl.load(grad_spikes + at, mask=inside, other=0.0)
        if HAS_MEM:
            gu = tl.load(grad_membranes + at, mask=inside, other=0.0)
        if RECURS:  # Σ dL/dI[t + 1 + s]·Vᵀ
            fed_0 = tl.zeros((CHUNK, LANES), zero.dtype)
            fed_1 = tl.zeros((CHUNK, LANES), zero.dtype)
            tap = transposed
            after = grad_current + pair * n_steps * n + (t + 1) * n
            for _ in range(tl.minimum(n_taps, back)):
                v, lam_0, lam_1 = _tile(tap, after, 0, n, stride, has_other, CHUNK, LANES)
                for first in range(CHUNK, n + CHUNK, CHUNK):  # one ahead
                    v_now = v
                    now_0 = lam_0
                    now_1 = lam_1
                    v, lam_0, lam_1 = _tile(tap, after, first, n, stride, has_other, CHUNK, LANES)
                    fed_0 += now_0[:, None] * v_now
                    fed_1 += now_1[:, None] * v_now
                tap += n * n
                after += n
            is_other = (tl.arange(0, 2) == 1)[:, None]
            gs += tl.where(is_other, tl.sum(fed_1, 0)[None, :], tl.sum(fed_0, 0)[None, :])
        # What comes from U[t + 1]: lam_mem is zero behind the end.
        if RESET == 2:
            gu += beta * lam_mem
        else:
            gu += beta * (1.0 - fired) * lam_mem
        if RESET_IN_GRAPH:
            if RESET == 0:
                gs -= (beta * mem + rest * (syn_after - ad)) * lam_mem
            elif RESET == 1:
                gs -= beta * mem * lam_mem
            else:
                gs -= beta * theta * lam_mem
        if ADAPTS:
            passed = lam_mem
            if RESET == 0:
                passed = lam_mem * (1.0 - fired)
            lam_ad = rho * lam_ad - rest * passed
            pull = lam_ad * (1.0 - rho)
            if RESET == 2:
                left = mem - theta * fired
                gu += pull * to_membrane
            else:
                left = mem * (1.0 - fired)
                gu += pull * to_membrane * (1.0 - fired)
            gs += pull * to_spikes
            if RESET_IN_GRAPH:
                if RESET == 2:
                    gs -= pull * to_membrane * theta
                else:
                    gs -= pull * to_membrane * mem
            to_rho += lam_ad * (ad_before - (to_membrane * left + to_spikes * fired))
            to_a += pull * left
            to_b += pull * fired
        lam_mem = gu + _slopes(mem - theta, slope, SURROGATE) * gs
        if HOLDS:
            lam_mem = tl.where(tl.load(held + at, mask=inside, other=0) > 0, 0.0, lam_mem)
        through = lam_mem
        if RESET == 0:
            through = lam_mem * (1.0 - fired_before)
        lam_syn = alpha * lam_syn + rest * through
        tl.store(grad_current + at, lam_syn, mask=inside)
        if HAS_SYN:
            to_alpha += lam_syn * syn_before
            was = mem_before
            if RESET == 1:
                was = mem_before * (1.0 - fired_before)
            elif RESET == 2:
                was = mem_before - theta * fired_before
            to_beta += through * (was - (syn - ad_before))
        mem = mem_before
        fired = fired_before
        syn_after = syn
        syn = syn_before
        ad = ad_before
        at -= n
        if RECURS:
            tl.debug_barrier()
    out = grad_decays + tl.program_id(0).to(tl.int64) * 5 * n + lane
    tl.store(out, tl.sum(to_alpha, 0), mask=lane < n)
    tl.store(out + n, tl.sum(to_beta, 0), mask=lane < n)
    tl.store(out + 2 * n, tl.sum(to_rho, 0), mask=lane < n)
    tl.store(out + 3 * n, tl.sum(to_a, 0), mask=lane < n)
    tl.store(out + 4 * n, tl.sum(to_b, 0), mask=lane < n)


@triton.jit
def readout_forward(
    current: tl.tensor,
    decay: tl.tensor,
    lengths: tl.tensor,
    start: tl.tensor,
    scores: tl.tensor,
    trace: tl.tensor,
    peaks: tl.tensor,
    n_lanes: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    KEEPS: tl.constexpr,
    REDUCTION: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Integrate weighed spikes and reduce; a lane is a class of a sample."""
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = lane < n_lanes
    k = (lane // n).to(tl.int64)
    c = lane % n
    gamma = tl.load(decay + c, mask=inside, other=0.0)
    length = tl.load(lengths + k, mask=inside, other=1)
    out = tl.load(start + lane, mask=inside, other=0.0)
    score = tl.zeros((LANES,), out.dtype)
    peak = tl.zeros((LANES,), tl.int32)
    at = k * n_steps * n + c
    upcoming = tl.load(current + at, mask=inside, other=0.0)
    for t in range(n_steps):
        step = upcoming
        upcoming = tl.load(current + at + n, mask=inside & (t + 1 < n_steps), other=0.0)
        out = gamma * out + (1.0 - gamma) * step
        if KEEPS:
            tl.store(trace + at, out, mask=inside)
        counts = t < length
        if REDUCTION == 0:
            higher = counts & ((out > score) | (t == 0))
            score = tl.where(higher, out, score)
            peak = tl.where(higher, t, peak)
        elif REDUCTION == 3:
            score = tl.where(counts, out, score)
        else:
            score += tl.where(counts, out, 0.0)
        at += n
    if REDUCTION == 1:
        score = score / length.to(score.dtype)
    tl.store(scores + lane, score, mask=inside)
    tl.store(peaks + lane, peak, mask=inside)


@triton.jit
def readout_backward(
    current: tl.tensor,
    decay: tl.tensor,
    lengths: tl.tensor,
    start: tl.tensor,
    grad: tl.tensor,
    trace: tl.tensor,
    peaks: tl.tensor,
    grad_step: tl.tensor,
    grad_decay: tl.tensor,
    n_lanes: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    HAS_TRACE: tl.constexpr,
    REDUCTION: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Go back through a read-out: gradients of the weighed spikes, and of the decay per sample."""
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)
    inside = lane < n_lanes
    k = (lane // n).to(tl.int64)
    c = lane % n
    gamma = tl.load(decay + c, mask=inside, other=0.0)
    length = tl.load(lengths + k, mask=inside, other=1)
    lam = tl.zeros((LANES,), gamma.dtype)
    to_decay = tl.zeros((LANES,), gamma.dtype)
    asked = tl.zeros((LANES,), gamma.dtype)
    peak = tl.zeros((LANES,), tl.int32)
    if REDUCTION != 4:
        asked = tl.load(grad + lane, mask=inside, other=0.0)
    if REDUCTION == 1:
        asked = asked / length.to(asked.dtype)
    if REDUCTION == 0:
        peak = tl.load(peaks + lane, mask=inside, other=0)
    at = (k * n_steps + (n_steps - 1)) * n + c
    for back in range(n_steps):
        t = n_steps - 1 - back
        lam = gamma * lam
        if REDUCTION == 4:
            lam += tl.load(grad + at, mask=inside, other=0.0)
        elif REDUCTION == 0:
            lam += tl.where((peak == t) & (t < length), asked, 0.0)
        elif REDUCTION == 3:
            lam += tl.where(length - 1 == t, asked, 0.0)
        else:
            lam += tl.where(t < length, asked, 0.0)
        tl.store(grad_step + at, (1.0 - gamma) * lam, mask=inside)
        if HAS_TRACE:
            before = tl.load(trace + at - n, mask=inside & (t > 0), other=0.0)
            before += tl.load(start + lane, mask=inside & (t == 0), other=0.0)
            to_decay += lam * (before - tl.load(current + at, mask=inside, other=0.0))
        at -= n
    tl.store(grad_decay + lane, to_decay, mask=inside)
