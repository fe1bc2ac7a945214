"""The loops of the GPU kernels, in Triton; :mod:`spikebench.kernels.triton.launch` starts them.

Arrays are dense, of one float type, and have the shapes of :mod:`spikebench.kernels.cpu.scans`. Numbers that must not
be rounded to float32 are passed in tensors. No program adds to the output of another, so the order of every sum is
fixed. Spikes are rare: their weights are added row by row instead of by a matrix product. A barrier follows where
threads of a program exchange values through memory. Neurons: :mod:`spikebench.kernels.triton.neurons`.
"""
# Triton has no type annotations and is not always installed.
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from spikebench.kernels import scan
from spikebench.kernels.triton.neurons import adapt, backward, charge

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
def _parameters(
    parameters: tl.tensor,
    lane: tl.tensor,
    inside: tl.tensor,
    n: tl.tensor,
    n_parameters: tl.tensor,
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Read up to four rows of parameters; rows after the last are 0."""
    p0 = tl.load(parameters + lane, mask=inside, other=0.0)
    p1 = tl.load(parameters + n + lane, mask=inside & (n_parameters > 1), other=0.0)
    p2 = tl.load(parameters + 2 * n + lane, mask=inside & (n_parameters > 2), other=0.0)
    p3 = tl.load(parameters + 3 * n + lane, mask=inside & (n_parameters > 3), other=0.0)
    return p0, p1, p2, p3


@triton.jit
def _list_units(fired: tl.tensor, lane: tl.tensor, units: tl.tensor, count: tl.tensor) -> None:
    marks = fired.to(tl.int32)
    tl.store(units + (tl.cumsum(marks, 0) - 1), lane, mask=fired)
    tl.store(count, tl.sum(marks, 0))


@triton.jit
def scan_forward(
    current: tl.tensor,
    decay_syn: tl.tensor,
    parameters: tl.tensor,
    recurrent: tl.tensor,
    late: tl.tensor,
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
    n_parameters: tl.tensor,
    KEEPS_MEM: tl.constexpr,
    KEEPS_SYN: tl.constexpr,
    KEEPS_AD: tl.constexpr,
    EQUATIONS: tl.constexpr,
    RECURS: tl.constexpr,
    DELAYS: tl.constexpr,
    RESET: tl.constexpr,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Run the neurons of one sample and write the first rows of its end state.

    ``lists`` (batch, tap + 1, unit) is a buffer for the units that fired in each of the last steps, ``counts``
    (batch, tap + 1) for their numbers. Both have one more row than needed, so that no row is written while it is read.
    With recurrent delays, their rows are the units whose spikes arrive at a tap, found in the raster and the state.
    """
    k = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, LANES)
    inside = lane < n
    alpha = tl.load(decay_syn + lane, mask=inside, other=0.0)
    p0, p1, p2, p3 = _parameters(parameters, lane, inside, n, n_parameters)
    theta = tl.load(threshold)
    begin = state + k * n_rows * n + lane
    syn = tl.load(begin, mask=inside, other=0.0)
    mem = tl.load(begin + n, mask=inside, other=0.0)
    ad = tl.load(begin + 2 * n, mask=inside, other=0.0)
    fired = tl.load(begin + _STATE_ROWS * n, mask=inside, other=0.0)
    n_slots = n_taps + 1
    own_lists = lists + k * n_slots * n
    own_counts = counts + k * n_slots
    sent_before = tl.zeros((LANES,), tl.int64)
    if DELAYS:
        sent_before = 1 + tl.load(late + lane, mask=inside, other=0)
    elif RECURS:
        for s in range(n_taps):  # step −1 − s is stored at n_taps − s
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
        if DELAYS:
            for s in range(n_taps):
                came = t - sent_before - s
                sent = tl.load(
                    raster + (k * n_steps + came) * n + lane, mask=inside & (came >= 0), other=0
                )
                row = begin + (_STATE_ROWS - 1 - came) * n
                past = tl.load(row, mask=inside & (came < 0), other=0.0)
                _list_units((sent > 0) | (past > 0.0), lane, own_lists + s * n, own_counts + s)
            tl.debug_barrier()
        if RECURS:
            fed = tl.zeros((CHUNK, LANES), syn.dtype)
            tap = recurrent
            for s in range(n_taps):
                slot = (t + n_taps - s) % n_slots
                if DELAYS:
                    slot = s
                count = tl.load(own_counts + slot)
                for first in range(0, count, CHUNK):
                    e = first + tl.arange(0, CHUNK)
                    unit = tl.load(own_lists + slot * n + e, mask=e < count, other=0)
                    row = tap + unit[:, None] * n
                    valid = (e < count)[:, None] & inside[None, :]
                    fed += tl.load(row + lane[None, :], mask=valid, other=0.0)
                tap += n * n
            syn += tl.sum(fed, 0)
        mem_before = mem
        fired_before = fired
        mem = charge(syn, mem_before, ad, fired_before, theta, p0, p1, p2, p3, EQUATIONS, RESET)
        fires = inside & (mem >= theta)
        fired = fires.to(mem.dtype)
        ad = adapt(
            *(mem, ad, fired, mem_before, fired_before, theta, p0, p1, p2, p3, EQUATIONS, RESET)
        )
        if RECURS and not DELAYS:
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
    """Read some rows of recurrent weights and the factors of two samples; rows after the last are 0."""
    j = first + tl.arange(0, CHUNK)
    lane = tl.arange(0, LANES)
    valid = (j < n)[:, None] & (lane < n)[None, :]
    return (
        tl.load(tap + j[:, None] * n + lane[None, :], mask=valid, other=0.0),
        tl.load(after + j, mask=j < n, other=0.0),
        tl.load(after + stride + j, mask=(j < n) & has_other, other=0.0),
    )


