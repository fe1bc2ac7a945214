"""Cache of passed checks by the contents of an entry, so that unchanged files are not checked again.

A folder beside the data sets contains one file per entry, named by the SHA-256 of the entry's files. It records the
version of the program that checked them, the data sets and trusted keys on this machine, and the computed values.
Entries that were checked by another version, or with other data sets or keys, are checked again; a file that is damaged
or not of this form is ignored. An entry that fails its checks is never cached.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

from leaderboard.checks.breakdown import Breakdown, GroupAccuracy
from leaderboard.checks.signing import trusted_keys
from leaderboard.program import program_sha256
from spikebench.datasets import DATASETS, load_spec
from spikebench.errors import ResultError
from spikebench.records.strict_json import MAX_JSON_BYTES
from spikebench.records.whole_files import file_sha256, write_text
from spikebench.store.folder import data_root, part_paths

__all__ = ["PASSED", "Contents", "read_contents", "recall", "remember", "surroundings"]

FOLDER = "checked-entries"
# What follows from checks that not every entry allows: fields of a StoredEntry, and their types here.
PASSED = {"parameters_counted": bool, "labels_compared": bool, "signers": tuple}


@dataclass(frozen=True)
class Contents:
    """The files of an entry: one SHA-256 of its name and all files, and the bytes of its JSON files."""

    sha256: str
    json_files: dict[str, bytes]


def read_contents(folder: Path) -> Contents | None:
    """Read the files of an entry once, for the look-up in the cache.

    Parameters
    ----------
    folder
        The entry.

    Returns
    -------
    Contents or None
        None if it contains anything but plain files, or they cannot be read.
    """
    digest = hashlib.sha256(f"{folder.name}\n".encode(errors="surrogateescape"))
    json_files: dict[str, bytes] = {}
    try:
        with os.scandir(folder) as found:
            files = sorted(found, key=lambda file: file.name)
        for file in files:
            if not file.is_file(follow_symlinks=False):
                return None
            if file.stat().st_size > MAX_JSON_BYTES:
                sha256 = file_sha256(Path(file))
            else:  # read at once, which takes half the time
                with open(file, "rb", buffering=0) as opened:
                    content = opened.read()
                if file.name.endswith(".json"):
                    json_files[file.name] = content
                sha256 = hashlib.sha256(content).hexdigest()
            digest.update(f"{sha256}  {file.name}\n".encode(errors="surrogateescape"))
    except (OSError, ResultError):
        return None
    return Contents(digest.hexdigest(), json_files)


def recall(sha256: str) -> tuple[Breakdown, dict[str, Any]] | None:
    """Look up the values computed when an entry passed its checks.

    Parameters
    ----------
    sha256
        SHA-256 of its contents.

    Returns
    -------
    tuple of Breakdown and dict, or None
        The accuracy by group, and the values of :data:`PASSED`.
        None if this version has not checked these contents with these data sets.
    """
    try:
        with open(data_root() / FOLDER / sha256, "rb") as file:
            mark, _, text = file.read().partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != mark:
            return None
        said = json.loads(text)
        if (said["program"], said["data"]) != (program_sha256(), surroundings()):
            return None
        breakdown = Breakdown(
            speakers=tuple(GroupAccuracy(*share) for share in said["speakers"]),
            languages=tuple(GroupAccuracy(*share) for share in said["languages"]),
            fingerprints=tuple(said["fingerprints"]),
        )
        return breakdown, {name: kind(said["passed"][name]) for name, kind in PASSED.items()}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remember(sha256: str, breakdown: Breakdown, passed: dict[str, Any]) -> None:
    """Store that an entry passed its checks; without a writable folder nothing is stored.

    Parameters
    ----------
    sha256
        SHA-256 of its contents.
    breakdown
        The computed values.
    passed
        The values of :data:`PASSED`.
    """
    said = {
        "program": program_sha256(),
        "data": surroundings(),
        "speakers": [list(vars(share).values()) for share in breakdown.speakers],
        "languages": [list(vars(share).values()) for share in breakdown.languages],
        "fingerprints": list(breakdown.fingerprints),
        "passed": passed,
    }
    text = json.dumps(said, ensure_ascii=False)
    with contextlib.suppress(OSError):
        folder = data_root() / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / sha256, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


@cache
def surroundings() -> str:
    """Identify what entries are compared with on this machine: the data sets, and the keys of verifications.

    Returns
    -------
    str
        64 lower-case hexadecimal digits; computed once per process.
    """
    keys = hashlib.sha256(trusted_keys()).hexdigest()
    there = [f"keys {keys} {'' if which('ssh-keygen') else 'un'}used"]
    for name in DATASETS:
        for path in part_paths(load_spec(name)):
            with contextlib.suppress(OSError):
                found = path.stat()
                there.append(f"{name} {path.name} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(there).encode()).hexdigest()
