"""Logs of runs: they tell the story of the result, or the entry is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.leaderboard_results import edit_json, make_result, sha256

from leaderboard.checks.logs import read_logs
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, read_entry, write_entry
from spikebench.errors import ResultError

LOG = "run-seed0.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_result(tmp_path / "result", seeds=2, logs=True)


def forge(folder: Path, *place: str | int, value: object) -> None:
    """Change a log and mend its SHA-256, as somebody who cheats would."""
    edit_json(folder / LOG, *place, value=value)
    edit_json(folder / "result.json", "seeds", 0, "run_sha256", value=sha256(folder / LOG))


def submit(folder: Path, entries: Path) -> Path:
    result = verify_result(folder)
    return write_entry(folder, entries, make_entry(result), result, overwrite=False)


def test_logs_go_into_the_entry_and_are_checked_again(folder: Path, tmp_path: Path) -> None:
    entry = submit(folder, tmp_path / "entries")
    assert sorted(path.name for path in entry.iterdir()) == [
        *("entry.json", "predictions-seed0.csv", "predictions-seed1.csv"),
        *("result.json", "run.json"),
    ]
    logs = read_logs(entry)
    assert [log.run.seed for log in logs] == [0, 1]
    assert len(logs[0].history) == 30
    edit_json(entry / "run.json", "runs", 0, "run", "input_rate", value=0.02)
    with pytest.raises(ResultError, match="seed 0: not the log that was submitted"):
        read_entry(entry)
    (entry / "run.json").unlink()
    with pytest.raises(ResultError, match=r"run\.json: no such file"):
        read_entry(entry)


def epochs(*accuracies: float, **more: list[float]) -> list[dict[str, Any]]:
    columns = {"validation_accuracy": list(accuracies), **more}
    return [
        {"epoch": k + 1, **{name: values[k] for name, values in columns.items()}}
        for k in range(len(accuracies))
    ]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["run", "seed"], 7, "seed differs from that of the result"),
        (["run", "model"], "lstm", "model differs from that of the result"),
        (["run", "dataset", "sha256"], "ef" * 32, "dataset differs from that of the result"),
        (["run", "epochs"], 31, "epochs differs from that of the result"),
        (["run", "selected_epoch"], 3, "selected_epoch differs from that of the result"),
        (["run", "selected_on"], "test", "selected_on differs from that of the result"),
        (
            ["run", "validation_accuracy"],
            0.9,
            "validation_accuracy differs from that of the result",
        ),
        (["run", "test_opened"], 30, "test_opened differs from that of the result"),
        (["run", "fold"], 1, "fold differs from that of the result"),
        (["run", "preset", "training", "epochs"], 400, "preset differs from that of the result"),
        (
            ["run", "preset", "model"],
            {"hidden_units": 999},
            "preset differs from that of the result",
        ),
        (
            ["history", 4, "validation_accuracy"],
            0.99,
            "another has 0.9900: it was not selected on validation",
        ),
        (["history", 4, "test_accuracy"], 0.5, "contains the test accuracy of its epochs"),
        (["history", 4, "epoch"], 6, "its epochs are not 1 to 30"),
        (["history"], epochs(0.5), "its epochs are not 1 to 30"),
        (["history", 4, "validation_accuracy"], 1.5, "must be at most 1, not 1.5"),
        (["run", "preset", "model"], "x", "run.preset.model"),
    ],
)
def test_log_that_tells_something_else_is_refused(
    folder: Path, place: list[str | int], value: object, message: str
) -> None:
    forge(folder, *place, value=value)
    with pytest.raises(ResultError, match=message) as caught:
        verify_result(folder)
    assert "\n" not in str(caught.value)
    assert LOG in str(caught.value)


def test_epoch_that_test_chose_is_found_in_the_log(folder: Path) -> None:
    # Epoch 20 was the best on validation; the result claims the one that was best on test.
    for file, place in ((LOG, ["run"]), ("result.json", ["seeds", 0])):
        edit_json(folder / file, *place, "selected_epoch", value=9)
    forge(folder, "run", "validation_accuracy", value=0.789)
    edit_json(folder / "result.json", "seeds", 0, "validation_accuracy", value=0.789)
    with pytest.raises(
        ResultError, match=r"epoch 9 was selected .* 0\.7890, but another has 0\.8000"
    ):
        verify_result(folder)


def test_log_without_its_sha256_is_refused(folder: Path) -> None:
    edit_json(folder / "result.json", "seeds", 0, "run_sha256", value=None)
    with pytest.raises(ResultError, match="run_file and run_sha256 must be given together"):
        verify_result(folder)


def test_log_of_a_model_without_epochs_has_no_history(folder: Path) -> None:
    content = json.loads((folder / "result.json").read_text())["seeds"][0]
    assert content["run_file"] == LOG
    for file, place in ((LOG, ["run"]), ("result.json", ["seeds", 0])):
        edit_json(folder / file, *place, "epochs", value=0)
        edit_json(folder / file, *place, "selected_epoch", value=0)
    forge(folder, "history", value=[])
    assert verify_result(folder).seeds[0].epochs == 0