@triton.jit
def _add_products(
    fed_0: tl.tensor,
    fed_1: tl.tensor,
    tap: tl.tensor,
    after: tl.tensor,
    n: tl.tensor,
    stride: tl.tensor,
    has_other: tl.tensor,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """Add the products of a row of two samples and recurrent weights, to be summed over chunks."""
    v, lam_0, lam_1 = _tile(tap, after, 0, n, stride, has_other, CHUNK, LANES)
    for first in range(CHUNK, n + CHUNK, CHUNK):  # one chunk ahead
        v_now = v
        now_0 = lam_0
        now_1 = lam_1
        v, lam_0, lam_1 = _tile(tap, after, first, n, stride, has_other, CHUNK, LANES)
        fed_0 += now_0[:, None] * v_now
        fed_1 += now_1[:, None] * v_now
    return fed_0, fed_1


@triton.jit
def scan_backward(
    grad_spikes: tl.tensor,
    grad_membranes: tl.tensor,
    membranes: tl.tensor,
    synapses: tl.tensor,
    adapted: tl.tensor,
    decay_syn: tl.tensor,
    parameters: tl.tensor,
    transposed: tl.tensor,
    late: tl.tensor,
    state: tl.tensor,
    threshold: tl.tensor,
    surrogate_slope: tl.tensor,
    grad_current: tl.tensor,
    grad_decays: tl.tensor,
    products: tl.tensor,
    batch: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    n_rows: tl.tensor,
    n_taps: tl.tensor,
    n_parameters: tl.tensor,
    HAS_SPIKES: tl.constexpr,
    HAS_MEM: tl.constexpr,
    HAS_SYN: tl.constexpr,
    HAS_AD: tl.constexpr,
    EQUATIONS: tl.constexpr,
    RECURS: tl.constexpr,
    DELAYS: tl.constexpr,
    RESET: tl.constexpr,
    RESET_IN_GRAPH: tl.constexpr,
    SURROGATE: tl.constexpr,
    CHUNK: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """Propagate back through a scan, two samples per program, which reads the recurrent weights once for both.

    ``transposed`` (tap, to, from) are these weights. The gradients of α and up to four parameters are written to
    ``grad_decays`` (program, 5, unit): zeros for missing parameters, and for α and β without synapses. With recurrent
    delays, ``products`` (batch, tap, step, unit) is a buffer for dL/dI·Vᵀ, which are read at the arrivals of a spike.
    """
    pair = tl.program_id(0).to(tl.int64) * 2
    stride = n_steps * n
    has_other = pair + 1 < batch
    k = pair + tl.arange(0, 2)
    lane = tl.arange(0, LANES)
    column = (lane < n)[None, :]
    inside = (k < batch)[:, None] & column
    alpha = tl.load(decay_syn + lane[None, :], mask=column, other=0.0)
    p0, p1, p2, p3 = _parameters(parameters, lane[None, :], column, n, n_parameters)
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
    if HAS_AD:
        ad = tl.load(adapted + own + last, mask=inside, other=0.0)
    lam_mem = zero  # dL/dU
    lam_syn = zero
    lam_ad = zero
    to_alpha = zero
    to_p0 = zero
    to_p1 = zero
    to_p2 = zero
    to_p3 = zero
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
        if HAS_AD:
            ad_before = tl.load(adapted + at - n, mask=is_later, other=0.0)
            ad_before += tl.load(begin + 2 * n, mask=is_first, other=0.0)
        gs = zero
        gu = zero
        if HAS_SPIKES:
            gs = tl.load(grad_spikes + at, mask=inside, other=0.0)
        if HAS_MEM:
            gu = tl.load(grad_membranes + at, mask=inside, other=0.0)
        if DELAYS:
            is_other = (tl.arange(0, 2) == 1)[:, None]
            tap = transposed
            after = grad_current + pair * n_steps * n + (t + 1) * n
            into = products + own * n_taps
            for _ in range(n_taps):
                if back > 0:
                    fed_0 = tl.zeros((CHUNK, LANES), zero.dtype)
                    fed_1 = tl.zeros((CHUNK, LANES), zero.dtype)
                    fed_0, fed_1 = _add_products(
                        fed_0, fed_1, tap, after, n, stride, has_other, CHUNK, LANES
                    )
                    fed = tl.where(is_other, tl.sum(fed_1, 0)[None, :], tl.sum(fed_0, 0)[None, :])
                    tl.store(into + (t + 1) * n + lane[None, :], fed, mask=inside)
                tap += n * n
                into += stride
            tl.debug_barrier()
            into = products + own * n_taps
            arrives = t + 1 + tl.load(late + lane[None, :], mask=column, other=0)
            for _ in range(n_taps):
                there = inside & (arrives < n_steps)
                gs += tl.load(into + arrives * n + lane[None, :], mask=there, other=0.0)
                arrives += 1
                into += stride
        elif RECURS:  # Σ dL/dI[t + 1 + s]·Vᵀ
            fed_0 = tl.zeros((CHUNK, LANES), zero.dtype)
            fed_1 = tl.zeros((CHUNK, LANES), zero.dtype)
            tap = transposed
            after = grad_current + pair * n_steps * n + (t + 1) * n
            for _ in range(tl.minimum(n_taps, back)):
                fed_0, fed_1 = _add_products(
                    fed_0, fed_1, tap, after, n, stride, has_other, CHUNK, LANES
                )
                tap += n * n
                after += n
            is_other = (tl.arange(0, 2) == 1)[:, None]
            gs += tl.where(is_other, tl.sum(fed_1, 0)[None, :], tl.sum(fed_0, 0)[None, :])
        lam_mem, lam_ad, driven, to_0, to_1, to_2, to_3 = backward(
            *(syn_after, syn, mem, ad, fired, mem_before, ad_before, fired_before),
            *(lam_mem, lam_ad, gu, gs, theta, slope, p0, p1, p2, p3),
            *(EQUATIONS, RESET, RESET_IN_GRAPH, SURROGATE),
        )
        lam_syn = alpha * lam_syn + driven
        tl.store(grad_current + at, lam_syn, mask=inside)
        if HAS_SYN:
            to_alpha += lam_syn * syn_before
            to_p0 += to_0
        to_p1 += to_1
        to_p2 += to_2
        to_p3 += to_3
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
    tl.store(out + n, tl.sum(to_p0, 0), mask=lane < n)
    tl.store(out + 2 * n, tl.sum(to_p1, 0), mask=lane < n)
    tl.store(out + 3 * n, tl.sum(to_p2, 0), mask=lane < n)
    tl.store(out + 4 * n, tl.sum(to_p3, 0), mask=lane < n)


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
    """Integrate weighted spikes and reduce; a lane is a class of a sample."""
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
    """Propagate back through a read-out: gradients of the weighted spikes, and of the decay per sample."""
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
