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
A neuron of another form needs its own lines in :func:`advance`, :func:`retreat` and the functions that add gradients by
coefficients (:func:`_add_charging` and the next two), which compute one step of the 32 units of a tile
(:mod:`spikebench.kernels.cpu.tiles`); scans loop over tiles and steps. PyTorch version:
:mod:`spikebench.kernels.reference`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, Index, Number, compiled, inlined
from spikebench.kernels.cpu.simd import (
    Vector,
    at_least,
    fill,
    larger,
    load,
    magnitude,
    store,
    where_given,
)
from spikebench.kernels.cpu.tiles import row, tiled
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
_ONE = np.uint64(1)
_P, _Q, _G, _U, _V, _M, _K, _ALPHA, _R, _S, _GAMMA, _BETA = map(row, range(12))
COEFFICIENTS = row(12)  # numbers in a tile
# Rows of a tile of one step: I, U, A, S.
SYN, MEM, AD, FIRED = map(row, range(4))
CELLS = row(4)
# Rows of a tile of gradients: dL/dU, dL/dA, dL/dI of step t + 1, replaced by those of t; dL/dU times 1 − z·S[t−1];
# the surrogate derivative.
BY_MEM, BY_AD, BY_SYN, THROUGH, SLOPE = map(row, range(5))
GRADIENTS = row(5)
# Rows of a tile of sums over samples and steps: the gradients by p, q, g, u, v, m, k, α, and by γ, β.
_BY_P, _BY_Q, _BY_G, _BY_U, _BY_V, _BY_M, _BY_K, _BY_ALPHA, BY_GAMMA, BY_BETA = map(row, range(10))
SUMS = row(10)

_FAST_SIGMOID, _LOGISTIC = SURROGATES["fast_sigmoid"], SURROGATES["logistic"]
_ARCTAN, TRIANGLE, BOXCAR = SURROGATES["arctan"], SURROGATES["triangle"], SURROGATES["boxcar"]


class Table(NamedTuple):
    """Coefficients of the units of a tile."""

    p: Vector
    q: Vector
    g: Vector
    u: Vector
    v: Vector
    m: Vector
    k: Vector
    alpha: Vector


class Normalised(NamedTuple):
    """Coefficients of the normalisation of the units of a tile: x̂ = r·x + s, then γ·x̂ + β."""

    r: Vector
    s: Vector
    gamma: Vector
    beta: Vector


class Rules(NamedTuple):
    """Numbers of the threshold, the surrogate and the reset, for the units of a tile; see :class:`Neuron`."""

    one: Vector
    zero: Vector
    threshold: Vector
    slope: Vector
    leaves: Vector
    loses: Vector
    silences: Vector
    taken: Vector
    leaves_back: Vector
    loses_back: Vector
    silences_back: Vector
    taken_back: Vector


class Cell(NamedTuple):
    """I, U, A and S of a step."""

    syn: Vector
    mem: Vector
    ad: Vector
    fired: Vector


class Back(NamedTuple):
    """Gradients of the loss by U, A and I of a step, and by U before it was multiplied by 1 − z·S[t−1]."""

    by_mem: Vector
    by_ad: Vector
    by_syn: Vector
    through: Vector


class Neuron(NamedTuple):
    """Settings of a layer; ``table`` has the coefficients of ``n`` units, tile after tile.

    ``leaves``, ``loses`` and ``silences`` are c, l and z; ``taken`` is ϑ'. Fields ending in ``_back`` have the same
    values if the reset is differentiated, else 0. The gradients by q, u and v are added up if the layer ``couples`` A
    and U, those by m and k if it ``adapts``. Numbers of the reset, and ``adapts``, may be None, see
    :func:`without_zeros`.
    """

    table: Floats
    n: int
    couples: bool
    adapts: bool | None
    threshold: Number
    slope: Number
    one: Number
    surrogate: int
    leaves: Number | None
    loses: Number | None
    silences: Number | None
    taken: Number
    leaves_back: Number | None
    loses_back: Number | None
    silences_back: Number | None
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
            p.shape[1],
            not computed.keys().isdisjoint("quv"),
            not computed.keys().isdisjoint("mk"),
            *(number(value) for value in (settings.threshold, settings.slope, 1)),
            settings.surrogate,
            *(number(value) for value in reset),
            *(number(value * settings.reset_in_graph) for value in reset),
        ]
    )


