"""One step of a layer of neurons on a CPU, forward and backward, for recurrent and feed-forward layers.

All equations and resets of :mod:`spikebench.kernels.neuron` are one set of equations with a table of coefficients,
which :func:`coefficients` computes from the parameters:

::

    I[t] = α·I[t−1] + inputs
    U[t] = (p·C − q·A[t−1] + g·I[t])·(1 − z·S[t−1])
    C = U[t−1]·(1 − c·S[t−1]) − ϑ'·S[t−1]                         the part of U[t−1] that enters step t
    S[t] = 1 if U[t] ≥ ϑ else 0
    A[t] = u·C + v·A[t−1] + m·R + k·S[t],   R = U[t]·(1 − l·S[t]) − ϑ'·S[t]

The resets: zero c = 0, l = 1, z = 1, ϑ' = 0; restart c = l = 1, z = 0, ϑ' = 0; subtract c = l = z = 0, ϑ' = ϑ.
A neuron of another form needs its own lines in :func:`advance`, :func:`retreat` and :func:`add_sums`. Numbers lie in
tiles, see :mod:`spikebench.kernels.cpu.tiles`: :func:`advance` computes a step of all tiles of a sample, the functions
of the backward pass one tile. PyTorch version: :mod:`spikebench.kernels.reference`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Number, compiled
from spikebench.kernels.cpu.tiles import WIDTH, row, tiled, tiles
from spikebench.kernels.neuron import (
    ADAPTIVE,
    GAUSSIAN_H,
    GAUSSIAN_PEAK,
    GAUSSIAN_S,
    LEAKY,
    RESETS,
    ROTATING,
    SURROGATES,
    Settings,
)

SUPPORTED = (LEAKY, ADAPTIVE, ROTATING)  # equations that are implemented here

# Rows of a tile of coefficients. A layer that normalises its currents adds its own four.
NEURON = ("p", "q", "g", "u", "v", "m", "k", "α")
NORMALISATION = ("r", "s", "γ", "β")
_P, _Q, _G, _U, _V, _M, _K, ALPHA, R, S, GAMMA, BETA = map(row, range(12))
COEFFICIENTS = row(12)  # numbers in a tile
# Rows of a tile of one step: x or x̂, I, U, A, S.
X, SYN, MEM, AD, FIRED = map(row, range(5))
CELLS = row(5)
# Rows of a tile of gradients: dL/dU, dL/dA, dL/dI of step t + 1, replaced by those of t; direct gradients of the loss
# with respect to U and S; the surrogate derivative; dL/dU times 1 − z·S[t−1].
BY_MEM, BY_AD, BY_SYN, ASKED_MEM, ASKED, SLOPE, _THROUGH = map(row, range(7))
GRADIENTS = row(7)
# Rows of a tile of sums over samples and steps: the gradients by p, q, g, u, v, m, k, α, and by γ, β.
_BY_P, _BY_Q, _BY_G, _BY_U, _BY_V, _BY_M, _BY_K, _BY_ALPHA, BY_GAMMA, BY_BETA = map(row, range(10))
SUMS = row(10)

_FAST_SIGMOID, _LOGISTIC = SURROGATES["fast_sigmoid"], SURROGATES["logistic"]
_ARCTAN, _TRIANGLE, _BOXCAR = SURROGATES["arctan"], SURROGATES["triangle"], SURROGATES["boxcar"]


class Neuron(NamedTuple):
    """Settings of a layer; ``table`` has the coefficients, tile after tile.

    ``leaves``, ``loses`` and ``silences`` are c, l and z; ``taken`` is ϑ'. Fields ending in ``_back`` have the same
    values if the reset is differentiated, else 0. The gradients by q, u and v are added up if the layer ``couples`` A
    and U, those by m and k if it ``adapts``.
    """

    table: Floats
    couples: bool
    adapts: bool
    threshold: Number
    slope: Number
    one: Number
    surrogate: int
    leaves: Number
    loses: Number
    silences: Number
    taken: Number
    leaves_back: Number
    loses_back: Number
    silences_back: Number
    taken_back: Number


def coefficients(p: NDArray[Any], settings: Settings) -> dict[str, NDArray[Any]]:
    """Compute the coefficients of a layer from β and the parameters of the equations (row, unit).

    Missing coefficients are 0, and v is 1, so that an unused A stays constant.
    """
    if settings.equations == ROTATING:
        turn, gain = p[1:]
        return {"p": p[0], "q": turn, "g": gain, "u": turn, "v": p[0]}
    charge = {"p": p[0], "g": 1 - p[0]}
    if settings.equations == LEAKY:
        return charge
    rho, to_membrane, to_spikes = p[1:]
    by_spiking = {"m": (1 - rho) * to_membrane, "k": (1 - rho) * to_spikes}
    return {**charge, "q": 1 - p[0], "v": rho, **by_spiking}


def by_parameters(sums: NDArray[Any], p: NDArray[Any], settings: Settings) -> NDArray[Any]:
    """Compute the gradients by α, β and the parameters, in this order, from those by the coefficients."""
    by_p, by_q, by_g, by_u, by_v, by_m, by_k, by_alpha = sums[: len(NEURON)]
    if settings.equations == ROTATING:
        return np.stack([by_alpha, by_p + by_v, by_q + by_u, by_g])
    if settings.equations == LEAKY:
        return np.stack([by_alpha, by_p - by_g])
    rho, to_membrane, to_spikes = p[1:]
    by_rho = by_v - to_membrane * by_m - to_spikes * by_k
    return np.stack([by_alpha, by_p - by_q - by_g, by_rho, (1 - rho) * by_m, (1 - rho) * by_k])


def layer(
    decay_syn: NDArray[Any], p: NDArray[Any], normalisation: NDArray[Any], settings: Settings
) -> Neuron:
    """Make the table of a layer: α (unit), membrane decay and parameters (row, unit), and the normalisation, if any."""
    number = p.dtype.type
    computed = coefficients(p, settings)
    table = {"α": decay_syn, "v": np.ones_like(decay_syn), **computed}
    table |= dict(zip(NORMALISATION, normalisation, strict=False))
    none = np.zeros(p.shape[1], p.dtype)
    rows = np.stack([table.get(name, none) for name in (*NEURON, *NORMALISATION)])
    subtracts, silences = (settings.reset == RESETS[name] for name in ("subtract", "zero"))
    reset = (
        float(settings.reset == RESETS["restart"]),
        float(not subtracts),
        float(silences),
        settings.threshold * subtracts,
    )
    return Neuron._make(
        [
            tiled(rows),
            not computed.keys().isdisjoint("quv"),
            not computed.keys().isdisjoint("mk"),
            *(number(value) for value in (settings.threshold, settings.slope, 1)),
            settings.surrogate,
            *(number(value) for value in reset),
            *(number(value * settings.reset_in_graph) for value in reset),
        ]
    )


@compiled
def advance(neuron: Neuron, n: int, now: Floats) -> None:
    """Advance ``n`` units by one step, in place; I[t] must already be in ``now``."""
    table, one, zero = neuron.table, neuron.one, neuron.one - neuron.one
    theta, taken = neuron.threshold, neuron.taken
    leaves, loses, silences = neuron.leaves, neuron.loses, neuron.silences
    for tile in range(np.uint64(tiles(n))):
        c, at = np.uint64(tile) * COEFFICIENTS, np.uint64(tile) * CELLS
        for h in range(WIDTH):
            syn, mem = now[at + SYN + h], now[at + MEM + h]
            ad, fired = now[at + AD + h], now[at + FIRED + h]
            carried = mem * (one - leaves * fired) - taken * fired
            charged = table[c + _P + h] * carried - table[c + _Q + h] * ad + table[c + _G + h] * syn
            turned = table[c + _U + h] * carried + table[c + _V + h] * ad
            mem = charged * (one - silences * fired)
            fired = one if mem >= theta else zero
            left = mem * (one - loses * fired) - taken * fired
            now[at + MEM + h] = mem
            now[at + AD + h] = turned + table[c + _M + h] * left + table[c + _K + h] * fired
            now[at + FIRED + h] = fired


@compiled
def retreat(
    neuron: Neuron,
    tile: int,
    before: Floats,
    now: Floats,
    after: Floats,
    work: Floats,
) -> None:
    """Replace the gradients of U, A and I at step t + 1 by those at step t, in one tile of a sample."""
    table, one, c = neuron.table, neuron.one, np.uint64(tile) * COEFFICIENTS
    cell, at = np.uint64(tile) * CELLS, np.uint64(tile) * GRADIENTS
    leaves, loses, silences = neuron.leaves, neuron.loses, neuron.silences
    leaves_back, loses_back, taken_back = neuron.leaves_back, neuron.loses_back, neuron.taken_back
    silences_back = neuron.silences_back
    for h in range(WIDTH):
        mem, ad, fired = now[cell + MEM + h], now[cell + AD + h], now[cell + FIRED + h]
        by_mem, by_ad = work[at + BY_MEM + h], work[at + BY_AD + h]
        # U[t + 1] and A[t + 1] depend on U, S and A of this step.
        by_charged = (one - silences * fired) * by_mem
        by_carried = table[c + _P + h] * by_charged + table[c + _U + h] * by_ad
        charged = (
            table[c + _P + h] * mem
            - table[c + _Q + h] * ad
            + table[c + _G + h] * after[cell + SYN + h]
        )
        by_spike = (
            work[at + ASKED + h]
            - by_carried * (taken_back + leaves_back * mem)
            - by_mem * (silences_back * charged)
        )
        by_potential = work[at + ASKED_MEM + h] + by_carried * (one - leaves * fired)
        by_ad = table[c + _V + h] * by_ad - table[c + _Q + h] * by_charged
        # A depends on U and S of the same step.
        by_left = table[c + _M + h] * by_ad
        by_potential += by_left * (one - loses * fired)
        by_spike += table[c + _K + h] * by_ad - by_left * (taken_back + loses_back * mem)
        by_mem = by_potential + work[at + SLOPE + h] * by_spike
        through = (one - silences * before[cell + FIRED + h]) * by_mem
        by_syn = table[c + ALPHA + h] * work[at + BY_SYN + h] + table[c + _G + h] * through
        work[at + BY_MEM + h] = by_mem
        work[at + BY_AD + h] = by_ad
        work[at + BY_SYN + h] = by_syn
        work[at + _THROUGH + h] = through


@compiled
def add_sums(
    neuron: Neuron, tile: int, before: Floats, now: Floats, work: Floats, sums: Floats
) -> None:
    """Add the gradients by the coefficients of the neurons, in one tile of a sample."""
    one, leaves, loses, taken = neuron.one, neuron.leaves, neuron.loses, neuron.taken
    cell, at, into = np.uint64(tile) * CELLS, np.uint64(tile) * GRADIENTS, np.uint64(tile) * SUMS
    for h in range(WIDTH):
        fired, through = before[cell + FIRED + h], work[at + _THROUGH + h]
        carried = before[cell + MEM + h] * (one - leaves * fired) - taken * fired
        sums[into + _BY_P + h] += through * carried
        sums[into + _BY_G + h] += through * now[cell + SYN + h]
        sums[into + _BY_ALPHA + h] += work[at + BY_SYN + h] * before[cell + SYN + h]
    if neuron.couples:
        for h in range(WIDTH):
            fired, ad = before[cell + FIRED + h], before[cell + AD + h]
            carried = before[cell + MEM + h] * (one - leaves * fired) - taken * fired
            through, by_ad = work[at + _THROUGH + h], work[at + BY_AD + h]
            sums[into + _BY_Q + h] -= through * ad
            sums[into + _BY_U + h] += by_ad * carried
            sums[into + _BY_V + h] += by_ad * ad
    if neuron.adapts:
        for h in range(WIDTH):
            fired, by_ad = now[cell + FIRED + h], work[at + BY_AD + h]
            left = now[cell + MEM + h] * (one - loses * fired) - taken * fired
            sums[into + _BY_M + h] += by_ad * left
            sums[into + _BY_K + h] += by_ad * fired


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
