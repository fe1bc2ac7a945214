"""``spikebench verify`` for entries of studies: trained again and compared, or refused with the reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.commands import run
from helpers.study_results import few_shot_study, make_study_result
from helpers.toy import write_toy
from helpers.trained_entries import forge

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, read_entry, write_entry

STUDIES = {
    "prune": ["--methods", "snip", "--densities", "0.5", "--set", "pruning.snip_samples=9"],
    "continual": ["--tasks", "pairs", "--methods", "si:2", "--set", "continual.damping=0.01"],
}
COMMON = ["--model", "mlp_counts", "--seeds", "2", "--workers", "1", "-o", "out", "--quiet"]
COMMON += ["--test", "--json"]
SETTINGS = ("input.duration_ms=300", "training.epochs=2", "training.batch_size=16")
SETTINGS += ("model.hidden_units=[8]", "training.learning_rate=0.02", "model.dropout=0.1")
COMMON += [word for setting in SETTINGS for word in ("--set", setting)]


def write_entry_of(result: Path, entries: Path) -> Path:
    checked = verify_result(result)
    return write_entry(result, entries, make_entry(checked), checked, overwrite=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    found: dict[str, Path] = {}

    def make(command: str) -> Path:
        if command not in found:
            from cli.main import main

            folder = tmp_path_factory.mktemp(command)
            write_toy(folder / "toy.h5", takes=2, classes=4)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                with pytest.raises(SystemExit) as ended:
                    main([command, "toy.h5", *STUDIES[command], *COMMON])
                assert ended.value.code in (0, None)
                (result,) = (folder / "out" / "results").iterdir()
            found[command] = write_entry_of(result, folder / "entries")
        return found[command]

    return make


def verify(capsys: pytest.CaptureFixture[str], entry: Path, *words: object) -> tuple[int, str, str]:
    toy = entry.parents[2] / "toy.h5"
    capsys.readouterr()
    return run(capsys, "verify", entry, "--data", toy, "--by", "A. Tester", "--quiet", *words)


@pytest.mark.parametrize("command", STUDIES)
def test_a_study_is_trained_again_with_the_same_answers(
    made: Callable[[str], Path], command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = made(command)
    code, out, _ = verify(capsys, entry, "--training", "-o", tmp_path / "again", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["tier"] == "verified-training"
    assert [seed["agreement"] for seed in said["verifications"][0]["seeds"]] == [1.0, 1.0]
    assert said["lacks"]["inference"] == "a study keeps no weights; --training repeats it"
    for opened in (tmp_path / "again").rglob("opened.json"):
        assert json.loads(opened.read_text())["test_opened"] == 1


Change = Callable[[dict[str, Any]], None]


def setting(table: str, key: str, value: object) -> Change:
    return lambda result: result["training"][table].update({key: value})


def config(key: str, value: object) -> Change:
    return lambda result: result["model"]["config"].update({key: value})


def without_a_setting(result: dict[str, Any]) -> None:
    del result["training"]["training"]["learning_rate"]


def other_seeds(result: dict[str, Any]) -> None:
    result["seeds"][0]["seed"] = 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("training", "epochs", 10**9), "training.epochs: must be at most 100,000"),
        (setting("training", "epochs=1 #", 3), "epochs of the result is 2, but would be 1 if"),
        (setting("study", "damping", -1.0), "continual.damping"),
        (setting("study", "unknown", 1), "continual.unknown"),
        (setting("study", "damping", "x\ny"), "continual.damping"),
        (without_a_setting, "training.training.learning_rate of the result is None, but would be"),
        (config("hidden_units", [10**9]), "hidden_units.0: must be at most 65,536"),
        (config("hidden_units", [9]), "parameters"),
        (other_seeds, "the seeds of the result are not 0 … 1"),
    ],
)
def test_settings_that_cannot_be_repeated_are_refused_before_training(
    made: Callable[[str], Path],
    change: Change,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = made("continual")
    shutil.copy(source.parents[2] / "toy.h5", tmp_path)
    entry = Path(shutil.copytree(source, tmp_path / "entries" / "toy" / source.name))
    (entry / "verification.json").unlink(missing_ok=True)
    forge(entry, change)
    code, out, err = verify(capsys, entry, "--training", "-o", tmp_path / "again")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not (tmp_path / "again").exists()
    assert not (entry / "verification.json").exists()


def test_a_part_of_the_weights_that_is_not_kept_is_refused(
    made: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = made("prune")
    shutil.copy(source.parents[2] / "toy.h5", tmp_path)
    entry = Path(shutil.copytree(source, tmp_path / "entries" / "toy" / source.name))
    (entry / "verification.json").unlink(missing_ok=True)
    kept = read_entry(entry).result.study.kept  # type: ignore[union-attr]
    forge(entry, lambda result: result["study"].update({"kept": kept - 1}))
    code, out, err = verify(capsys, entry, "--training")
    assert (code, out) == (1, "")
    assert f"study.kept is claimed {kept - 1:,}, trained again {kept:,}" in err


def test_what_a_study_cannot_do_is_told(
    made: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = made("prune")
    code, out, err = verify(capsys, entry, "--inference")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "a study keeps no weights; --training repeats it" in err
    code, _, err = verify(capsys, entry, "--training", "--weights", tmp_path)
    assert code == 2
    assert "--weights is not for entries of studies" in err
    drawn = make_study_result(tmp_path / "drawn", few_shot_study())
    few_shots = write_entry_of(drawn, tmp_path / "entries")
    code, out, err = run(capsys, "verify", few_shots, "--training", "--by", "A. Tester")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "an entry of few-shot learning keeps no weights and not all settings" in err
    assert "compare the results: spikebench prune digits --test" in err
    assert "few-shot learning keeps no weights" in run(capsys, "verify", few_shots)[1]
