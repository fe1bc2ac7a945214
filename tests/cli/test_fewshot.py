"""``spikebench fewshot`` from the command line: what it says, refuses and leaves, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.toy import write_toy

from cli.main import main
from cli.progress.study import study_words
from spikebench.sweeps.study_watch import StudyProgress

FAST = ["fewshot", "toy.h5", "--task", "speaker", "--model", "mlp_counts", "--workers", "1"]
FAST += [
    word
    for setting in (
        *("input.duration_ms=260", "meta.iterations=2", "meta.validation_tasks=2", "meta.tasks=2"),
        *("evaluation.tasks=3", "evaluation.steps=2"),
    )
    for word in ("--set", setting)
]
BOTH = ["--method", "maml", "--method", "finetune", "--set", "pretrain.iterations=2", "-o", "out"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5")
    return tmp_path


def test_a_table_a_picture_a_page_and_the_same_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*FAST, "--seeds", "2", *BOTH]
    code, out, err = run(capsys, *words, "--page", "docs/page.md")
    assert code == 0
    assert "few-shot learning on toy: 4 runs, tasks speaker" in err
    assert "the test split is not opened" in err
    assert "fewshot: 4/4 runs" in err
    assert [line.split()[:3] for line in out.splitlines() if line.startswith("speaker")] == [
        ["speaker", "mlp_counts", method] for method in ("maml", "finetune")
    ]
    assert out.splitlines()[-1] == "test split opened: 0 times"
    page = (folder / "docs" / "page.md").read_text()
    assert "<!-- out -->" in page
    assert "spikebench fewshot toy.h5 --task speaker --model mlp_counts" in page
    assert (folder / "docs" / "page-out.png").stat().st_size > 10_000
    assert (folder / "out" / "fewshot.png").stat().st_size > 10_000
    code, out, err = run(capsys, *words, "--json", "--quiet", "--page", "docs/page.md")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((folder / "out" / "fewshot.json").read_text())
    assert (folder / "docs" / "page.md").read_text() == page


def test_a_dry_run_lists_the_runs_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*FAST, *BOTH, "--dry-run"]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{folder}/out/speaker/mlp_counts/maml/seed0",
        f"{folder}/out/speaker/mlp_counts/finetune/seed0",
        "2 runs",
    ]
    code, out, _ = run(capsys, *words, "--json")
    assert [row["method"] for row in json.loads(out)] == ["maml", "finetune"]
    assert not (folder / "out").exists()


def test_a_run_that_fails_is_told_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from spikebench.fewshot import worker

    monkeypatch.setattr(worker, "_iteration", lambda *_: float("nan"))
    code, out, err = run(capsys, *FAST, "--method", "maml", "-o", "out", "--quiet")
    assert code == 1
    assert err.startswith("spikebench: 1 of 1 runs failed, the first: the loss is not finite")
    assert len(err.splitlines()) == 1
    assert "failed: out/speaker/mlp_counts/maml/seed0: the loss is not finite" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "Missing argument 'DATA'"),
        (
            ["toy.h5", "--model", "event_ssm"],
            1,
            "which method maml needs; choose the method fomaml",
        ),
        (["gone.h5"], 1, "no such file: 'gone.h5'"),
        (["toy.h5", "--model", "svm"], 1, "svm is not trained by gradients"),
        (["toy.h5", "--method", "mamal"], 1, "unknown method 'mamal'"),
        (["toy.h5", "--task", "word"], 1, "unknown task 'word'"),
        (["toy.h5", "--task", "words"], 1, "set words.ways=2 or fewer shots"),
        (["toy.h5", "--set", "meta.tasks=none"], 1, "meta.tasks"),
        (["toy.h5", "--model", "gru", "--set", "lif.tau_mem_ms=5"], 1, "add --model lif"),
        (["toy.h5", "--model", "gru", "--bits", "8"], 1, "or leave --bits out"),
        (["toy.h5", "--bits", "1"], 2, "1 is not in the range"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], code: int, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = run(capsys, "fewshot", *words, "-o", "out")
    assert (ended, out) == (code, "")
    assert message in err
    if code == 1:
        assert len(err.splitlines()) == 1
    assert not (folder / "out").exists()


def test_progress_says_rate_and_time_left() -> None:
    assert (
        study_words(StudyProgress(1, 0, 4, 1.5, 0.5, 5.0))
        == "1/4 runs, 30 per minute, 0:00:05 left"
    )
    assert study_words(StudyProgress(4, 1, 4, 4.0, 0.5, 0.0)) == "4/4 runs, 1 failed"


def test_the_help_names_tasks_and_methods(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fewshot", "--help"])
    text = capsys.readouterr().out
    for word in ("speaker", "words", "pairs", "maml", "fomaml", "anil", "finetune"):
        assert f"    {word}" in text
