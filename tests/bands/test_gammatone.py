"""Gammatone filters: the ERB scale, the impulse response in closed form, and scipy's design."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import signal

from spikebench.bands.gammatone import ORDER, design_gammatone, erb, erb_spaced

RATE = 16_000


def response(frequency: float, n: int = 4000) -> np.ndarray:
    """The filter's answer to one sample of 1, by its equations in complex numbers."""
    real, imaginary, gain = (part[0] for part in design_gammatone(np.array([frequency]), RATE))
    pole, states = complex(real, imaginary), [0j] * ORDER
    found = []
    for k in range(n):
        value = complex(k == 0)
        for stage in range(ORDER):
            value = states[stage] = gain * value + pole * states[stage]
        found.append(2 * value.real)
    return np.array(found)


def test_bandwidths_and_spacing() -> None:
    assert_allclose(erb(np.array([0.0, 1000.0])), [24.7, 24.7 * 5.37], rtol=1e-12)
    found = erb_spaced(50, 100.0, 7000.0)
    assert_allclose(found[[0, -1]], [100.0, 7000.0], rtol=1e-12)
    numbers = 21.4 * np.log10(1 + 4.37 * found / 1000)
    assert_allclose(np.diff(numbers), (numbers[-1] - numbers[0]) / 49, rtol=1e-9)
    assert_allclose(erb_spaced(1, 100.0, 7000.0), [100.0], rtol=1e-12)


@pytest.mark.parametrize("frequency", [100.0, 1000.0, 7000.0])
def test_the_impulse_response_is_a_gammatone(frequency: float) -> None:
    width = 1.019 * 24.7 * (1 + 4.37 * frequency / 1000)
    decay = np.exp(-2 * np.pi * width / RATE)
    n = np.arange(4000)
    grows = np.array([comb(int(k) + 3, 3) for k in n], float)
    tone = np.cos(2 * np.pi * frequency / RATE * n)
    expected = 2 * (1 - decay) ** 4 * grows * decay**n * tone
    assert_allclose(response(frequency), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("frequency", [250.0, 1000.0, 4000.0])
def test_the_amplitude_response_is_that_of_scipy(frequency: float) -> None:
    b, a = signal.gammatone(frequency, "fir", numtaps=4000, fs=RATE)
    at = frequency + erb(np.array([frequency])) * np.array([-0.5, 0.0, 0.5])
    _, theirs = signal.freqz(b, a, worN=at, fs=RATE)
    _, ours = signal.freqz(response(frequency), 1.0, worN=at, fs=RATE)
    assert_allclose(np.abs(ours[1]), 1.0, atol=0.02)  # the amplitude of a tone is kept
    assert_allclose(np.abs(ours) / np.abs(ours[1]), np.abs(theirs) / np.abs(theirs[1]), atol=0.02)
