"""The spikes of a recording follow from what is heard in it, the parameters and the seed, and from nothing else."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.synthetic_clips import tone
from hypothesis import given, settings
from hypothesis import strategies as st

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.encoders.clip import EncodingSettings, clip_seed, encode_clip
from spikebench.encoders.encoder import make_encoder
from spikebench.spike_files.reader import SpikeFile

OPTIONS = ConversionOptions(n_channels=10)
HERTZ = (300.0, 500.0, 700.0)

Spikes = dict[str, tuple[list[float], list[int]]]


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    folder.mkdir()
    for number, hertz in enumerate(HERTZ):
        soundfile.write(folder / f"{number}.wav", tone(16_000, 0.06, hertz), 16_000, "PCM_16")
    return folder


@pytest.fixture
def spikes_of(tmp_path: Path) -> Callable[..., Spikes]:
    def call(folder: Path, **options: object) -> Spikes:
        """Convert a folder: name without suffix → spikes."""
        path = tmp_path / "out.h5"
        convert(folder, path, replace(OPTIONS, labels="none"), jobs=1, overwrite=True, **options)  # type: ignore[arg-type]
        with SpikeFile(path) as file:
            found = {}
            for number, source in enumerate(file.sources or ()):
                times, units = file.events(number)
                found[Path(source).stem] = (times.tolist(), units.tolist())
            assert any(times for times, _ in found.values())
            return found

    return call


def test_names_and_folders_do_not_count(
    audio: Path, tmp_path: Path, spikes_of: Callable[..., Spikes]
) -> None:
    before = spikes_of(audio)
    moved = tmp_path / "b" / "audio" / "deeper"
    moved.mkdir(parents=True)
    for number in range(3):
        shutil.copy(audio / f"{number}.wav", moved / f"wört {9 - number}.WAV")
    after = spikes_of(tmp_path / "b")
    assert [after[f"wört {9 - number}"] for number in range(3)] == [*before.values()]
    assert before["0"] != before["1"]


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
        ("wav", "PCM_32"),
        ("wav", "FLOAT"),
        ("aiff", "PCM_16"),
    ],
)
def test_lossless_copies_give_the_same_spikes(
    audio: Path, tmp_path: Path, suffix: str, subtype: str
) -> None:
    settings = EncodingSettings(make_encoder("cochlea", "shd", 10), 0, 60.0, None, False)
    for path in sorted(audio.iterdir()):
        samples, rate = soundfile.read(path)
        soundfile.write(tmp_path / f"copy.{suffix}", samples, rate, subtype)
        one, other = (
            encode_clip(file.read_bytes(), settings).pieces[0]
            for file in (path, tmp_path / f"copy.{suffix}")
        )
        assert one.times.size > 0
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.units, other.units)


def test_two_equal_channels_sound_like_one(
    audio: Path, tmp_path: Path, spikes_of: Callable[..., Spikes]
) -> None:
    stereo = tmp_path / "stereo"
    stereo.mkdir()
    for path in audio.iterdir():
        samples, rate = soundfile.read(path)
        soundfile.write(stereo / path.name, np.stack([samples, samples], axis=1), rate, "PCM_16")
    assert spikes_of(stereo) == spikes_of(audio)


def test_other_clips_and_their_order_do_not_count(
    audio: Path, spikes_of: Callable[..., Spikes]
) -> None:
    before = spikes_of(audio)
    soundfile.write(audio / "00.wav", tone(16_000, 0.06, 900.0), 16_000, "PCM_16")
    (audio / "1.wav").unlink()
    after = spikes_of(audio)
    assert list(after) == ["0", "00", "2"]
    assert (after["0"], after["2"]) == (before["0"], before["2"])


def test_rate_and_seed_count() -> None:
    samples = np.ones(3)
    assert (
        len({tuple(clip_seed(seed, samples, rate)) for seed in (0, 1) for rate in (8000, 16_000)})
        == 4
    )


def test_a_piece_is_heard_as_the_same_recording_alone(tmp_path: Path) -> None:
    samples = np.concatenate([tone(16_000, 0.05, hertz)[:, 0] for hertz in HERTZ])
    soundfile.write(tmp_path / "long.wav", samples, 16_000, "PCM_16")
    soundfile.write(tmp_path / "piece.wav", samples[800:1600], 16_000, "PCM_16")
    whole = EncodingSettings(make_encoder("cochlea", "shd", 10), 0, 60.0, None, False)
    cut = replace(whole, segment=0.05)
    pieces = encode_clip((tmp_path / "long.wav").read_bytes(), cut).pieces
    (alone,) = encode_clip((tmp_path / "piece.wav").read_bytes(), whole).pieces
    assert len(pieces) == 3
    assert pieces[1].times.size > 0
    np.testing.assert_array_equal(pieces[1].times, alone.times)
    np.testing.assert_array_equal(pieces[1].units, alone.units)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=50), st.integers(1000, 48_000)
)
def test_the_seed_of_a_clip_is_a_function_of_its_samples(values: list[int], rate: int) -> None:
    samples = np.array(values) / 2**15
    seed = clip_seed(0, samples, rate)
    assert clip_seed(0, np.flip(np.flip(samples)), rate) == seed  # another layout in memory
    changed = samples.copy()
    changed[-1] += 2**-15
    assert clip_seed(0, changed, rate) != seed
