"""Every degradation against an independent slow calculation of what it should be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import welch

from spikebench.degradation.additive import (
    mix,
    mixing_gain,
    pink_noise,
    speech_active,
    white_noise,
)
from spikebench.degradation.lines import (
    change_level,
    change_speed,
    clip_peaks,
    lose_packets,
    telephone,
)
from spikebench.degradation.rooms import reverberate, room_response

RATE = 16_000


def tone(
    frequency: float, seconds: float = 1.0, rate: int = RATE, amplitude: float = 0.3
) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)


def active_by_loop(samples: np.ndarray, rate: int) -> list[bool]:
    """Frame by frame, in dB."""
    frame = round(0.02 * rate)
    parts = [samples[k : k + frame] for k in range(0, samples.size, frame)]
    levels = [
        10 * math.log10(sum(float(x) ** 2 for x in part) / len(part) + 1e-300) for part in parts
    ]
    return [
        level >= max(levels) - 30 for level, part in zip(levels, parts, strict=True) for _ in part
    ]


def test_speech_is_where_frames_are_within_30_db_of_the_loudest(rng: np.random.Generator) -> None:
    samples = np.concatenate(
        [
            0.001 * rng.standard_normal(1000),  # 46 dB softer
            0.2 * rng.standard_normal(3000),
            0.02 * rng.standard_normal(1600),  # 20 dB softer
            np.zeros(777),
        ]
    )
    active = speech_active(samples, RATE)
    assert active.tolist() == active_by_loop(samples, RATE)
    assert not active[:960].any()
    assert active[1280:5440].all()
    assert not active[5760:].any()


@pytest.mark.parametrize("samples", [np.zeros(5), np.zeros(0)])
def test_silence_has_no_speech(samples: np.ndarray) -> None:
    assert speech_active(samples, RATE).tolist() == [False] * samples.size
    with pytest.raises(ValueError, match="no speech"):
        mix(samples, np.ones(samples.size), RATE, 5.0)


def test_one_sample_is_speech() -> None:
    assert speech_active(np.array([1e-200]), RATE).tolist() == [True]
    assert_allclose(mix(np.array([0.5]), np.array([-4.0]), RATE, 0.0), [0.0], rtol=0, atol=1e-16)


def test_a_ratio_by_hand() -> None:
    # Speech of power 1/2 in the first half; noise of power 1/2 there and 100 times as much after it.
    speech = np.concatenate([tone(100, 0.5, amplitude=1.0), np.zeros(RATE // 2)])
    noise = np.concatenate([tone(200, 0.5, amplitude=1.0), tone(200, 0.5, amplitude=10.0)])
    for snr, gain in ((0.0, 1.0), (20.0, 0.1), (-20.0, 10.0)):
        assert_allclose(mix(speech, noise, RATE, snr), speech + gain * noise, rtol=1e-9, atol=1e-9)


def test_the_ratio_of_a_mixture_is_the_one_that_was_asked_for(rng: np.random.Generator) -> None:
    speech = np.concatenate([np.zeros(4000), 0.1 * rng.standard_normal(4000), np.zeros(4321)])
    for snr in (-5, 0.0, 17.5, 30):
        for noise in (white_noise(speech.size, rng), pink_noise(speech.size, RATE, rng)):
            added = mix(speech, noise, RATE, snr) - speech
            where = active_by_loop(speech, RATE)
            power = [sum(float(x) ** 2 for x in one[where]) for one in (speech, added)]
            assert 10 * math.log10(power[0] / power[1]) == pytest.approx(snr, abs=1e-9)


def test_an_infinite_ratio_changes_no_bit(rng: np.random.Generator) -> None:
    speech = rng.standard_normal(1000)
    assert mix(speech, np.zeros(1000), RATE, math.inf) is speech


def test_silent_noise_is_refused(rng: np.random.Generator) -> None:
    speech = np.concatenate([rng.standard_normal(320), np.zeros(320)])
    noise = np.concatenate([np.zeros(320), np.ones(320)])
    with pytest.raises(ValueError, match="silent where there is speech"):
        mixing_gain(speech, noise, speech_active(speech, RATE), 5.0)


def slope_db_per_octave(noise: np.ndarray, low: float, high: float) -> float:
    frequencies, power = welch(noise, RATE, nperseg=4096)
    band = (frequencies >= low) & (frequencies <= high)
    return float(np.polyfit(np.log2(frequencies[band]), 10 * np.log10(power[band]), 1)[0])


def test_spectra_of_noise(rng: np.random.Generator) -> None:
    # −3.01 dB per octave for pink noise, 0 for white; the slope of 2 million samples is known to about 0.02 dB.
    n = 1 << 21
    assert slope_db_per_octave(pink_noise(n, RATE, rng), 100, 7000) == pytest.approx(
        -3.0103, abs=0.08
    )
    assert slope_db_per_octave(white_noise(n, rng), 100, 7000) == pytest.approx(0, abs=0.08)


def test_octaves_of_pink_noise_have_equal_power(rng: np.random.Generator) -> None:
    noise = pink_noise(1 << 19, RATE, rng)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(noise.size, 1 / RATE)
    octaves = [power[(frequencies >= f) & (frequencies < 2 * f)].sum() for f in (125, 500, 2000)]
    assert_allclose(octaves, np.mean(octaves), rtol=0.03)


def test_pink_noise_by_a_slow_transform(rng: np.random.Generator) -> None:
    n, size = 12, 24
    drawn = np.random.default_rng(5).standard_normal(size)
    expected = np.zeros(size)
    for f in range(
        size // 2 + 1
    ):  # frequency by frequency: a cosine and a sine of the drawn numbers
        hertz = f * RATE / size
        gain = 1 / math.sqrt(max(hertz, 20.0))
        angle = 2 * np.pi * f * np.arange(size) / size
        a, b = (drawn * np.cos(angle)).sum(), (drawn * np.sin(angle)).sum()
        once = 1 if f in (0, size // 2) else 2
        expected += once * gain * (a * np.cos(angle) + b * np.sin(angle)) / size
    found = pink_noise(n, RATE, np.random.default_rng(5))
    assert_allclose(found, expected[:n], rtol=1e-9, atol=1e-12)
    assert pink_noise(1, RATE, rng).shape == (1,)


@pytest.mark.parametrize("decay", [0.2, 0.5, 1.0])
def test_the_decay_of_a_room_by_schroeder_integration(decay: float) -> None:
    times = []
    for seed in range(8):
        response = room_response(decay, RATE, np.random.default_rng(seed))
        tail = response[1:]
        left = np.cumsum(np.square(tail)[::-1])[
            ::-1
        ]  # Schroeder (1965): energy that is still to come
        level = 10 * np.log10(left / left[0])
        between = (level <= -5) & (level >= -35)  # T30, as ISO 3382 has it
        per_second = np.polyfit(np.flatnonzero(between) / RATE, level[between], 1)[0]
        times.append(-60 / per_second)
        assert np.square(tail).sum() == pytest.approx(1.0, rel=1e-9)
        assert response[0] == 1.0
        assert response.size == 1 + round(decay * RATE)
    assert np.mean(times) == pytest.approx(decay, rel=0.03)


def test_reverberation_is_a_sum_of_echoes(rng: np.random.Generator) -> None:
    samples, response = rng.standard_normal(50), rng.standard_normal(80)
    expected = np.zeros(50)
    for delay, gain in enumerate(response):
        for k in range(delay, 50):
            expected[k] += gain * samples[k - delay]
    assert_allclose(reverberate(samples, response), expected, rtol=1e-9, atol=1e-9)
    assert room_response(0.0001, 1000, rng).tolist() == [1.0]


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
def test_band_edges_of_a_telephone(rate: int) -> None:
    impulse = np.zeros(4 * rate)
    impulse[0] = 1.0
    heard = telephone(impulse, rate)
    place = 2 * np.pi * np.arange(heard.size) / rate

    def gain_db(frequency: float) -> float:
        """Response to a tone, as a slow sum; not by the coefficients of the filter."""
        return 20 * math.log10(
            math.hypot(
                (heard * np.cos(frequency * place)).sum(), (heard * np.sin(frequency * place)).sum()
            )
        )

    def expected(frequency: float) -> float:
        """Butterworth's formula with the frequencies that the bilinear transform bends."""
        f, low, high = (math.tan(math.pi * one / rate) for one in (frequency, 300, 3400))
        x = (f * f - low * high) / (f * (high - low))
        return -10 * math.log10(1 + x**16)

    for frequency in (150, 250, 300, 350, 1000, 3000, 3400, 3700):
        assert gain_db(frequency) == pytest.approx(expected(frequency), abs=0.01)
    assert gain_db(300) == pytest.approx(-3.01, abs=0.01)
    assert gain_db(3400) == pytest.approx(-3.01, abs=0.01)
    assert gain_db(150) < -40


