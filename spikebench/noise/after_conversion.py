"""The same damage done to spikes after the conversion, as tests of robustness without recordings do it.

Nothing is converted again: the spikes of the undisturbed recording are changed. What stands for what, for a sample of N
spikes and the length T:

::

    white:R, pink:R   N · 10^(−R/10) spikes are added at random times of 0 … T. Units are equally likely for pink noise,
                      which has the same power in all bands of a constant relative width; for white noise, they are
                      likely in proportion to their characteristic frequency (equally, if it is not known)
    babble:R          as many spikes are added from training samples of other speakers, who begin at the same time
    reverb:T60        every spike is repeated once, later by an exponential time of the mean T60 / 13.8: the energy of a
                      room decays by e in T60 / (6 · ln 10)
    telephone         units with a characteristic frequency outside 300 … 3,400 Hz are silent
    speed:F           times are divided by F
    loss:P%           no spikes in the packets of 20 ms that are lost in the recording
    recorded, clipping, level, and telephone if frequencies are not known: no counterpart

Random numbers are those of :func:`spikebench.degradation.degraded.generator_of`; strengths of one kind share them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.degradation.conditions import Condition
from spikebench.degradation.degraded import generator_of
from spikebench.degradation.lines import BAND_HZ, PACKET_S
from spikebench.degradation.sources import TALKERS
from spikebench.events.dataset import Sample, SpikeDataset
from spikebench.noise.conversions import Converted
from spikebench.noise.samples import recordings_of, with_spikes

__all__ = ["damage_spikes", "has_counterpart"]

_DECAYS_PER_T60 = 6 * math.log(10)  # 60 dB in units of e-fold decays of energy
_MOST_TALKERS = 100

Frequencies = NDArray[np.float64] | None


def has_counterpart(condition: Condition, frequencies: Frequencies) -> bool:
    """Return whether a condition can be done to spikes.

    Parameters
    ----------
    condition
        The condition.
    frequencies
        Characteristic frequency of each unit [Hz]; None if they are not known.

    Returns
    -------
    bool
        False for ``recorded``, ``clipping`` and ``level``, and for ``telephone`` without frequencies.
    """
    if condition.kind == "telephone":
        return frequencies is not None
    return condition.kind not in ("recorded", "clipping", "level")


def damage_spikes(
    samples: SpikeDataset,
    train: SpikeDataset,
    condition: Condition,
    seed: int,
    frequencies: Frequencies,
) -> SpikeDataset:
    """Damage the spikes of samples.

    Parameters
    ----------
    samples
        The samples, opened with their recordings, whose SHA-256 determines the random numbers.
    train
        Training samples, for babble.
    condition
        One that has a counterpart (:func:`has_counterpart`).
    seed
        Seed of all random numbers.
    frequencies
        Characteristic frequency of each unit [Hz], float64, shape (n_units,); None if they are not known.

    Returns
    -------
    SpikeDataset
        In memory, in the same order, with the same ``index``; under ``clean``, ``samples``.
    """
    if condition.kind == "clean":
        return samples
    # Packets are lost in the same places as in the recording.
    kind = "loss" if condition.kind == "loss" else f"spikes {condition.kind}"
    changed = []
    for k, piece in enumerate(recordings_of(samples).pieces):
        generator = generator_of(seed, kind, piece.sha256, piece.start)
        changed.append(_damaged(samples[k], train, condition, generator, frequencies))
    return with_spikes(samples, changed)


def _damaged(
    sample: Sample,
    train: SpikeDataset,
    condition: Condition,
    generator: np.random.Generator,
    frequencies: Frequencies,
) -> Converted:
    times, units = sample.times.astype(np.float64), sample.units
    duration = max(sample.duration, float(times[-1]) if times.size else 0.0)
    match condition.kind:
        case "white" | "pink" | "babble":
            n = round(times.size * 10 ** (-condition.strength / 10))
            if condition.kind == "babble":
                more = _babble(n, duration, sample.speaker, train, generator)
            else:
                weights = frequencies if condition.kind == "white" else None
                more = _background(n, duration, train.n_units, weights, generator)
            return _sorted(
                np.concatenate([times, more[0]]), np.concatenate([units, more[1]]), sample.duration
            )
        case "reverb":
            mean = condition.strength * 1e-3 / _DECAYS_PER_T60
            later = times + mean * generator.standard_exponential(times.size)
            heard = later < duration
            return _sorted(
                np.concatenate([times, later[heard]]),
                np.concatenate([units, units[heard]]),
                sample.duration,
            )
        case "telephone":
            assert frequencies is not None
            low, high = BAND_HZ
            kept = ((frequencies >= low) & (frequencies <= high))[units]
        case "speed":
            factor = condition.strength
            end = sample.duration / factor if sample.duration > 0 else sample.duration
            return _sorted(times / factor, units, end)
        case "loss":
            packets = (times / PACKET_S).astype(np.int64)
            lost = generator.random(int(packets.max(initial=0)) + 1) < condition.strength / 100
            kept = ~lost[packets]
        case _:
            raise ValueError(f"{condition} has no counterpart for spikes")
    return _sorted(times[kept], units[kept], sample.duration)


def _background(
    n: int,
    duration: float,
    n_units: int,
    weights: Frequencies,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Draw spikes in pairs of a time and a unit, so that the first of many are those of few."""
    pairs = generator.random((n, 2))
    shares = np.ones(n_units) if weights is None else np.maximum(weights, 0.0)
    borders = np.cumsum(shares) / shares.sum()
    units = np.minimum(np.searchsorted(borders, pairs[:, 1], side="right"), n_units - 1)
    return pairs[:, 0] * duration, units.astype(np.uint16)


def _babble(
    n: int,
    duration: float,
    speaker: int,
    train: SpikeDataset,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Take spikes of other speakers at random, of as many recordings as it takes."""
    others = np.flatnonzero((train.speakers != speaker) & (train.speakers >= 0))
    times: list[NDArray[Any]] = [np.zeros(0)]
    units: list[NDArray[Any]] = [np.zeros(0, np.uint16)]
    for talkers, k in enumerate(generator.permutation(others)[:_MOST_TALKERS], start=1):
        one = train[int(k)]
        inside = one.times < duration
        times.append(one.times[inside])
        units.append(one.units[inside])
        if talkers >= TALKERS and sum(part.size for part in times) >= n:
            break
    said, where = np.concatenate(times).astype(np.float64), np.concatenate(units)
    chosen = generator.permutation(said.size)[:n]
    return said[chosen], where[chosen].astype(np.uint16)


def _sorted(times: NDArray[np.float64], units: NDArray[np.uint16], duration: float) -> Converted:
    order = np.argsort(times, kind="stable")
    return Converted(times[order].astype(np.float32), units[order], duration)
