"""Temporary files of processes that were killed are removed by the next command, those of running ones are not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.leaderboard_results import make_result

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, write_entry
from leaderboard.claims.reading import read_entries
from leaderboard.pages.site import build_site
from spikebench.conversion.journal import ConversionJournal, DoneClip
from spikebench.records.whole_files import (
    partial_file,
    partial_folder,
    remove_partials,
    whole_file,
    write_text,
)
from spikebench.training.run import locked

HOLDING = """
import sys, time
from pathlib import Path
from spikebench.records.whole_files import partial_file, partial_folder
with partial_file(Path("file.txt")), partial_folder(Path("folder")) as folder:
    (folder / "inside").write_text("x")
    print("holding", flush=True)
    time.sleep(600)
"""


def left(folder: Path) -> list[str]:
    return sorted(path.name.split(".")[1] for path in folder.glob(".*.partial"))


def test_only_those_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        (tmp_path / ".old.txt.0a1b2c3d.partial").write_text("left")
        (tmp_path / ".old.abcd.partial").mkdir()
        (tmp_path / ".old.abcd.partial" / "inside").write_text("left")
        remove_partials(tmp_path)
        assert left(tmp_path) == ["file", "folder"]
    finally:
        process.kill()
        process.communicate()
    assert left(tmp_path) == ["file", "folder"]
    remove_partials(tmp_path)
    assert left(tmp_path) == []


def test_this_process_keeps_its_own(tmp_path: Path) -> None:
    with partial_file(tmp_path / "a") as file, partial_folder(tmp_path / "b") as folder:
        remove_partials(tmp_path)
        assert file.exists()
        assert folder.is_dir()
    assert left(tmp_path) == []


def test_links_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / ".x.0a.partial").symlink_to(tmp_path / "target")
    (tmp_path / "x.partial").write_text("a conversion")
    (tmp_path / ".hidden").write_text("mine")
    remove_partials(tmp_path)
    remove_partials(tmp_path / "missing")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"target", ".x.0a.partial", "x.partial", ".hidden"}


def test_a_whole_file_is_readable_by_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "a", "text")
        with whole_file(tmp_path / "b") as partial:
            partial.write_text("text")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o644, 0o644]


def test_removing_while_others_write(tmp_path: Path) -> None:
    """The remover may open a file between its making and its locking; the writer then takes another."""
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from spikebench.records.whole_files import remove_partials\n"
        "while True: remove_partials(Path(sys.argv[1]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)])
    try:
        until = time.monotonic() + 3
        number = 0
        while time.monotonic() < until:
            write_text(tmp_path / "a", str(number))
            assert (tmp_path / "a").read_text() == str(number)
            number += 1
    finally:
        process.kill()
        process.communicate()
    assert number > 10


@pytest.mark.parametrize("unlinked", [0, 1, 2, 3])
def test_a_conversion_killed_at_its_very_end_leaves_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlinked: int
) -> None:
    """Killed while it removes its journal: no log is left alone, which the next command would not find."""
    journal = ConversionJournal(tmp_path / "out.h5.partial", {"seed": "0"}, "<f8")
    journal.add(DoneClip(0, "1" * 64, 48000, 1, ""), [])
    assert (tmp_path / "out.h5.partial-wal").exists()
    calls = []
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if len(calls) == unlinked:
            raise KeyboardInterrupt
        calls.append(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        journal.finish()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out.h5.partial"} | ({"out.h5.partial-wal"} if unlinked == 0 else set())
    monkeypatch.undo()
    journal._database.close()  # type: ignore[union-attr]  # as the system does at a kill
    with ConversionJournal(tmp_path / "out.h5.partial", {"seed": "0"}, "<f8") as again:
        assert len(again.done()) == 1
        again.finish()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    source = make_result(tmp_path / "source")
    result = verify_result(source)
    return write_entry(source, tmp_path / "e", make_entry(result), result, overwrite=False)


def test_submit_removes_what_a_killed_one_left(entry: Path, tmp_path: Path) -> None:
    (entry.parent / f".{entry.name}.xyz12345.partial").mkdir()
    (entry.parent / f".{entry.name}.xyz12345.partial" / "result.json").write_text("{}")
    source = make_result(tmp_path / "other", skill=0.6)
    result = verify_result(source)
    write_entry(source, tmp_path / "e", make_entry(result), result, overwrite=False)
    assert left(entry.parent) == []


def test_a_site_removes_what_a_killed_build_left(entry: Path, tmp_path: Path) -> None:
    stored = read_entries([tmp_path / "e"])
    build_site(stored, [], tmp_path / "site")
    folder = tmp_path / "site" / "entries" / "toy-digits"
    for place in (
        tmp_path / "site" / ".index.html.0a1b2c3d.partial",
        folder / ".x.html.0a.partial",
    ):
        place.write_text("left")
    build_site(stored, [], tmp_path / "site")
    assert left(tmp_path / "site") == left(folder) == []


def test_a_run_removes_what_a_killed_training_left(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint.safetensors.0a1b2c3d.partial").write_bytes(b"x" * 1000)
    with locked(tmp_path):
        assert left(tmp_path) == []
