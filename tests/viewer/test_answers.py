"""Answers of a trained model on the page: those of ``predict``, and none for samples of the test split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.toy import write_toy
from numpy.testing import assert_allclose

from spikebench.deployment.closed import closed_samples
from spikebench.deployment.prediction import Listener
from spikebench.errors import ProtocolError, SpikebenchError, SpikeFileError
from spikebench.events.dataset import SpikeDataset
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_selection, read_split_labels
from spikebench.recordings.decoding import Recording
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter
from spikebench.training.loop import fit, start_run
from spikebench.training.run import read_run
from spikebench.viewer.answers import Answers


def none_there(index: int) -> Recording:
    raise SpikebenchError(f"no recording of {index}")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5", marked=True)


@pytest.fixture(scope="module")
def run(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    selection = open_selection(str(toy))
    words = ["input.time_step_ms=10", "input.duration_ms=300", "training.epochs=4"]
    preset = read_preset("gru", None, [*words, "model.hidden_units=8"])
    fit(folder, start_run(folder, "gru", preset, selection, 0), selection)
    return folder


def test_the_answers_are_those_of_the_model(run: Path, toy: Path) -> None:
    listener = Listener(run)
    answers = Answers(listener, SpikeFile(toy), none_there)
    index = int(open_selection(str(toy)).validation.index[3])
    given = answers.over_time(index)
    expected = listener.over_time(SpikeDataset(toy, [index]), 30)
    assert given["times"] == pytest.approx(expected.times.tolist())
    shares = np.array(given["shares"])
    assert shares.shape == (30, 3)
    assert_allclose(shares.max(1), expected.confidence[:, 0], atol=1e-4)
    assert shares.argmax(1)[-1] == expected.predicted[-1, 0]
    assert given["decided"] == pytest.approx(expected.decided()[0])
    assert answers.classes == ["up", "down", "shift"]


def test_the_test_split_stays_closed(run: Path, toy: Path) -> None:
    answers = Answers(Listener(run), SpikeFile(toy), none_there)
    test = read_split_labels(str(toy)).test.index
    refused = [k for k in range(SpikeFile(toy).n_samples) if answers.refusal(k)]
    assert refused == sorted(test.tolist())
    assert len(refused) == 24
    with pytest.raises(ProtocolError, match="is in the test split of toy, on which the model"):
        answers.over_time(refused[0])
    assert read_run(run).test_opened == 0


def test_copies_in_another_file_stay_closed(run: Path, toy: Path, tmp_path: Path) -> None:
    test = read_split_labels(str(toy)).test.index
    other = tmp_path / "other.h5"
    with SpikeFile(toy) as source, SpikeWriter(other, source.n_units, ["x"], {}) as writer:
        for k in (0, int(test[5]), 1):
            writer.append(*source.events(k), label=0)
    listener = Listener(run)
    marks = closed_samples(listener.data, listener.record.dataset, SpikeFile(other))
    assert marks.tolist() == [False, True, False]
    assert Answers(listener, SpikeFile(other), none_there).over_time(2)["times"]


def test_everything_stays_closed_where_the_split_is_unknown(
    run: Path, toy: Path, tmp_path: Path
) -> None:
    """The data of the run are not there any more, only a copy of the file."""
    listener = Listener(run)
    copy = tmp_path / "copy.h5"
    copy.write_bytes(toy.read_bytes())
    with SpikeFile(copy) as file:
        gone = closed_samples(str(tmp_path / "gone.h5"), listener.record.dataset, file)
        assert gone.all()
        there = closed_samples(listener.data, listener.record.dataset, file)
    assert there.sum() == 24


def test_another_number_of_units(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "units.h5"
    with SpikeWriter(path, 5, ["a"], {}) as writer:
        writer.append([0.1], [1], label=0)
    with pytest.raises(SpikeFileError, match="has 5 units, the model was trained on 12"):
        Answers(Listener(run), SpikeFile(path), none_there)
