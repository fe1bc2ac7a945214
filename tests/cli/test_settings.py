"""Settings by --config and --set in train and evaluate, and --print-preset."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from helpers.toy import write_toy

from cli.main import main
from spikebench.training.run import read_run

QUICK = ["--set", "input.duration_ms=300", "--set", "training.epochs=1"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def test_printed_preset_is_all_settings_and_can_be_used_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", "lif", "--learning", "eprop", "--set", "model.hidden_units=7"]
    code, out, err = run(capsys, "train", *words, "--print-preset")
    assert (code, err) == (0, "")
    tables = tomllib.loads(out)
    assert tables["model"]["hidden_units"] == [7]
    assert tables["learning"] == {"rule": "eprop", "feedback": "random", "update_every_steps": 0}
    assert tables["augmentation"]["time_shift_ms"] == 0.0
    (tmp_path / "all.toml").write_text(out, encoding="utf-8")
    again = ["--model", "lif", "--config", tmp_path / "all.toml", "--print-preset"]
    assert run(capsys, "train", *again) == (0, out, "")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_changes_are_said_and_used(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    toy = write_toy(tmp_path / "toy.h5")
    Path("mine.toml").write_text("[training]\nbatch_size = 16\n")
    words = ["--model", "mlp_counts", "--data", toy, "--config", "mine.toml", *QUICK, "-o", "run"]
    code, _, err = run(capsys, command, *words)
    assert code == 0
    said = next(line for line in err.splitlines() if line.startswith("settings: "))
    assert "the preset mlp_counts; changed by mine.toml and --set: " in said
    assert "training.batch_size 64 → 16" in said
    assert "training.epochs 100 → 1" in said
    record = read_run(Path("run") if command == "train" else Path("run/seed0"))
    assert record.preset.training.batch_size == 16
    if command == "evaluate":
        assert "--config mine.toml" in (Path("run") / "result.json").read_text()


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "train", "--model", "lif", "--config", tmp_path / "none.toml")
    assert (code, err) == (1, f"spikebench: {tmp_path / 'none.toml'}: no such file\n")
    code, _, err = run(capsys, "train", "--resume", "x", "--print-preset")
    assert code == 2
    assert "leave out these options" in err
    code, _, err = run(capsys, "train", "--model", "lif", "--learning", "epro")
    assert code == 1
    assert "Did you mean 'eprop'?" in err
