"""The command quantise: runs with rounded weights, tested like others, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.toy import write_toy

from cli.main import main
from spikebench.training.run import WEIGHTS_FILE, load_tensors, read_run
from spikebench.training.run_record import collect_log

QUICK = ["--set", "input.duration_ms=300", "--set", "training.epochs=1", "--quiet"]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_toy(tmp_path / "toy.h5")


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def test_all_seeds_of_a_result_are_rounded_tested_and_equal_training(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "evaluate", "--model", "lif", "--data", toy, "--seeds", 2, "-o", "r", *QUICK)
    code, out, err = run(capsys, "quantise", "r", "--bits", 2, "-o", "few")
    assert (code, err) == (0, "")
    assert "lif on toy, seed 1: 2 bits, few/seed1\n" in out
    assert "hidden.0 " in out
    assert " 3 values, error " in out
    assert out.endswith("next: spikebench evaluate --checkpoint few\n")
    record = read_run(Path("few/seed0"))
    assert record.preset.training.weight_bits == 2
    assert record.test_opened == 1  # the opening of the result before
    code, out, err = run(
        capsys, "evaluate", "--checkpoint", "few", "--metrics", "footprint", "-o", "t", "--json"
    )
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["training"]["training"]["weight_bits"] == 2
    assert [seed["test_opened"] for seed in result["seeds"]] == [2, 2]
    words = ["--set", "training.weight_bits=2", "--set", "training.weight_rounding=after"]
    run(capsys, "train", "--model", "lif", "--data", toy, "--seed", 1, "-o", "new", *QUICK, *words)
    here, there = (load_tensors(Path(p) / WEIGHTS_FILE) for p in ("new", "few/seed1"))
    assert here[1] == there[1]
    assert all(torch.equal(here[0][name], there[0][name]) for name in here[0] | there[0])
    assert load_tensors(Path("r/seed1") / WEIGHTS_FILE)[0].keys() == here[0].keys()


def test_the_runs_of_an_entry_and_of_a_result_are_restored(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "train", "--model", "lif", "--data", toy, "-o", "t", "--refit", *QUICK)
    run(capsys, "evaluate", "--checkpoint", "t", "-o", "r")
    code, _, err = run(capsys, "submit", "r", "--entries", "e", "--weights", "--authors", "A")
    assert code == 0, err
    entry = next(Path("e").glob("*/*"))
    for folder, name in (("t", "few"), ("r", "of-result"), (entry, "of-entry")):
        code, _, err = run(capsys, "quantise", folder, "--bits", 4, "-o", name)
        assert (code, err) == (0, ""), err
    for name in ("of-result", "of-entry"):
        one, other = Path("few"), Path(name, "seed0")
        assert read_run(other).model_dump(exclude={"data"}) == read_run(one).model_dump(
            exclude={"data"}
        )
        assert (one / WEIGHTS_FILE).read_bytes() == (other / WEIGHTS_FILE).read_bytes()
        logs = [collect_log(folder, read_run(folder)) for folder in (one, other)]
        assert logs[0].history == logs[1].history
        assert logs[0].refit_history == logs[1].refit_history != []
        code, _, err = run(capsys, "evaluate", "--checkpoint", name, "-o", f"{name}-result")
        assert code == 0, err
    for file, reason in (
        ("weights-seed0.safetensors", "weights-seed0.safetensors: its SHA-256 is "),
        ("run-seed0.json", "run-seed0.json: its SHA-256 is "),
    ):
        content = (Path("r") / file).read_bytes()
        (Path("r") / file).write_bytes(content + b" ")
        code, out, err = run(capsys, "quantise", "r", "--bits", 4, "-o", "x")
        assert (code, out) == (1, "")
        assert err.startswith(f"spikebench: r/{reason}"), err
        (Path("r") / file).unlink()
        code, _, err = run(capsys, "quantise", "r", "--bits", 4, "-o", "x")
        assert code == 1
        assert " missing" in err
        assert err.count("\n") == 1
        (Path("r") / file).write_bytes(content)
    assert not Path("x").exists()


def test_refusals_write_nothing(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("lif", "svm"):
        run(capsys, "train", "--model", model, "--data", toy, "-o", model, *QUICK)
    code, out, _ = run(capsys, "quantise", "lif", "--bits", 4, "-o", "few", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["bits"] == 4
    assert said["runs"][0]["run"] == "few"
    assert {one["name"] for one in said["runs"][0]["tensors"]} == {"hidden.0", "readout.weight"}
    tries = [
        (["few", "-o", "again"], "few: its weights have 4 bits already; round the run from which"),
        (["lif", "-o", "few"], "few: contains a run already; choose another folder with -o"),
        (["svm", "-o", "x"], "svm: model svm is not trained by gradients; its weights are not ro"),
        (["nothing", "-o", "x"], "nothing: not a run"),
    ]
    for words, reason in tries:
        code, out, err = run(capsys, "quantise", *words, "--bits", 4)
        assert (code, out) == (1, ""), words
        assert err.startswith(f"spikebench: {reason}"), err
        assert err.count("\n") == 1, err
    assert not Path("again").exists()
    assert not Path("x").exists()
    assert run(capsys, "quantise", "lif", "--bits", 1, "-o", "x")[0] == 2
    assert run(capsys, "quantise", "lif", "-o", "x")[0] == 2