def test_low_rates_have_the_lower_edge_alone() -> None:
    rate = 4000
    assert np.abs(telephone(tone(1800, rate=rate), rate)[2000:]).max() > 0.29
    assert np.abs(telephone(tone(100, rate=rate), rate)[2000:]).max() < 1e-3
    assert telephone(np.ones(3), 1000).shape == (3,)


def test_clipping_by_hand() -> None:
    samples = np.array([0.0, 0.1, -0.2, 0.8, -0.5])
    assert_allclose(clip_peaks(samples, 20 * math.log10(4)), [0, 0.1, -0.2, 0.2, -0.2], rtol=1e-12)
    assert clip_peaks(samples, 0.0).tolist() == samples.tolist()
    assert clip_peaks(np.zeros(2), 20.0).tolist() == [0, 0]


def test_levels_are_those_of_16_bits() -> None:
    samples = np.array([0.0, 0.5, -0.05, 3e-6, 0.11])
    loud = change_level(samples, 20.0)
    expected = [min(max(round(10 * x * 32768), -32768), 32767) / 32768 for x in samples]
    assert loud.tolist() == expected == [0, 32767 / 32768, -0.5, 1 / 32768, 32767 / 32768]
    assert change_level(samples, -100.0).tolist() == [0.0] * 5
    assert (np.abs(change_level(samples, 0.0) - samples) <= 0.5 / 32768).all()


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_speed_changes_length_and_pitch(factor: float) -> None:
    played = change_speed(tone(1000), factor)
    assert played.size == pytest.approx(RATE / factor, abs=1)
    expected = tone(1000 * factor, played.size / RATE)
    middle = slice(1000, -1000)
    assert_allclose(played[middle], expected[middle], rtol=0, atol=2e-4)
    assert change_speed(played, 1.0) is played
    assert change_speed(np.array([0.3]), 2.0).size >= 1


def test_the_share_of_lost_packets(rng: np.random.Generator) -> None:
    samples = np.ones(20_000 * 320 + 100)
    for share in (0.1, 0.3):
        kept = lose_packets(samples, RATE, share, np.random.default_rng(1))
        packets = [kept[k : k + 320] for k in range(0, kept.size, 320)]
        assert all(len({*packet.tolist()}) == 1 for packet in packets)  # whole packets only
        lost = sum(packet[0] == 0 for packet in packets) / len(packets)
        assert abs(lost - share) < 4 * math.sqrt(share * (1 - share) / len(packets))
    few = lose_packets(samples, RATE, 0.1, np.random.default_rng(1)) == 0
    many = lose_packets(samples, RATE, 0.3, np.random.default_rng(1)) == 0
    assert (many[few]).all()
    assert not lose_packets(samples, RATE, 1.0, rng).any()
    assert lose_packets(samples, RATE, 0.0, rng).all()
    assert samples.all()  # the recording itself is not changed
