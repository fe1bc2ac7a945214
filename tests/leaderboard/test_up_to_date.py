"""A page is left as it is if nothing changed; whatever changes makes a build."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.commands import run
from helpers.leaderboard_results import make_result
from helpers.verifications import claim_verification

from leaderboard.checks import memory
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, read_entry, withdraw, write_entry
from leaderboard.claims.tier import add_verification
from leaderboard.pages import up_to_date
from leaderboard.pages.up_to_date import identify_inputs


def hand_in(folder: Path, name: str, **options: float) -> Path:
    result = verify_result(make_result(folder / name, seeds=2, **options))  # type: ignore[arg-type]
    entry = make_entry(result, name)
    return write_entry(folder / name, folder / "entries", entry, result, overwrite=False)


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An entry, on a machine of its own whose clock moves on."""
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up_to_date, "_SETTLED_NS", 0)
    return hand_in(tmp_path, "first")


def build(capsys: pytest.CaptureFixture[str], output: str = "site") -> bool:
    """Build; return whether the page was up to date."""
    memory.surroundings.cache_clear()  # as a new process
    code, out, err = run(
        capsys, "leaderboard", "build", "--entries", "entries", "-o", output, "--json"
    )
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert all(Path(path).is_file() for path in (said["page"], *said["downloads"]))
    assert said["entries"] == len(list(Path("entries").glob("*/*")))
    return bool(said["unchanged"])


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes())


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "a new entry": lambda entry, folder: hand_in(folder, "second", skill=0.5),
    "a withdrawal": lambda entry, folder: withdraw(entry, "a mistake"),
    "a file written again": lambda entry, folder: rewrite(entry / "result.json"),
    "other time stamps": lambda entry, folder: os.utime(entry / "result.json", (1, 1)),
    "a removed entry": lambda entry, folder: entry.rename(folder / "elsewhere"),
    "a verification": lambda entry, folder: add_verification(
        entry, claim_verification(read_entry(entry))
    ),
    "a trusted key": lambda entry, folder: (folder / "data" / "allowed_signers").write_text("# x"),
    "a page removed": lambda entry, folder: next(
        (folder / "site" / "entries").glob("*/*.html")
    ).unlink(),
    "a page edited": lambda entry, folder: rewrite(folder / "site" / "index.html"),
    "a download edited": lambda entry, folder: rewrite(folder / "site" / "leaderboard.csv"),
    "no record": lambda entry, folder: [
        path.write_text("{") for path in (folder / "data" / "built-pages").iterdir()
    ],
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_change_makes_a_build_and_nothing_else_does(
    entry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    assert not build(capsys)
    before = {path: path.stat().st_mtime_ns for path in Path("site").rglob("*")}
    assert build(capsys)
    assert build(capsys)
    assert {path: path.stat().st_mtime_ns for path in Path("site").rglob("*")} == before
    CHANGES[change](entry, tmp_path)
    if change == "a removed entry":
        hand_in(tmp_path, "third", skill=0.6)
    assert not build(capsys)
    assert build(capsys)


def test_another_place_is_another_page(entry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not build(capsys)
    assert not build(capsys, "other/board.html")
    assert build(capsys)
    assert build(capsys, "other/board.html")
    assert Path("other/board.html").is_file()


def test_another_program_builds_again(
    entry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not build(capsys)
    monkeypatch.setattr(up_to_date, "program_sha256", lambda: "another")
    assert not build(capsys)


def test_what_changed_just_now_may_change_again_unseen(
    entry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert identify_inputs([entry.parent.parent]) == ""


def test_a_loop_of_links_ends(entry: Path) -> None:
    for name in "abc":
        (entry / name).symlink_to(entry)
    assert len(identify_inputs([entry.parent.parent])) == 64
    assert len(identify_inputs([Path("nowhere")])) == 64


def test_the_outcome_is_one_line_in_a_terminal(
    entry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("leaderboard", "build", "--entries", "entries")
    assert "Wrote leaderboard-site/index.html" in run(capsys, *words)[1]
    out = run(capsys, *words)[1]
    assert "leaderboard-site/index.html is up to date" in out
    assert "1 entry measured here" in out
