"""The neurons of the GPU kernels: the parts of a step, forward and backward, for Triton.

A scan calls :func:`charge` and :func:`adapt` forward and :func:`backward` in the backward pass; they select the
equations.
``p0`` … ``p3`` are β, then the parameters of the equations. Symbols and equations: :mod:`spikebench.kernels.neuron`.
"""
# Triton has no type annotations and is not always installed.
# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

from spikebench.kernels import neuron

SUPPORTED = (neuron.LEAKY, neuron.ADAPTIVE, neuron.ROTATING)  # equations that are implemented here

_ADAPTIVE = tl.constexpr(neuron.ADAPTIVE)
_ROTATING = tl.constexpr(neuron.ROTATING)
_ZERO = tl.constexpr(neuron.RESETS["zero"])
_RESTART = tl.constexpr(neuron.RESETS["restart"])
_SUBTRACT = tl.constexpr(neuron.RESETS["subtract"])
_FAST_SIGMOID = tl.constexpr(neuron.SURROGATES["fast_sigmoid"])
_LOGISTIC = tl.constexpr(neuron.SURROGATES["logistic"])
_ARCTAN = tl.constexpr(neuron.SURROGATES["arctan"])
_TRIANGLE = tl.constexpr(neuron.SURROGATES["triangle"])
_BOXCAR = tl.constexpr(neuron.SURROGATES["boxcar"])
_H = tl.constexpr(neuron.GAUSSIAN_H)
_S = tl.constexpr(neuron.GAUSSIAN_S)
_PEAK = tl.constexpr(neuron.GAUSSIAN_PEAK)


@triton.jit
def _left(mem: tl.tensor, fired: tl.tensor, theta: tl.tensor, RESET: tl.constexpr) -> tl.tensor:
    """Compute R: the membrane potential after a spike."""
    return mem - theta * fired if RESET == _SUBTRACT else mem * (1.0 - fired)


@triton.jit
def _carried(mem: tl.tensor, fired: tl.tensor, theta: tl.tensor, RESET: tl.constexpr) -> tl.tensor:
    """Compute the part of the membrane potential that decays."""
    return mem if RESET == _ZERO else _left(mem, fired, theta, RESET)


@triton.jit
def _gated(value: tl.tensor, fired: tl.tensor, RESET: tl.constexpr) -> tl.tensor:
    """Compute a value of the next step after the gate by a spike."""
    if RESET == _ZERO:
        value = value * (1.0 - fired)
    return value


@triton.jit
def charge(
    current: tl.tensor,
    mem: tl.tensor,
    ad: tl.tensor,
    fired: tl.tensor,
    theta: tl.tensor,
    p0: tl.tensor,
    p1: tl.tensor,
    p2: tl.tensor,
    p3: tl.tensor,
    EQUATIONS: tl.constexpr,
    RESET: tl.constexpr,
) -> tl.tensor:
    """Compute U[t] from I[t] and the previous step."""
    carried = _carried(mem, fired, theta, RESET)
    if EQUATIONS == _ROTATING:
        charged = p0 * carried - p1 * ad + p2 * current
    elif EQUATIONS == _ADAPTIVE:
        charged = p0 * carried + (1.0 - p0) * (current - ad)
    else:
        charged = p0 * carried + (1.0 - p0) * current
    return _gated(charged, fired, RESET)


@triton.jit
def adapt(
    mem: tl.tensor,
    ad: tl.tensor,
    fired: tl.tensor,
    mem_before: tl.tensor,
    fired_before: tl.tensor,
    theta: tl.tensor,
    p0: tl.tensor,
    p1: tl.tensor,
    p2: tl.tensor,
    p3: tl.tensor,
    EQUATIONS: tl.constexpr,
    RESET: tl.constexpr,
) -> tl.tensor:
    """Compute A[t] from A[t − 1], U[t] and S[t], and those of the previous step."""
    if EQUATIONS == _ROTATING:
        ad = p1 * _carried(mem_before, fired_before, theta, RESET) + p0 * ad
    if EQUATIONS == _ADAPTIVE:
        left = _left(mem, fired, theta, RESET)
        ad = p1 * ad + (1.0 - p1) * (p2 * left + p3 * fired)
    return ad


