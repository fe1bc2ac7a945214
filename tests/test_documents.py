"""The documents say what is there: every module, the data set's voices, the version."""

from __future__ import annotations

import html
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

from spikebench import __version__

SECTIONS = ("methods", "tutorials", "howto", "explanation", "reference")
DOCUMENTS = [
    *sorted(path.name for path in ROOT.glob("*.md")),
    *(
        f"{folder}/{path.name}"
        for folder in ("docs", *(f"docs/{name}" for name in SECTIONS), "data")
        for path in (ROOT / folder).glob("*.md")
    ),
]


def test_versions_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)$", citation, re.MULTILINE) == [__version__]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.fixture
def make_digits(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "data"))
    return importlib.import_module("make_digits")


def test_the_table_of_voices_is_that_of_the_script(make_digits: ModuleType) -> None:
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \**(\d+)\** \| (\w+)", text, re.MULTILINE)
    assert rows == [(str(i), voice.variant) for i, voice in enumerate(make_digits.VOICES)]


def test_the_script_splits_as_the_table_says(make_digits: ModuleType) -> None:
    splits = Path(make_digits.SPLITS)
    if not splits.is_file():
        pytest.skip("the recordings (data/digits) are only in the repository")
    table = splits.read_text(encoding="utf-8").splitlines()
    assert table[0] == "path,label,speaker,split"
    for line in table[1:]:
        name, _, speaker, split = line.split(",")
        assert make_digits.split_of(int(speaker), name) == split


def test_the_recorded_terminal_is_that_of_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "images"))
    commands = importlib.import_module("demo").COMMANDS
    svg = (ROOT / "docs" / "images" / "demo.svg").read_text(encoding="utf-8")
    shown = html.unescape(re.sub(r"<[^>]+>", "", svg)).replace("\N{NO-BREAK SPACE}", " ")
    for command in commands:
        assert command in shown
    assert not re.search(
        r"@import|@font-face|url\(\s*['\"]?(?!#)|href=", svg
    )  # nothing from elsewhere
    # The figures in the text of the README are those that the same command printed there.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("test accuracy", "validation accuracy", "speakers unseen", "spikes per sample"):
        (figures,) = set(re.findall(rf"^      {name} +(.*)$", readme, re.MULTILINE))
        assert " ".join(figures.split()) in " ".join(shown.split())
