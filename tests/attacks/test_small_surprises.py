"""Input that ended in a traceback, a hang or silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.commands import run
from helpers.leaderboard_results import make_result
from helpers.synthetic_clips import tone, write_clip
from helpers.toy import write_toy

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, read_entry, write_entry
from spikebench import workers
from spikebench.errors import ResultError, SpikebenchError, SpikeFileError, TrainingError
from spikebench.presets.preset import read_preset
from spikebench.spike_files.reader import SpikeFile


@pytest.mark.parametrize("depth", [20, 200, 5000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_a_nested_preset_is_one_line(tmp_path: Path, depth: int, brackets: str) -> None:
    opening, closing = ("[", "]") if brackets == "[]" else ("{a=", "}")
    nested = opening * depth + "1" + closing * depth
    (tmp_path / "p.toml").write_text(
        "[input]\ntime_step_ms = 10\nduration_ms = 1000\nmode = 'counts'\n"
        f"[model]\nhidden_units = {nested}\n"
    )
    with pytest.raises(TrainingError, match=r"p\.toml: (nested too deeply|not readable)"):
        read_preset("lif", tmp_path / "p.toml")
    with pytest.raises(TrainingError, match="nested too deeply"):
        read_preset("lif", None, [f"model.hidden_units={nested}"])


@pytest.mark.parametrize("feed", ["\n", "\r\n", "\r"])
def test_a_setting_of_several_lines_is_refused(feed: str) -> None:
    with pytest.raises(TrainingError, match="must be one line; give --set once per setting"):
        read_preset("lif", None, [f"training.epochs=1{feed}seed=2"])


def test_very_many_layers_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5")
    many = f"model.hidden_units={[1] * 20_000}"
    code, _, err = run(capsys, "train", "--model", "lif", "--data", "toy.h5", "--set", many)
    assert code == 1
    assert "hidden_units" in err
    assert "at most 100" in err


@pytest.mark.parametrize(
    "value",
    [np.array([70]), np.array([[70]]), np.array([], np.int64), h5py.Empty("i4")],
    ids=["array", "matrix", "empty array", "null"],
)
def test_a_number_of_units_of_a_strange_type_is_refused(tmp_path: Path, value: object) -> None:
    path = write_toy(tmp_path / "toy.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["n_units"]
        file.attrs["n_units"] = value
    with SpikeFile(path) as file, pytest.raises(SpikeFileError, match="n_units has a type that is"):
        _ = file.n_units


def test_other_attributes_may_have_any_type(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5")
    with h5py.File(path, "a") as file:
        file.attrs["comment"] = np.array([[1, 2], [3, 4]])
    with SpikeFile(path) as file:
        assert file.n_units == 12


@pytest.mark.parametrize("name", ["entry.json", "result.json"])
@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200f", "\x7f", "\x9b"])
def test_characters_that_turn_text_are_refused(tmp_path: Path, name: str, character: str) -> None:
    source = make_result(tmp_path / "source")
    result = verify_result(source)
    entry = write_entry(source, tmp_path / "e", make_entry(result), result, overwrite=False)
    text = (entry / name).read_text(encoding="utf-8")
    (entry / name).write_text(text.replace("lif", f"lif{character}"), encoding="utf-8")
    with pytest.raises(ResultError, match="which makes text look like another"):
        read_entry(entry)


def test_letters_of_any_language_are_no_control_characters(tmp_path: Path) -> None:
    classes = ["null", "eins", "две", "三", "é", "ß"]
    source = make_result(tmp_path / "source", classes=classes)
    result = verify_result(source)
    entry = write_entry(source, tmp_path / "e", make_entry(result), result, overwrite=False)
    assert read_entry(entry).result.dataset.classes == classes


def test_no_shared_memory_is_one_line_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(workers, "_Pool", missing)
    with (
        pytest.raises(SpikebenchError, match=r"shared memory, /dev/shm .*; use one process"),
        workers.worker_pool(2, preload="spikebench.errors"),
    ):
        pass


@pytest.mark.parametrize("closed", ["0<&- 1>&- 2>&-", "1>&-", "2>&-", "0<&-"])
def test_closed_streams_break_nothing(tmp_path: Path, closed: str) -> None:
    write_clip(tmp_path / "audio" / "a.wav", tone(seconds=0.05))
    command = f"{sys.executable} -m cli.main convert audio out.h5 --channels 20 --jobs 1 {closed}"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.returncode == 0
    with SpikeFile(tmp_path / "out.h5") as file:
        assert file.n_samples == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "out.h5"]
