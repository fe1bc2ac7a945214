"""Recordings of every rate and depth, and those with something wrong: same spikes, or one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from conftest import ROOT
from helpers.synthetic_clips import tone, write_clip
from numpy.typing import NDArray

import cochlea
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import ConversionReport, convert
from spikebench.spike_files.reader import SpikeFile

N_CHANNELS = 70
TOP = 3400.0  # Hz: below half of the lowest rate


@pytest.fixture(scope="module")
def sentence() -> NDArray[np.float64]:
    """Three synthetic digits, band-limited, at 96 kHz."""
    folder = ROOT / "data" / "digits"
    if not folder.is_dir():
        pytest.skip("the recordings (data/digits) are only in the repository")
    names = [f"lang-english_speaker-0{i}_trial-0_digit-{i}.flac" for i in (1, 3, 7)]
    clips = [soundfile.read(folder / name) for name in names]
    assert {rate for _, rate in clips} == {16_000}
    samples = np.concatenate([clip for clip, _ in clips])
    bins = np.fft.rfft(samples)
    bins[np.fft.rfftfreq(samples.size, 1 / 16_000) > TOP] = 0
    limited = np.fft.irfft(bins, samples.size)
    return np.asarray(soxr.resample(limited, 16_000, 96_000, quality="VHQ"))


def counts(samples: NDArray[np.float64], rate: int, seeds: range) -> NDArray[np.int64]:
    """Spikes per channel whose characteristic frequency lies in the band, shape (seeds, channels)."""
    stages = cochlea.trace(samples, rate, n_channels=N_CHANNELS)  # the same for all seeds
    cells = cochlea.design_bushy_cell(stages.sample_rate)
    units = [cochlea.run_bushy_cell(stages.p_fire, cells, seed)[1] for seed in seeds]
    found = np.array([np.bincount(one, minlength=N_CHANNELS) for one in units])
    spikes = cochlea.encode(samples, rate, n_channels=N_CHANNELS, seed=seeds[0])
    assert np.array_equal(found[0], np.bincount(spikes.units, minlength=N_CHANNELS))
    return found[:, cochlea.characteristic_frequency(N_CHANNELS) < TOP]


@pytest.fixture(scope="module")
def reference(sentence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts at 48 kHz, shape (seeds, channels)."""
    samples = soxr.resample(sentence, 96_000, 48_000, quality="VHQ")
    return counts(samples, 48_000, range(12))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_the_rate_of_a_sentence_does_not_matter(
    sentence: NDArray[np.float64], reference: NDArray[np.int64], rate: int
) -> None:
    samples = soxr.resample(sentence, 96_000, rate, quality="VHQ") if rate < 96_000 else sentence
    measured = counts(samples, rate, range(100, 106))
    variance = reference.var(axis=0, ddof=1) + 0.5  # a quiet channel varies by less than a spike
    z = (measured.mean(axis=0) - reference.mean(axis=0)) / np.sqrt(
        variance * (1 / len(reference) + 1 / len(measured))
    )
    assert reference.mean(axis=0).min() > 1
    # |z| of the largest of some 50 channels, and the mean over all: the noise of the seed, no more.
    assert np.abs(z).max() < 4.5
    assert abs(z.mean()) * np.sqrt(z.size) < 3.5


def test_another_sentence_is_noticed(
    sentence: NDArray[np.float64], reference: NDArray[np.int64]
) -> None:
    """The test above can fail: a sentence 3 % faster is found out."""
    samples = soxr.resample(sentence, 96_000 * 1.03, 48_000, quality="VHQ")
    measured = counts(samples, 48_000, range(100, 106))
    variance = reference.var(axis=0, ddof=1) + 0.5
    z = (measured.mean(axis=0) - reference.mean(axis=0)) / np.sqrt(variance * (1 / 12 + 1 / 6))
    assert np.abs(z).max() > 4.5


OPTIONS = ConversionOptions(n_channels=20, labels="none")


def converted(
    folder: Path, output: Path, options: ConversionOptions = OPTIONS
) -> tuple[ConversionReport, list[str]]:
    notes: list[str] = []
    return convert(folder, output, options, jobs=1, notify=notes.append), notes


def spike_counts(path: Path) -> dict[str, int]:
    with SpikeFile(path) as spikes:
        assert spikes.sources is not None
        return dict(zip(spikes.sources, spikes.spike_counts.tolist(), strict=True))


