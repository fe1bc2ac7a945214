"""Openings of the test split by runs of studies: none is lost or counted twice when a run is killed in its test."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.toy import write_toy

from spikebench.errors import TrainingError
from spikebench.sweeps.test_openings import OPENINGS_FILE, count_opening

STUDIES = {
    "prune": ["--methods", "random", "--densities", "0.5"],
    "continual": ["--tasks", "pairs", "--methods", "none"],
}
FOLDERS = {
    "prune": Path("out/mlp_counts/dense/seed0-test"),  # the first run
    "continual": Path("out/pairs/mlp_counts/none/seed0-test"),
}
COMMON = ["--model", "mlp_counts", "--seeds", "1", "--workers", "1", "-o", "out", "--quiet"]
COMMON += ["--test", "--json"]
QUICK = ("input.duration_ms=300", "training.batch_size=16", "model.hidden_units=[8]")
COMMON += [word for setting in QUICK for word in ("--set", setting)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5", takes=2, classes=4)
    return tmp_path


def words(command: str, epochs: int = 2) -> list[str]:
    return [command, "toy.h5", *STUDIES[command], *COMMON, "--set", f"training.epochs={epochs}"]


def kill_in_test(asked: list[str]) -> None:
    """Run a command in a process that is killed once the test split is opened, before anything of it is kept."""
    from cli.main import main
    from spikebench.continual import training as continual
    from spikebench.pruning import training as pruning

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pruning.measure_cost = die  # type: ignore[assignment]
    continual._predicted = die  # type: ignore[assignment]
    main(asked)


def killed(asked: list[str]) -> int | None:
    process = get_context("spawn").Process(target=kill_in_test, args=(asked,))
    process.start()
    process.join(300)
    return process.exitcode


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by a signal")
@pytest.mark.parametrize("command", STUDIES)
def test_a_run_that_is_killed_in_its_test_has_opened_the_split_once(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = folder / FOLDERS[command]
    assert killed(words(command)) == -signal.SIGKILL
    assert not (own / "result.json").exists()
    noted = json.loads((own / OPENINGS_FILE).read_text())
    assert noted["test_opened"] == 1
    code, out, err = run(capsys, *words(command))  # the same test again
    assert (code, err) == (0, "")
    total = json.loads(out)["test_opened"]
    assert json.loads((own / "result.json").read_text())["test_opened"] == 1
    code, out, _ = run(capsys, *words(command))
    assert (code, json.loads(out)["test_opened"]) == (0, total)


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by a signal")
@pytest.mark.parametrize("command", STUDIES)
def test_a_killed_test_is_counted_for_the_next_run_with_other_settings(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = folder / FOLDERS[command]
    assert killed(words(command)) == -signal.SIGKILL
    for left in (folder / "out").rglob("*.safetensors"):
        left.unlink()  # as the message says to restart a run; continual has none in its first task
    code, _, err = run(capsys, *words(command, epochs=1))
    assert (code, err) == (0, "")
    assert json.loads((own / "result.json").read_text())["test_opened"] == 2


@pytest.mark.parametrize("command", STUDIES)
def test_a_run_that_fails_before_its_test_has_not_opened_the_split(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, *words(command), "--set", "training.learning_rate=1e30")
    assert (code, json.loads(out)["test_opened"]) == (1, 0)
    assert not (folder / FOLDERS[command] / OPENINGS_FILE).exists()


def test_the_same_run_counts_once_and_another_again(folder: Path) -> None:
    identities: list[Callable[[], int]] = [
        lambda one=one: count_opening(folder / "run", one * 64)  # type: ignore[misc]
        for one in "aabab"
    ]
    assert [count() for count in identities] == [1, 1, 2, 3, 4]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"test_opened": -1}', "\udcff"])
def test_a_count_that_cannot_be_read_is_not_started_again(text: str, folder: Path) -> None:
    path = folder / OPENINGS_FILE
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TrainingError, match="cannot be counted in this folder; choose another"):
        count_opening(folder, "a" * 64)
    assert path.read_bytes() == text.encode(errors="surrogateescape")
