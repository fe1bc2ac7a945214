"""Levels of mel bands: by definition, of tones of known level, and of recordings of any rate and length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spikebench.bands.mel import MelDesign, log_mel, mel_filters
from spikebench.errors import TrainingError

DESIGN = MelDesign(
    sample_rate=16_000, hop=160, window=400, n_bands=20, lowest=50, highest=8000, floor=-60.0
)


def tone(frequency: float, rate: int = 16_000, seconds: float = 0.3) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def by_definition(samples: np.ndarray, design: MelDesign) -> np.ndarray:
    """Every frame for itself, from the equations of the module."""
    scaled = samples / np.sqrt(2 * np.mean(samples**2))
    turns = np.arange(design.window) / design.window
    window = 0.5 - 0.5 * np.cos(2 * np.pi * turns)
    frames = []
    for end in range(design.hop, samples.size + design.hop, design.hop):
        at = np.arange(end - design.window, end)
        inside = (at >= 0) & (at < samples.size)
        sound = np.where(inside, scaled[np.clip(at, 0, samples.size - 1)], 0.0)
        spectrum = 2 / window.sum() * np.fft.rfft(window * sound, design.n_fft)
        frames.append(mel_filters(design).astype(np.float64) @ np.abs(spectrum) ** 2)
    return 10 * np.log10(np.maximum(frames, 10 ** (design.floor / 10)))


@pytest.mark.parametrize("size", [1, 159, 160, 161, 400, 1234])
def test_levels_are_those_of_the_definition(size: int) -> None:
    samples = np.random.default_rng(size).standard_normal(size)
    found = log_mel(samples, 16_000, DESIGN)
    assert found.dtype == np.float32
    assert found.shape == (-(-size // 160), 20)
    assert_allclose(found, by_definition(samples, DESIGN), rtol=0, atol=2e-3)


def test_a_tone_has_the_level_of_its_band_at_any_gain() -> None:
    # In the middle of a band, a tone of amplitude 1 has |X|² = 1 at its frequency and 1/4 one sixteenth of the rate of
    # windows beside it, and triangles of neighbours share the rest: between 0 and 10·log10(1.5) dB.
    frequency = 1000.0
    filters = mel_filters(DESIGN)
    band = int(filters[:, round(frequency / 16_000 * DESIGN.n_fft)].argmax())
    found = log_mel(tone(frequency), 16_000, DESIGN)[5:25]
    assert (found.argmax(1) == band).all()
    assert ((found[:, band] > -2) & (found[:, band] < 1.8)).all()
    assert_allclose(log_mel(1e-9 * tone(frequency), 16_000, DESIGN)[5:25], found, rtol=0, atol=1e-3)
    assert found.min() == -60.0  # far from the tone


def test_a_frame_holds_no_sound_from_after_its_time_bin() -> None:
    samples = np.random.default_rng(0).standard_normal(1600)
    other = samples.copy()
    other[800:] *= -1  # another future of the same level
    first, second = (log_mel(one, 16_000, DESIGN) for one in (samples, other))
    assert_allclose(first[:5], second[:5], rtol=0, atol=1e-4)
    assert np.abs(first[5:7] - second[5:7]).max() > 1


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_other_rates_are_resampled(rate: int) -> None:
    found = log_mel(tone(1000.0, rate), rate, DESIGN)
    expected = log_mel(tone(1000.0), 16_000, DESIGN)
    loud = expected[5:25] > -30
    assert found.shape == expected.shape
    assert_allclose(found[5:25][loud], expected[5:25][loud], rtol=0, atol=0.2)


def test_silence_has_the_level_of_the_floor() -> None:
    for samples in (np.zeros(500), np.zeros(1), np.zeros(0)):
        found = log_mel(samples, 16_000, DESIGN)
        assert found.shape[0] == max(-(-samples.size // 160), 1)
        assert (found == -60.0).all()


def test_a_band_between_two_frequencies_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"mel\.bands = 200: band \d+ lies between two freq"):
        log_mel(tone(1000.0), 16_000, replace(DESIGN, n_bands=200))
