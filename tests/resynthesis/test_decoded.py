"""Sounds by the decoder of an encoder: loudness and frequency come back, words are nearer to themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from spikebench.encoders import ENCODERS
from spikebench.encoders.encoder import Levels, Spikes, make_encoder
from spikebench.resynthesis.decoded import levels_to_sound, sound_of_spikes
from spikebench.resynthesis.similarity import spectrogram_correlation
from spikebench.resynthesis.sound import SoundDesign, spikes_to_sound

RATE = 16_000
FREQUENCIES = np.array([3000.0, 500.0])


def sweep(up: bool) -> np.ndarray:
    """A sweep of two octaves and a half, with a pause."""
    t = np.arange(round(0.6 * RATE)) / RATE
    rises = 400 * 6 ** (t / 0.6)
    sound = np.sin(2 * np.pi * np.cumsum(rises if up else rises[::-1]) / RATE)
    return sound * (np.abs(t - 0.35) > 0.05)


def test_levels_are_tones_of_their_amplitude() -> None:
    levels = np.full((100, 2), -40.0)
    levels[20:40, 0] = 0.0
    levels[60:80, 1] = -6.0206
    sound = levels_to_sound(Levels(levels, 0.01, FREQUENCIES, -40.0), 1.0, SoundDesign())
    assert sound.shape == (RATE,)
    assert np.abs(sound).max() == pytest.approx(0.5)
    one, other = sound[round(0.22 * RATE) : round(0.38 * RATE)], sound[9920:12_480]
    assert np.abs(np.fft.rfft(one)).argmax() * RATE / one.size == pytest.approx(3000, abs=7)
    assert np.abs(np.fft.rfft(other)).argmax() * RATE / other.size == pytest.approx(500, abs=7)
    assert np.sqrt(np.mean(one**2) / np.mean(other**2)) == pytest.approx(2, rel=0.01)
    assert not sound[: round(0.19 * RATE)].any()
    with pytest.raises(ValueError, match="is not positive"):
        levels_to_sound(Levels(levels, 0.01, FREQUENCIES, -40.0), 0.0, SoundDesign())


def test_without_a_decoder_every_unit_is_a_tone() -> None:
    spikes = Spikes(np.array([0.1, 0.2]), np.array([0, 1], np.uint16))
    found = sound_of_spikes(spikes, FREQUENCIES, 0.3, lambda spikes, duration: None)
    expected = spikes_to_sound(spikes.times, spikes.units.astype(np.int64), FREQUENCIES, 0.3)
    assert_array_equal(found, expected)
    none = Spikes(np.empty(0), np.empty(0, np.uint16))
    assert not sound_of_spikes(none, FREQUENCIES, 0.3, make_encoder("mel_rate").decode).any()


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_can_be_heard(name: str) -> None:
    encoder = make_encoder(name, None, 64)
    frequencies = encoder.characteristic_frequencies()
    assert frequencies is not None
    up, down = sweep(up=True), sweep(up=False)
    spikes = encoder.encode(up, RATE, [0])
    sound = sound_of_spikes(spikes, frequencies, 0.6, encoder.decode)
    assert sound.shape == up.shape
    own = spectrogram_correlation(up, RATE, sound, RATE)
    assert own > spectrogram_correlation(down, RATE, sound, RATE) + 0.1
    assert own > 0.35
