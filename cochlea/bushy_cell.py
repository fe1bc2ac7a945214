"""Bushy cell: 40 release trains converge on one leaky integrate-and-fire cell.

Release trains
--------------
Each train is Bernoulli(p_fire) per sample with a dead time after an accepted event. The trains of a channel
share one ``p_fire``, so only the number ``a`` of trains outside their dead time matters. With a continuous
hazard, a free train survives sample s with probability 1 − p = exp(−λ), so::

    λ_s = −ln(1 − p_s)                                               (B1)
    E ~ Exponential(1): the next event falls where Σ a·λ reaches E   (B2)
    within one sample each event uses up E/a of λ_s and leaves a − 1 trains    (B3)

This is the order statistics of ``a`` independent exponentials: the number of events in a sample is
Binomial(a, p_s) exactly, and 28,000 random numbers per sample step are replaced by one per event.

Cell, per sample::

    if not refractory: if v had reached 1: spike (time: the previous sample), v ← 0, refractory for τ_ref
                       else v ← v·e^(−dt/τ_mem)                      (B4)
    i ← i·e^(−dt/τ_syn) + events                                     (B5)
    if not refractory: v ← min(v + (W/40)·i·dt, 1)                   (B6)

=======  ======  ====  ==================================
symbol   value   unit  meaning
=======  ======  ====  ==================================
–        40      –     release trains per cell
–        1e-3    s     dead time of a train
τ_mem    1e-3    s     membrane time constant
τ_syn    0.5e-3  s     synaptic time constant
τ_ref    1e-3    s     refractory time
W        13000   1/s   weight of all trains together
=======  ======  ====  ==================================

Source: Cramer et al. (2020), arXiv:1910.07407. Departures: none in distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cochlea.compiled import compiled
from cochlea.lanes import LANES, blocks_of
from cochlea.vectors import (
    WIDTH,
    Vector,
    bits,
    gather,
    load,
    repeated,
    root,
    select,
    store,
    straight,
)
from cochlea.waiting_times import draw_waiting_times, philox_key

_ROWS = 128  # of a block, whose mean hazard estimates the number of events
_ROOTS = 7  # bring the smallest survival, 2⁻⁵³, above 3/4
_SENTINELS = 2  # infinite waiting times after those of a cell
# Where the rows of the state of the trains of sixteen cells begin.
_AVAILABLE, _TO_NEXT, _FOLLOWING, _INDEX, _EVENTS = range(0, 5 * LANES, LANES)
_ROWS_OF_TRAINS = 5


@dataclass(frozen=True)
class BushyCellParams:
    """Constants of the bushy cell; the module's table lists the symbols.

    Attributes
    ----------
    n_trains : int
        Release trains per cell.
    tau_dead, tau_mem, tau_syn, tau_ref : float
        Dead time of a train; membrane, synaptic, refractory time [s].
    weight : float
        W, weight of all trains together [1/s].
    """

    n_trains: int = 40
    tau_dead: float = 1e-3
    tau_mem: float = 1e-3
    tau_syn: float = 0.5e-3
    tau_ref: float = 1e-3
    weight: float = 13000.0


@dataclass(frozen=True)
class BushyCellCoeffs:
    """Constants of the kernel: dead and refractory times in samples, decays and gain per step."""

    n_trains: int
    n_dead: int
    n_ref: int
    decay_mem: float
    decay_syn: float
    gain: float


def design_bushy_cell(sample_rate: float, params: BushyCellParams | None = None) -> BushyCellCoeffs:
    """Convert time constants to steps.

    Parameters
    ----------
    sample_rate
        Rate of the release probability [Hz].
    params
        Constants; by default those of the article.

    Returns
    -------
    BushyCellCoeffs
        Constants for :func:`run_bushy_cell`.
    """
    p = params or BushyCellParams()
    dt = 1.0 / sample_rate
    return BushyCellCoeffs(
        n_trains=p.n_trains,
        n_dead=max(round(p.tau_dead * sample_rate), 1),
        n_ref=max(round(p.tau_ref * sample_rate), 1),
        decay_mem=math.exp(-dt / p.tau_mem),
        decay_syn=math.exp(-dt / p.tau_syn),
        gain=p.weight / p.n_trains * dt,
    )


def run_bushy_cell(
    p_fire: NDArray[np.float64],
    coeffs: BushyCellCoeffs,
    seed: int | Sequence[int] = 0,
    first_channel: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the releases and run the cells, eqs. (B1)–(B6).

    Every channel draws from its own random stream, selected by (seed, channel), so that neither the number
    of channels run together nor their order changes a spike (:mod:`cochlea.waiting_times`).

    Parameters
    ----------
    p_fire
        Release probability per sample, float64, shape (channels, n), not negative.
    coeffs
        From :func:`design_bushy_cell`, for the rate of ``p_fire``.
    seed
        Seed, or several numbers that form one seed.
    first_channel
        Index of the first row among all channels.

    Returns
    -------
    samples : ndarray of int64, shape (spikes,)
        Sample index of each spike, channel by channel, ascending within a channel.
    channels : ndarray of int64, shape (spikes,)
        Channel of each spike, counted from ``first_channel``.

    Raises
    ------
    ValueError
        If ``p_fire`` is not two-dimensional.
    """
    if p_fire.ndim != 2:
        raise ValueError(f"p_fire must have shape (channels, n), got {p_fire.shape}")
    key = philox_key(seed)
    samples, channels = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for where, block in blocks_of(p_fire):
        numbers = np.arange(first_channel + where.start, first_channel + where.stop)
        some_samples, some_channels = bushy_cell_block(block, coeffs, key, numbers)
        samples.append(some_samples)
        channels.append(some_channels)
    return np.concatenate(samples), np.concatenate(channels)


