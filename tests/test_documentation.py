"""The documentation as pages: complete, built without a warning, and of use without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from conftest import ROOT
from helpers.browser import launch, opened, overflow, serious_violations
from helpers.commands import run

import spikebench
from cli.main import group

REFERENCE = ROOT / "docs" / "reference"


def all_commands(found: click.Group, *words: str) -> list[str]:
    """The words of every command that is not a group."""
    context = click.Context(found)
    commands = []
    for name in found.list_commands(context):
        command = found.get_command(context, name)
        if isinstance(command, click.Group):
            commands += all_commands(command, *words, name)
        else:
            commands.append(" ".join((*words, name)))
    return commands


def listed_commands() -> list[str]:
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\{command-help\}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_the_reference_has_every_command_once() -> None:
    assert len(all_commands(group)) >= 40
    assert sorted(listed_commands()) == sorted(all_commands(group))


def test_the_reference_has_every_public_name() -> None:
    text = (REFERENCE / "python.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\.\. auto\w+:: spikebench\.([\w.]+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted(
        {*spikebench.PUBLIC} - {"augmentation"} | {"events.augmentation"}
    )


def test_the_reference_has_every_schema() -> None:
    text = (REFERENCE / "schemas.md").read_text(encoding="utf-8")
    there = {path.name for path in (ROOT / "docs" / "schemas").iterdir()}
    assert set(re.findall(r"\]\(\.\./schemas/([\w.]+)\)", text)) == there


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as `make docs` builds them."""
    pytest.importorskip("furo", reason="Sphinx is not installed (pip install -e '.[docs]')")
    folder = tmp_path_factory.mktemp("pages")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\t\$\(BIN\)/python (-m sphinx .*) build/docs$", makefile, re.MULTILINE)
    options = line.replace("build/doctrees", str(folder / "doctrees")).split()
    command = [sys.executable, *options, str(folder / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


def test_the_pages_load_nothing_from_other_servers(pages: Path) -> None:
    built = sorted(pages.rglob("*.html"))
    assert len(built) > 50
    loaded = r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]*)"'
    for path in built:
        assert re.findall(loaded, path.read_text(encoding="utf-8")) == [], path
    for path in pages.rglob("*.css"):
        assert not re.search(
            r"(?:@import|url\()\s*[\"']?(?:https?:)?//", path.read_text("utf-8")
        ), path


def test_equations_are_drawn_by_the_browser(pages: Path) -> None:
    text = (pages / "docs" / "explanation" / "cochlea.html").read_text(encoding="utf-8")
    assert text.count("<math") > 40
    assert "merror" not in text
    assert "$$" not in text


def test_the_reference_shows_the_help_of_a_command(
    pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (pages / "docs" / "reference" / "commands.html").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]*>", "", text).replace("&#39;", "'").replace("&quot;", '"').split()
    for command in ("quantise", "leaderboard schema"):
        _, said, _ = run(capsys, *command.split(), "--help")
        assert " ".join(said.split()[:30]) in " ".join(words)


def test_search_works_without_a_network(pages: Path) -> None:
    with (
        launch() as browser,
        opened(browser, (pages / "search.html").as_uri() + "?q=refit") as here,
    ):
        here.page.locator("#search-results li").first.wait_for()
        assert "Training" in here.page.locator("#search-results").inner_text()
        here.page.goto((pages / "index.html").as_uri())
        here.page.wait_for_url("**/docs/index.html")
        assert here.outside() == []
        assert here.faults == []


def test_everybody_can_read_the_pages(pages: Path) -> None:
    with launch() as browser:
        for name in ("index", "explanation/cochlea", "notebooks/spikes"):
            with opened(browser, pages / "docs" / f"{name}.html") as here:
                assert serious_violations(here.page) == []
                assert overflow(here.page) == 0
                assert here.outside() == []
