"""The folder of data export holds the samples of the splits, test samples without labels, as datasets opens it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from helpers.peers import needs_peer, run_peer
from helpers.toy import write_toy

from cli.main import main
from spikebench import SpikeDataset, open_selection
from spikebench.events import arrow_folder
from spikebench.protocol.opening import open_test


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


def test_datasets_opens_every_split(data: Path, tmp_path: Path) -> None:
    needs_peer("datasets")
    script = ROOT / "tests" / "helpers" / "peer_datasets.py"
    said = run_peer(script, str(data), str(tmp_path / "folder")).splitlines()
    selection = open_selection(str(data))
    splits = {
        "train": selection.train,
        "validation": selection.validation,
        "test": open_test(selection),
    }
    exported = json.loads(said[0])
    assert exported["samples"] == {name: len(samples) for name, samples in splits.items()}
    assert json.loads(said[-1])["names"] == list(selection.train.keys)
    for name, samples in splits.items():
        found = np.load(tmp_path / f"folder-{name}.npz")
        rows = [samples[k] for k in range(len(samples))]
        for key, sizes in (("times_s", "times_s_sizes"), ("units", "units_sizes")):
            ours = [row.times if key == "times_s" else row.units for row in rows]
            assert np.array_equal(found[sizes], [one.size for one in ours])
            assert np.array_equal(found[key], np.concatenate(ours))
        assert np.array_equal(found["index"], samples.index)
        assert np.array_equal(found["duration_s"], [row.duration for row in rows])
        for key, expected in (("label", samples.labels), ("speaker", samples.speakers)):
            assert np.array_equal(
                found[key], np.full(len(rows), -1) if name == "test" else expected
            )


def test_batches_are_limited_in_samples_and_spikes(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = SpikeDataset(str(data))
    most = int(samples.spike_counts.max())
    monkeypatch.setattr(arrow_folder, "_MOST_SAMPLES", 7)
    for limit, largest in ((10**9, 7), (3 * most, 7), (2 * most, 7), (1, 1)):
        monkeypatch.setattr(arrow_folder, "_MOST_SPIKES", limit)
        batches = list(arrow_folder._batches(samples))
        assert np.array_equal(np.concatenate(batches), np.arange(len(samples)))
        assert max(map(len, batches)) <= largest
        assert all(len(b) == 1 or samples.spike_counts[b].sum() <= limit for b in batches)


def test_without_pyarrow_the_remedy_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SystemExit) as ended:
        main(["data", "export", str(data), "-o", str(tmp_path / "folder")])
    assert ended.value.code
    assert "needs the package pyarrow: pip install 'spikebench[arrow]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", sys)  # not reached
    (tmp_path / "mine").write_text("text")
    with pytest.raises(SystemExit) as ended:
        main(["data", "export", str(data), "-o", str(tmp_path)])
    assert ended.value.code
    assert "is not an empty folder; choose another" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "text"
