"""The neurons of the CPU kernels: one step of a layer, forward and backward.

A scan calls :func:`forward` with rows, one number per unit, and :func:`backward` with arrays (sample, unit); both
select the equations. Calling ``backward`` once for all samples saves half a microsecond per sample and step.
Scalars are passed as arguments of the arrays' type, because a literal would be taken as float64.
Symbols and equations: :mod:`spikebench.kernels.neuron`. PyTorch version: :mod:`spikebench.kernels.reference`.
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
    LEAKY,
    RESETS,
    ROTATING,
    SURROGATES,
)

EQUATIONS = (LEAKY, ADAPTIVE, ROTATING)  # that forward and backward have

_ZERO, _SUBTRACT = RESETS["zero"], RESETS["subtract"]
_FAST_SIGMOID, _LOGISTIC = SURROGATES["fast_sigmoid"], SURROGATES["logistic"]
_ARCTAN, _TRIANGLE, _BOXCAR = SURROGATES["arctan"], SURROGATES["triangle"], SURROGATES["boxcar"]


class Neuron(NamedTuple):
    """Settings of the layer, and ``parameters`` (parameter, unit): β, then the parameters of the equations."""

    equations: int
    threshold: Number
    slope: Number
    one: Number
    reset: int
    reset_in_graph: bool
    surrogate: int
    parameters: Floats


class Moment(NamedTuple):
    """I, U, A and S of one step: a row, or in the backward pass rows of some samples."""

    current: Floats
    membrane: Floats
    adapted: Floats
    fired: Floats


class Lambda(NamedTuple):
    """Gradients of the loss by U and by A (sample, unit)."""

    membrane: Floats
    adapted: Floats


@compiled
def _left(reset: int, theta: Number, one: Number, mem: Number, fired: Number) -> Number:
    """Compute R: the membrane potential after a spike."""
    return mem - theta * fired if reset == _SUBTRACT else mem * (one - fired)


@compiled
def _carried(reset: int, theta: Number, one: Number, mem: Number, fired: Number) -> Number:
    """Compute the part of the membrane potential that decays."""
    return mem if reset == _ZERO else _left(reset, theta, one, mem, fired)


@compiled
def _gate(reset: int, one: Number, fired: Number) -> Number:
    """Compute the factor by which a spike scales the next step."""
    return one - fired if reset == _ZERO else one


@compiled
def forward(neuron: Neuron, now: Moment) -> None:
    """Advance one step: I is the current step's; the other rows hold the previous step and are overwritten."""
    reset, theta, one, p = neuron.reset, neuron.threshold, neuron.one, neuron.parameters
    current, mem, ad, fired = now.current, now.membrane, now.adapted, now.fired
    adapts = neuron.equations == ADAPTIVE
    if neuron.equations == ROTATING:
        for h in range(mem.size):
            carried = _carried(reset, theta, one, mem[h], fired[h])
            turned = p[0, h] * carried - p[1, h] * ad[h] + p[2, h] * current[h]
            ad[h] = p[1, h] * carried + p[0, h] * ad[h]
            mem[h] = turned * _gate(reset, one, fired[h])
    else:
        for h in range(mem.size):
            driven = current[h] - ad[h]
            drive = driven if adapts else current[h]
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
    after: Moment,
    lam: Lambda,
    grad_membrane: Floats,
    grad_spikes: Floats,
    slopes: Floats,
    to_current: Floats,
    grad_parameters: Floats,
    has_current: bool,
) -> None:
    """Propagate back through a step of some samples; arrays are (sample, unit), ``grad_parameters`` (parameter, unit).

    ``lam`` holds the gradients of the next step and is overwritten with those of this step. ``grad_membrane`` and
    ``grad_spikes`` are gradients of the loss that do not pass through this layer's equations; ``grad_spikes`` is
    overwritten, and used only where the surrogate derivatives ``slopes`` are not 0. The step's contribution to dL/dI is
    written to ``to_current``. Without stored I, β gets no gradient.
    """
    reset, theta, one, p = neuron.reset, neuron.threshold, neuron.one, neuron.parameters
    syn, mem, ad, fired = now
    syn_after, gm, gs = after.current, grad_membrane, grad_spikes
    mem_before, ad_before, fired_before = before.membrane, before.adapted, before.fired
    lam_mem, lam_ad = lam
    adapts, in_graph = neuron.equations == ADAPTIVE, neuron.reset_in_graph
    rotates = neuron.equations == ROTATING
    n_samples, n = mem.shape
    gu, through, carried = np.empty(n, mem.dtype), np.empty(n, mem.dtype), np.empty(n, mem.dtype)
    stays, by_spike = np.full(n, one), np.full(n, theta)  # dR/dU and −dR/dS, here of "subtract"
    ones, silent_before, left = np.full(n, one), np.full(n, one), np.empty(n, mem.dtype)
    gain = p[2] if rotates else one - p[0]
    # Which equations apply is decided outside the loops over units, which compilers then vectorise.
    gate, carries = (stays, ones) if reset == _ZERO else (ones, stays)
    for k in range(n_samples):
        if reset != _SUBTRACT:
            for h in range(n):
                stays[h] = one - fired[k, h]
            if in_graph:
                for h in range(n):
                    by_spike[h] = mem[k, h]
        # Contribution of U[t + 1]: lam_mem is zero after the last step.
        for h in range(n):
            gu[h] = p[0, h] * stays[h] * lam_mem[k, h] + gm[k, h]
        if rotates:  # contribution of A[t + 1]
            for h in range(n):
                gu[h] += p[1, h] * lam_ad[k, h] * carries[h]
            if in_graph and reset == _ZERO:
                for h in range(n):
                    charged = p[0, h] * mem[k, h] - p[1, h] * ad[k, h] + p[2, h] * syn_after[k, h]
                    gs[k, h] -= charged * lam_mem[k, h]
            elif in_graph:
                for h in range(n):
                    turned = p[1, h] * lam_ad[k, h]
                    gs[k, h] -= (p[0, h] * lam_mem[k, h] + turned) * by_spike[h]
            for h in range(n):
                lam_ad[k, h] = p[0, h] * lam_ad[k, h] - p[1, h] * gate[h] * lam_mem[k, h]
        elif in_graph and reset == _ZERO:
            for h in range(n):
                drive = syn_after[k, h] - ad[k, h]
                gs[k, h] -= (p[0, h] * mem[k, h] + (one - p[0, h]) * drive) * lam_mem[k, h]
        elif in_graph:
            for h in range(n):
                gs[k, h] -= p[0, h] * by_spike[h] * lam_mem[k, h]
        if adapts:
            for h in range(n):
                gated = (one - p[0, h]) * gate[h] * lam_mem[k, h]
                lam_ad[k, h] = p[1, h] * lam_ad[k, h] - gated
            for h in range(n):
                pull = lam_ad[k, h] * (one - p[1, h])
                gu[h] += pull * p[2, h] * stays[h]
                gs[k, h] += pull * p[3, h]
            if in_graph:
                for h in range(n):
                    pull = lam_ad[k, h] * (one - p[1, h])
                    gs[k, h] -= pull * p[2, h] * by_spike[h]
        if reset == _ZERO:
            for h in range(n):
                silent_before[h] = one - fired_before[k, h]
        for h in range(n):
            lam_mem[k, h] = gu[h] + slopes[k, h] * gs[k, h]
            through[h] = silent_before[h] * lam_mem[k, h]
        for h in range(n):
            to_current[k, h] = gain[h] * through[h]
        if rotates or has_current:
            for h in range(n):
                carried[h] = _carried(reset, theta, one, mem_before[k, h], fired_before[k, h])
        if rotates:
            for h in range(n):
                by_turn = lam_ad[k, h] * carried[h] - through[h] * ad_before[k, h]
                grad_parameters[1, h] += by_turn
            if has_current:
                for h in range(n):
                    by_decay = through[h] * carried[h] + lam_ad[k, h] * ad_before[k, h]
                    grad_parameters[0, h] += by_decay
                for h in range(n):
                    grad_parameters[2, h] += through[h] * syn[k, h]
        elif has_current and adapts:
            for h in range(n):
                drive = syn[k, h] - ad_before[k, h]
                grad_parameters[0, h] += through[h] * (carried[h] - drive)
        elif has_current:
            for h in range(n):
                grad_parameters[0, h] += through[h] * (carried[h] - syn[k, h])
        if adapts:
            for h in range(n):
                left[h] = _left(reset, theta, one, mem[k, h], fired[k, h])
            for h in range(n):
                pulled = p[2, h] * left[h] + p[3, h] * fired[k, h]
                grad_parameters[1, h] += lam_ad[k, h] * (ad_before[k, h] - pulled)
            for h in range(n):
                grad_parameters[2, h] += lam_ad[k, h] * (one - p[1, h]) * left[h]
            for h in range(n):
                grad_parameters[3, h] += lam_ad[k, h] * (one - p[1, h]) * fired[k, h]