def without_zeros(neuron: Neuron) -> Neuron:
    """Replace numbers that are 0 by None, for neurons whose spikes subtract and which do not adapt.

    Loops for them are compiled without these terms. All others share one compiled loop.
    """
    if neuron.adapts or neuron.leaves or neuron.loses or neuron.silences:
        return neuron
    return neuron._replace(
        adapts=None,
        leaves=None,
        loses=None,
        silences=None,
        leaves_back=None,
        loses_back=None,
        silences_back=None,
    )


@inlined
def terms_of(neuron: Neuron, tile: Index) -> Table:
    """Read the coefficients of a tile that the neurons have."""
    table = table_of(neuron.table, tile)
    return Table(
        table.p,
        table.q,
        table.g,
        table.u,
        table.v,
        where_given(neuron.adapts, table.m),
        where_given(neuron.adapts, table.k),
        table.alpha,
    )


@inlined
def table_of(table: Floats, tile: Index) -> Table:
    """Read the coefficients of a tile from the table of a layer."""
    at = tile * COEFFICIENTS
    return Table(
        load(table, at + _P),
        load(table, at + _Q),
        load(table, at + _G),
        load(table, at + _U),
        load(table, at + _V),
        load(table, at + _M),
        load(table, at + _K),
        load(table, at + _ALPHA),
    )


@inlined
def normalisation_of(table: Floats, tile: Index) -> Normalised:
    """Read the coefficients of the normalisation of a tile from the table of a layer."""
    at = tile * COEFFICIENTS
    return Normalised(
        load(table, at + _R),
        load(table, at + _S),
        load(table, at + _GAMMA),
        load(table, at + _BETA),
    )


@inlined
def rules_of(neuron: Neuron) -> Rules:
    """Repeat the numbers of a layer for the units of a tile."""
    like = neuron.table
    return Rules(
        fill(1, like),
        fill(0, like),
        fill(neuron.threshold, like),
        fill(neuron.slope, like),
        fill(neuron.leaves, like),
        fill(neuron.loses, like),
        fill(neuron.silences, like),
        fill(neuron.taken, like),
        fill(neuron.leaves_back, like),
        fill(neuron.loses_back, like),
        fill(neuron.silences_back, like),
        fill(neuron.taken_back, like),
    )


@inlined
def load_cell(cells: Floats, at: Index) -> Cell:
    """Read the values of a step from the tile at ``at``."""
    return Cell(
        load(cells, at + SYN),
        load(cells, at + MEM),
        load(cells, at + AD),
        load(cells, at + FIRED),
    )


@inlined
def store_cell(cells: Floats, at: Index, cell: Cell) -> None:
    """Write the values of a step to the tile at ``at``."""
    store(cells, at + SYN, cell.syn)
    store(cells, at + MEM, cell.mem)
    store(cells, at + AD, cell.ad)
    store(cells, at + FIRED, cell.fired)


@inlined
def load_back(work: Floats, at: Index) -> Back:
    """Read the gradients of a step from the tile at ``at``."""
    return Back(
        load(work, at + BY_MEM),
        load(work, at + BY_AD),
        load(work, at + BY_SYN),
        load(work, at + THROUGH),
    )


@inlined
def store_back(work: Floats, at: Index, back: Back) -> None:
    """Write the gradients of a step to the tile at ``at``."""
    store(work, at + BY_MEM, back.by_mem)
    store(work, at + BY_AD, back.by_ad)
    store(work, at + BY_SYN, back.by_syn)
    store(work, at + THROUGH, back.through)


@inlined
def keep_back(backs: Floats, at: Index, back: Back) -> None:
    """Write the gradients that :func:`add_sums` reads to the tile at ``at``."""
    store(backs, at + BY_AD, back.by_ad)
    store(backs, at + BY_SYN, back.by_syn)
    store(backs, at + THROUGH, back.through)


@inlined
def _carried(rules: Rules, cell: Cell) -> Vector:
    """Compute C of the next step."""
    return cell.mem * (rules.one - rules.leaves * cell.fired) - rules.taken * cell.fired


@inlined
def advance(table: Table, rules: Rules, before: Cell, syn: Vector) -> Cell:
    """Compute U, A and S of a step from those of the step before and I of this step."""
    one, fired = rules.one, before.fired
    carried = _carried(rules, before)
    charged = table.p * carried - table.q * before.ad + table.g * syn
    turned = table.u * carried + table.v * before.ad
    mem = charged * (one - rules.silences * fired)
    fired = at_least(mem, rules.threshold)
    left = mem * (one - rules.loses * fired) - rules.taken * fired
    return Cell(syn, mem, turned + table.m * left + table.k * fired, fired)


