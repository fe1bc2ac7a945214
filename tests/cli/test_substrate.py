"""``spikebench substrate`` from the command line: what it says, refuses and leaves, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.toy import write_toy

from cli.main import main
from cli.progress.study import study_progress, study_words
from spikebench.sweeps.study_watch import StudyProgress

QUICK = [
    *("--set", "input.duration_ms=250", "--set", "training.epochs=1"),
    *("--set", "model.hidden_units=6", "--seeds", "2", "-o", "out"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5", takes=2, marked=True)
    return tmp_path


def test_a_table_a_picture_a_page_and_the_test(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["substrate", "toy.h5", *QUICK]
    code, out, err = run(capsys, *words, "--page", "docs/chip.md")
    assert code == 0
    assert "rlif on the analog substrate, toy: 10 runs, 0 of them trained, on 30 samples" in err
    assert "the test split is not opened" in err
    assert "substrate: 10/10 runs" in err
    lines = out.splitlines()
    assert lines[0].startswith("| condition | activity | accuracy |")
    assert len([line for line in lines if line.startswith("|")]) == 2 + 9
    assert lines[-2:] == ["table: out/substrate.csv", "picture: out/substrate.png"]
    assert (folder / "out" / "substrate.png").stat().st_size > 10_000
    page = (folder / "docs" / "chip.md").read_text()
    assert "spikebench substrate toy.h5 --seeds 2 --set input.duration_ms=250" in page
    assert (folder / "docs" / "chip-toy-rlif-analog.png").is_file()
    code, out, err = run(capsys, *words, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((folder / "out" / "substrate.json").read_text())
    code, out, err = run(capsys, *words, "--test", "--json", "--quiet")
    assert (code, err) == (0, "")
    tested = json.loads(out)
    assert (tested["tested"], tested["samples"]) == ("test", 12)
    assert (folder / "out" / "substrate-test.csv").is_file()
    code, out, err = run(capsys, *words, "--set", "analog.gain_mismatch=1", "--quiet")
    assert (code, out) == (1, "")
    assert err.endswith("contains another run; choose another folder with -o\n")


def test_a_dry_run_lists_the_runs_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["substrate", "toy.h5", *QUICK, "--on", "fixed-point", "--dry-run"]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"new       {folder}/out/software/plain/seed0"
    assert out.splitlines()[-1] == "8 runs, 0 trained"
    code, out, _ = run(capsys, *words, "--json")
    assert {row["status"] for row in json.loads(out)} == {"new"}
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "Missing argument 'DATA'"),
        (["toy.h5", "--set", "learning.rule=rtrl"], 1, "by back-propagation here; remove learning"),
        (["toy.h5", "--set", "training.weight_bits=4"], 1, "add --set training.weight_bits=0"),
        (["toy.h5", "--set", "training.weight_average=0.9"], 1, "--set training.weight_average=0"),
        (["toy.h5", "--set", "training.schedule=plateau"], 1, "--set training.schedule=constant"),
        (["toy.h5", "--set", "training.patience_epochs=1"], 1, "--set training.patience_epochs=0"),
        (["toy.h5", "--seeds", "1"], 2, "1 is not in the range"),
        (["toy.h5", "--on", "paper"], 2, "'paper' is not one of 'analog', 'fixed-point'"),
        (["gone.h5"], 1, "no such file: 'gone.h5'"),
        (["toy.h5", "--model", "rlfi"], 1, "unknown model 'rlfi'"),
        (["toy.h5", "--model", "svm"], 1, "is no network of spiking layers; choose model lif"),
        (["toy.h5", "--model", "mel_cnn"], 1, "choose lif or rlif"),
        (["toy.h5", "--set", "analog.noise=1"], 1, "analog.noise"),
        (["toy.h5", "--set", "model.readout=mean"], 1, "set model.readout=max"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], code: int, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = run(capsys, "substrate", *words, "-o", "out")
    assert (ended, out) == (code, "")
    assert message in err
    if code == 1:
        assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()


def test_progress_says_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with study_progress(False, lambda: None, "substrate") as show:
        show(StudyProgress(4, 0, 4, 4.0, 0.5, 0.0))
    assert capsys.readouterr().err == "substrate: 4/4 runs\n"
    assert (
        study_words(StudyProgress(1, 0, 4, 1.5, 0.5, 5.0))
        == "1/4 runs, 30 per minute, 0:00:05 left"
    )


def test_the_help_names_every_condition(capsys: pytest.CaptureFixture[str]) -> None:
    from spikebench.substrate.answers import CONDITIONS

    with pytest.raises(SystemExit):
        main(["substrate", "--help"])
    text = capsys.readouterr().out
    assert all(f"  {condition} " in text for condition in CONDITIONS)
