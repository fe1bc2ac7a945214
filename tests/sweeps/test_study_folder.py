"""The folder of a study: what it contains is noted, and another study in it is refused before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.commands import run
from helpers.toy import write_toy

from spikebench.errors import ResultError, TrainingError
from spikebench.protocol.opening import open_selection
from spikebench.sweeps.study_folder import (
    STUDY_FILE,
    StudyKind,
    note_study,
    refuse_other_checkpoint,
    refuse_other_study,
    refuse_twice,
)
from spikebench.training.run import save_tensors

STUDIES = {
    "prune": ["--model", "mlp_counts", "--methods", "random", "--seeds", "1"],
    "continual": ["--model", "mlp_counts", "--methods", "none", "--seeds", "1"],
    "fewshot": ["--task", "speaker", "--model", "mlp_counts", "--method", "maml", "--seeds", "1"],
    "substrate": ["--seeds", "2"],
}
KINDS: dict[str, StudyKind] = {
    "prune": "pruning",
    "continual": "continual",
    "fewshot": "fewshot",
    "substrate": "substrate",
}
WHAT = {"continual": "of continual learning", "substrate": "with a substrate in the loop"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5", takes=2, classes=4)
    return tmp_path


@pytest.mark.parametrize("command", STUDIES)
def test_a_dry_run_refuses_the_folder_of_another_study(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, "toy.h5", *STUDIES[command], "--dry-run", "-o", "out"]
    out = folder / "out"
    out.mkdir()
    data = open_selection("toy.h5").dataset
    other: StudyKind = "substrate" if command == "continual" else "continual"
    note_study(out, other, data)
    code, said, err = run(capsys, *words)
    assert (code, said, err.count("\n")) == (1, "", 1)
    assert f"out: contains a study {WHAT[other]}; choose another folder with -o" in err
    # Without the note, a study is known by its report.
    (out / STUDY_FILE).rename(out / "sweep.json")
    assert "out: contains a sweep; choose another folder with -o" in run(capsys, *words)[2]
    (out / "sweep.json").unlink()
    note_study(out, KINDS[command], data.model_copy(update={"fingerprint": "0" * 64}))
    assert "on other data (toy, another fingerprint); choose another" in run(capsys, *words)[2]


@pytest.mark.parametrize("command", ["timing", "sweep", "patterns"])
def test_timing_sweeps_and_patterns_refuse_and_note_too(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "spec.toml").write_text(
        'model = "svm"\ndata = "toy.h5"\nseeds = 1\n[settings]\n"input.duration_ms" = 300.0\n'
    )
    words = {
        "timing": ["timing", "--model", "svm", "--conditions", "counts", "--clean-only", "toy.h5"],
        "sweep": ["sweep", "spec.toml"],
        "patterns": [
            *("patterns", "--task", "random:1", "--feedback", "uniform", "--seeds", "1"),
            *("--set", "presentations=2", "--set", "duration_ms=20"),
        ],
    }[command]
    data = open_selection("toy.h5").dataset
    (folder / "other").mkdir()
    note_study(folder / "other", "continual", data)
    code, out, err = run(capsys, *words, "-o", "other", "--quiet")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "other: contains a study of continual learning; choose another folder with -o" in err
    assert [path.name for path in (folder / "other").iterdir()] == [STUDY_FILE]
    for _ in range(2):  # its own folder is used again
        code, _, err = run(capsys, *words, "-o", "own", "--quiet")
        assert (code, err) == (0, "")
    note = json.loads((folder / "own" / STUDY_FILE).read_text())
    assert (note["kind"], "dataset" in note) == (command, command != "patterns")
    code, _, err = run(capsys, "prune", "toy.h5", *STUDIES["prune"], "--dry-run", "-o", "own")
    assert code == 1
    assert "own: contains a s" in err


def test_an_interrupted_run_of_other_settings_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "out" / "mlp_counts" / "dense" / "seed0" / "checkpoint.safetensors"
    path.parent.mkdir(parents=True)
    save_tensors(path, {"x": torch.zeros(1)}, {"run": "0" * 64})
    words = ["prune", "toy.h5", *STUDIES["prune"], "--dry-run", "-o", "out"]
    code, _, err = run(capsys, *words)
    assert code == 1
    assert "dense/seed0: contains another run; choose another folder with -o" in err
    refuse_other_checkpoint(path, "0" * 64)
    path.write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"not readable as safetensors.*delete it"):
        refuse_other_checkpoint(path, "0" * 64)


def test_a_note_that_is_not_one_is_refused(folder: Path) -> None:
    data = open_selection("toy.h5").dataset
    note_study(folder, "pruning", data)
    note_study(folder, "pruning", data)
    note = json.loads((folder / STUDY_FILE).read_text())
    (folder / STUDY_FILE).write_text(json.dumps(note | {"kind": "magic"}))
    with pytest.raises(TrainingError, match=r"study\.json: .*kind.*choose another folder with -o"):
        refuse_other_study(folder, "pruning", data)


def test_a_page_contains_every_study_once(folder: Path) -> None:
    refuse_twice([folder / "a", folder / "b"], [["x.png"], ["y.png"]])
    with pytest.raises(ResultError, match=r"a/\.\./a: is given twice; give every study once"):
        refuse_twice([folder / "a", folder / "a/../a"], [["x.png"], ["x.png"]])
    with pytest.raises(
        ResultError,
        match=r"b: is on the same data with the same model as .*a; write a page for each",
    ):
        refuse_twice([folder / "a", folder / "b"], [["x.png"], ["y.png", "x.png"]])
