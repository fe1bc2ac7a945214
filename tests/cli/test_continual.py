"""``spikebench continual`` from the command line: what it says, refuses and leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.toy import write_toy

WORDS = ["continual", "toy.h5", "--model", "mlp_counts", "--workers", "1"]
QUICK = ["--set", "training.epochs=1", "--set", "input.duration_ms=300"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5", takes=2, classes=4)
    return tmp_path


def test_a_study_its_page_and_the_same_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, *QUICK, "--methods", "none,si:1,joint", "--seeds", "2", "-o", "out"]
    code, out, err = run(capsys, *words)
    assert code == 0
    assert (
        "pairs of toy with mlp_counts: none, si:1, joint; 6 runs, 0 of them done; the test split "
        "is not opened" in err
    )
    assert "continual: 6/6 runs" in err
    lines = out.splitlines()
    assert lines[0] == "toy"
    assert lines[1].startswith("pairs with mlp_counts: 2 tasks, masked heads")
    assert lines[-1] == "test split opened: 0 times"
    picture = folder / "out" / "continual-toy-pairs-mlp_counts.png"
    assert picture.stat().st_size > 10_000
    report = json.loads((folder / "out" / "continual.json").read_text())
    rows = {row["method"]: row for row in report["rows"]}
    assert [len(seed["accuracies"]) for seed in rows["si:1"]["seeds"]] == [2, 2]
    assert rows["joint"]["forgetting"] is None
    assert rows["none"]["change"] is None
    costs = {cost["kind"]: cost for cost in report["costs"]}
    assert costs["si"]["kept_numbers"] == 3 * costs["none"]["parameters"]
    table = (folder / "out" / "continual.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in table] == ["method", "none", "si:1", "joint"]
    kept = {
        path: path.read_bytes()
        for path in (folder / "out").glob("continual*")
        if path.suffix != ".png"
    }
    code, out, err = run(capsys, *words, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out) == report
    assert all(path.read_bytes() == content for path, content in kept.items())
    code, out, _ = run(capsys, "continual", "--page", "docs/page.md", "out")
    assert (code, out) == (0, "page: docs/page.md\n")
    page = (folder / "docs" / "page.md").read_text()
    assert "## Measured on toy" in page
    assert "`spikebench continual toy.h5 --model mlp_counts" in page
    assert "](page-toy-pairs-mlp_counts.png)" in page
    assert (folder / "docs" / "page-toy-pairs-mlp_counts.png").is_file()
    code, _, err = run(capsys, *words[:-2], "-o", "out", "--set", "training.batch_size=3")
    assert code == 1
    assert "contains another run; choose another folder with -o" in err


def test_the_test_split_is_opened_on_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, *QUICK, "--methods", "none", "--seeds", "1", "-o", "out", "--quiet"]
    code, out, _ = run(capsys, *words, "--test")
    assert code == 0
    assert out.splitlines()[-1] == "test split opened: 1 times"
    assert (folder / "out" / "continual-test.json").is_file()
    assert not (folder / "out" / "continual.json").exists()


def test_a_dry_run_lists_the_runs_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--methods", "none,si:1", "--seeds", "1", "-o", "out", "--dry-run"]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"new     {folder}/out/pairs/mlp_counts/none/seed0",
        f"new     {folder}/out/pairs/mlp_counts/si=1/seed0",
        "2 runs, 0 done",
    ]
    code, out, _ = run(capsys, *words, "--json")
    assert [row["method"] for row in json.loads(out)] == ["none", "si:1"]
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "give one DATA"),
        (["--page", "x.md"], 2, "give the folders of finished studies after --page"),
        (["--page", "x.md", "gone"], 1, "gone: has no continual.json; finish the study first"),
        (["gone.h5"], 1, "no such file: 'gone.h5'"),
        (["toy.h5", "--model", "svm"], 1, "model svm is fitted to all samples at once"),
        (["toy.h5", "--model", "mel_lstm"], 1, "model mel_lstm works on audio"),
        (["toy.h5", "--model", "smv"], 1, "unknown model 'smv'"),
        (["toy.h5", "--methods", "gem"], 1, "unknown method 'gem'"),
        (["toy.h5", "--tasks", "languages"], 1, "give --tasks pairs or speakers"),
        (["toy.h5", "--set", "training.epochs=0"], 1, "training.epochs"),
        (["toy.h5", "--set", "model.x=1"], 1, "model lif: "),
        (["toy.h5", "--set", "training.weight_average=0.9"], 1, "--set training.weight_average=0"),
        (["toy.h5", "--set", "training.schedule=plateau"], 1, "--set training.schedule=constant"),
        (["toy.h5", "--set", "learning.rule=rtrl"], 1, "back-propagation task after task; remove"),
        (["toy.h5", "--model", "lif", "--set", "training.precision=bfloat16"], 1, "in float32"),
        (["toy.h5", "--tasks", ""], 1, "--tasks names nothing; leave it out, or give names such"),
        (["toy.h5", "--model", ","], 1, "--model names nothing; leave it out, or give names such"),
        (["permuted-digits", "--test"], 1, "permuted-digits has no test split; leave out --test"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], code: int, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = run(capsys, "continual", *words, "-o", "out")
    assert (ended, out) == (code, "")
    assert message in err
    if code == 1:
        assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()


def test_a_run_that_fails_is_told_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, *QUICK, "--methods", "none", "--seeds", "1", "-o", "out", "--quiet"]
    code, out, err = run(capsys, *words, "--set", "training.learning_rate=1e36")
    assert code == 1
    assert err.startswith(
        "spikebench: 1 of 1 runs failed, the first: loss or weights are no longer"
    )
    assert "failed: out/pairs/mlp_counts/none/seed0: loss or weights" in out