@inlined
def advance_leaky(table: Table, rules: Rules, before: Cell, syn: Vector) -> Cell:
    """Do what :func:`advance` does where A is not used."""
    charged = table.p * _carried(rules, before) + table.g * syn
    mem = charged * (rules.one - rules.silences * before.fired)
    return Cell(syn, mem, before.ad, at_least(mem, rules.threshold))


@inlined
def retreat(
    table: Table,
    rules: Rules,
    before_fired: Vector,
    now: Cell,
    after_syn: Vector,
    back: Back,
    asked_mem: Vector,
    asked: Vector,
    slope: Vector,
) -> Back:
    """Compute the gradients by U, A and I of step t from those of step t + 1.

    ``asked_mem`` and ``asked`` are direct gradients of the loss by U and S, ``slope`` the surrogate derivative.
    """
    one, mem, fired = rules.one, now.mem, now.fired
    # U[t + 1] and A[t + 1] depend on U, S and A of this step.
    by_charged = (one - rules.silences * fired) * back.by_mem
    by_carried = table.p * by_charged + table.u * back.by_ad
    charged = table.p * mem - table.q * now.ad + table.g * after_syn
    by_spike = (
        asked
        - by_carried * (rules.taken_back + rules.leaves_back * mem)
        - back.by_mem * (rules.silences_back * charged)
    )
    by_potential = asked_mem + by_carried * (one - rules.leaves * fired)
    by_ad = table.v * back.by_ad - table.q * by_charged
    # A depends on U and S of the same step.
    by_left = table.m * by_ad
    by_potential = by_potential + by_left * (one - rules.loses * fired)
    by_spike = by_spike + (table.k * by_ad - by_left * (rules.taken_back + rules.loses_back * mem))
    by_mem = by_potential + slope * by_spike
    through = (one - rules.silences * before_fired) * by_mem
    by_syn = table.alpha * back.by_syn + table.g * through
    return Back(by_mem, by_ad, by_syn, through)


@inlined
def _add_charging(
    rules: Rules, before: Cell, now: Cell, back: Back, sums: tuple[Vector, Vector, Vector]
) -> tuple[Vector, Vector, Vector]:
    """Add the gradients by p, g and α at a step."""
    by_p, by_g, by_alpha = sums
    by_p = by_p + back.through * _carried(rules, before)
    by_g = by_g + back.through * now.syn
    return by_p, by_g, by_alpha + back.by_syn * before.syn


@inlined
def _add_coupling(
    rules: Rules, before: Cell, back: Back, sums: tuple[Vector, Vector, Vector]
) -> tuple[Vector, Vector, Vector]:
    """Add the gradients by q, u and v at a step."""
    by_q, by_u, by_v = sums
    by_q = by_q - back.through * before.ad
    by_u = by_u + back.by_ad * _carried(rules, before)
    return by_q, by_u, by_v + back.by_ad * before.ad


@inlined
def _add_adapting(
    rules: Rules, now: Cell, back: Back, sums: tuple[Vector, Vector]
) -> tuple[Vector, Vector]:
    """Add the gradients by m and k at a step."""
    by_m, by_k = sums
    left = now.mem * (rules.one - rules.loses * now.fired) - rules.taken * now.fired
    return by_m + back.by_ad * left, by_k + back.by_ad * now.fired


@inlined
def add_step(
    neuron: Neuron, rules: Rules, tile: Index, before: Cell, now: Cell, back: Back, sums: Floats
) -> None:
    """Add the gradients by the coefficients of a tile at one step; ``before`` and ``now`` are its values."""
    into = tile * SUMS
    charging = load(sums, into + _BY_P), load(sums, into + _BY_G), load(sums, into + _BY_ALPHA)
    charging = _add_charging(rules, before, now, back, charging)
    store(sums, into + _BY_P, charging[0])
    store(sums, into + _BY_G, charging[1])
    store(sums, into + _BY_ALPHA, charging[2])
    if neuron.couples:
        coupling = load(sums, into + _BY_Q), load(sums, into + _BY_U), load(sums, into + _BY_V)
        coupling = _add_coupling(rules, before, back, coupling)
        store(sums, into + _BY_Q, coupling[0])
        store(sums, into + _BY_U, coupling[1])
        store(sums, into + _BY_V, coupling[2])
    if neuron.adapts:
        adapting = load(sums, into + _BY_M), load(sums, into + _BY_K)
        adapting = _add_adapting(rules, now, back, adapting)
        store(sums, into + _BY_M, adapting[0])
        store(sums, into + _BY_K, adapting[1])


