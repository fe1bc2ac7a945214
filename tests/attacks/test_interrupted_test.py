"""A test of a run that is interrupted anywhere: the same command completes it, and the test split is opened once."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from helpers.toy import write_toy

from leaderboard.checks.recomputation import verify_result
from spikebench.errors import ResultError
from spikebench.evaluation import final_test
from spikebench.evaluation.final_test import evaluate
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import Result, read_result
from spikebench.training.loop import fit, start_run
from spikebench.training.run import read_run

CALLS = ("replace", "rename", "link", "fsync", "unlink")  # of os: whatever makes a step final
KILLED = 137


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("data") / "toy.h5")))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, selection: SelectionData) -> Path:
    """Two trained runs."""
    folder = tmp_path_factory.mktemp("runs")
    preset = read_preset("svm", None, ["input.duration_ms=300"])
    for seed in (0, 1):
        run = folder / f"seed{seed}"
        fit(run, start_run(run, "svm", preset, selection, seed), selection)
    return folder


def completed(folder: Path, selection: SelectionData) -> Result:
    runs = sorted(folder.glob("seed*"))
    return evaluate(runs, selection, folder / "result", "command", groups=["footprint"])


def same(folder: Path, other: Path) -> bool:
    """Compare two result folders, apart from the times in them."""
    names = sorted(path.name for path in folder.iterdir())
    if names != sorted(path.name for path in other.iterdir()):
        return False
    for name in names:
        one, two = ((place / name).read_bytes() for place in (folder, other))
        if name == "result.json":
            one, two = (json.dumps(_timeless(json.loads(text))).encode() for text in (one, two))
        if one != two and not name.startswith("run-"):
            return False
    return True


def _timeless(result: dict[str, object]) -> dict[str, object]:
    seeds = result["seeds"]
    assert isinstance(seeds, list)
    times = {"test_seconds": 0, "train_seconds": 0, "run_sha256": ""}
    return result | {"created": "", "seeds": [seed | times for seed in seeds]}


def in_child(act: Callable[[], object]) -> int:
    """Act in a copy of this process; its exit code, 0 if it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at(number: int) -> None:
    """End this process, without any clearing up, before the call of that number; counted from 0."""
    left = [number]

    def dying(real: Callable[..., object], *words: object, **more: object) -> object:
        if left[0] == 0:
            os._exit(KILLED)
        left[0] -= 1
        return real(*words, **more)

    for name in CALLS:
        setattr(os, name, partial(dying, getattr(os, name)))


def test_killed_before_every_step(runs: Path, selection: SelectionData, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "whole")
    expected = completed(tmp_path / "whole", selection)
    assert [seed.test_opened for seed in expected.seeds] == [1, 1]
    kills, number = 0, 0
    while True:
        folder = tmp_path / str(number)
        shutil.copytree(runs, folder)

        def interrupted(folder: Path = folder, number: int = number) -> None:
            kill_at(number)
            completed(folder, selection)

        code = in_child(interrupted)
        assert code in (0, KILLED)
        if code == 0:
            break
        kills += 1
        result = completed(folder, selection)
        assert [seed.test_opened for seed in result.seeds] == [1, 1], number
        assert [read_run(folder / f"seed{seed}").test_opened for seed in (0, 1)] == [1, 1]
        assert same(folder / "result", tmp_path / "whole" / "result"), number
        verify_result(folder / "result")
        number += 1
    assert kills > 20


@pytest.mark.parametrize(
    "where", ["bin_samples", "run_model", "measure_cost", "keep_test", "write_predictions"]
)
def test_an_exception_does_not_spoil_a_run(
    runs: Path, selection: SelectionData, tmp_path: Path, where: str
) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for _ in range(3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(final_test, where, full)
            with pytest.raises((OSError, ResultError), match=r"(?i)no space left on device"):
                completed(folder, selection)
    result = completed(folder, selection)
    assert [seed.test_opened for seed in result.seeds] == [1, 1]
    assert read_result(folder / "result") == result


def test_other_weights_are_another_opening(
    runs: Path, selection: SelectionData, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder)
    before = completed(folder, selection)
    first, second = (folder / f"seed{seed}" / "weights.safetensors" for seed in (0, 1))
    shutil.copyfile(second, first)
    after = completed(folder, selection)
    assert [seed.test_opened for seed in after.seeds] == [2, 1]
    assert after.seeds[0].weights_sha256 == before.seeds[1].weights_sha256
    assert after.seeds[0].test_accuracy == before.seeds[1].test_accuracy


@pytest.mark.parametrize("name", ["test.json", "test-predictions.csv"])
@pytest.mark.parametrize("content", [b"", b"{}", b"index,label,predicted,speaker\n0,0,0,0\n"])
def test_damaged_predictions_are_made_again(
    runs: Path, selection: SelectionData, tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder)
    before = completed(folder, selection)
    (folder / "seed0" / name).write_bytes(content)
    after = completed(folder, selection)
    assert [seed.test_accuracy for seed in after.seeds] == [
        seed.test_accuracy for seed in before.seeds
    ]
    # The same weights on the same data: nothing was learned that was not known.
    assert [seed.test_opened for seed in after.seeds] == [1, 1]
