"""The loops of connections with delays, in Triton; :mod:`spikebench.kernels.triton.launch` starts them.

``near``, ``far`` and ``steps`` (input, neuron) are those of :mod:`spikebench.kernels.cpu.delayed`; ``steps`` are int32,
at most the number of steps of the clip. No program adds to the output of another, so the order of every sum is fixed.
"""
# Triton has no type annotations and is not always installed.
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_delayed(
    offsets: tl.tensor,
    bins: tl.tensor,
    units: tl.tensor,
    near: tl.tensor,
    far: tl.tensor,
    steps: tl.tensor,
    current: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    LANES: tl.constexpr,
) -> None:
    """current[k, t + d] += near, current[k, t + d + 1] += far: one program per sample and some neurons.

    ``current`` is 0 before. Every thread has the same neuron all the time, and adds its events one after the other.
    """
    k = tl.program_id(0).to(tl.int64)
    lane = tl.program_id(1) * LANES + tl.arange(0, LANES)
    inside = lane < n
    first = tl.load(offsets + k)
    last = tl.load(offsets + k + 1)
    for event in range(first, last):
        row = tl.load(units + event).to(tl.int64) * n + lane
        step = tl.load(bins + event) + tl.load(steps + row, mask=inside, other=0)
        out = current + (k * n_steps + step) * n + lane
        early = inside & (step < n_steps)
        late = inside & (step + 1 < n_steps)
        first_sum = tl.load(out, mask=early, other=0.0) + tl.load(near + row, mask=early, other=0.0)
        last_sum = tl.load(out + n, mask=late, other=0.0) + tl.load(far + row, mask=late, other=0.0)
        tl.store(out, first_sum, mask=early)
        tl.store(out + n, last_sum, mask=late)
        tl.debug_barrier()


@triton.jit
def add_delayed_gradients(
    starts: tl.tensor,
    cells: tl.tensor,
    bins: tl.tensor,
    gradient: tl.tensor,
    steps: tl.tensor,
    into: tl.tensor,
    n_units: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    n_parts: tl.tensor,
    EVENTS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """into[part, 0, unit] = Σ gradient[k, t + d] over a part of the events, into[part, 1, unit] that one step later.

    As :func:`spikebench.kernels.triton.loops.add_weight_gradients`: one program per unit and part, and some neurons.
    """
    unit = tl.program_id(0)
    part = tl.program_id(1)
    lane = tl.program_id(2) * LANES + tl.arange(0, LANES)
    inside = lane < n
    later = tl.load(steps + unit.to(tl.int64) * n + lane, mask=inside, other=0)
    begin = tl.load(starts + unit)
    end = tl.load(starts + unit + 1)
    share = tl.cdiv(end - begin, n_parts)
    begin += part * share
    end = tl.minimum(end, begin + share)
    near = tl.zeros((EVENTS, LANES), into.dtype.element_ty)
    far = tl.zeros((EVENTS, LANES), into.dtype.element_ty)
    for first in range(begin, end, EVENTS):
        event = first + tl.arange(0, EVENTS)
        valid = event < end
        cell = tl.load(cells + event, mask=valid, other=0)
        step = tl.load(bins + event, mask=valid, other=0)[:, None] + later[None, :]
        place = gradient + (cell[:, None] + later[None, :]) * n + lane[None, :]
        there = valid[:, None] & inside[None, :]
        near += tl.load(place, mask=there & (step < n_steps), other=0.0)
        far += tl.load(place + n, mask=there & (step + 1 < n_steps), other=0.0)
    row = into + ((part.to(tl.int64) * 2) * n_units + unit) * n + lane
    tl.store(row, tl.sum(near, 0), mask=inside)
    tl.store(row + n_units.to(tl.int64) * n, tl.sum(far, 0), mask=inside)


@triton.jit
def add_delayed_spikes(
    gradient: tl.tensor,
    near: tl.tensor,
    far: tl.tensor,
    steps: tl.tensor,
    spikes: tl.tensor,
    n_units: tl.tensor,
    n_steps: tl.tensor,
    n: tl.tensor,
    NEURONS: tl.constexpr,
    LANES: tl.constexpr,
) -> None:
    """spikes[k, unit, t] = Σ near·gradient[k, h, t + d] + far·gradient[k, h, t + d + 1] over the neurons h.

    Time comes last, so neighbouring lanes read neighbouring numbers. One program per sample and unit, and some steps.
    """
    cell = tl.program_id(0).to(tl.int64)
    k = cell // n_units
    unit = cell % n_units
    t = tl.program_id(1) * LANES + tl.arange(0, LANES)
    total = tl.zeros((NEURONS, LANES), spikes.dtype.element_ty)
    for first in range(0, n, NEURONS):
        h = first + tl.arange(0, NEURONS)
        inside = h < n
        row = unit * n + h
        a = tl.load(near + row, mask=inside, other=0.0)
        b = tl.load(far + row, mask=inside, other=0.0)
        step = t[None, :] + tl.load(steps + row, mask=inside, other=0)[:, None]
        place = gradient + (k * n + h[:, None]) * n_steps + step
        early = tl.load(place, mask=inside[:, None] & (step < n_steps), other=0.0)
        late = tl.load(place + 1, mask=inside[:, None] & (step + 1 < n_steps), other=0.0)
        total += a[:, None] * early + b[:, None] * late
    tl.store(spikes + cell * n_steps + t, tl.sum(total, 0), mask=t < n_steps)
