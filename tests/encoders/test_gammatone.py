"""The encoder gammatone against its equations, one sample at a time, in complex numbers."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spikebench.bands.gammatone import ORDER, design_gammatone
from spikebench.encoders.encoder import Spikes, make_encoder
from spikebench.encoders.gammatone import Gammatone, GammatoneParams
from spikebench.encoders.gammatone_loop import run_bands
from spikebench.errors import SpikebenchError

RATE = 16_000


def by_definition(sound: np.ndarray, encoder: Gammatone) -> list[tuple[float, int]]:
    p = encoder.params
    alpha = math.exp(-1 / (p.tau_mem_ms * 1e-3 * RATE))
    loudness = math.sqrt(sum(float(x) ** 2 for x in sound) / len(sound))
    found = []
    for unit, frequency in enumerate(encoder.characteristic_frequencies()):
        width = 1.019 * 24.7 * (1 + 4.37 * frequency / 1000)
        pole = cmath.exp(2 * math.pi * (-width + 1j * frequency) / RATE)
        states, mem, rest = [0j] * 4, 0.0, 0
        for n, sample in enumerate(sound):
            value = complex(sample) / (loudness * math.sqrt(2))
            for k in range(4):
                value = states[k] = (1 - abs(pole)) * value + pole * states[k]
            if rest:
                rest -= 1
                continue
            mem = alpha * mem + (1 - alpha) * max(2 * value.real, 0.0) ** p.compression
            if mem >= p.threshold:
                found.append((n / RATE, unit))
                mem, rest = 0.0, round(p.tau_ref_ms * 1e-3 * RATE)
    return sorted(found)


@pytest.mark.parametrize(
    "settings",
    [{}, {"threshold": 0.05, "tau_ref_ms": 0.0}, {"compression": 1.0, "threshold": 0.01}],
)
def test_spikes_are_those_of_the_definition(settings: dict[str, float]) -> None:
    encoder = make_encoder("gammatone", None, 6, settings=settings)
    assert isinstance(encoder, Gammatone)
    t = np.arange(1600) / RATE
    sound = 0.1 * np.sin(2 * np.pi * 440 * t) + 0.02 * np.random.default_rng(0).standard_normal(
        t.size
    )
    times, units = encoder.encode(sound, RATE, [0])
    expected = by_definition(sound, encoder)
    assert len(expected) > 20
    assert_allclose(times, [time for time, _ in expected], rtol=1e-12)
    assert_array_equal(units, [unit for _, unit in expected])


def test_compiled_as_interpreted() -> None:
    sound = np.random.default_rng(1).standard_normal(800)
    pole = design_gammatone(np.array([300.0, 2000.0]), RATE)
    arguments = (sound, *pole, ORDER, 1 / 3, 0.99, 0.1, 16)
    for one, other in zip(run_bands(*arguments), run_bands.py_func(*arguments), strict=True):
        assert one.size > 10
        assert_array_equal(one, other)


def test_the_unit_of_a_tone_fires_most() -> None:
    encoder = make_encoder("gammatone", None, 40)
    cf = encoder.characteristic_frequencies()
    assert cf is not None
    for unit in (5, 20, 35):
        tone = np.sin(2 * np.pi * cf[unit] * np.arange(4000) / RATE)
        counts = np.bincount(encoder.encode(tone, RATE, [0]).units, minlength=40)
        assert abs(int(counts.argmax()) - unit) <= 1


def test_what_cannot_be_filtered() -> None:
    with pytest.raises(SpikebenchError, match="highest_hz = 9000 is not below half"):
        make_encoder("gammatone", settings={"highest_hz": 9000.0})
    with pytest.raises(SpikebenchError, match="lowest_hz = 100 is not below highest_hz"):
        make_encoder("gammatone", settings={"highest_hz": 90.0})
    native = make_encoder("gammatone", None, 4, native_rate=True)
    with pytest.raises(ValueError, match="half the sample rate of 8000 Hz"):
        native.encode(np.ones(100), 8000, [0])
    silence: Spikes = make_encoder("gammatone", None, 4).encode(np.zeros(500), RATE, [0])
    assert silence.times.size == 0
    assert GammatoneParams().threshold == make_encoder("gammatone").params.threshold
