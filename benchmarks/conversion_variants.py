"""Conversions with which SHD may have been made: preset ``shd`` at level 0.3 with one change.

A variant with another value changes a parameter of :mod:`cochlea`; a variant with another formula has
a simple, slow implementation of the stage in this file. Used by ``driven_spikes.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import soxr
from numba import njit
from numpy.typing import NDArray

import cochlea

Floats = NDArray[np.float64]
Spikes = tuple[NDArray[np.int64], NDArray[np.int64]]  # sample and channel of each
SHD = replace(
    cochlea.PRESETS["shd"], level=0.3
)  # the level of the article, independent of the current preset
LEVELS = (0.28, 0.29, 0.30, 0.31, 0.32, 0.33, 0.34, 0.35, 0.36)
CHANNELS = 700


@dataclass(frozen=True)
class Variant:
    """One variant: parameters, and the stages that it replaces."""

    group: str
    name: str
    params: cochlea.CochleaParams = SHD
    prepare: Callable[[Floats, cochlea.CochleaParams], Floats] | None = None  # level and window
    membrane: Callable[[Floats, int, cochlea.BasilarMembraneParams], tuple[Floats, int]] | None = (
        None
    )
    hair_cell: Callable[[Floats, int], Floats] | None = None
    bushy_cell: Callable[[Floats, cochlea.BushyCellCoeffs, int], Spikes] | None = None
    rate: int = 48000


def prepare(x: Floats, p: cochlea.CochleaParams, rate: int = 48000) -> Floats:
    """Apply level, then window, as ``cochlea.encode`` does."""
    n_ramp = x.size // 2 if p.ramp is None else round(p.ramp * rate)
    return cochlea.hann_ramp(cochlea.normalize_rms(x, p.level), n_ramp)


def membrane(x: Floats, rate: int, p: cochlea.BasilarMembraneParams) -> tuple[Floats, int]:
    """Return the velocity of all channels and its rate, as ``cochlea.encode`` computes them."""
    coeffs = cochlea.design_basilar_membrane(rate, CHANNELS, None, p)
    return cochlea.run_basilar_membrane(cochlea.analyse(x, coeffs), coeffs), rate // 2


def release(recording: Floats, v: Variant) -> tuple[Floats, int]:
    """Return the release probability of all channels and its rate."""
    x = recording if v.rate == 48000 else soxr.resample(recording, 48000, v.rate, quality="VHQ")
    x = v.prepare(x, v.params) if v.prepare else prepare(x, v.params, v.rate)
    velocity, rate = (v.membrane or membrane)(x, v.rate, v.params.basilar_membrane)
    if v.hair_cell:
        return v.hair_cell(velocity, rate), rate
    return cochlea.run_hair_cell(velocity, cochlea.design_hair_cell(rate, v.params.hair_cell)), rate


def runs(
    p_fire: Floats, rate: int, v: Variant, seeds: range
) -> list[tuple[Floats, NDArray[np.int64]]]:
    """Return the spikes of every seed: times [ms] from the start of the clip, and channels."""
    coeffs = cochlea.design_bushy_cell(rate, v.params.bushy_cell)
    step = v.bushy_cell or cochlea.run_bushy_cell
    found = (step(p_fire, coeffs, seed) for seed in seeds)
    return [(at * 1000 / rate, units) for at, units in found]


def levelled(x: Floats, p: cochlea.CochleaParams, how: str) -> Floats:
    """Apply level and window in another order or with another measure of loudness."""
    if how == "window first":
        return cochlea.normalize_rms(cochlea.hann_ramp(x, 1440), p.level)
    if how == "mean removed first":
        return prepare(x - x.mean(), p)
    if how == "16-bit steps":  # of a file at level 0.3, full scale 4: the peak is 2.9
        return np.round(prepare(x, p) * 8192) / 8192
    if how == "clipped at 1":
        return np.clip(prepare(x, p), -1, 1)
    if how == "inverted":
        return -prepare(x, p)
    if how == "via 44.1 kHz":
        twice = soxr.resample(soxr.resample(x, 48000, 44100), 44100, 48000)
        return prepare(twice, p)
    if how == "rms of the loud part":  # above 1/100 of the peak's power, frames of 10 ms
        power = (x[: x.size // 480 * 480].reshape(-1, 480) ** 2).mean(axis=1)
        loud = power[power > power.max() / 100].mean()
        return cochlea.hann_ramp(p.level / np.sqrt(loud) * x, 1440)
    if how.startswith("silence added"):  # before the level, both ends, cut off again
        padded = x.size + 48 * float(how.split()[-2])
        return cochlea.hann_ramp(p.level / np.sqrt((x**2).sum() / padded) * x, 1440)
    raise ValueError(how)


def membrane_otherwise(
    x: Floats, rate: int, p: cochlea.BasilarMembraneParams, how: str
) -> tuple[Floats, int]:
    """Run the membrane with another treatment of the spectrum."""
    coeffs = cochlea.design_basilar_membrane(rate, CHANNELS, None, p)
    spectrum = cochlea.analyse(x, coeffs)
    n = spectrum.bins.size
    if how == "no folding":
        kept = np.where(np.arange(n) < n // 2, spectrum.bins, 0)
        return cochlea.run_basilar_membrane(replace(spectrum, bins=kept), coeffs), rate // 2
    edges = coeffs.edges  # "frequencies from 0": bin k is k·rate/N, not 1 Hz higher at the bottom
    panel = np.repeat(np.arange(edges.size - 1), np.diff(spectrum.first_bin))
    offset = -2 * (1 - np.arange(n) / (n - 1)) / (edges[panel + 1] - edges[panel])
    shifted = replace(spectrum, position=np.clip(spectrum.position + offset, -1, 1))
    return cochlea.run_basilar_membrane(shifted, coeffs), rate // 2


def hair_cell(velocity: Floats, rate: int, scheme: str) -> Floats:
    """Run the hair cell with another integration scheme, all channels at once."""
    h, substeps = SHD.hair_cell, 8 if scheme == "eight substeps" else 1
    rest = cochlea.design_hair_cell(rate, h)
    dt = 1 / rate / substeps
    lr = h.loss_rate + h.reuptake_rate
    q, c, w = (
        np.full(velocity.shape[0], start) for start in (rest.q_rest, rest.c_rest, rest.w_rest)
    )
    p_fire = np.empty(velocity.shape)
    for s in range(velocity.shape[1]):
        drive = np.maximum(velocity[:, s] + h.permeability_offset, 0)
        k = h.release_rate * drive / (drive + h.permeability_scale)
        old = c
        for _ in range(substeps):
            supply = h.replenish_rate * np.maximum(h.pool_size - q, 0) * dt
            eject, back = k * q * dt, h.reprocess_rate * w * dt
            if scheme == "new q and w at once":
                q = q + supply - eject + back
                w = w + h.reuptake_rate * c * dt - back
                c = np.maximum(c + k * q * dt - lr * c * dt, 0)
                continue
            w = w + h.reuptake_rate * c * dt - back
            if scheme == "exact decay of the cleft":
                c = c * np.exp(-lr * dt) + eject * (1 - np.exp(-lr * dt)) / (lr * dt)
            elif scheme == "implicit cleft":
                c = (c + eject) / (1 + lr * dt)
            else:
                c = np.maximum(c + eject - lr * c * dt, 0)
            q = q + supply - eject + back
        p_fire[:, s] = h.firing_rate / rate * (old if scheme == "old cleft fires" else c)
    return p_fire


def bushy_cell(
    p_fire: Floats, coeffs: cochlea.BushyCellCoeffs, seed: int, scheme: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Run the bushy cell with another order of its steps."""
    c = coeffs
    if scheme == "Euler decay":
        dt = 1 / 24000
        c = replace(c, decay_mem=1 - dt / 1e-3, decay_syn=1 - dt / 0.5e-3)
    code = SCHEMES.index(scheme)
    found: Spikes = _bushy_kernel(
        p_fire, c.n_trains, c.n_dead, c.n_ref, c.decay_mem, c.decay_syn, c.gain, code, seed
    )
    return found


