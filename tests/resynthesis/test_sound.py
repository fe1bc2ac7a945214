"""Sounds of spikes: a tone comes back at its frequency and time, phases are kept, bad input is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from spikebench.errors import SpikebenchError
from spikebench.resynthesis.similarity import spectrogram_correlation
from spikebench.resynthesis.sound import SoundDesign, spikes_to_sound, write_sound

FREQUENCIES = np.array([3000.0, 1000.0, 250.0])


def locked(frequency: float, start: float, end: float, phase: float = 0.0) -> np.ndarray:
    """Spikes at one phase of every period."""
    first, last = np.ceil(start * frequency), np.floor(end * frequency)
    return (np.arange(first, last) + phase) / frequency


@pytest.mark.parametrize("unit", [0, 1, 2])
def test_a_channel_sounds_at_its_frequency_while_it_fires(unit: int) -> None:
    times = locked(FREQUENCIES[unit], 0.3, 0.6)
    sound = spikes_to_sound(times, np.full(times.size, unit), FREQUENCIES, 1.0)
    assert sound.shape == (16_000,)
    assert np.abs(sound).max() == pytest.approx(0.5)
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum.argmax() == pytest.approx(FREQUENCIES[unit], abs=3)
    power = sound**2
    assert power[int(0.25 * 16_000) : int(0.65 * 16_000)].sum() > 0.999 * power.sum()


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.6])
def test_low_channels_keep_the_phase_of_their_spikes(phase: float) -> None:
    times = locked(250.0, 0.0, 1.0, phase)
    sound = spikes_to_sound(times, np.full(times.size, 2), FREQUENCIES, 1.0)
    t = np.arange(16_000) / 16_000
    middle = slice(4000, 12_000)
    expected = 0.5 * np.cos(2 * np.pi * 250.0 * (t - phase / 250.0))
    np.testing.assert_allclose(sound[middle], expected[middle], atol=0.01)


def test_without_phase_locking_only_the_rate_counts() -> None:
    design = SoundDesign(locking_limit=0.0)
    sounds = []
    for phase in (0.0, 0.5):
        times = locked(250.0, 0.0, 1.0, phase)
        sounds.append(
            spikes_to_sound(times, np.full(times.size, 2), FREQUENCIES, 1.0, design)[4000:12_000]
        )
    np.testing.assert_allclose(sounds[0], sounds[1], atol=0.01)


def test_order_of_spikes_does_not_matter_and_channels_above_the_rate_are_left_out() -> None:
    times, units = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 2, 1, 0])
    one = spikes_to_sound(times, units, FREQUENCIES, 0.5)
    back = spikes_to_sound(times[::-1], units[::-1], FREQUENCIES, 0.5)
    np.testing.assert_allclose(one, back, atol=1e-12)
    low = SoundDesign(sample_rate=4000)
    np.testing.assert_array_equal(
        spikes_to_sound(times, units, FREQUENCIES, 0.5, low),
        spikes_to_sound(times[:3], units[:3], FREQUENCIES, 0.5, low),
    )


def test_no_spikes_are_silence_and_bad_arguments_are_refused() -> None:
    none = np.empty(0)
    assert not spikes_to_sound(none, none.astype(int), FREQUENCIES, 0.1).any()
    with pytest.raises(ValueError, match="duration"):
        spikes_to_sound(none, none.astype(int), FREQUENCIES, 0.0)
    with pytest.raises(ValueError, match="exceed the 3 frequencies"):
        spikes_to_sound(np.array([0.1]), np.array([3]), FREQUENCIES, 1.0)


def test_spikes_outside_the_sound_are_ignored() -> None:
    inside = spikes_to_sound(np.array([0.1]), np.array([1]), FREQUENCIES, 0.2)
    both = spikes_to_sound(np.array([0.1, 7.0]), np.array([1, 1]), FREQUENCIES, 0.2)
    np.testing.assert_array_equal(inside, both)


def test_files(tmp_path: Path) -> None:
    sound = 0.5 * np.sin(np.arange(800) / 5)
    for name in ("a.wav", "b.FLAC"):
        write_sound(tmp_path / name, sound, 8000)
        read, rate = soundfile.read(tmp_path / name)
        assert rate == 8000
        np.testing.assert_allclose(read, sound, atol=2 / 2**15)
    with pytest.raises(
        SpikebenchError, match=r"c\.mp3: the suffix of a sound must be .wav or .fla"
    ):
        write_sound(tmp_path / "c.mp3", sound, 8000)
    with pytest.raises(SpikebenchError, match=r"no/d\.wav: cannot be written"):
        write_sound(tmp_path / "no" / "d.wav", sound, 8000)


def noise_bands(seed: int) -> np.ndarray:
    """One second of tones that change every 100 ms."""
    frequencies = np.random.default_rng(seed).uniform(200, 5000, 10)
    t = np.arange(1600) / 16_000
    return np.concatenate([np.sin(2 * np.pi * f * t) for f in frequencies])


def test_similarity_is_one_for_itself_shifted_or_quieter_and_lower_for_another() -> None:
    one = noise_bands(0)
    assert spectrogram_correlation(one, 16_000, 0.1 * one, 16_000) == pytest.approx(1, abs=1e-6)
    late = np.concatenate([np.zeros(4800), one])
    assert spectrogram_correlation(late, 16_000, one, 16_000) > 0.97
    assert spectrogram_correlation(one, 16_000, noise_bands(1), 16_000) < 0.5
    assert spectrogram_correlation(one, 16_000, np.zeros(1600), 16_000) == 0