def test_depth_and_channels_do_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    sound = tone(48_000, 0.3, 800.0) + 0.05 * rng.standard_normal((14_400, 1))
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"):
        write_clip(tmp_path / "audio" / f"{subtype}.wav", sound, 48_000, subtype)
    for subtype in ("PCM_S8", "PCM_16", "PCM_24"):
        write_clip(tmp_path / "audio" / f"{subtype}.flac", sound, 48_000, subtype)
    write_clip(tmp_path / "audio" / "stereo.wav", np.repeat(sound, 2, axis=1), 48_000)
    write_clip(tmp_path / "audio" / "soft.wav", 1e-3 * sound, 48_000, "FLOAT")
    options = ConversionOptions(n_channels=70, labels="none")
    report, notes = converted(tmp_path / "audio", tmp_path / "a.h5", options)
    numbers = np.array(list(spike_counts(tmp_path / "a.h5").values()))
    assert (report.samples, report.skipped) == (12, [])
    assert notes[-2:] == [
        "mixed down to one channel: 1 recording",
        "1 recording is a copy of another: PCM_16.wav = stereo.wav",
    ]
    # Every file has a seed of its own: counts scatter by a few spikes, as with Poisson counts or less.
    assert np.abs(numbers - numbers.mean()).max() < 4 * np.sqrt(numbers.mean())
    assert numbers.mean() > 100


def test_what_is_wrong_with_a_recording_is_mended_or_told(tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    sound = tone(16_000, 0.3, 800.0)
    write_clip(folder / "good.wav", sound)
    write_clip(folder / "short.wav", sound[:20])  # 1.25 ms: shorter than its windows
    write_clip(folder / "four.wav", np.array([[0.1], [-0.1], [0.1], [-0.1]]), 48_000)
    write_clip(folder / "one.wav", sound[43:44])
    write_clip(folder / "offset.wav", 0.2 * sound + 0.4)
    write_clip(folder / "constant.wav", np.full((4800, 1), 0.25))
    write_clip(folder / "clipped.wav", np.clip(20 * sound, -1, 1))
    noise = np.random.default_rng(0).normal(0, 0.1, (4800, 1))
    write_clip(folder / "antiphase.wav", np.hstack([noise, -noise]))
    write_clip(folder / "loud.wav", 1e305 * sound, subtype="DOUBLE")
    write_clip(folder / "empty.wav", np.empty((0, 1)))
    write_clip(folder / "silent.wav", np.zeros((4800, 1)))
    broken = sound.copy()
    broken[7] = np.nan
    write_clip(folder / "nan.wav", broken, subtype="FLOAT")
    write_clip(folder / "long.wav", tone(8_000, 601.0), 8_000)
    report, notes = converted(folder, tmp_path / "a.h5")
    assert {one.file: one.reason for one in report.skipped} == {
        "antiphase.wav": "silent after mixing down",
        "constant.wav": "silent: contains only a constant offset",
        "empty.wav": "empty: no samples",
        "long.wav": "longer than 60 s (--max-duration, or --segment to cut it): 601.0 s",
        "nan.wav": "contains NaN or infinite samples",
        "one.wav": "silent: contains only a constant offset",
        "silent.wav": "silent",
    }
    assert "constant offset removed (--keep-offset keeps it): 1 recording" in notes
    assert "clipped: peaks were cut off in the recording: 1 recording" in notes
    numbers = spike_counts(tmp_path / "a.h5")
    assert numbers.keys() == {
        *("clipped.wav", "four.wav", "good.wav", "loud.wav", "offset.wav", "short.wav")
    }
    assert abs(numbers["offset.wav"] - numbers["good.wav"]) < 5 * np.sqrt(numbers["good.wav"])
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert spikes.provenance["offsets_removed"] == 1
    kept = ConversionOptions(n_channels=20, labels="none", keep_offset=True)
    converted(folder, tmp_path / "b.h5", kept)
    assert spike_counts(tmp_path / "b.h5")["offset.wav"] < 0.7 * numbers["offset.wav"]


def test_a_minute_is_cut_into_pieces(tmp_path: Path) -> None:
    write_clip(tmp_path / "audio" / "talk.flac", tone(8_000, 61.0), 8_000)
    options = ConversionOptions(n_channels=2, native_rate=True, labels="none", segment=6.0)
    report, notes = converted(tmp_path / "audio", tmp_path / "a.h5", options)
    assert "last pieces shorter than half a segment left out, 1.0 s in total: 1 recording" in notes
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert spikes.segments is not None
        assert spikes.segments.tolist() == list(range(1, 11))
        assert spikes.starts_s.tolist() == [6.0 * i for i in range(10)]
    assert (report.samples, report.audio_seconds) == (10, 60.0)