def bushy_cell_block(
    block: NDArray[np.float64],
    coeffs: BushyCellCoeffs,
    key: NDArray[np.uint64],
    channels: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Run the cells of sixteen channels; ``block`` is overwritten.

    Parameters
    ----------
    block
        Release probability, float64, shape (n, 16); overwritten with the hazard.
    coeffs
        As in :func:`run_bushy_cell`.
    key
        From :func:`cochlea.waiting_times.philox_key`, uint64, shape (2,).
    channels
        Index of each column among all channels, shape (at most 16,); other columns are ignored.

    Returns
    -------
    samples, channels : ndarray of int64, shape (spikes,)
        As returned by :func:`run_bushy_cell`.
    """
    c = coeffs
    n, lanes = block.shape[0], channels.size
    expected = np.empty(LANES)
    _hazards_of_block(block, c.n_dead, expected)
    capacity = _draws_needed(float(expected[:lanes].max(initial=0.0)), n, c)
    spikes = np.empty((LANES, n // c.n_ref + 2), dtype=np.int64)
    counts = np.empty(LANES, dtype=np.int64)
    while True:
        waits = np.empty((LANES, capacity + _SENTINELS))
        draw_waiting_times(key, channels.tolist(), waits[:, :capacity])
        waits[lanes:] = waits[:, capacity:] = np.inf
        if _bushy_cell_kernel(
            block,
            c.n_trains,
            c.n_dead,
            c.n_ref,
            c.decay_mem,
            c.decay_syn,
            c.gain,
            waits,
            spikes,
            counts,
        ):
            break
        capacity *= 2  # draw the same waiting times again, and as many more
    samples = [spikes[lane, : counts[lane]] for lane in range(lanes)]
    return np.concatenate(samples), np.repeat(channels, counts[:lanes])


def _draws_needed(expected: float, n: int, coeffs: BushyCellCoeffs) -> int:
    """Return how many waiting times to draw for a channel, from the expected events of a train.

    More are rarely needed, and then drawn; dead times limit their number too.
    """
    n_most = coeffs.n_trains * (n // coeffs.n_dead + 1) + 1
    events = coeffs.n_trains * (expected + 1.0)  # all trains are free at the start
    return min(int(events + 6 * math.sqrt(events)) + 1, n_most)


def release_hazard(p_fire: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute λ = −ln(1 − p), eq. (B1), by arithmetic and square roots only.

    The last bit of a logarithm by the mathematical library, and with it a spike, may differ between
    machines. Here −ln(1 − p) = 2·artanh(z), z = p/(2 − p), is computed as a series; p above 1/4 is reduced
    by square roots of 1 − p. Relative error below 2e-15.

    Parameters
    ----------
    p_fire
        Probabilities, float64, any shape, not negative; 1 and more give infinity.

    Returns
    -------
    ndarray of float64, same shape
        Hazards.
    """
    hazard = np.zeros(-(-np.size(p_fire) // WIDTH) * WIDTH)
    hazard[: np.size(p_fire)] = np.ravel(p_fire)
    _hazard_kernel(hazard)
    return hazard[: np.size(p_fire)].reshape(np.shape(p_fire))


def _artanh_twice(p: Vector) -> Vector:
    z = p / (2.0 - p)
    s = z * z
    # 2·Σ z^(2j+1)/(2j+1), j = 0 … 10: the first omitted term is below 1e-17 of the sum for p ≤ 1/4.
    sum_ = 1.0 / 21.0
    for odd in range(19, 1, -2):
        sum_ = 1.0 / odd + s * sum_
    return 2.0 * z + 2.0 * z * (s * sum_)


@straight
def _small_hazards(values: NDArray[np.float64], at: int) -> int:
    """Convert eight probabilities up to 1/4; larger ones become negative and are noted in the result."""
    p = load(values, at)
    small = p <= 0.25
    store(values, at, select(small, _artanh_twice(p), p * -1.0))
    noted: int = bits(~small)
    return noted


@straight
def _large_hazards(values: NDArray[np.float64], at: int) -> None:
    """Convert those of eight probabilities that are negative by now."""
    value = load(values, at)
    possible = value > -1.0
    survival, factor = select(possible, value + 1.0, 1.0), 1.0
    for _ in range(_ROOTS):
        again = survival < 0.75
        survival = select(again, root(survival), survival)
        factor = select(again, factor * 2.0, factor)
    hazard = select(possible, factor * _artanh_twice(1.0 - survival), np.inf)
    store(values, at, select(value < 0.0, hazard, value))


@compiled
def _hazard_kernel(values: NDArray[np.float64]) -> None:
    """Convert probabilities to hazards, in place; their number is a multiple of eight."""
    for at in range(0, values.size, WIDTH):
        if _small_hazards(values, at) > 0:
            _large_hazards(values, at)


@straight
def _plus(sums: tuple[Vector, ...], values: NDArray[np.float64], at: int) -> tuple[Vector, ...]:
    return tuple(one + load(values, at + half * WIDTH) for half, one in enumerate(sums))


@compiled
def _hazards_of_block(
    block: NDArray[np.float64], n_dead: int, expected: NDArray[np.float64]
) -> None:
    """Convert probabilities to hazards, in place, and estimate the events of a train, column by column.

    A train with the constant hazard λ is free during the share 1/(1 + D·λ) of the time, D = ``n_dead``. The mean
    hazard of 128 samples stands for λ.
    """
    total = np.empty(LANES)
    for lane in range(LANES):
        expected[lane] = 0.0
    for start in range(0, block.shape[0], _ROWS):
        stop = start + _ROWS if start + _ROWS < block.shape[0] else block.shape[0]
        sums = (repeated(0.0), repeated(0.0))
        for s in range(start, stop):
            for at in range(s * LANES, (s + 1) * LANES, WIDTH):
                if _small_hazards(block, at) > 0:
                    _large_hazards(block, at)
            sums = _plus(sums, block, s * LANES)
        _stored(total, sums)
        for lane in range(LANES):
            busy = n_dead * total[lane] / (stop - start)
            expected[lane] += (
                total[lane] / (1.0 + busy) if busy < np.inf else (stop - start) / n_dead
            )


@straight
def _loaded(state: NDArray[np.float64]) -> tuple[Vector, ...]:
    """Read the state of sixteen cells: the two halves of each row in turn."""
    return tuple(load(state, at) for at in range(0, _ROWS_OF_TRAINS * LANES, WIDTH))


@straight
def _stored(state: NDArray[np.float64], trains: tuple[Vector, ...]) -> None:
    for number, vector in enumerate(trains):
        store(state, number * WIDTH, vector)


@straight
def _release(
    trains: tuple[Vector, ...],
    hazard: NDArray[np.float64],
    at: int,
    returning: NDArray[np.float64],
    slot: int,
) -> tuple[tuple[Vector, ...], tuple[Vector, ...], int]:
    """Take the first event of a sample, eqs. (B2) and (B3).

    Returns the new state, the waiting times before, and a bit for each cell that has more events in this sample.
    """
    states, before, more_bits = [], [], []
    for half in range(2):
        available, wait, following, index, _ = trains[half::2]
        left = load(hazard, at + half * WIDTH)
        free = available + load(returning, slot + half * WIDTH)
        some = free > 0.0
        spent = select(some, free * left, 0.0)
        hit = some & (spent >= wait)  # eq. (B2)
        event = select(hit, 1.0, 0.0)
        after = following - (free - event) * (left - wait / free)  # eq. (B3)
        to_next = select(hit, after, wait - spent)
        store(returning, slot + half * WIDTH, event)
        states.append((free - event, to_next, following, index + event, event))
        before.append(wait)
        more_bits.append(bits(hit & ~(after > 0.0)))
    trains = tuple(vector for row in zip(*states, strict=True) for vector in row)
    return trains, tuple(before), more_bits[0] + more_bits[1] * 256


@straight
def _follow(trains: tuple[Vector, ...], waits: NDArray[np.float64]) -> tuple[Vector, ...]:
    """Look up the waiting times after the next event."""
    rows = trains[:4], [gather(waits, index) for index in trains[6:8]], trains[6:]
    return tuple(vector for row in rows for vector in row)


@straight
def _integrate(
    cells: tuple[Vector, ...],
    trains: tuple[Vector, ...],
    now: float,
    awake_at: float,
    decay_mem: float,
    decay_syn: float,
    gain: float,
) -> tuple[tuple[Vector, ...], int]:
    """Compute the state of sixteen cells, and a bit for each one that fires, eqs. (B4)–(B6)."""
    states, fire_bits = [], []
    for half in range(2):
        v, i, ready = cells[half::2]
        fire = v >= 1.0  # v is 0 until the cell is awake
        i = i * decay_syn + trains[8 + half]  # eq. (B5)
        charged = v * decay_mem + i * gain  # eqs. (B4), (B6)
        charged = select(charged < 1.0, charged, 1.0)
        charged = select(ready <= now, charged, v)
        states.append((select(fire, 0.0, charged), i, select(fire, awake_at, ready)))
        fire_bits.append(bits(fire))
    cells = tuple(vector for row in zip(*states, strict=True) for vector in row)
    return cells, fire_bits[0] + fire_bits[1] * 256


@compiled
def _bushy_cell_kernel(
    hazard: NDArray[np.float64],
    n_trains: int,
    n_dead: int,
    n_ref: int,
    decay_mem: float,
    decay_syn: float,
    gain: float,
    waits: NDArray[np.float64],
    spikes: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> bool:
    """Run sixteen cells; return False if the waiting times of one of them were used up.

    The last two waiting times of each cell are infinite, so that they can be looked up without a check.
    All lanes take the first event of a sample without a branch; further events of the sample are rare.
    """
    per_lane = waits.shape[1]
    returning = np.empty(n_dead * LANES)  # trains whose dead time ends, by sample mod n_dead
    for i in range(returning.size):
        returning[i] = 0.0
    state, before = np.empty(_ROWS_OF_TRAINS * LANES), np.empty(LANES)
    for lane in range(LANES):
        state[_EVENTS + lane] = 0.0
        state[_AVAILABLE + lane] = n_trains
        state[_TO_NEXT + lane] = waits[lane, 0]
        state[_FOLLOWING + lane] = waits[lane, 1]
        state[_INDEX + lane] = lane * per_lane + 1
        counts[lane] = 0
    trains, zero = _loaded(state), repeated(0.0)
    cells = (zero, zero, zero, zero, zero, zero)
    slot = 0
    for s in range(hazard.shape[0]):
        trains, waits_before, more = _release(trains, hazard, s * LANES, returning, slot)
        if more > 0:
            _stored(state, trains)
            _stored(before, waits_before)
            for lane in range(LANES):
                if (more >> lane) & 1 == 0:
                    continue
                left, wait = hazard[s, lane], before[lane]
                all_free = state[_AVAILABLE + lane] + 1.0
                free = all_free
                k = int(state[_INDEX + lane]) - 1
                while free > 0.0 and free * left >= wait:  # eq. (B2)
                    left -= wait / free  # eq. (B3)
                    free -= 1.0
                    if k >= (lane + 1) * per_lane - _SENTINELS:
                        return False
                    wait = waits[lane, k - lane * per_lane]
                    k += 1
                returning[slot + lane] = state[_EVENTS + lane] = all_free - free
                state[_AVAILABLE + lane] = free
                state[_TO_NEXT + lane] = wait - free * left if free > 0.0 else wait
                state[_INDEX + lane] = k
            trains = _loaded(state)
        trains = _follow(trains, waits)
        now = float(s)
        cells, fired = _integrate(cells, trains, now, now + n_ref, decay_mem, decay_syn, gain)
        if fired > 0:
            for lane in range(LANES):
                if (fired >> lane) & 1 == 1:
                    spikes[lane, counts[lane]] = s - 1
                    counts[lane] += 1
        slot = slot + LANES if slot + LANES < n_dead * LANES else 0
    _stored(state, trains)
    enough = True
    for lane in range(LANES):  # past the first infinite one only if it was used
        enough = enough and state[_INDEX + lane] < (lane + 1) * per_lane - 1
    return enough
