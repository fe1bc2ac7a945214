"""The notebooks of docs/notebooks run from top to bottom, cell by cell, and print what they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from matplotlib import pyplot

NOTEBOOKS = ROOT / "docs" / "notebooks"
# Trainings round differently on other processors; the spikes of digits are the same everywhere.
SAME_EVERYWHERE = ("spikes",)


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Number of figures at every call of show, in an empty folder."""
    counts: list[int] = []

    def show() -> None:
        counts.append(len(pyplot.get_fignums()))
        for number in pyplot.get_fignums():
            pyplot.figure(number).canvas.draw()
        pyplot.close("all")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pyplot.switch_backend("agg")
    pyplot.close("all")
    monkeypatch.setattr(pyplot, "show", show)
    return counts


def stored(cell: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [output for output in cell["outputs"] if output["output_type"] == kind]


def test_there_are_two() -> None:
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == ["models", "spikes"]


@pytest.mark.parametrize("name", ["spikes", "models"])
def test_a_notebook_runs(name: str, drawn: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    variables: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] != "code":
            continue
        drawn.clear()
        exec(compile("".join(cell["source"]), name, "exec"), variables)
        assert drawn == [1] * len(stored(cell, "display_data"))
        shown = "".join("".join(output["text"]) for output in stored(cell, "stream"))
        said = capsys.readouterr().out
        if name in SAME_EVERYWHERE:
            assert said == shown
        assert len(said.splitlines()) == len(shown.splitlines())
    assert len(text) < 250_000
