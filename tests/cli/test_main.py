"""The program itself: its version with build facts, and completion by shells as its help describes it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from helpers.commands import run

from cli.main import COMMANDS, main
from cli.shared import build_facts
from spikebench import __version__


def test_the_version_tells_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--version")
    assert (code, err) == (0, "")
    first, origin, system, libraries = out.splitlines()
    assert first == f"spikebench, version {__version__}"
    assert re.match(r"built from: (a checkout|an installed package)", origin)
    assert re.fullmatch(r"runs with:  \w+ 3\.\d+\.\d+\S*, \w+ \S+", system)
    assert re.search(r"numpy \d+\.\d.*, torch \d", libraries)


def test_the_commit_and_changes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_facts, "__file__", str(tmp_path / "cli" / "shared" / "x.py"))
    assert build_facts.version_lines()[1] == "built from: an installed package"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    assert build_facts.version_lines()[1] == "built from: a checkout, commit unknown"
    (tmp_path / "a").write_text("1")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout
    assert build_facts.version_lines()[1] == f"built from: a checkout, commit {commit[:12]}"
    (tmp_path / "a").write_text("2")
    assert build_facts.version_lines()[1].endswith(f"{commit[:12]} with changes")


@pytest.mark.parametrize(
    ("shell", "start"),
    [
        ("bash", "_spikebench_completion()"),
        ("zsh", "#compdef spikebench"),
        ("fish", "function _spikebench"),
    ],
)
def test_the_help_names_how_to_complete(
    shell: str, start: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert (
        f"_SPIKEBENCH_COMPLETE={'fish' if shell == 'fish' else 'bash'}_source spikebench"
        in " ".join(out.split())
    )
    monkeypatch.setenv("_SPIKEBENCH_COMPLETE", f"{shell}_source")
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip().startswith(start)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("spikebench tr", {"train"}),
        ("spikebench ", set(COMMANDS)),
        ("spikebench leaderboard s", {"schema", "serve", "show"}),
        ("spikebench plot --kin", {"--kind"}),
        ("spikebench plot x --kind par", {"pareto", "parameters"}),
    ],
)
def test_words_are_completed(
    words: str,
    expected: set[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("_SPIKEBENCH_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit):
        main([])
    lines = capsys.readouterr().out.splitlines()
    assert set(lines[1::3]) == expected
