"""The neurons of the CPU kernels: one step of a layer, forward and backward.

A scan calls :func:`forward` and :func:`backward`, which choose the equations; they work on rows, one number per unit.
Numbers come as arguments of the arrays' type, because a literal would be taken as float64.
Symbols and equations: :mod:`spikebench.kernels.neuron`; the same in PyTorch: :mod:`spikebench.kernels.reference`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spikebench.kernels.cpu.compiling import Floats, Number, compiled
from spikebench.kernels.neuron import (
    ADAPTIVE,
    GAUSSIAN_H,
    GAUSSIAN_PEAK,
    GAUSSIAN_S,
    RESETS,
)

_ZERO, _SUBTRACT = RESETS["zero"], RESETS["subtract"]


class Neuron(NamedTuple):
    """Settings and parameters; ``parameters`` (parameter, unit) are β, then those of the equations."""

    equations: int
    threshold: Number
    slope: Number
    one: Number
    reset: int
    reset_in_graph: bool
    surrogate: int
    parameters: Floats


class Moment(NamedTuple):
    """Rows of one step: I, U, A and S."""

    current: Floats
    membrane: Floats
    adapted: Floats
    fired: Floats


class Lambda(NamedTuple):
    """Rows of gradients of the loss: by U and by A."""

    membrane: Floats
    adapted: Floats


@compiled
def _left(reset: int, theta: Number, one: Number, mem: Number, fired: Number) -> Number:
    """Compute R: what a spike leaves of the membrane."""
    return mem - theta * fired if reset == _SUBTRACT else mem * (one - fired)


@compiled
def _left_by_membrane(reset: int, one: Number, fired: Number) -> Number:
    """Compute dR/dU."""
    return one if reset == _SUBTRACT else one - fired


@compiled
def _left_by_spike(reset: int, theta: Number, mem: Number) -> Number:
    """Compute −dR/dS."""
    return theta if reset == _SUBTRACT else mem


@compiled
def _carried(reset: int, theta: Number, one: Number, mem: Number, fired: Number) -> Number:
    """Compute what decays of the membrane."""
    return mem if reset == _ZERO else _left(reset, theta, one, mem, fired)


@compiled
def _gate(reset: int, one: Number, fired: Number) -> Number:
    """Compute what a spike leaves of the whole next step."""
    return one - fired if reset == _ZERO else one


@compiled
def forward(neuron: Neuron, now: Moment) -> None:
    """Take a step: I is that of now, the other rows are those of the step before and get those of now."""
    reset, theta, one, p = neuron.reset, neuron.threshold, neuron.one, neuron.parameters
    current, mem, ad, fired = now.current, now.membrane, now.adapted, now.fired
    adapts = neuron.equations == ADAPTIVE
    for h in range(mem.size):
        drive = current[h] - ad[h] if adapts else current[h]
        carried = _carried(reset, theta, one, mem[h], fired[h])
        charged = p[0, h] * carried + (one - p[0, h]) * drive
        mem[h] = charged * _gate(reset, one, fired[h])
    for h in range(mem.size):
        fired[h] = one if mem[h] >= theta else one - one
    if adapts:
        for h in range(mem.size):
            pulled = p[2, h] * _left(reset, theta, one, mem[h], fired[h]) + p[3, h] * fired[h]
            ad[h] = p[1, h] * ad[h] + (one - p[1, h]) * pulled


@compiled
def backward(
    neuron: Neuron,
    before: Moment,
    now: Moment,
    current_after: Floats,
    lam: Lambda,
    grad_membrane: Floats,
    grad_spikes: Floats,
    slopes: Floats,
    to_current: Floats,
    grad_parameters: Floats,
    has_current: bool,
) -> None:
    """Go back through a step.

    ``lam`` is that of the step after and gets that of now; ``grad_membrane`` and ``grad_spikes`` are what the loss
    itself has, and are written over. ``to_current`` gets what the step adds to dL/dI; ``slopes`` is room. Where I was
    not kept, β gets no gradient.
    """
    reset, theta, one, p = neuron.reset, neuron.threshold, neuron.one, neuron.parameters
    mem, ad, fired = now.membrane, now.adapted, now.fired
    lam_mem, lam_ad = lam
    gu, gs = grad_membrane, grad_spikes
    adapts = neuron.equations == ADAPTIVE
    n, in_graph = mem.size, neuron.reset_in_graph
    # What comes from U[t + 1]: lam_mem is zero behind the end.
    for h in range(n):
        gu[h] = p[0, h] * _left_by_membrane(reset, one, fired[h]) * lam_mem[h] + gu[h]
    if in_graph and reset == _ZERO:
        for h in range(n):
            passed = p[0, h] * mem[h] + (one - p[0, h]) * (current_after[h] - ad[h])
            gs[h] -= passed * lam_mem[h]
    elif in_graph:
        for h in range(n):
            gs[h] -= p[0, h] * _left_by_spike(reset, theta, mem[h]) * lam_mem[h]
    if adapts:
        for h in range(n):
            gated = (one - p[0, h]) * _gate(reset, one, fired[h]) * lam_mem[h]
            lam_ad[h] = p[1, h] * lam_ad[h] - gated
            pull = lam_ad[h] * (one - p[1, h])
            gu[h] += pull * p[2, h] * _left_by_membrane(reset, one, fired[h])
            gs[h] += pull * p[3, h]
            if in_graph:
                gs[h] -= pull * p[2, h] * _left_by_spike(reset, theta, mem[h])
    surrogate_rows(mem, theta, neuron.slope, one, neuron.surrogate, slopes)
    for h in range(n):
        lam_mem[h] = gu[h] + slopes[h] * gs[h]
    for h in range(n):
        to_current[h] = (one - p[0, h]) * (_gate(reset, one, before.fired[h]) * lam_mem[h])
    if has_current:
        for h in range(n):
            drive = now.current[h] - before.adapted[h] if adapts else now.current[h]
            carried = _carried(reset, theta, one, before.membrane[h], before.fired[h])
            through = lam_mem[h] * _gate(reset, one, before.fired[h])
            grad_parameters[0, h] += through * (carried - drive)
    if adapts:
        for h in range(n):
            left = _left(reset, theta, one, mem[h], fired[h])
            pulled = p[2, h] * left + p[3, h] * fired[h]
            pull = lam_ad[h] * (one - p[1, h])
            grad_parameters[1, h] += lam_ad[h] * (before.adapted[h] - pulled)
            grad_parameters[2, h] += pull * left
            grad_parameters[3, h] += pull * fired[h]


@compiled
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