SCHEMES = (
    "one by one",  # control: the reference's order, binomial draws sample by sample
    "Euler decay",
    "input after the membrane",
    "spike in the same sample",
    "current reset by a spike",
    "current held while refractory",
    "membrane charges while refractory",
    "membrane decays after the input",
)


@njit()
def _bushy_kernel(
    p_fire: Floats,
    n_trains: int,
    n_dead: int,
    n_ref: int,
    decay_mem: float,
    decay_syn: float,
    gain: float,
    code: int,
    seed: int,
) -> Spikes:
    np.random.seed(seed)  # noqa: NPY002  the compiled generator has no binomial draws
    at = []
    units = []
    for channel in range(p_fire.shape[0]):
        returning = np.zeros(n_dead, np.int64)
        available = n_trains
        v = 0.0
        i = 0.0
        ready = 0
        for s in range(p_fire.shape[1]):
            available += returning[s % n_dead]
            events = 0
            if available > 0:
                events = np.random.binomial(available, min(p_fire[channel, s], 1.0))  # noqa: NPY002
            available -= events
            returning[s % n_dead] = events
            fired = False
            if s >= ready and v >= 1.0:
                at.append(s - 1)
                units.append(channel)
                fired = True
                v = 0.0
                ready = s + n_ref
                if code == 4:
                    i = 0.0
            elif (s >= ready or code == 6) and code != 7:
                v *= decay_mem
            if code == 2 and s >= ready:
                v = min(v + gain * i, 1.0)
            if not (code == 5 and s < ready):
                i = i * decay_syn + events
            if code != 2 and (s >= ready or (code == 6 and not fired)):
                v = min(v + gain * i, 1.0)
                if code == 7 and v < 1.0:
                    v *= decay_mem
                if code == 3 and v >= 1.0:
                    at.append(s)
                    units.append(channel)
                    v = 0.0
                    ready = s + n_ref
    return np.array(at, np.int64), np.array(units, np.int64)


