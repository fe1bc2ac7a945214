"""From a study with ``--test`` to an entry: the result says what the report says, and a repetition changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import run
from helpers.toy import write_toy

from leaderboard.claims.entry import StoredEntry, read_entry

QUICK = ["--set", "training.epochs=1", "--set", "input.duration_ms=250", "--seeds", "2"]
COMMANDS = {
    "prune": ["--model", "mlp_counts", "--methods", "random", "--densities", "0.1", *QUICK],
    "continual": [
        *(
            "--model",
            "mlp_counts",
            "--tasks",
            "pairs,pairs:single",
            "--methods",
            "none,joint",
            *QUICK,
        ),
    ],
    "substrate": ["--model", "lif", "--set", "model.hidden_units=[6]", *QUICK],
    "fewshot": [
        *("--task", "speaker", "--model", "mlp_counts", "--method", "maml", "--method", "finetune"),
        *("--set", "input.duration_ms=260", "--set", "meta.iterations=1", "--set", "meta.tasks=1"),
        *("--set", "meta.validation_tasks=2", "--set", "pretrain.iterations=1", "--seeds", "2"),
        *("--set", "evaluation.tasks=3", "--set", "evaluation.steps=1"),
    ],
}


def study(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, Any], dict[str, StoredEntry]]:
    """Run a study, and submit all its results; returns the report, and the entries by the name of the result."""
    write_toy(folder / "toy.h5", takes=3, classes=4)
    workers = [] if command == "substrate" else ["--workers", "1"]
    words = [command, "toy.h5", *COMMANDS[command], *workers, "--test", "-o", "out"]
    code, out, _ = run(capsys, *words, "--json", "--quiet")
    assert code == 0
    found = {}
    for result in sorted((folder / "out" / "results").iterdir()):
        code, said, err = run(capsys, "submit", result, "--entries", "entries", "--json")
        assert (code, err) == (0, "")
        found[result.name] = read_entry(Path(json.loads(said)["entry"]))
    files = [path for path in (folder / "out" / "results").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    assert run(capsys, *words, "--quiet")[0] == 0
    assert {path: path.read_bytes() for path in before} == before
    for stored in found.values():
        assert all(seed.test_opened == 1 for seed in stored.result.seeds)
        assert str(folder) not in (stored.folder / "result.json").read_text()
    return json.loads(out), found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pruned_networks(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, found = study("prune", here, capsys)
    assert list(found) == ["mlp-counts-random-0.1"]
    row = next(row for row in report["rows"] if row["method"] == "random")
    stored = found["mlp-counts-random-0.1"]
    assert stored.result.summary.test_mean == pytest.approx(row["accuracy"]["value"], rel=1e-12)
    assert stored.entry.track == "robust"
    metrics = stored.result.seeds[0].metrics
    assert metrics is not None
    assert metrics.connection_sparsity == pytest.approx(0.9, abs=0.01)
    assert stored.result.command.startswith("spikebench prune toy.h5 --model mlp_counts")


def test_task_after_task(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, found = study("continual", here, capsys)
    assert len(found) == 4
    for row in report["rows"]:
        stored = found[f"{row['tasks'].replace(':', '-')}-mlp-counts-{row['method']}"]
        scores = [seed.stages.scores for seed in stored.result.seeds if seed.stages]
        for name in ("average", "learned", "forgetting", "backward_transfer"):
            values = [getattr(one, name) for one in scores]
            if row[name] is None:
                assert values == [None, None]
            else:
                assert np.mean(values) == pytest.approx(row[name]["value"], abs=1e-12)
        assert stored.result.summary.validation_mean is not None


def test_on_a_chip(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, found = study("substrate", here, capsys)
    assert len(found) == 7
    for row in report["rows"]:
        name = f"lif-analog-{row['condition'].replace(' ', '-')}-{row['activity']}"
        if row["condition"] in ("in the loop", "transferred"):  # one device per seed
            accuracies = [seed.test_accuracy for seed in found[name].result.seeds]
            assert accuracies == pytest.approx(row["accuracies"], rel=1e-12)
        assert (name in found) == (row["condition"] != "software")
    (here / "out" / "loop" / "plain" / "seed0" / "answers-test.json").unlink()
    words = ["substrate", "toy.h5", *COMMANDS["substrate"], "--test", "-o", "out", "--quiet"]
    assert run(capsys, *words)[0] == 0
    note = json.loads((here / "out" / "loop" / "plain" / "seed0" / "run.json").read_text())
    assert note["test_opened"] == 1  # the same test again


def test_few_shots(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, found = study("fewshot", here, capsys)
    assert list(found) == ["speaker-mlp-counts-finetune", "speaker-mlp-counts-maml"]
    for row in report["rows"]:
        stored = found[f"speaker-mlp-counts-{row['method']}"]
        assert stored.result.summary.test_mean == pytest.approx(row["accuracy"], rel=1e-12)
        assert stored.result.study is not None
        assert stored.result.study.compared_as == "new speaker, 4-way 1-shot"
