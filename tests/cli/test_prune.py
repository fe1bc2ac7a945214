"""``spikebench prune`` from the command line: what it says, refuses and leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.toy import write_toy

WORDS = ["prune", "toy.h5", "--model", "mlp_counts", "--workers", "1", "--densities", "0.1"]
QUICK = [
    *("--set", "training.epochs=1", "--set", "input.duration_ms=300"),
    *("--set", "pruning.ntt.steps=2", "--set", "pruning.ntt.mask_every=1"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5", takes=2)
    return tmp_path


def test_a_study_its_page_and_the_same_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, *QUICK, "--seeds", "2", "-o", "out"]
    code, out, err = run(capsys, *words)
    assert code == 0
    assert (
        "toy with mlp_counts: dense, and 10 % of the weights by ntt, snip, synflow, magnitude, random; 12 runs, 0 of "
        "them done; the test split is not opened" in err
    )
    assert "prune: 12/12 runs" in err
    assert out.splitlines()[0] == "toy"
    assert out.splitlines()[-1] == "test split opened: 0 times"
    assert (folder / "out" / "pruning-toy-mlp_counts.png").stat().st_size > 10_000
    report = json.loads((folder / "out" / "pruning.json").read_text())
    assert [row["method"] for row in report["rows"]][:2] == ["dense", "ntt"]
    for row in report["rows"][1:]:
        kept = sum(one["kept"] for one in row["kept"])
        weights = sum(one["weights"] for one in row["kept"])
        assert kept == pytest.approx(0.1 * weights, abs=1.01)
        assert 0 < row["effective_operations"] < 0.2 * row["dense_operations"]
    table = (folder / "out" / "pruning.csv").read_text().splitlines()
    assert [line.split(",")[1] for line in table] == [
        *("method", "dense", "ntt", "snip", "synflow", "magnitude", "random")
    ]
    code, out, err = run(capsys, *words, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out) == report
    code, out, _ = run(capsys, "prune", "--page", "docs/page.md", "out")
    assert (code, out) == (0, "page: docs/page.md\n")
    page = (folder / "docs" / "page.md").read_text()
    assert "## Measured on toy" in page
    assert "`spikebench prune toy.h5 --model mlp_counts --densities 0.1" in page
    assert "](page-toy-mlp_counts.png)" in page
    assert (folder / "docs" / "page-toy-mlp_counts.png").is_file()
    code, _, err = run(capsys, *words, "--set", "training.batch_size=3")
    assert code == 1
    assert "contains another run; choose another folder with -o" in err


def test_the_test_split_is_opened_on_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, *QUICK, "--methods", "random", "--seeds", "1", "-o", "out", "--quiet"]
    code, out, _ = run(capsys, *words, "--test")
    assert code == 0
    assert out.splitlines()[-1] == "test split opened: 2 times"
    assert (folder / "out" / "pruning-test.json").is_file()
    assert not (folder / "out" / "pruning.json").exists()


def test_a_dry_run_lists_the_runs_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--methods", "ntt,random", "--seeds", "1", "-o", "out", "--dry-run"]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"new     {folder}/out/mlp_counts/dense/seed0",
        f"new     {folder}/out/mlp_counts/ntt/0.1/seed0",
        f"new     {folder}/out/mlp_counts/random/0.1/seed0",
        "3 runs, 0 done",
    ]
    code, out, _ = run(capsys, *words, "--json")
    assert [row["method"] for row in json.loads(out)] == ["dense", "ntt", "random"]
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "give one DATA"),
        (["--page", "x.md"], 2, "give the folders of finished studies after --page"),
        (["--page", "x.md", "gone"], 1, "gone: has no pruning.json and command.txt"),
        (["gone.h5"], 1, "no such file: 'gone.h5'"),
        (["toy.h5", "--densities", "0"], 1, "density 0: must be above 0 and at most 1"),
        (["toy.h5", "--densities", "1.5"], 1, "density 1.5: must be above 0 and at most 1"),
        (["toy.h5", "--densities", "few"], 1, "density few: must be above 0"),
        (["toy.h5", "--densities", "1"], 1, "give at least one density below 1"),
        (["toy.h5", "--set", "pruning.densities=[0.0]"], 1, "density 0.0: must be above 0"),
        (["toy.h5", "--model", "svm"], 1, "model svm has no hidden weights trained by gradients"),
        (["toy.h5", "--model", "linear_bins"], 1, "choose a network on spikes, such as lif"),
        (["toy.h5", "--model", "mel_lstm"], 1, "model mel_lstm works on audio"),
        (["toy.h5", "--model", "rlfi"], 1, "Did you mean 'rlif'?"),
        (["toy.h5", "--methods", "synflo"], 1, "Did you mean 'synflow'?"),
        (["toy.h5", "--model", "gru"], 1, "method ntt cannot be used with model gru; leave ntt"),
        (["toy.h5", "--model", "gru", "--methods", "synflow"], 1, "leave synflow out of --methods"),
        (["toy.h5", "--set", "pruning.ntt.steps=0"], 1, "pruning.ntt.steps"),
        (["toy.h5", "--set", "training.weight_bits=4"], 1, "add --set training.weight_bits=0"),
        (["toy.h5", "--set", "training.schedule=plateau"], 1, "training.schedule=constant"),
        (
            ["toy.h5", "--set", "learning.rule=eprop"],
            1,
            "by back-propagation here; remove learning",
        ),
        (["toy.h5", "--set", "training.precision=bfloat16"], 1, "model lif is trained in float32"),
        (
            ["toy.h5", "--model", ""],
            1,
            "--model names nothing; leave it out, or give names such as",
        ),
        (["permuted-digits", "--test"], 1, "permuted-digits has no test split; leave out --test"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], code: int, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = run(capsys, "prune", *words, "-o", "out")
    assert (ended, out) == (code, "")
    assert message in err
    if code == 1:
        assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()


def test_a_run_that_fails_is_told_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, *QUICK, "--methods", "random", "--seeds", "1", "-o", "out", "--quiet"]
    code, out, err = run(
        capsys, *words, "--set", "training.learning_rate=1e36", "--set", "training.batch_size=8"
    )
    assert code == 1
    assert "runs failed, the first: loss or weights are no longer finite" in err
    assert "failed: out/mlp_counts/dense/seed0: loss or weights" in out
