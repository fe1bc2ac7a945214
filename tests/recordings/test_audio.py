import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_clips import tone, write_clip
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from spikebench.errors import AudioError
from spikebench.recordings.decoding import read_clip
from spikebench.recordings.search import find_clips
from spikebench.records.text import printable


@pytest.mark.parametrize(
    ("suffix", "subtype", "rate", "error"),
    [
        ("wav", "PCM_U8", 8_000, 1 / 100),
        ("wav", "PCM_16", 11_025, 1e-4),
        ("wav", "PCM_24", 44_100, 1e-6),
        ("wav", "FLOAT", 96_000, 1e-7),
        ("flac", "PCM_16", 48_000, 1e-4),
        ("flac", "PCM_24", 96_000, 1e-6),
        ("ogg", "VORBIS", 22_050, 0.1),
        ("mp3", "MPEG_LAYER_III", 16_000, 0.1),
    ],
)
def test_every_format_gives_its_samples(
    tmp_path: Path, suffix: str, subtype: str, rate: int, error: float
) -> None:
    path = write_clip(tmp_path / f"a.{suffix}", tone(rate, 0.5, channels=2), rate, subtype)
    clip = read_clip(path)
    assert (clip.sample_rate, clip.n_channels) == (rate, 2)
    assert clip.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert abs(clip.duration - 0.5) < 0.1  # MP3 pads to whole frames
    if suffix != "mp3":
        assert_allclose(clip.samples, tone(rate, 0.5)[:, 0], rtol=0, atol=error)
    else:
        assert abs(clip.samples.std() / tone().std() - 1) < error


def test_channels_are_averaged(tmp_path: Path) -> None:
    samples = tone(channels=2) * [1.0, -0.5]
    clip = read_clip(write_clip(tmp_path / "a.wav", samples, subtype="DOUBLE"))
    assert_allclose(clip.samples, samples.mean(axis=1), rtol=1e-12)


def _bytes(text: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text)


def _samples(
    samples: NDArray[np.float64], rate: int = 16_000, subtype: str | None = None
) -> Callable[[Path], object]:
    return lambda path: write_clip(path, samples, rate, subtype)


def _cut(path: Path) -> None:
    whole = write_clip(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_bytes(b""), "^empty file$"),
        (_bytes(b"RIFF but not audio at all"), "^(broken or not audio|cut short)"),
        (_samples(np.empty((0, 1))), "^empty: no samples$"),
        (_samples(np.zeros((800, 1))), "^silent$"),
        (_samples(tone(channels=2) * [1, -1], subtype="DOUBLE"), "^silent after mixing down$"),
        (
            _samples(np.full((800, 1), np.nan), subtype="FLOAT"),
            "^contains NaN or infinite samples$",
        ),
        (
            _samples(np.full((800, 1), np.inf), subtype="DOUBLE"),
            "^contains NaN or infinite samples$",
        ),
        (
            _samples(tone(seconds=1.2)),
            r"^longer than 1 s \(--max-duration, or --segment to cut it\): 1.2 s$",
        ),
        (_samples(tone(), rate=500), "^sample rate of 500 Hz is outside 1000 … 1000000 Hz$"),
        (_cut, r"^cut short: \d+ of 3200 bytes of sound$"),
        (lambda path: None, "^no such file or directory$"),
        (os.mkdir, "^not a regular file$"),
        (os.mkfifo, "^not a regular file$"),
    ],
)
def test_a_useless_recording_is_refused_with_its_reason(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=reason):
        read_clip(tmp_path / "a.wav", max_duration=1.0)


def test_a_cut_flac_is_refused(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.flac", tone(seconds=2.0)).read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match=r"broken or not audio|cut short"):
        read_clip(tmp_path / "a.flac")


def test_a_streamed_wav_without_its_length_is_read(tmp_path: Path) -> None:
    data = bytearray(write_clip(tmp_path / "a.wav").read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert read_clip(tmp_path / "a.wav").samples.size == 1600


def test_clips_are_found_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    for name in ("b/z.wav", "b.wav", "a/é.FLAC", "B.ogg", "b/a.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("notes.txt", ".hidden.wav", "._b.wav", "c.h5"):
        (tmp_path / name).touch()
    clips, skipped = find_clips(tmp_path)
    assert [clip.relative for clip in clips] == ["B.ogg", "a/é.FLAC", "b.wav", "b/a.mp3", "b/z.wav"]
    assert skipped == []


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x.wav").touch()
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "twin").symlink_to(tmp_path / "a")
    clips, _ = find_clips(tmp_path)
    assert [clip.relative for clip in clips] == ["a/x.wav"]


def test_one_file_is_a_clip_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "x.wav").touch()
    clips, _ = find_clips(tmp_path / "x.wav")
    assert [clip.relative for clip in clips] == ["x.wav"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone", "gone: no such file"), ("a.txt", r"a\.txt: not audio"), ("empty", "no audio in it")],
)
def test_a_source_without_audio_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match=message):
        find_clips(tmp_path / name)


def test_names_are_made_printable() -> None:
    assert printable("a\x1b[31m\n\udcffé.wav") == r"a\x1b[31m\n\udcffé.wav"


@pytest.mark.parametrize("missing", [1, 5, 8, 9, 100])
def test_a_wav_that_was_cut_is_refused(tmp_path: Path, missing: int) -> None:
    path = write_clip(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(AudioError, match="cut short"):
        read_clip(path)


def test_floating_point_beyond_full_scale_is_not_clipped(tmp_path: Path) -> None:
    loud = 8 * tone()
    flat = np.clip(loud, -1, 1)
    for name, samples, subtype, is_clipped in (
        ("loud", loud, "FLOAT", False),
        ("loud, double", loud, "DOUBLE", False),
        ("flat", flat, "FLOAT", True),
        ("flat, integer", flat, "PCM_16", True),
        ("integer", loud, "PCM_24", True),
    ):
        path = write_clip(tmp_path / f"{name}.wav", samples, subtype=subtype)
        assert read_clip(path).is_clipped == is_clipped, name
