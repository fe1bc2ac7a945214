"""``.ci/check-entries``: what a pull request with entries must pass."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from helpers.leaderboard_results import edit_json, make_result

from cli.main import main
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, write_entry

SCRIPT = ROOT / ".ci" / "check-entries"


def git(repository: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(repository), *who, *words], check=True, capture_output=True)


def hand_in(repository: Path, name: str, **options: object) -> Path:
    source = make_result(repository.parent / name, **options)  # type: ignore[arg-type]
    result = verify_result(source)
    entries = repository / "leaderboard" / "entries"
    return write_entry(source, entries, make_entry(result, name), result, overwrite=False)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if not SCRIPT.is_file():
        pytest.skip("the scripts of the repository are not here")
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    hand_in(repository, "first")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "first")
    return repository


def check(repository: Path, by_script: bool = False) -> tuple[int, str]:
    """Commit what is there as a pull request, and check it; by the script itself, or by its command in this process."""
    git(repository, "checkout", "-q", "-b", "handed-in")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "handed in")
    git(repository, "checkout", "-q", "main")
    if not by_script:
        said = io.StringIO()
        with (
            contextlib.chdir(repository),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            pytest.raises(SystemExit) as ended,
        ):
            main(["leaderboard", "check", "--changes", "main", "handed-in"])
        return int(ended.value.code or 0), said.getvalue()
    program = repository.parent / "spikebench"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m cli.main "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [str(SCRIPT), "main", "handed-in"],
        cwd=repository,
        env={"PATH": "/usr/bin:/bin", "SPIKEBENCH": str(program)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_honest_entry_passes(repository: Path) -> None:
    entry = hand_in(repository, "second", skill=0.75)
    said = f"new: toy-digits/{entry.name}\n2 entries pass; none with oddities.\n"
    assert check(repository, by_script=True) == (0, said)


def test_copied_entry_is_told(repository: Path) -> None:
    entry = hand_in(repository, "second", model="mine")
    code, said = check(repository)
    assert code == 0
    assert f"oddity in toy-digits/{entry.name}: the same predictions as lif-5-seeds" in said


def test_edited_entry_fails(repository: Path) -> None:
    entry = hand_in(repository, "second", skill=0.5)
    edit_json(entry / "result.json", "summary", "test_mean", value=0.99)
    code, said = check(repository)
    assert code == 1
    assert "not the file that was submitted" in said


def test_entry_that_verifies_itself_fails(repository: Path) -> None:
    (entry,) = (repository / "leaderboard" / "entries" / "toy-digits").iterdir()
    (entry / "verification.json").write_text('{"schema_version": 1, "verifications": [{}]}')
    code, said = check(repository)
    assert code == 1
    assert "verification.json" in said


def test_removed_entry_fails(repository: Path) -> None:
    git(repository, "rm", "-r", "-q", "leaderboard/entries/toy-digits")
    (repository / "leaderboard" / "entries").mkdir(parents=True, exist_ok=True)
    (repository / "leaderboard" / "entries" / "README.md").write_text("entries")
    code, said = check(repository)
    assert code == 1
    assert "entry.json: deleted; spikebench leaderboard withdraw ENTRY" in said


def test_code_in_an_entry_is_not_run(repository: Path, tmp_path: Path) -> None:
    entry = hand_in(repository, "second", skill=0.5)
    (entry / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    code, said = check(repository, by_script=True)
    assert code == 1
    assert "sitecustomize.py: does not belong to an entry" in said
    assert not (tmp_path / "ran").exists()