@compiled
def surrogate_rows(
    mem: Floats, theta: Number, slope: Number, one: Number, kind: int, out: Floats
) -> None:
    """Compute the surrogate of dS/dU in one row; kinds as numbered in :data:`spikebench.kernels.neuron.SURROGATES`."""
    n = mem.size
    if kind == _FAST_SIGMOID:
        for h in range(n):
            below = one + slope * abs(mem[h] - theta)
            out[h] = one / (below * below)
    elif kind == _LOGISTIC:
        for h in range(n):
            grown = np.exp(-abs(slope * (mem[h] - theta)))
            out[h] = (one + one + one + one) * grown / ((one + grown) * (one + grown))
    elif kind == _ARCTAN:
        for h in range(n):
            x = slope * (mem[h] - theta)
            out[h] = one / (one + x * x)
    elif kind == _TRIANGLE:
        for h in range(n):
            out[h] = max(one - slope * abs(mem[h] - theta), one - one)
    elif kind == _BOXCAR:
        for h in range(n):
            out[h] = one if slope * abs(mem[h] - theta) <= one else one - one
    else:  # multi_gaussian
        for h in range(n):
            x = slope * (mem[h] - theta)
            middle = (1 + GAUSSIAN_H) * np.exp(-x * x / 2)
            below, above = (x - one) / GAUSSIAN_S, (x + one) / GAUSSIAN_S
            sides = np.exp(-below * below / 2) + np.exp(-above * above / 2)
            out[h] = (middle - GAUSSIAN_H / GAUSSIAN_S * sides) / GAUSSIAN_PEAK
