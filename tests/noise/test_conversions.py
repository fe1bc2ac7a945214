"""Degraded recordings as spikes: the same as those of a conversion, kept by their content, on any executor."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from helpers.voices import RATE, convert_voices, write_voices

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.degradation.conditions import Condition, parse_condition
from spikebench.degradation.degraded import DegradedRecordings, Sources
from spikebench.encoders import ENCODERS
from spikebench.errors import AudioError, ConversionStateError, DataError, SpikebenchError
from spikebench.noise import conversions
from spikebench.noise.conversions import Ear, blocks_of, convert_blocks, ear_of, read_converted
from spikebench.noise.samples import heard_under
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.recordings.named import NamedRecordings, Piece
from spikebench.spike_files.reader import SpikeFile
from spikebench.workers import ExecutorLostError


class Here(Executor):
    """Runs calls at once, in this process; counts them."""

    calls = 0

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:  # type: ignore[override,type-arg]
        self.calls += 1
        future: Future = Future()  # type: ignore[type-arg]
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("noise") / "voices")


@pytest.fixture(scope="module")
def spikes(voices: Path) -> Path:
    return convert_voices(voices, voices.parent / "spikes.h5", seed=7)


def selected(spikes: Path, voices: Path) -> SelectionData:
    return open_selection(str(spikes), audio=voices)


def under(selection: SelectionData, name: str, keep_offset: bool = False) -> DegradedRecordings:
    samples = selection.validation
    conditions = [parse_condition(name)] * len(samples)
    return heard_under(samples, conditions, 0, Sources(), keep_offset=keep_offset)


@pytest.mark.parametrize("encoder", [*ENCODERS])
def test_a_sound_that_is_not_degraded_has_the_spikes_of_the_file(
    encoder: str, voices: Path, tmp_path: Path
) -> None:
    path = convert_voices(voices, tmp_path / "spikes.h5", encoder, seed=5)
    selection, ear = selected(path, voices), ear_of(path)
    heard = under(selection, "white:infdB", ear.encoder.keeps_offset)
    convert_blocks([heard], ear, tmp_path, Here(), lambda: 1)
    for own, found in zip(selection.validation, read_converted(heard, ear, tmp_path), strict=False):
        assert own.times.size
        assert found.times.tolist() == own.times.tolist()
        assert found.units.tolist() == own.units.tolist()
        assert found.duration == own.duration


def test_degraded_sounds_are_those_of_degraded_files(
    voices: Path, spikes: Path, tmp_path: Path
) -> None:
    """The slow way: write the degraded recordings as files, and convert these."""
    selection, ear = selected(spikes, voices), ear_of(spikes)
    heard = under(selection, "pink:5dB")
    convert_blocks([heard], ear, tmp_path, Here(), lambda: 1)
    folder = tmp_path / "degraded"
    folder.mkdir()
    for piece, recording in zip(heard.pieces, heard.read(), strict=True):
        soundfile.write(folder / piece.name, recording.samples, RATE, subtype="DOUBLE")
    options = ConversionOptions(encoder="mel_rate", n_channels=16, seed=7, labels="none")
    convert(folder, tmp_path / "slow.h5", options, jobs=1)
    with SpikeFile(tmp_path / "slow.h5") as slow:
        assert slow.sources is not None
        expected = {name: slow.events(k) for k, name in enumerate(slow.sources)}
    for piece, found in zip(heard.pieces, read_converted(heard, ear, tmp_path), strict=True):
        times, units = expected[piece.name]
        assert found.times.tolist() == times.astype(np.float32).tolist()
        assert found.units.tolist() == units.tolist()


def test_stereo_other_rates_and_odd_names(
    voices: Path, spikes: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    ear, folder, slow = ear_of(spikes), tmp_path / "odd", tmp_path / "slow"
    folder.mkdir()
    slow.mkdir()
    pieces = []
    for name, rate, channels in (
        ('ä, "b".wav', 44_100, 2),
        (" .wav", 8000, 1),
        ("x\ny.flac", 22_050, 3),
    ):
        sound = 0.2 * rng.standard_normal((round(0.1 * rate), channels))
        soundfile.write(folder / name, sound, rate, subtype="PCM_16")
        pieces.append(Piece(name, hashlib.sha256((folder / name).read_bytes()).hexdigest()))
    recordings = NamedRecordings(folder, spikes, tuple(pieces))
    conditions = [parse_condition(name) for name in ("white:3dB", "reverb:50ms", "telephone")]
    heard = DegradedRecordings.under(recordings, conditions, (0, 1, 2), 0, Sources())
    convert_blocks([heard], ear, tmp_path, Here(), lambda: 1)
    for number, recording in enumerate(heard.read()):
        soundfile.write(
            slow / f"{number}.wav", recording.samples, recording.sample_rate, subtype="DOUBLE"
        )
    options = ConversionOptions(encoder="mel_rate", n_channels=16, seed=7, labels="none")
    convert(slow, tmp_path / "slow.h5", options, jobs=1)
    with SpikeFile(tmp_path / "slow.h5") as file:
        for number, found in enumerate(read_converted(heard, ear, tmp_path)):
            times, units = file.events(number)
            assert found.times.tolist() == times.astype(np.float32).tolist()
            assert found.units.tolist() == units.tolist()


def test_silence_has_no_spikes_and_stays_a_sample(
    voices: Path, spikes: Path, tmp_path: Path
) -> None:
    selection, ear = selected(spikes, voices), ear_of(spikes)
    heard = under(selection, "loss:100%")
    convert_blocks([heard], ear, tmp_path, Here(), lambda: 1)
    found = read_converted(heard, ear, tmp_path)
    assert len(found) == len(selection.validation)
    assert not any(one.times.size for one in found)


def test_times_from_the_first_spike(voices: Path, tmp_path: Path) -> None:
    path = convert_voices(voices, tmp_path / "first.h5", time_origin="first-spike")
    selection, ear = selected(path, voices), ear_of(path)
    assert ear.from_first_spike
    heard = under(selection, "white:10dB")
    convert_blocks([heard], ear, tmp_path, Here(), lambda: 1)
    assert {float(one.times[0]) for one in read_converted(heard, ear, tmp_path)} == {0.0}


def _files_of(heard: DegradedRecordings, ear: Ear, folder: Path) -> list[Path]:
    return [folder / "conversions" / f"{ear.key(block)}.npz" for block in blocks_of(heard)]


def test_blocks_are_kept_and_found_by_their_content(
    voices: Path, spikes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "BLOCK", 5)
    selection, ear = selected(spikes, voices), ear_of(spikes)
    asked = [under(selection, name) for name in ("white:5dB", "reverb:50ms")]
    total = sum(map(len, asked))
    pool, seen = Here(), []
    convert_blocks(asked, ear, tmp_path, pool, lambda: 3, lambda *state: seen.append(state))
    assert pool.calls == total
    assert seen[0] == (0, total)
    assert seen[-1] == (total, total)
    first = [
        [one.times.tolist() for one in read_converted(heard, ear, tmp_path)] for heard in asked
    ]
    files = sorted((tmp_path / "conversions").iterdir())
    assert len(files) == sum(-(-len(heard) // 5) for heard in asked)
    again = Here()
    convert_blocks(asked, ear, tmp_path, again, lambda: 1)
    assert again.calls == 0
    # Damaged, cut short, or gone: these blocks alone are made again, and come out the same.
    files[0].write_bytes(b"PK")
    files[1].write_bytes(files[1].read_bytes()[:-30])
    files[2].unlink()
    places = {place: heard for heard in asked for place in _files_of(heard, ear, tmp_path)}
    with pytest.raises(SpikebenchError, match="is missing or damaged; run the same command again"):
        read_converted(places[files[2]], ear, tmp_path)
    convert_blocks(asked, ear, tmp_path, again, lambda: 1)
    assert 3 <= again.calls <= 15
    assert first == [
        [one.times.tolist() for one in read_converted(heard, ear, tmp_path)] for heard in asked
    ]
    other = Ear(ear.encoder, ear.seed + 1, ear.from_first_spike)
    assert other.key(asked[0]) != ear.key(asked[0])
    assert Ear(ear.encoder, ear.seed, True).key(asked[0]) != ear.key(asked[0])
    louder = ear.encoder.with_settings({"rate_hz": 123.0})
    assert Ear(louder, ear.seed, False).key(asked[0]) != ear.key(asked[0])


def test_an_interrupted_conversion_goes_on(
    voices: Path, spikes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversions, "BLOCK", 2)
    selection, ear = selected(spikes, voices), ear_of(spikes)
    heard = under(selection, "white:5dB")

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_blocks([heard], ear, tmp_path, Here(), lambda: 1, stop)
    again = Here()
    convert_blocks([heard], ear, tmp_path, again, lambda: 1)
    assert again.calls == len(heard) - 4  # two whole blocks were kept
    convert_blocks([heard], ear, tmp_path / "whole", Here(), lambda: 1)
    for one, other in zip(
        read_converted(heard, ear, tmp_path),
        read_converted(heard, ear, tmp_path / "whole"),
        strict=True,
    ):
        assert one.times.tolist() == other.times.tolist()


def test_lost_workers_and_other_versions_are_reported(
    voices: Path, spikes: Path, tmp_path: Path
) -> None:
    heard, ear = under(selected(spikes, voices), "white:5dB"), ear_of(spikes)

    class Lost(Here):
        def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:  # type: ignore[override,type-arg]
            raise ExecutorLostError("the cluster is gone")

    class Other(Here):
        def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:  # type: ignore[override,type-arg]
            future: Future = Future()  # type: ignore[type-arg]
            future.set_result((fn(*args)[0], "spikebench 0.0.0"))
            return future

    with pytest.raises(ConversionStateError, match="the cluster is gone; finished recordings"):
        convert_blocks([heard], ear, tmp_path, Lost(), lambda: 1)
    with pytest.raises(SpikebenchError, match="a worker has other versions"):
        convert_blocks([heard], ear, tmp_path, Other(), lambda: 1)


def test_recordings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    voices = write_voices(tmp_path / "voices", takes=1)
    path = convert_voices(voices, tmp_path / "spikes.h5")
    selection, ear = selected(path, voices), ear_of(path)
    heard = under(selection, "white:5dB")
    victim = voices / heard.pieces[2].name
    sound = victim.read_bytes()
    for contents, why in (
        (b"", "empty file"),
        (sound + b"x", "is not the recording"),
        (None, "no such file"),
    ):
        if contents is None:
            victim.unlink()
        else:
            victim.write_bytes(contents)
        with pytest.raises(DataError, match=f"{victim.name}.*{why}") as caught:
            convert_blocks([heard], ear, tmp_path, Here(), lambda: 1)
        assert "\n" not in str(caught.value)
    assert [*tmp_path.rglob("*.npz"), *tmp_path.rglob("*.partial")] == []


def test_what_an_encoder_refuses_names_recording_and_condition(
    voices: Path, spikes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("too short")

    monkeypatch.setattr(conversions, "encode_samples", refuse)
    heard = under(selected(spikes, voices), "white:5dB")
    with pytest.raises(AudioError, match=r"s\d_\w+_\d\.wav: white:5dB: too short"):
        convert_blocks([heard], ear_of(spikes), tmp_path, Here(), lambda: 1)


def test_files_of_other_parameters_are_refused(voices: Path, tmp_path: Path) -> None:
    path = convert_voices(voices, tmp_path / "spikes.h5")
    with h5py.File(path, "r+") as file:
        text = file.attrs["parameters_json"]
        assert b"rate_hz" in text
        file.attrs["parameters_json"] = np.bytes_(text.replace(b"rate_hz", b"other_hz"))
    with pytest.raises(SpikebenchError, match="had other parameters than in this version"):
        ear_of(path)


def test_the_folder_of_conversions_must_be_writable(
    voices: Path, spikes: Path, tmp_path: Path
) -> None:
    (tmp_path / "conversions").write_bytes(b"")
    heard = under(selected(spikes, voices), "white:5dB")
    with pytest.raises(OSError, match="conversions") as caught:
        convert_blocks([heard], ear_of(spikes), tmp_path, Here(), lambda: 1)
    assert os.fspath(tmp_path) in str(caught.value)


def test_conditions_differ_from_recording_to_recording(voices: Path, spikes: Path) -> None:
    samples = selected(spikes, voices).validation
    conditions = [Condition("white", float(k)) for k in range(len(samples))]
    heard = heard_under(samples, conditions, 0, Sources())
    assert heard.of([2]).conditions == (Condition("white", 2.0),)
    assert heard.of([2]).treatment != heard.of([3]).treatment