def variants() -> Iterator[Variant]:
    """List all variants, in the order of the table."""
    for level in LEVELS:
        yield Variant("level", f"{level:.2f}", replace(SHD, level=level))
    yield Variant("level", "0.3162 (−10 dB)", replace(SHD, level=10**-0.5))
    yield from _audio()
    yield from _membrane()
    yield from _hair_cell()
    yield from _bushy_cell()
    higher = replace(SHD, level=0.32)
    sooner = replace(higher, bushy_cell=replace(SHD.bushy_cell, tau_ref=23 / 24e3))
    yield Variant("level 0.32 and", "tau_ref 0.9583 ms", sooner)
    for damping in (0.14, 0.16):
        changed = replace(higher, basilar_membrane=replace(SHD.basilar_membrane, damping=damping))
        yield Variant("level 0.32 and", f"damping {damping}", changed)


def _audio() -> Iterator[Variant]:
    for how in (
        *("window first", "mean removed first", "16-bit steps", "clipped at 1", "inverted"),
        *("via 44.1 kHz", "rms of the loud part", "silence added, 120 ms"),
    ):
        yield Variant("audio", how, prepare=partial(levelled, how=how))
    for ramp in (0.0, 0.005, 0.015, 0.1):
        yield Variant("window", f"{ramp * 1e3:g} ms", replace(SHD, ramp=ramp))
    yield Variant("window", "half up, half down", replace(SHD, ramp=None))
    for rate in (32000, 44100, 96000):
        yield Variant("input rate", f"{rate / 1000:g} kHz", rate=rate)


def _membrane() -> Iterator[Variant]:
    for how in ("no folding", "frequencies from 0"):
        yield Variant("membrane", how, membrane=partial(membrane_otherwise, how=how))
    for field, values in {
        "damping": (0.10, 0.12, 0.13, 0.14, 0.16, 0.20),
        "stiffness_base": (0.9e9, 1.03e9, 1.1e9),
        "stiffness_offset": (0.0, 10000.0),
        "mass": (0.045, 0.055),
        "scala_height": (0.09, 0.11, 0.12),
        "length": (3.4, 3.5 * 699 / 700, 3.6),
    }.items():
        for value in values:
            changed = replace(SHD.basilar_membrane, **{field: value})
            yield Variant(
                "membrane", f"{field} {value:.4g}", replace(SHD, basilar_membrane=changed)
            )


def _hair_cell() -> Iterator[Variant]:
    fork = replace(SHD.hair_cell, replenish_rate=11.11, release_rate=1000.0, loss_rate=1250.0)
    fork = replace(fork, reuptake_rate=16667.0, reprocess_rate=250.0)
    yield Variant("hair cell", "set of the fork", replace(SHD, hair_cell=fork))
    for field, values in {
        "permeability_offset": (4.8, 5.2, 10.0),
        "permeability_scale": (270.0, 285.0),
        "firing_rate": (50500.0, 51000.0),
        "release_rate": (1650.0, 2100.0, 2200.0),
        "replenish_rate": (5.1, 5.2),
        "loss_rate": (2450.0,),
        "reuptake_rate": (6000.0, 6300.0),
        "reprocess_rate": (60.0, 80.0, 100.0),
    }.items():
        for value in values:
            changed = replace(SHD, hair_cell=replace(SHD.hair_cell, **{field: value}))
            yield Variant("hair cell", f"{field} {value:g}", changed)
    for scheme in (
        *("old cleft fires", "new q and w at once", "exact decay of the cleft"),
        *("implicit cleft", "eight substeps"),
    ):
        yield Variant("hair cell", scheme, hair_cell=partial(hair_cell, scheme=scheme))


def _bushy_cell() -> Iterator[Variant]:
    bushy = SHD.bushy_cell
    for field, times in {
        "tau_ref": (0.5e-3, 0.75e-3, 23 / 24e3, 25 / 24e3),
        "tau_dead": (0.0, 0.5e-3, 0.75e-3, 23 / 24e3, 25 / 24e3),
        "tau_mem": (0.95e-3, 1.02e-3, 1.05e-3),
        "tau_syn": (0.45e-3, 0.51e-3, 0.525e-3),
    }.items():
        for time in times:
            changed = replace(SHD, bushy_cell=replace(bushy, **{field: time}))  # type: ignore[arg-type]
            yield Variant("bushy cell", f"{field} {time * 1e3:.4g} ms", changed)
    for weight, trains in (
        *((12500.0, 40), (13100.0, 40), (13250.0, 40), (13500.0, 40)),
        *((13000.0, 38), (13000.0, 39), (13000.0, 41), (13000.0, 42), (13000.0, 44)),
        *((13300.0, 44), (13500.0, 47)),  # both: the spontaneous spikes stay, the noise falls
    ):
        changed = replace(SHD, bushy_cell=replace(bushy, weight=weight, n_trains=trains))
        yield Variant("bushy cell", f"weight {weight:g}, {trains} trains", changed)
    for scheme in SCHEMES:
        yield Variant("bushy cell", scheme, bushy_cell=partial(bushy_cell, scheme=scheme))
