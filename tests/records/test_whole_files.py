"""The SHA-256 of a file is computed once, and again as soon as the file may have changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from spikebench.errors import ResultError
from spikebench.records import whole_files
from spikebench.records.whole_files import file_sha256, file_sha256_once


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were read for their hash."""
    found: list[Path] = []

    def counted(path: Path) -> str:
        found.append(path)
        return file_sha256(path)

    monkeypatch.setattr(whole_files, "file_sha256", counted)
    return found


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock be an hour ahead of the files."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_that_stays_is_read_once(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_text("one")
    assert [file_sha256_once(path) for _ in range(3)] == [sha256("one")] * 3
    assert read == [path]


def test_a_file_that_changed_is_read_again(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same size, and the time of the contents put back: the inode tells."""
    settle(monkeypatch)
    path = tmp_path / "a"
    path.write_text("one")
    found = path.stat()
    assert file_sha256_once(path) == sha256("one")
    while path.stat().st_ctime_ns == found.st_ctime_ns:
        path.write_text("two")
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert path.stat().st_mtime_ns == found.st_mtime_ns
    assert file_sha256_once(path) == sha256("two")
    path.unlink()
    with pytest.raises(ResultError, match="a: no such file"):
        file_sha256_once(path)
    assert len(read) == 3


def test_a_file_just_written_is_read_every_time(tmp_path: Path, read: list[Path]) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    assert [file_sha256_once(path) for _ in range(2)] == [sha256("one")] * 2
    assert read == [path, path]
