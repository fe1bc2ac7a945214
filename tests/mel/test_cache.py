"""Mel features of the recordings that a spike file names: computed once, of the very recordings, or refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.spoken_toy import write_spoken_toy
from numpy.testing import assert_allclose

from spikebench.bands.mel import MelDesign, log_mel
from spikebench.errors import AudioError, DataError
from spikebench.mel import cache
from spikebench.mel.cache import mel_frames
from spikebench.protocol.opening import open_selection, open_test
from spikebench.recordings.decoding import read_clip
from spikebench.recordings.named import NamedRecordings, Piece

DESIGN = MelDesign(
    sample_rate=8000, hop=80, window=200, n_bands=10, lowest=50, highest=4000, floor=-60.0
)


def named(folder: Path, *names: str, **changes: str) -> NamedRecordings:
    pieces = []
    for name in names:
        path = folder / name
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "0" * 64
        pieces.append(Piece(name, changes.get("sha256", digest)))
    return NamedRecordings(folder, Path("some.h5"), tuple(pieces))


def write(path: Path, samples: np.ndarray, rate: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


@pytest.fixture
def sound() -> np.ndarray:
    noise = 0.1 * np.random.default_rng(1).standard_normal(900)
    return noise - noise.mean()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mel"


def test_features_are_computed_once(
    tmp_path: Path, own_cache: Path, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.wav", sound)
    write(tmp_path / "b.wav", sound[:300])
    recordings, seen, computed = named(tmp_path, "a.wav", "b.wav"), [], []

    def counted(*arguments: object) -> np.ndarray:
        computed.append(arguments)
        return log_mel(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "log_mel", counted)
    frames = mel_frames(recordings, DESIGN, lambda *state: seen.append(state))
    assert seen == [(1, 2), (2, 2)]
    assert frames.offsets.tolist() == [0, 12, 16]
    for k, name in enumerate(("a.wav", "b.wav")):
        clip = read_clip(tmp_path / name).without_offset()
        found = frames.levels[frames.offsets[k] : frames.offsets[k + 1]]
        assert_allclose(found, log_mel(clip.samples, clip.sample_rate, DESIGN), rtol=1e-6)
    (tmp_path / "a.wav").rename(tmp_path / "gone.wav")  # not read again
    again = mel_frames(recordings, DESIGN)
    assert np.array_equal(again.levels, frames.levels)
    assert len(computed) == 2
    (tmp_path / "gone.wav").rename(tmp_path / "a.wav")
    mel_frames(recordings, replace(DESIGN, n_bands=8))
    assert len(computed) == 4
    assert len(list(own_cache.glob("*.f32"))) == 2


@pytest.mark.parametrize("suffix", [".f32", ".json"])
def test_damaged_features_are_computed_again(
    suffix: str, tmp_path: Path, own_cache: Path, sound: np.ndarray
) -> None:
    write(tmp_path / "a.wav", sound)
    recordings = named(tmp_path, "a.wav")
    before = np.array(mel_frames(recordings, DESIGN).levels)
    (file,) = own_cache.glob(f"*{suffix}")
    content = bytearray(file.read_bytes())
    content[7] ^= 255
    file.write_bytes(content)
    os.utime(file, ns=(1, 1))
    assert np.array_equal(mel_frames(recordings, DESIGN).levels, before)


def test_channels_are_mixed_and_an_offset_is_removed(tmp_path: Path, sound: np.ndarray) -> None:
    write(tmp_path / "mono.wav", sound)
    write(tmp_path / "stereo.wav", np.stack([sound + 0.4, sound + 0.6], axis=1))
    frames = mel_frames(named(tmp_path, "mono.wav", "stereo.wav"), DESIGN)
    first, second = frames.levels[:12], frames.levels[12:]
    assert_allclose(first, second, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    "name", ["dir/übung 1.wav", "a b.wav", "line\nbreak.wav", os.fsdecode(b"odd\xff.wav"), "-x.wav"]
)
def test_any_name_below_the_folder_is_found(name: str, tmp_path: Path, sound: np.ndarray) -> None:
    write(tmp_path / "plain.wav", sound)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    shutil.copy(tmp_path / "plain.wav", tmp_path / name)
    assert len(mel_frames(named(tmp_path, name), DESIGN).levels) == 12


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.wav", None, r"gone\.wav: no such file or directory; some\.h5 names .* --audio$"),
        ("odd\n.wav", None, r"odd\\n\.wav: no such file"),
        (
            "other.wav",
            b"RIFF",
            r"other\.wav: is not the recording that some\.h5 names .*restore it",
        ),
        ("", None, r"^some\.h5 names a recording '', which is not a path below a folder"),
        ("../up.wav", None, r"a recording '\.\./up\.wav', which is not a path below"),
        ("/etc/hostname", None, "which is not a path below"),
        ("nul\0.wav", None, r"'nul\\x00\.wav', which is not a path below"),
    ],
)
def test_another_recording_or_none_is_refused(
    name: str, content: bytes | None, message: str, tmp_path: Path, own_cache: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    recordings = NamedRecordings(tmp_path, Path("some.h5"), (Piece(name, "0" * 64),))
    with pytest.raises(DataError, match=message):
        mel_frames(recordings, DESIGN)
    assert not list(own_cache.glob("*.f32"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"just text", r"a\.wav: broken or not audio"),
        (np.zeros(500), r"a\.wav: silent"),
        (np.full(500, np.nan), r"a\.wav: contains NaN"),
    ],
)
def test_an_unusable_recording_is_named(
    content: bytes | np.ndarray, message: str, tmp_path: Path
) -> None:
    if isinstance(content, bytes):
        (tmp_path / "a.wav").write_bytes(content)
    else:
        write(tmp_path / "a.wav", content)
    with pytest.raises(AudioError, match=message):
        mel_frames(named(tmp_path, "a.wav"), DESIGN)


def test_pieces_of_a_recording_are_cut(tmp_path: Path, sound: np.ndarray) -> None:
    path = write(tmp_path / "long.wav", sound)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    pieces = tuple(Piece("long.wav", digest, start, 0.04) for start in (0.0, 0.04))
    frames = mel_frames(NamedRecordings(tmp_path, Path("some.h5"), pieces), DESIGN)
    for k in (0, 1):
        part = read_clip(path).cut(0.04 * k, 0.04).without_offset().samples
        assert part.size == 320
        assert_allclose(frames.levels[4 * k : 4 * k + 4], log_mel(part, 8000, DESIGN), rtol=1e-6)


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.wav", sound)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot be written: not a directory; choose another"):
        mel_frames(named(tmp_path, "a.wav"), DESIGN)


def test_selection_names_no_recording_of_the_test_split(tmp_path: Path) -> None:
    data, voices = write_spoken_toy(tmp_path)
    selection = open_selection(str(data), audio=voices)
    test = open_test(selection)
    assert selection.train.recordings == selection.validation.recordings
    assert selection.train.recordings
    assert test.recordings
    ours = {piece.name for piece in selection.train.recordings.pieces}
    theirs = {piece.name for piece in test.recordings.pieces}
    assert len(ours) == len(selection.train) + len(selection.validation)
    assert len(theirs) == len(test)
    assert not ours & theirs