@inlined
def add_sums(
    neuron: Neuron,
    tile: Index,
    cells: Floats,
    at: Index,
    backs: Floats,
    n_steps: Index,
    sums: Floats,
) -> None:
    """Add the gradients by the coefficients of a tile, from the last of some steps to the first.

    ``cells`` has the values of the tile, one step after another from the one before them at ``at``, ``backs`` the
    gradients. The same as :func:`add_step` for each of them, but the sums of one kind stay in registers.
    """
    rules, into, now = rules_of(neuron), tile * SUMS, at + CELLS
    charging = load(sums, into + _BY_P), load(sums, into + _BY_G), load(sums, into + _BY_ALPHA)
    for later in range(n_steps):
        t = n_steps - _ONE - later
        old, new = load_cell(cells, at + t * CELLS), load_cell(cells, now + t * CELLS)
        charging = _add_charging(rules, old, new, load_back(backs, t * GRADIENTS), charging)
    store(sums, into + _BY_P, charging[0])
    store(sums, into + _BY_G, charging[1])
    store(sums, into + _BY_ALPHA, charging[2])
    if neuron.couples:
        coupling = load(sums, into + _BY_Q), load(sums, into + _BY_U), load(sums, into + _BY_V)
        for later in range(n_steps):
            t = n_steps - _ONE - later
            old = load_cell(cells, at + t * CELLS)
            coupling = _add_coupling(rules, old, load_back(backs, t * GRADIENTS), coupling)
        store(sums, into + _BY_Q, coupling[0])
        store(sums, into + _BY_U, coupling[1])
        store(sums, into + _BY_V, coupling[2])
    if neuron.adapts:
        adapting = load(sums, into + _BY_M), load(sums, into + _BY_K)
        for later in range(n_steps):
            t = n_steps - _ONE - later
            new = load_cell(cells, now + t * CELLS)
            adapting = _add_adapting(rules, new, load_back(backs, t * GRADIENTS), adapting)
        store(sums, into + _BY_M, adapting[0])
        store(sums, into + _BY_K, adapting[1])


@inlined
def near_threshold(rules: Rules, mem: Vector) -> Vector:
    """Return 1 for units in the support of the triangle or the boxcar, else 0."""
    return at_least(rules.one, rules.slope * magnitude(mem - rules.threshold))


@inlined
def surrogate(neuron: Neuron, rules: Rules, mem: Vector, spare: Floats) -> Vector:
    """Compute the surrogate of dS/dU; ``spare`` has room for a tile."""
    kind, one = neuron.surrogate, rules.one
    far = mem - rules.threshold
    x = rules.slope * far
    if kind == _FAST_SIGMOID:
        below = one + rules.slope * magnitude(far)
        return one / (below * below)
    if kind == _ARCTAN:
        return one / (one + x * x)
    if kind in (TRIANGLE, BOXCAR):
        return compact_surrogate(kind, rules, mem)
    store(spare, np.uint64(0), x)
    _exponential_surrogate(kind, spare, neuron.one)
    return load(spare, np.uint64(0))


@inlined
def compact_surrogate(kind: int, rules: Rules, mem: Vector) -> Vector:
    """Compute the triangle or the boxcar."""
    if kind == TRIANGLE:
        return larger(rules.one - rules.slope * magnitude(mem - rules.threshold), rules.zero)
    return near_threshold(rules, mem)


@compiled
def _exponential_surrogate(kind: int, row: Floats, one: Number) -> None:
    """Replace distances to the threshold, times the slope, by the surrogate, one number after the other."""
    if kind == _LOGISTIC:
        for h in range(row.size):
            grown = np.exp(-abs(row[h]))
            row[h] = (one + one + one + one) * grown / ((one + grown) * (one + grown))
    else:  # multi_gaussian
        for h in range(row.size):
            x = row[h]
            middle = (1 + GAUSSIAN_H) * np.exp(-x * x / 2)
            below, above = (x - one) / GAUSSIAN_S, (x + one) / GAUSSIAN_S
            sides = np.exp(-below * below / 2) + np.exp(-above * above / 2)
            row[h] = (middle - GAUSSIAN_H / GAUSSIAN_S * sides) / GAUSSIAN_PEAK
