"""Bushy cell: 40 release trains converge on one leaky integrate-and-fire cell.

Release trains
--------------
Each train is Bernoulli(p_fire) per sample with a dead time after a kept event. The trains of a channel
share one ``p_fire``, so only the number ``a`` of trains out of their dead time matters. In continuous
hazard, a train that is free survives sample s with probability 1 − p = exp(−λ), so::

    λ_s = −ln(1 − p_s)                                               (B1)
    E ~ Exponential(1): the next event falls where Σ a·λ reaches E   (B2)
    within one sample each event uses up E/a of λ_s and leaves a − 1 trains    (B3)

which is the order statistics of ``a`` independent exponentials: the number of events in a sample is
Binomial(a, p_s) exactly, and 28,000 random numbers per sample step become one per event.

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


@dataclass(frozen=True)
class BushyCellParams:
    """Constants of the bushy cell; the module's table gives them with their symbols.

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
    """What the kernel needs: dead and refractory times in samples, decays and gain per step."""

    n_trains: int
    n_dead: int
    n_ref: int
    decay_mem: float
    decay_syn: float
    gain: float


def design_bushy_cell(sample_rate: float, params: BushyCellParams | None = None) -> BushyCellCoeffs:
    """Turn time constants into steps.

    Parameters
    ----------
    sample_rate
        Rate of the release probability [Hz].
    params
        Constants; the article's by default.

    Returns
    -------
    BushyCellCoeffs
        Numbers for :func:`run_bushy_cell`.
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
    """Draw the releases and let the cells fire, eqs. (B1)–(B6).

    Every channel draws from its own generator, seeded by (seed, channel), so that neither the number
    of channels run together nor their order changes a spike.

    Parameters
    ----------
    p_fire
        Release probability per sample, float64, shape (channels, n), not negative.
    coeffs
        From :func:`design_bushy_cell`, for the rate of ``p_fire``.
    seed
        Seed, or several numbers that together are one.
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
    c = coeffs
    hazard = release_hazard(p_fire)
    spikes = np.empty(p_fire.shape[1] // c.n_ref + 2, dtype=np.int64)
    samples, counts = [], []
    for row in range(hazard.shape[0]):
        generator = _channel_generator(seed, first_channel + row)
        n_spikes = _bushy_cell_kernel(
            hazard[row],
            *(c.n_trains, c.n_dead, c.n_ref, c.decay_mem, c.decay_syn, c.gain),
            generator,
            spikes,
        )
        samples.append(spikes[:n_spikes].copy())
        counts.append(n_spikes)
    channels = np.repeat(np.arange(first_channel, first_channel + len(counts)), counts)
    return np.concatenate([np.empty(0, np.int64), *samples]), channels.astype(np.int64)


def release_hazard(p_fire: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute λ = −ln(1 − p), eq. (B1), by arithmetic and square roots alone.

    A logarithm of the mathematical library may differ in its last bit from machine to machine, and
    with it a spike. Here −ln(1 − p) = 2·artanh(z), z = p/(2 − p), as a series; p above 1/4 is brought
    below by square roots of 1 − p. Relative error below 2e-15.

    Parameters
    ----------
    p_fire
        Probabilities, float64, any shape, not negative; 1 and more give infinity.

    Returns
    -------
    ndarray of float64, same shape
        Hazards.
    """
    hazard = np.empty(p_fire.size)
    _hazard_kernel(np.ascontiguousarray(p_fire, dtype=np.float64).ravel(), hazard)
    return hazard.reshape(p_fire.shape)


def _channel_generator(seed: int | Sequence[int], channel: int) -> np.random.Generator:
    sequence = np.random.SeedSequence(seed, spawn_key=(channel,))
    return np.random.Generator(np.random.PCG64(sequence))


@compiled
def _artanh_twice(p: float) -> float:
    z = p / (2.0 - p)
    s = z * z
    # 2·Σ z^(2j+1)/(2j+1), j = 0 … 10: the first term left out is below 1e-17 of the sum for p ≤ 1/4.
    sum_ = 1.0 / 19.0 + s * (1.0 / 21.0)
    sum_ = 1.0 / 17.0 + s * sum_
    sum_ = 1.0 / 15.0 + s * sum_
    sum_ = 1.0 / 13.0 + s * sum_
    sum_ = 1.0 / 11.0 + s * sum_
    sum_ = 1.0 / 9.0 + s * sum_
    sum_ = 1.0 / 7.0 + s * sum_
    sum_ = 1.0 / 5.0 + s * sum_
    sum_ = 1.0 / 3.0 + s * sum_
    return 2.0 * z + 2.0 * z * (s * sum_)


@compiled
def _hazard_kernel(p_fire: NDArray[np.float64], hazard: NDArray[np.float64]) -> None:
    largest = 0.0
    for s in range(p_fire.size):
        hazard[s] = _artanh_twice(p_fire[s])
        largest = max(largest, p_fire[s])
    if largest <= 0.25:
        return
    for s in range(p_fire.size):
        if p_fire[s] >= 1.0:
            hazard[s] = np.inf
        elif p_fire[s] > 0.25:
            survival = 1.0 - p_fire[s]
            factor = 1.0
            while survival < 0.75:
                survival = np.sqrt(survival)
                factor *= 2.0
            hazard[s] = factor * _artanh_twice(1.0 - survival)


@compiled
def _bushy_cell_kernel(
    hazard: NDArray[np.float64],
    n_trains: int,
    n_dead: int,
    n_ref: int,
    decay_mem: float,
    decay_syn: float,
    gain: float,
    generator: np.random.Generator,
    spikes: NDArray[np.int64],
) -> int:
    returning = np.zeros(
        n_dead, dtype=np.int64
    )  # trains whose dead time ends, by sample mod n_dead
    slot = 0
    available = n_trains
    to_next = generator.standard_exponential()
    v = 0.0
    i = 0.0
    ready = 0  # first sample that is not refractory
    n_spikes = 0
    for s in range(hazard.size):
        available += returning[slot]
        events = 0
        if available > 0:
            left = hazard[s]
            while available > 0 and available * left >= to_next:  # eq. (B2)
                left -= to_next / available  # eq. (B3)
                available -= 1
                events += 1
                to_next = generator.standard_exponential()
            if available > 0:
                to_next -= available * left
        returning[slot] = events
        slot += 1
        if slot == n_dead:
            slot = 0
        if s >= ready:  # eq. (B4)
            if v >= 1.0:
                spikes[n_spikes] = s - 1
                n_spikes += 1
                v = 0.0
                ready = s + n_ref
            else:
                v *= decay_mem
        i = i * decay_syn + events  # eq. (B5)
        if s >= ready:
            v = min(v + gain * i, 1.0)  # eq. (B6)
    return n_spikes
