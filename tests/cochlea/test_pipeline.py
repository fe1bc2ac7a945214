"""The public functions: contract, seeds, presets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cochlea
from cochlea import PRESETS, encode, trace


@pytest.fixture
def clip(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(4800) / 48000
    return np.sin(2 * np.pi * 700 * t) * np.exp(-20 * t) + 0.01 * rng.standard_normal(t.size)


def test_same_seed_same_spikes_another_seed_others(clip: np.ndarray) -> None:
    one, two, other = (encode(clip, 48000, n_channels=40, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(one.times, two.times)
    assert np.array_equal(one.units, two.units)
    assert one.times.size > 20
    assert not np.array_equal(one.times, other.times)


def test_seed_may_be_several_numbers(clip: np.ndarray) -> None:
    spikes = encode(clip, 48000, n_channels=40, seed=[7, 1234])
    assert not np.array_equal(spikes.times, encode(clip, 48000, n_channels=40, seed=7).times)


def test_blocks_change_nothing(clip: np.ndarray) -> None:
    """All stages channel by channel give the spikes of sixteen channels abreast, and those of fewer."""
    whole = encode(clip, 48000, n_channels=40, seed=3)
    stages = trace(clip, 48000, n_channels=40)
    cells = cochlea.design_bushy_cell(24000)
    for channel in (0, 15, 16, 39):
        alone = trace(clip, 48000, n_channels=40, channels=[channel])
        assert np.array_equal(alone.velocity[0], stages.velocity[channel])
        samples, _ = cochlea.run_bushy_cell(alone.p_fire, cells, 3, channel)
        assert np.array_equal(samples / 24000, whole.times[whole.units == channel])
    assert whole.times.size > 20


def test_spikes_are_ordered_and_on_the_grid(clip: np.ndarray) -> None:
    times, units = encode(clip, 48000, n_channels=100)
    assert times.dtype == np.float64
    assert units.dtype == np.uint16
    key = np.round(times * 24000) * 100 + units
    assert np.all(np.diff(key) > 0)
    assert_allclose(times * 24000, np.round(times * 24000), rtol=0, atol=1e-9)
    assert units.max() < 100
    assert 0 <= times.min() <= times.max() < 0.1


@pytest.mark.parametrize("n_channels", [1, 2, 33])
def test_any_number_of_channels(clip: np.ndarray, n_channels: int) -> None:
    assert encode(clip, 48000, n_channels=n_channels).units.max(initial=0) < n_channels


def test_trace_of_chosen_channels(clip: np.ndarray) -> None:
    whole = trace(clip, 48000, n_channels=40)
    chosen = trace(clip, 48000, n_channels=40, channels=[39, 3])
    assert whole.sample_rate == chosen.sample_rate == 24000
    assert whole.velocity.shape == whole.p_fire.shape == (40, 2401)
    assert np.array_equal(chosen.velocity, whole.velocity[[39, 3]])
    assert np.array_equal(chosen.p_fire, whole.p_fire[[39, 3]])
    with pytest.raises(ValueError, match=r"indices in 0 … 39"):
        trace(clip, 48000, n_channels=40, channels=[40])


def test_presets_differ_in_window_and_rate(clip: np.ndarray) -> None:
    assert trace(clip[::3], 16000, n_channels=2).sample_rate == 24000
    assert trace(clip[::3], 16000, "lauscher", n_channels=2).sample_rate == 8000
    native = replace(PRESETS["shd"], input_rate=None)
    assert trace(clip[::3], 16000, native, n_channels=2).sample_rate == 8000


def test_resampled_audio_gives_about_the_same_spikes() -> None:
    t = np.arange(19200) / 48000
    tone = np.sin(2 * np.pi * 800 * t)
    full = encode(tone, 48000, n_channels=70).times.size
    third = encode(np.sin(2 * np.pi * 800 * t[::3]), 16000, n_channels=70).times.size
    assert abs(third / full - 1) < 0.1


def test_integers_and_loudness_do_not_matter(clip: np.ndarray) -> None:
    loud = np.round(clip * 20000).astype(np.int16)
    one = trace(loud, 48000, n_channels=3)
    two = trace(loud.astype(np.float64) / 32768, 48000, n_channels=3)
    assert_allclose(one.p_fire, two.p_fire, rtol=1e-9)


@pytest.mark.parametrize(
    ("samples", "rate", "options", "message"),
    [
        ([], 48000, {}, "empty"),
        ([0.0] * 100, 48000, {}, "silent"),
        ([1.0, np.nan], 48000, {}, "not finite"),
        ([[1.0, 2.0]], 48000, {}, "mono"),
        ([1.0, 2.0], 48000, {}, "too short"),
        ([1.0] * 100, 0, {}, "sample_rate"),
        ([1.0] * 100, 44100.5, {}, "sample_rate"),
        ([1.0] * 100, float("nan"), {}, "sample_rate"),
        ([1.0] * 100, 48000, {"preset": "shdd"}, "unknown preset 'shdd'"),
        ([1.0] * 100, 48000, {"n_channels": 0}, "n_channels"),
        ([1.0] * 100, 48000, {"n_channels": 65537}, "n_channels"),
    ],
)
def test_bad_input_is_named(samples: list, rate: float, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(samples, rate, **options)


def test_public_names() -> None:
    expected = """
        PRESETS BasilarMembraneCoeffs BasilarMembraneParams BushyCellCoeffs BushyCellParams CochleaParams
        HairCellCoeffs HairCellParams Spectrum Spikes Trace Window analyse characteristic_frequency
        design_basilar_membrane design_bushy_cell design_hair_cell encode hann_ramp normalize_rms place
        prepare_recording release_hazard run_basilar_membrane run_bushy_cell run_hair_cell trace transfer_function
    """
    assert sorted(cochlea.__all__) == sorted(expected.split())
    assert all(getattr(cochlea, name).__doc__ for name in cochlea.__all__ if name != "PRESETS")
