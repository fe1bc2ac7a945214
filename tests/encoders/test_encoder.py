"""Encoders: the contract that all of ENCODERS keep, and one made up here on its way through the whole conversion."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers.synthetic_clips import tone, write_clip
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from cli.main import main
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.deployment.recording import encode_recording
from spikebench.encoders import ENCODERS
from spikebench.encoders.encoder import Encoder, Spikes, make_encoder
from spikebench.encoders.provenance import encoder_attributes, encoder_of
from spikebench.errors import ConversionStateError, SpikebenchError, UnknownNameError
from spikebench.protocol.opening import open_selection
from spikebench.protocol.results import Encoding
from spikebench.recordings.decoding import read_clip
from spikebench.recordings.search import find_clips
from spikebench.spike_files.reader import SpikeFile

RATE = 16_000


@dataclass(frozen=True)
class CrossingParams:
    """Highest threshold, of full scale."""

    top: float = 0.2


class Crossing(Encoder):
    """A unit spikes when the waveform rises through its threshold."""

    name = "crossing"
    presets: ClassVar[Mapping[str, CrossingParams]] = {
        "low": CrossingParams(),
        "high": CrossingParams(top=0.4),
    }

    def encode(self, samples: NDArray[np.float64], sample_rate: int, seed: Sequence[int]) -> Spikes:
        thresholds = self.params.top * np.arange(1, self.n_units + 1) / self.n_units
        above = samples[:, None] >= thresholds
        at, units = np.nonzero(above[1:] & ~above[:-1])
        return Spikes((at + 1) / sample_rate, units.astype(np.uint16))


OPTIONS = ConversionOptions(encoder="crossing", n_channels=4)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for speaker in range(3):
        for digit in range(2):
            clip = tone(RATE, 0.05, 200.0 * (digit + 1) + 10 * speaker)
            write_clip(tmp_path / "audio" / f"{speaker}_{digit}.wav", clip)
    return tmp_path / "audio"


@pytest.fixture
def crossing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "crossing", f"{__name__}:Crossing")


def test_a_new_encoder_makes_a_valid_file(
    crossing: None, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.h5"
    command = ["convert", str(audio), str(out), "--encoder", "crossing", "--channels", "4"]
    with pytest.raises(SystemExit) as done:
        main([*command, "--labels", "none", "--jobs", "1", "--quiet"])
    assert done.value.code == 0
    with SpikeFile(out) as file:
        assert (file.n_units, file.n_samples) == (4, 6)
        for i, source in enumerate(file.sources or ()):
            samples = read_clip(audio / source).samples
            times, units = file.events(i)
            expected = Crossing("low", CrossingParams(), 4).encode(samples, RATE, [0])
            assert times.size > 4
            assert_array_equal(times, expected.times.astype(np.float32))
            assert_array_equal(units, expected.units)
    with pytest.raises(SystemExit) as done:
        main(["validate", str(out)])
    assert done.value.code == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as done:
        main(["info", str(out), "--json"])
    made = json.loads(capsys.readouterr().out)["provenance"]
    assert (made["encoder"], made["preset"], made["parameters"]) == (
        "crossing",
        "low",
        {"top": 0.2},
    )
    assert made["software"].split("(")[1] == f"numpy {np.__version__})"
    assert "resampled_rate_hz" not in made
    assert encoder_of(made, 4) == Crossing("low", CrossingParams(), 4)


def test_a_recording_is_encoded_as_the_data_were(
    crossing: None, audio: Path, tmp_path: Path
) -> None:
    names = {"labels": "{speaker}_{digit}", "speakers": "{speaker}_{digit}"}
    convert(audio, tmp_path / "a.h5", replace(OPTIONS, preset="high", **names), jobs=1)
    with SpikeFile(tmp_path / "a.h5") as file:
        expected = [file.events(i) for i in range(file.n_samples)]
    encoding = open_selection(str(tmp_path / "a.h5")).encoding
    assert encoding == Encoding(encoder="crossing", preset="high", time_origin="clip-start")
    for clip, (times, units) in zip(find_clips(audio)[0], expected, strict=True):
        sample = encode_recording(clip, 4, encoding)
        assert_array_equal(sample.times, times.astype(np.float32))
        assert_array_equal(sample.units, units)


def test_an_unfinished_conversion_knows_its_encoder(
    crossing: None, audio: Path, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    options = replace(OPTIONS, labels="none")
    with pytest.raises(KeyboardInterrupt):
        convert(audio, tmp_path / "a.h5", options, jobs=1, progress=stop)
    with pytest.raises(ConversionStateError, match='encoder was "crossing", is not given'):
        convert(audio, tmp_path / "a.h5", replace(options, encoder="cochlea"), jobs=1)
    assert convert(audio, tmp_path / "a.h5", options, jobs=1).resumed == 2


def test_an_encoder_without_a_device_says_so(crossing: None, audio: Path, tmp_path: Path) -> None:
    with pytest.raises(SpikebenchError, match="encoder crossing runs on the CPU only"):
        convert(audio, tmp_path / "a.h5", replace(OPTIONS, labels="none", device="cuda"))
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


def test_unknown_names_offer_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cochlea'"):
        make_encoder("cochela")
    with pytest.raises(UnknownNameError, match="Did you mean 'lauscher'"):
        make_encoder("cochlea", "lausher")


def test_records_of_the_cochlea_stay_as_they_were() -> None:
    before = '{"preset":"lauscher","time_origin":"first-spike"}'
    encoding = Encoding.model_validate_json(before)
    assert encoding.encoder == "cochlea"
    assert encoding.model_dump_json() == before
    other = Encoding(encoder="crossing", preset="low")
    assert Encoding.model_validate_json(other.model_dump_json()) == other
    assert list(encoder_attributes(make_encoder("cochlea"))) == ["software", "preset", "parameters"]


def test_offsets_follow_the_encoder(tmp_path: Path) -> None:
    write_clip(tmp_path / "audio" / "a.wav", 0.3 + 0.5 * tone(RATE, 0.05))
    removed = {}
    for preset in ("shd", "lauscher"):
        path = tmp_path / f"{preset}.h5"
        convert(tmp_path / "audio", path, ConversionOptions(preset, 4, labels="none"), jobs=1)
        with SpikeFile(path) as file:
            removed[preset] = file.provenance.get("offsets_removed", 0)
    assert removed == {"shd": 1, "lauscher": 0}


def test_a_recording_is_hashed_once(
    crossing: None, audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = {path.read_bytes() for path in audio.iterdir()}
    hashed = []

    def sha256(data: bytes = b"", *, usedforsecurity: bool = True) -> object:
        if bytes(data) in recordings:
            hashed.append(bytes(data))
        return real(data, usedforsecurity=usedforsecurity)

    real = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", sha256)
    convert(audio, tmp_path / "a.h5", replace(OPTIONS, labels="none"), jobs=1)
    assert sorted(hashed) == sorted(recordings)


@pytest.mark.parametrize(
    ("name", "preset"),
    [(name, preset) for name in ENCODERS for preset in type(make_encoder(name)).presets],
)
def test_every_encoder_keeps_the_contract(name: str, preset: str) -> None:
    encoder = make_encoder(name, preset, 8)
    assert (encoder.name, encoder.preset, encoder.n_units) == (name, preset, 8)
    assert is_dataclass(encoder.params)
    assert encoder.params.__dataclass_params__.frozen
    json.dumps(asdict(encoder.params))
    assert all(library in encoder.software() for library in encoder.libraries)
    assert encoder_of(encoder_attributes(encoder), 8).params in (
        encoder.params,
        make_encoder(name, preset, 8, native_rate=True).params,
    )
    encoder.warm()
    samples = tone(RATE, 0.1, 500.0)[:, 0]
    times, units = encoder.encode(samples, RATE, [0, 1])
    assert times.dtype == np.float64
    assert units.dtype == np.uint16
    assert times.size > 0
    assert times[0] >= 0
    assert np.all(np.diff(times) >= 0)
    assert units.max() < 8
    again = pickle.loads(pickle.dumps(encoder)).encode(samples, RATE, [0, 1])  # as workers get it
    assert_array_equal(again.times, times)
    assert_array_equal(again.units, units)
    cf = encoder.characteristic_frequencies()
    by_polarity = None if cf is None else cf.reshape(encoder.polarities, -1)
    assert cf is None or (cf.shape == (8,) and np.all(np.diff(by_polarity) < 0))