@triton.jit
def backward(
    current_after: tl.tensor,
    current: tl.tensor,
    mem: tl.tensor,
    ad: tl.tensor,
    fired: tl.tensor,
    mem_before: tl.tensor,
    ad_before: tl.tensor,
    fired_before: tl.tensor,
    lam_mem: tl.tensor,
    lam_ad: tl.tensor,
    gu: tl.tensor,
    gs: tl.tensor,
    theta: tl.tensor,
    slope: tl.tensor,
    p0: tl.tensor,
    p1: tl.tensor,
    p2: tl.tensor,
    p3: tl.tensor,
    EQUATIONS: tl.constexpr,
    RESET: tl.constexpr,
    RESET_IN_GRAPH: tl.constexpr,
    SURROGATE: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor, tl.tensor]:
    """Propagate back through a step.

    Returns dL/dU, dL/dA, the step's contribution to dL/dI, and the gradients of p0 … p3. Its inputs are dL/dU and
    dL/dA of the next step, and ``gu`` and ``gs``, the direct gradients of the loss by U and S.
    """
    to_1 = tl.zeros_like(lam_mem)
    to_2 = tl.zeros_like(lam_mem)
    to_3 = tl.zeros_like(lam_mem)
    rest = 1.0 - p0
    if EQUATIONS == _ROTATING:
        rest = p2 + tl.zeros_like(p0)
    turned = p1 * lam_ad  # contribution of A[t + 1] in a rotation
    # Contribution of U[t + 1]: lam_mem is zero after the last step.
    if RESET == _SUBTRACT:
        gu += p0 * lam_mem
    else:
        gu += p0 * (1.0 - fired) * lam_mem
    if EQUATIONS == _ROTATING:
        if RESET == _RESTART:
            gu += turned * (1.0 - fired)
        else:
            gu += turned
        if RESET_IN_GRAPH:
            if RESET == _ZERO:
                gs -= (p0 * mem - p1 * ad + p2 * current_after) * lam_mem
            elif RESET == _SUBTRACT:
                gs -= (p0 * lam_mem + turned) * theta
            else:
                gs -= (p0 * lam_mem + turned) * mem
        lam_ad = p0 * lam_ad - p1 * _gated(lam_mem, fired, RESET)
    elif RESET_IN_GRAPH:
        if RESET == _ZERO:
            gs -= (p0 * mem + rest * (current_after - ad)) * lam_mem
        elif RESET == _SUBTRACT:
            gs -= p0 * theta * lam_mem
        else:
            gs -= p0 * mem * lam_mem
    drive = current
    if EQUATIONS == _ADAPTIVE:
        drive = current - ad_before
        lam_ad = p1 * lam_ad - rest * _gated(lam_mem, fired, RESET)
        pull = lam_ad * (1.0 - p1)
        left = _left(mem, fired, theta, RESET)
        if RESET == _SUBTRACT:
            gu += pull * p2
        else:
            gu += pull * p2 * (1.0 - fired)
        gs += pull * p3
        if RESET_IN_GRAPH:
            if RESET == _SUBTRACT:
                gs -= pull * p2 * theta
            else:
                gs -= pull * p2 * mem
        to_1 = lam_ad * (ad_before - (p2 * left + p3 * fired))
        to_2 = pull * left
        to_3 = pull * fired
    lam_mem = gu + slopes(mem - theta, slope, SURROGATE) * gs
    through = _gated(lam_mem, fired_before, RESET)
    carried = _carried(mem_before, fired_before, theta, RESET)
    if EQUATIONS == _ROTATING:
        to_0 = through * carried + lam_ad * ad_before
        to_1 = lam_ad * carried - through * ad_before
        to_2 = through * current
    else:
        to_0 = through * (carried - drive)
    return lam_mem, lam_ad, rest * through, to_0, to_1, to_2, to_3


@triton.jit
def slopes(distance: tl.tensor, slope: tl.tensor, KIND: tl.constexpr) -> tl.tensor:
    """Compute the surrogate of dS/dU; kinds as numbered in :data:`spikebench.kernels.neuron.SURROGATES`."""
    x = slope * distance
    if KIND == _FAST_SIGMOID:
        below = 1.0 + tl.abs(x)
        answer = 1.0 / (below * below)
    elif KIND == _LOGISTIC:
        grown = tl.exp(-tl.abs(x))
        answer = 4.0 * grown / ((1.0 + grown) * (1.0 + grown))
    elif KIND == _ARCTAN:
        answer = 1.0 / (1.0 + x * x)
    elif KIND == _TRIANGLE:
        answer = tl.maximum(1.0 - tl.abs(x), 0.0)
    elif KIND == _BOXCAR:
        answer = tl.where(tl.abs(x) <= 1.0, 1.0, 0.0).to(x.dtype)
    else:  # multi_gaussian
        below = (x - 1.0) / _S
        above = (x + 1.0) / _S
        middle = tl.exp(x * x * -0.5) * (1 + _H)
        sides = tl.exp(below * below * -0.5) + tl.exp(above * above * -0.5)
        answer = (middle - sides * (_H / _S)) / _PEAK
    return answer
