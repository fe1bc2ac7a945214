"""Test accuracy without an opening that is counted: a copy of the data, or the recordings behind their test split."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import ROOT
from helpers.commands import run

from spikebench.deployment.prediction import Listener
from spikebench.errors import ProtocolError
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_selection, recordings_of_test
from spikebench.records.whole_files import file_sha256
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter
from spikebench.training.loop import fit, start_run
from spikebench.training.run import read_run

DIGITS = ROOT / "data" / "digits"
DATA = ROOT / "spikebench" / "datasets" / "digits.h5"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    preset = read_preset("svm", None, ["model.C=[1.0]", "model.gamma_scale=[1.0]"])
    selection = open_selection("digits")
    fit(folder, start_run(folder, "svm", preset, selection, 0), selection)
    return folder


def test_a_copy_with_other_bytes_is_recognised(trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine.h5"
    copy.write_bytes(DATA.read_bytes() + b"\0")
    with pytest.raises(ProtocolError, match="belongs to digits, on which this run was trained"):
        Listener(trained).open_file(copy)
    shutil.copy(DATA, copy)
    with h5py.File(copy, "a") as file:
        for name in list(file.attrs):
            if name not in ("n_units", "format", "format_version"):
                del file.attrs[name]
    with pytest.raises(ProtocolError, match="belongs to digits"):
        Listener(trained).open_file(copy)
    assert read_run(trained).test_opened == 0


@pytest.mark.skipif(not DIGITS.is_dir(), reason="the recordings (data/digits) are not here")
def test_recordings_of_the_test_split_are_refused_under_any_name(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = recordings_of_test("digits")
    assert len(known) > 100
    listener = Listener(trained)
    refused: list[str] = []
    for number, clip in enumerate(sorted(DIGITS.glob("*trial-0*.flac"))):
        copy = tmp_path / "mine" / f"{number}.flac"
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(clip, copy)
        try:
            listener.refuse_test_recording(copy)
        except ProtocolError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert all("is in the test split of digits" in message for message in refused)
    code, out, err = run(capsys, "predict", trained, tmp_path / "mine")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "open the test split with: spikebench evaluate --checkpoint RUN" in err
    assert read_run(trained).test_opened == 0


@pytest.mark.skipif(not DIGITS.is_dir(), reason="the recordings (data/digits) are not here")
def test_spikes_made_of_test_recordings_are_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Converted again, with another seed, other labels and speakers."""
    known = recordings_of_test("digits")
    clips = [path for path in sorted(DIGITS.glob("*.flac")) if file_sha256(path) in known][:3]
    for number, clip in enumerate(clips):
        copy = tmp_path / "mine" / ("ab"[number % 2]) / f"{number}.flac"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, copy)
    words = ("--channels", 70, "--labels", "folders", "--seed", 7, "--quiet")
    assert run(capsys, "convert", tmp_path / "mine", tmp_path / "mine.h5", *words)[0] == 0
    code, out, err = run(capsys, "predict", trained, tmp_path / "mine.h5")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "mine.h5: 3 of its samples are in the test split of digits" in err
    assert read_run(trained).test_opened == 0


@pytest.mark.parametrize("kind", ["test alone", "reordered", "one dropped", "one test sample"])
def test_copies_of_test_samples_are_refused(trained: Path, tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    with SpikeFile(DATA) as source:
        splits, keys = np.array(source.splits), list(source.keys)
        chosen = np.arange(source.n_samples)
        if kind == "test alone":
            chosen = chosen[splits == "test"]
        elif kind == "one test sample":
            chosen = np.append(chosen[splits == "train"][:50], chosen[splits == "test"][0])
        elif kind == "one dropped":
            chosen = chosen[1:]
        else:
            rng.shuffle(chosen)
        with SpikeWriter(tmp_path / "mine.h5", source.n_units, keys, {}) as writer:
            for k in chosen:
                times, units = source.events(int(k))
                writer.append(times, units, label=0, speaker=-1, split="")
    n_test = int((splits[chosen] == "test").sum())
    with pytest.raises(ProtocolError, match=f"{n_test} of its samples are in the test split"):
        Listener(trained).open_file(tmp_path / "mine.h5")


def test_data_without_recordings_know_none(tmp_path: Path) -> None:
    assert recordings_of_test(str(tmp_path / "missing.h5")) == frozenset()
