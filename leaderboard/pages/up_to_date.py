"""Whether a page is up to date: nothing that it was built from has changed, and neither has it.

As in ``make``, files are compared by device, inode, size and the times of their last change, and not read. A build is
recorded in a folder beside the data sets, one file per page. It is recorded only if the entries had been left alone for
two seconds, because time stamps are coarse.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from leaderboard.checks.memory import surroundings
from leaderboard.checks.signing import OWN_FOLDER
from leaderboard.claims.literature import LITERATURE_FILE
from leaderboard.program import program_sha256
from spikebench.records.whole_files import write_text
from spikebench.store.folder import data_root

__all__ = ["Built", "identify_inputs", "recall_build", "remember_build"]

FOLDER = "built-pages"
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class Built:
    """A finished build: number of entries and of reports from the literature."""

    entries: int
    literature: int


def identify_inputs(folders: Iterable[Path]) -> str:
    """Identify everything that a page is built from, without reading it.

    Parameters
    ----------
    folders
        Folders of entries.

    Returns
    -------
    str
        SHA-256 of the program, the data sets and trusted keys of this machine, and the files of the entries; empty if
        one of these cannot be looked up, or changed less than two seconds ago.
    """
    now = time.time_ns()
    digest = hashlib.sha256(f"{program_sha256()} {surroundings()}\n".encode())
    try:
        for place in (LITERATURE_FILE, data_root() / OWN_FOLDER, *folders):
            digest.update(f"{place.absolute()}\n".encode(errors="surrogateescape"))
            for line, changed in _files(os.path.realpath(place)):
                if changed > now - _SETTLED_NS:
                    return ""
                digest.update(line.encode(errors="surrogateescape"))
    except OSError:
        return ""
    return digest.hexdigest()


def recall_build(page: Path, inputs: str) -> Built | None:
    """Look up whether a page was built from these inputs and has not been changed since.

    Parameters
    ----------
    page
        The index page.
    inputs
        From :func:`identify_inputs`.

    Returns
    -------
    Built or None
        None if it has to be built.
    """
    try:
        said = json.loads(_record(page).read_text(encoding="utf-8"))
        if inputs and (said["inputs"], said["outputs"]) == (inputs, _outputs(page)):
            return Built(int(said["entries"]), int(said["literature"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return None


def remember_build(page: Path, inputs: str, built: Built) -> None:
    """Record a finished build; without a writable folder nothing is recorded.

    Parameters
    ----------
    page
        The index page.
    inputs
        From :func:`identify_inputs`, before the entries were read.
    built
        What was built.
    """
    with contextlib.suppress(OSError):
        said = {"inputs": inputs, "outputs": _outputs(page), **vars(built)}
        _record(page).parent.mkdir(parents=True, exist_ok=True)
        write_text(_record(page), json.dumps(said) + "\n")


def _record(page: Path) -> Path:
    name = hashlib.sha256(os.fsencode(page.absolute())).hexdigest()
    return data_root() / FOLDER / name


def _outputs(page: Path) -> str:
    """Identify the files of a built page."""
    digest = hashlib.sha256()
    for place in (page, *page.parent.glob("*.json"), *page.parent.glob("*.csv")):
        digest.update("".join(line for line, _ in _files(place)).encode(errors="surrogateescape"))
    for line, _ in _files(page.parent / "entries"):
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _files(place: Path | str) -> Iterator[tuple[str, int]]:
    """Yield a line about a file, or about every file and folder below a folder; and when it last changed [ns].

    Links are not followed.
    """
    try:
        found = os.lstat(place)
    except FileNotFoundError:
        return
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    numbers = (found.st_mode, found.st_dev, found.st_ino, found.st_size)
    yield f"{place} {numbers} {found.st_mtime_ns} {found.st_ctime_ns}\n", changed
    if stat.S_ISDIR(found.st_mode):
        with os.scandir(place) as inside:
            paths = sorted(one.path for one in inside)
        for path in paths:
            yield from _files(path)
