"""docs/own_model.md: its Python and its commands run, in order, in a folder with the files that it names."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from helpers.commands import run

from leaderboard.claims.entry import read_entry
from spikebench.models import own_file

PAGE = (ROOT / "docs" / "own_model.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "docs" / "examples"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("my_net.py", "any_program.py"):
        shutil.copy(EXAMPLES / name, tmp_path)
    (tmp_path / "my.toml").write_text(blocks("toml")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(own_file, "_NAMED", {})
    return tmp_path


def commands(
    block: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    said = ""
    for line in block.splitlines():
        program, *words = shlex.split(line)
        if program == "python":
            monkeypatch.setattr(sys, "argv", words)
            runpy.run_path(words[0], run_name="__main__")
            continue
        assert program == "spikebench"
        code, out, err = run(capsys, *words)
        assert code == 0, err
        said += out
    return said


def test_ten_lines_of_python_give_a_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) <= 16
    exec(compile(code, "own_model.md", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    accuracies = [float(x) for x in re.findall(r"validation accuracy ([\d.]+)%", said)]
    assert len(accuracies) == 5
    assert accuracies[-1] > 40  # chance is 5 %
    commands(blocks("sh")[0], capsys, monkeypatch)
    (entry,) = Path("leaderboard-entries/digits").iterdir()
    stored = read_entry(entry)
    assert (stored.tier, stored.entry.name) == ("recomputed", "My network")
    assert stored.result.seeds[0].test_opened == 1


def test_three_commands_give_a_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = commands(blocks("sh")[1], capsys, monkeypatch)
    assert "my_net.py:MyNet on digits (synthetic voices), 2 seeds" in said
    assert "My network" in said
    (entry,) = Path("leaderboard-entries/digits").iterdir()
    stored = read_entry(entry)
    assert stored.result.model.config == {"hidden": 96}
    assert stored.entry.declared.time_steps == 80


def test_the_predictions_of_any_program_give_a_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = commands(blocks("sh")[2], capsys, monkeypatch)
    assert "it stays so: without a training log" in said
    (entry,) = Path("leaderboard-entries/digits").iterdir()
    stored = read_entry(entry)
    assert stored.entry.name == "Nearest mean"
    assert stored.result.model.parameters == 20 * 4 * 70
    assert stored.result.summary.test_mean > 0.2  # chance is 5 %
