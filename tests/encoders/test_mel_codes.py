"""Encoders of mel levels: every code against its equations, one number at a time, and its decoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import firwin

from spikebench.encoders.bens_spiker import BensSpikerParams
from spikebench.encoders.encoder import Spikes, make_encoder
from spikebench.encoders.mel_encoder import MelEncoder, MelSignal
from spikebench.encoders.mel_latency import MelLatencyParams
from spikebench.encoders.mel_level_crossing import MelLevelCrossingParams
from spikebench.encoders.moving_window import MovingWindowParams
from spikebench.encoders.step_forward import StepForwardParams

BANDS = 3
Pairs = list[tuple[float, int]]

frames = st.lists(
    st.lists(st.floats(-40, 15, width=32), min_size=BANDS, max_size=BANDS), min_size=1, max_size=30
)


def coder(name: str, **changes: float) -> MelEncoder:
    polarities = 2 if name in ("mel_level_crossing", "step_forward", "moving_window") else 1
    encoder = make_encoder(name, None, BANDS * polarities, settings=changes)
    assert isinstance(encoder, MelEncoder)
    return encoder


def fire(encoder: MelEncoder, levels: list[list[float]]) -> tuple[Spikes, float]:
    step = encoder.params.hop_ms * 1e-3
    spikes = encoder.fire(MelSignal(np.array(levels), step, len(levels) * step), [7])
    assert np.all(np.diff(spikes.times) >= 0)
    return spikes, step


def level_crossing(levels: list[list[float]], step: float, p: MelLevelCrossingParams) -> Pairs:
    found = []
    for band in range(BANDS):
        sent, before = 0, Fraction(0)  # in thresholds above the floor
        for k, level in enumerate(frame[band] for frame in levels):
            height = (Fraction(level) - Fraction(p.floor_db)) / Fraction(p.threshold_db)
            while height >= sent + 1 or height <= sent - 1:
                rises = height > sent
                sent += 1 if rises else -1
                part = (sent - before) / (height - before)
                found.append((float((k + part) * Fraction(step)), band if rises else band + BANDS))
            before = height
    return found


def step_forward(levels: list[list[float]], step: float, p: StepForwardParams) -> Pairs:
    found = []
    for band in range(BANDS):
        base = p.floor_db
        for k, level in enumerate(frame[band] for frame in levels):
            if level > base + p.threshold_db:
                found.append(((k + 1) * step, band))
                base += p.threshold_db
            elif level < base - p.threshold_db:
                found.append(((k + 1) * step, band + BANDS))
                base -= p.threshold_db
    return found


def moving_window(levels: list[list[float]], step: float, p: MovingWindowParams) -> Pairs:
    width, found = round(p.average_ms / p.hop_ms), []
    for band in range(BANDS):
        heard = [p.floor_db] * width
        for k, level in enumerate(frame[band] for frame in levels):
            base = math.fsum(heard[-width:]) / width
            if level > base + p.threshold_db:
                found.append(((k + 1) * step, band))
            elif level < base - p.threshold_db:
                found.append(((k + 1) * step, band + BANDS))
            heard.append(level)
    return found


def latency(levels: list[list[float]], step: float, p: MelLatencyParams) -> Pairs:
    found = []
    for k, frame in enumerate(levels):
        for band, level in enumerate(frame):
            x = min(max((level - p.floor_db) / (p.top_db - p.floor_db), 0.0), 1.0)
            if x >= p.threshold:
                found.append((k * step + (1 - x) * step, band))
    return found


def bens_spiker(levels: list[list[float]], step: float, p: BensSpikerParams) -> Pairs:
    taps = round(p.filter_ms / p.hop_ms)
    g = [p.filter_gain * float(x) for x in firwin(taps, p.cutoff_hz, fs=1000 / p.hop_ms)]
    found = []
    for band in range(BANDS):
        s = [
            min(max((frame[band] - p.floor_db) / (p.top_db - p.floor_db), 0.0), 1.0)
            for frame in levels
        ] + [0.0] * taps
        for k in range(len(levels)):
            with_spike = math.fsum(abs(s[k + j] - g[j]) for j in range(taps))
            without = math.fsum(abs(s[k + j]) for j in range(taps))
            assert (
                abs(with_spike - without + p.threshold * p.filter_gain) > 1e-9
            )  # no rounding decides
            if with_spike <= without - p.threshold * p.filter_gain:
                found.append(((k + 1) * step, band))
                for j in range(taps):
                    s[k + j] -= g[j]
    return found


ORACLES: dict[str, Callable[[list[list[float]], float, Any], Pairs]] = {
    "mel_level_crossing": level_crossing,
    "step_forward": step_forward,
    "moving_window": moving_window,
    "mel_latency": latency,
    "bens_spiker": bens_spiker,
}
# Thresholds that a level of the strategy does not meet exactly, where rounding could decide.
CHANGES = {
    "mel_level_crossing": {"threshold_db": 3.0001},
    "step_forward": {"threshold_db": 2.9999},
    "moving_window": {"threshold_db": 1.50003},
    "mel_latency": {"threshold": 0.30001},
    "bens_spiker": {"threshold": 0.500007, "filter_gain": 0.7},
}


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=40, deadline=None)
@given(levels=frames)
def test_spikes_are_those_of_the_definition(name: str, levels: list[list[float]]) -> None:
    encoder = coder(name, **CHANGES[name])
    found, step = fire(encoder, levels)
    expected = ORACLES[name](levels, step, encoder.params)
    assert found.times.size == len(expected)
    for unit in range(encoder.n_units):
        own = [time for time, which in expected if which == unit]
        assert_allclose(found.times[found.units == unit], own, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ORACLES)
def test_the_codes_of_a_word_are_not_empty(name: str) -> None:
    rng = np.random.default_rng(3)
    levels = np.clip(-30 + 8 * rng.standard_normal((60, BANDS)).cumsum(0), -40, 15).tolist()
    encoder = coder(name, **CHANGES[name])
    found, step = fire(encoder, levels)
    expected = ORACLES[name](levels, step, encoder.params)
    assert found.times.size == len(expected) > 30
    assert set(found.units.tolist()) == set(range(encoder.n_units))


@settings(max_examples=40, deadline=None)
@given(levels=frames)
def test_level_crossings_keep_the_level_within_a_step(levels: list[list[float]]) -> None:
    encoder = coder("mel_level_crossing", threshold_db=2.5)
    spikes, step = fire(encoder, levels)
    stored = Spikes(spikes.times.astype(np.float32).astype(np.float64), spikes.units)
    back = encoder.decode(stored, len(levels) * step)
    assert back.levels.shape == (len(levels), BANDS)
    # A crossing at the very end of a frame may be read as one of the next.
    ends = np.array(levels)
    assert_allclose(back.levels, ends, rtol=0, atol=2 * 2.5)
    assert np.mean(np.abs(back.levels - ends) <= 2.5 + 1e-4) > 0.9


def test_step_forward_follows_a_slow_level() -> None:
    levels = np.repeat(np.linspace(-40, 0, 41), 4)[:, None] + np.zeros(BANDS)
    encoder = coder("step_forward", threshold_db=1.5)
    spikes, step = fire(encoder, levels.tolist())
    back = encoder.decode(spikes, len(levels) * step).levels
    assert_allclose(back, levels, rtol=0, atol=1.5)


def test_the_decoder_of_the_moving_window_inverts_its_equations() -> None:
    encoder = coder("moving_window", average_ms=10.0, threshold_db=4.0)
    spikes = Spikes(np.array([0.005, 0.01, 0.02]), np.array([0, 0, 3], np.uint16))
    back = encoder.decode(spikes, 0.025).levels
    # Two frames are averaged: −36, mean(−40, −36) + 4 = −34, −35, mean(−34, −35) − 4 = −38.5, −36.75
    assert_allclose(back[:, 0], [-36.0, -34.0, -35.0, -38.5, -36.75], rtol=1e-12)
    assert_array_equal(back[:, 1:], -40.0)


def test_latencies_give_levels_back() -> None:
    encoder = coder("mel_latency")
    levels = np.random.default_rng(0).uniform(-20, 15, (50, BANDS))
    spikes, step = fire(encoder, levels.tolist())
    stored = Spikes(spikes.times.astype(np.float32).astype(np.float64), spikes.units)
    back = encoder.decode(stored, 50 * step).levels
    assert_allclose(back, np.minimum(levels, 10.0), rtol=0, atol=0.01)


def test_an_unfinished_frame_has_no_latencies() -> None:
    encoder = coder("mel_latency")
    levels = np.zeros((2, BANDS))
    assert encoder.fire(MelSignal(levels, 0.01, 0.0199), [0]).times.max() < 0.01
    assert encoder.fire(MelSignal(levels, 0.01, 0.02), [0]).times.max() > 0.01
    alone = encoder.fire(MelSignal(levels[:1], 0.01, 0.001), [0])
    assert_array_equal(alone.times, 0.001)  # not after the end of the recording


def test_bens_spiker_gives_levels_back() -> None:
    encoder = coder("bens_spiker")
    turns = np.linspace(0, 4 * np.pi, 200)[:, None] + np.arange(BANDS)
    levels = -15 + 15 * np.sin(turns)
    spikes, step = fire(encoder, levels.tolist())
    back = encoder.decode(spikes, 200 * step).levels
    assert np.abs(back - levels)[10:-10].mean() < 5
    assert np.corrcoef(back[10:-10].ravel(), levels[10:-10].ravel())[0, 1] > 0.95


def test_rates_are_those_of_poisson_processes() -> None:
    encoder = coder("mel_rate", rate_hz=400.0)
    levels = np.tile([-40.0, -15.0, 20.0], (20_000, 1))  # scaled: 0, 1/2 and 1
    spikes, step = fire(encoder, levels.tolist())
    counts = np.bincount(
        np.minimum(spikes.times / step, 19_999).astype(int) * BANDS + spikes.units,
        minlength=20_000 * BANDS,
    ).reshape(-1, BANDS)
    assert counts[:, 0].sum() == 0
    for band, rate in ((1, 200.0), (2, 400.0)):
        mean = rate * step
        # Standard errors of the mean and of the variance of Poisson counts.
        assert abs(counts[:, band].mean() - mean) < 4 * np.sqrt(mean / 20_000)
        error = np.sqrt((mean + 2 * mean**2) / 20_000)
        assert abs(counts[:, band].var() - mean) < 4 * error
    within = spikes.times / step % 1
    assert abs(within.mean() - 0.5) < 4 * np.sqrt(1 / 12 / within.size)
    again, _ = fire(encoder, levels.tolist())
    assert_array_equal(again.times, spikes.times)
    other = encoder.fire(MelSignal(levels, step, 20_000 * step), [8])
    assert other.times.size != spikes.times.size or np.any(other.times != spikes.times)


def test_rates_are_those_of_the_definition() -> None:
    encoder = coder("mel_rate")
    levels = np.random.default_rng(0).uniform(-40, 10, (40, BANDS))
    duration = 39.5 * 0.005
    found = encoder.fire(MelSignal(levels, 0.005, duration), [3, 4])
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([3, 4])))
    lengths = [min(0.005, duration - k * 0.005) for k in range(40)]
    counts = [
        [generator.poisson(200 * (levels[k, b] + 40) / 50 * lengths[k]) for b in range(BANDS)]
        for k in range(40)
    ]
    expected = sorted(
        (k * 0.005 + generator.random() * lengths[k], b)
        for k in range(40)
        for b in range(BANDS)
        for _ in range(counts[k][b])
    )
    assert len(expected) > 20
    assert_allclose(found.times, [time for time, _ in expected], rtol=1e-12)
    assert_array_equal(found.units, [band for _, band in expected])


def test_rates_give_levels_back() -> None:
    encoder = coder("mel_rate", rate_hz=5000.0)
    levels = np.repeat([[-40.0, -15.0, 10.0]], 100, axis=0)
    spikes, step = fire(encoder, levels.tolist())
    back = encoder.decode(spikes, 100 * step).levels[20:-20]
    # What noise lifts above the highest level is cut off.
    assert_allclose(back.mean(0), [-40.0, -15.0, 9.0], rtol=0, atol=1.5)
