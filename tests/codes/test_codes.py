"""Encoders compared: measures against counting by hand, files made once, the table, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from helpers.synthetic_clips import write_clip

from spikebench.codes.files import Code, convert_code, list_codes
from spikebench.codes.measures import TIME_BITS, CodeMeasures, address_bits, measure_code
from spikebench.codes.report import CodeRow, ModelAccuracy, table
from spikebench.conversion.job import ConversionOptions
from spikebench.encoders import ENCODERS
from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.spike_files.reader import SpikeFile

RATE = 16_000


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, speakers in (("train", "ab"), ("validation", "c"), ("test", "d")):
        for label, frequency in (("low", 300), ("high", 1500)):
            for speaker in speakers:
                t = np.arange(round(RATE * rng.uniform(0.15, 0.25))) / RATE
                sound = 0.2 * np.sin(2 * np.pi * frequency * t) * np.hanning(t.size)
                sound += 0.001 * rng.standard_normal(t.size)
                write_clip(tmp_path / "audio" / split / label / f"{speaker}.wav", sound[:, None])
    return tmp_path / "audio"


def test_codes_are_all_pairs() -> None:
    assert list_codes([], []) == [Code(name, None) for name in ENCODERS]
    codes = list_codes(["gammatone", "mel_rate", "gammatone"], [100, 50])
    assert [code.name for code in codes] == [
        "gammatone-100",
        "mel_rate-100",
        "gammatone-50",
        "mel_rate-50",
    ]
    with pytest.raises(UnknownNameError, match="Did you mean 'gammatone'"):
        list_codes(["gamatone"], [])


@pytest.mark.parametrize(("n_units", "bits"), [(1, 0), (2, 1), (3, 2), (64, 6), (65, 7), (700, 10)])
def test_addresses_by_hand(n_units: int, bits: int) -> None:
    assert address_bits(n_units) == bits


def test_a_second_has_ten_thousand_steps() -> None:
    assert 2 ** (TIME_BITS - 1) < 10_000 <= 2**TIME_BITS


def test_measures_of_training_recordings(audio: Path, tmp_path: Path) -> None:
    path = convert_code(
        Code("gammatone", None), audio, tmp_path / "codes", ConversionOptions(), jobs=1
    )
    found = measure_code(path, audio, 3)
    with SpikeFile(path) as file:
        training = [k for k, split in enumerate(file.splits or ()) if split == "train"]
        spikes = sum(len(file.events(k)[0]) for k in training)
        assert file.durations_s is not None
        seconds = sum(float(file.durations_s[k]) for k in training)
    assert (found.recordings, found.heard, found.units) == (4, 3, 64)
    assert found.spikes_per_word == pytest.approx(spikes / 4)
    assert found.spikes_per_second == pytest.approx(spikes / seconds)
    assert found.link_bits_per_second == pytest.approx(spikes / seconds * 20)
    assert found.times_real_time > 0
    assert found.look_ahead_ms == 0
    assert found.correlation is not None
    assert 0.3 < found.correlation <= 1


def test_a_file_is_made_once(audio: Path, tmp_path: Path) -> None:
    said: list[str] = []
    arguments = (Code("step_forward", 60), audio, tmp_path / "codes", ConversionOptions())
    path = convert_code(*arguments, jobs=1)
    written = path.stat().st_mtime_ns
    with SpikeFile(path) as file:
        assert file.provenance["spike_budget"]["wanted"] == 60
    assert convert_code(*arguments, jobs=1, notify=said.append) == path
    assert path.stat().st_mtime_ns == written
    assert said[-1] == "step_forward-60.h5 is there"
    with pytest.raises(SpikebenchError, match="made from other recordings or with other options"):
        convert_code(*arguments[:3], ConversionOptions(seed=1), jobs=1)


def test_files_without_training_recordings(audio: Path, tmp_path: Path) -> None:
    path = convert_code(
        Code("mel_rate", None), audio / "test", tmp_path, ConversionOptions(split="none"), jobs=1
    )
    assert measure_code(path, audio / "test", 5).recordings == 2  # without splits: all
    options = ConversionOptions(labels="none", split="{split}/{label}/{file}")
    for part in ("train", "validation"):
        for one in (audio / part).rglob("*.wav"):
            one.unlink()
    other = convert_code(Code("gammatone", None), audio, tmp_path, options, jobs=1)
    with pytest.raises(SpikebenchError, match="no training recordings"):
        measure_code(other, audio, 5)


def test_the_table() -> None:
    measures = CodeMeasures(
        encoder="gammatone",
        settings={"threshold": 0.123456},
        units=64,
        recordings=100,
        spikes_per_word=1999.6,
        spikes_per_second=2500.0,
        link_bits_per_second=50_000.0,
        heard=20,
        times_real_time=71.4,
        look_ahead_ms=None,
        correlation=0.876,
    )
    svm = ModelAccuracy(model="svm", seeds=3, failed=0, validation_mean=0.91, validation_std=0.012)
    one = CodeRow(file="a.h5", budget=2000, measures=measures, accuracies=[svm])
    head, row, other = table([one, one.model_copy(update={"accuracies": []})])
    assert dict(zip(head, row, strict=True)) == {
        "encoder": "gammatone",
        "units": "64",
        "setting": "threshold 0.1235",
        "spikes/word": "2,000",
        "spikes/s": "2,500",
        "link kbit/s": "50.0",
        "times real time": "71",
        "look-ahead ms": "–",
        "correlation": "0.88",
        "svm": "91.0% ± 1.2%",
    }
    assert other[-1] == "–"


def test_the_command(audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["encoders", audio, "-o", tmp_path / "codes", "--jobs", "1", "--quiet"]
    words += ["--encoder", "mel_level_crossing", "--encoder", "gammatone", "--spikes", "80"]
    words += ["--model", "svm", "--plot", tmp_path / "a.png", "--words", "2"]
    code, said, _ = run(capsys, *words)
    assert code == 0
    assert said.splitlines()[0].split()[:2] == ["encoder", "units"]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "codes" / "encoders.json").read_text())
    assert [row["measures"]["encoder"] for row in report["rows"]] == [
        "mel_level_crossing",
        "gammatone",
    ]
    for row in report["rows"]:
        assert row["measures"]["spikes_per_word"] == pytest.approx(80, rel=0.02)
        assert row["accuracies"][0]["validation_mean"] == 1.0
    assert (tmp_path / "codes" / "encoders.md").read_text().count("\n") == 4
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "codes").rglob("*.h5")}
    code, said, _ = run(capsys, *words, "--json")
    assert code == 0
    assert len(json.loads(said)["rows"]) == 2
    assert {path: path.stat().st_mtime_ns for path in files} == files


def test_what_the_command_refuses(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["encoders", audio, "-o", tmp_path / "codes", "--quiet"]
    for options, message in (
        (["--encoder", "gamatone"], "Did you mean 'gammatone'"),
        (["--plot", "a.jpg"], "the suffix of a figure must be one of .png, .pdf, .svg"),
        (["--model", "svn"], "Did you mean 'svm'"),
        (["--model", "lif", "--model", "lif"], "model: lif is given twice"),
        (["--model", "lif", "--set", "training.epoch=1"], "training.epoch"),
    ):
        code, _, error = run(capsys, *words, *options)
        assert code == 1
        assert message in error
    assert not (tmp_path / "codes").exists()
    code, _, error = run(capsys, "encoders", tmp_path / "nothing", "-o", tmp_path / "b", "--quiet")
    assert code == 1
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "b").exists()
