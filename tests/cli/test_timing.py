"""``spikebench timing`` from the command line: what it says, refuses and leaves, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.toy import write_toy

from cli.main import main
from cli.progress.study import study_progress
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.training.run import read_run

SVM = ["timing", "--model", "svm", "--set", "input.duration_ms=300", "--workers", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5")
    return tmp_path


def test_a_table_a_picture_and_the_same_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SVM, "--seeds", "2", "--conditions", "counts,equal-counts:10%,delete:50%"]
    code, out, err = run(capsys, *words, "-o", "out", "toy.h5")
    assert code == 0
    assert (
        "timing of 1 model under 4 conditions on toy: 8 runs, 0 of them trained, tested on 12 validation samples; "
        "the test split is not opened" in err
    )
    assert "timing: 8/8 runs" in err
    lines = out.splitlines()
    assert lines[0] == "toy"
    assert lines[1].startswith("accuracy on 12 validation samples in %, 2 seeds per model, chance")
    rows = {cells[0]: cells[1:] for line in lines if len(cells := line.split()) > 3}
    assert rows["clean"][:3] == ["svm", "48", "33.3"]
    assert rows["counts"][1:3] == ["48", "33.3"]
    assert rows["delete:50%"][1] in ("23", "24", "25")
    assert lines[-3:] == [
        *("table: out/timing.csv", "picture: out/timing.png", "test split opened: 0 times"),
    ]
    assert (folder / "out" / "timing.png").stat().st_size > 10_000
    code, out, err = run(capsys, *words, "-o", "out", "--json", "--quiet", "toy.h5")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((folder / "out" / "timing.json").read_text())
    # The trained machines are given; nothing is trained, and the test split is opened.
    code, out, err = run(
        *(capsys, "timing", "out/svm/clean", "toy.h5", "-o", "again", "--conditions", "reverse"),
        *("--clean-only", "--test", "--quiet", "--workers", 1),
    )
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "test split opened: 2 times"
    assert "trained changed" not in out
    assert [path.name for path in sorted((folder / "again").glob("timing*"))] == [
        *("timing-test.csv", "timing-test.json", "timing-test.png"),
    ]
    assert read_run(folder / "out" / "svm" / "clean" / "seed1").test_opened == 1


def test_a_dry_run_lists_the_runs_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SVM, "--conditions", "delete:50%", "-o", "out", "--dry-run", "toy.h5"]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"new       {folder}/out/svm/clean/seed0",
        f"new       {folder}/out/svm/delete=50/seed0",
        "2 runs, 0 trained",
    ]
    code, out, _ = run(capsys, *words, "--json")
    assert [row["tested"] for row in json.loads(out)] == [["clean", "delete:50%"], ["delete:50%"]]
    assert not (folder / "out").exists()


def test_a_run_that_fails_is_told_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, *SVM, "--conditions", "delete:100%,reverse", "-o", "out", "--quiet", "toy.h5"
    )
    assert code == 1
    why = "no spike of the training samples remains under delete:100%"
    assert err == f"spikebench: 1 of 3 runs failed, the first: {why}\n"
    assert f"failed: out/svm/delete=100/seed0: {why}" in out.splitlines()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["toy.h5"], 2, "give RUN, or --model to train a model; DATA is the last argument"),
        (["--model", "svm"], 2, "Missing argument 'DATA'"),
        (["a", "toy.h5", "--seeds", "2"], 2, "--seeds and --set are for --model; a RUN has its"),
        (["--model", "svm", "toy.h5", "--conditions", "jiter"], 1, "unknown condition 'jiter'"),
        (["--model", "svm", "toy.h5", "--conditions", "jitter:5"], 1, "must be a number of ms"),
        (["--model", "svm", "gone.h5"], 1, "no such file: 'gone.h5'"),
        (["--model", "smv", "toy.h5"], 1, "unknown model 'smv'"),
        (["gone", "toy.h5"], 1, "gone: not a run (no run.json in it), nor a folder of runs"),
        (["--model", "svm", "--set", "model.x=1", "toy.h5"], 1, "model svm: "),
        (["--model", "lif", "--set", "training.epochs=0", "toy.h5"], 1, "training.epochs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], code: int, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = run(capsys, "timing", *words, "-o", "out")
    assert (ended, out) == (code, "")
    assert message in err
    if code == 1:
        assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()


def test_a_run_in_place_of_the_data_is_recognised(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one").mkdir()
    (folder / "one" / "run.json").write_text("{}")
    code, _, err = run(capsys, "timing", "toy.h5", "one")
    assert code == 1
    assert err == "spikebench: one: is a run; give the data set as the last argument\n"


def test_progress_says_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with study_progress(False, lambda: None, "timing") as show:
        show(StudyProgress(4, 1, 4, 4.0, 0.5, 0.0))
    assert capsys.readouterr().err == "timing: 4/4 runs, 1 failed\n"
    from cli.progress.study import study_words as _words

    assert _words(StudyProgress(1, 0, 4, 1.5, 0.5, 5.0)) == "1/4 runs, 30 per minute, 0:00:05 left"
    assert "18 per hour" in _words(StudyProgress(1, 0, 4, 1.5, 0.005, 500.0))
    assert _words(StudyProgress(0, 0, 4, 0.0, None, None)) == "0/4 runs"


def test_the_help_names_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    from spikebench.events.conditions import KINDS

    with pytest.raises(SystemExit):
        main(["timing", "--help"])
    text = capsys.readouterr().out
    assert all(f"    {kind}" in text for kind in KINDS if kind != "clean")
