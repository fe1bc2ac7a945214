"""``SHA256SUMS``: which recordings a data set's folder holds, as ``sha256sum --check`` reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from spikebench.errors import DataError, ResultError
from spikebench.records.text import printable
from spikebench.records.whole_files import file_sha256, write_text

__all__ = ["add_to_manifest", "find_changes", "read_manifest"]

MANIFEST_FILE = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\x00-\x1f\x7f\\]+)")


def read_manifest(folder: Path) -> dict[str, str]:
    """Read the manifest.

    Parameters
    ----------
    folder
        Of the data set.

    Returns
    -------
    dict
        Path below the folder → SHA-256; empty if there is no manifest.

    Raises
    ------
    DataError
        If it is damaged.
    """
    path = folder / MANIFEST_FILE
    shown = printable(str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        raise DataError(f"{shown}: cannot be read; {_REMEDY}") from None
    digests: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in digests or ".." in match[2].split("/"):
            raise DataError(f"{shown}: line {number} is damaged; {_REMEDY}")
        digests[match[2]] = match[1]
    return digests


_REMEDY = "remove it and the recordings beside it, and the same command gets them again"


def add_to_manifest(folder: Path, below: str, digests: Mapping[str, str]) -> None:
    """Write down recordings, whole or not at all; what the manifest says about others stays.

    Parameters
    ----------
    folder
        Of the data set.
    below
        The folder in it where they lie, ending in a slash.
    digests
        Path below that → SHA-256.
    """
    kept = {
        path: digest for path, digest in read_manifest(folder).items() if not path.startswith(below)
    }
    kept |= {below + path: digest for path, digest in digests.items()}
    lines = (f"{kept[path]}  {path}\n" for path in sorted(kept))
    write_text(folder / MANIFEST_FILE, "".join(lines))


def find_changes(folder: Path, below: str) -> list[str]:
    """Read all recordings and compare them with the manifest.

    Parameters
    ----------
    folder
        Of the data set.
    below
        The folder in it where they lie, ending in a slash.

    Returns
    -------
    list of str
        What is missing, changed or not in the manifest: one line each, with the path.

    Raises
    ------
    DataError
        If the manifest is damaged.
    """
    wanted = {
        path: digest for path, digest in read_manifest(folder).items() if path.startswith(below)
    }
    there = {
        Path(here, name).relative_to(folder).as_posix()
        for here, _, names in os.walk(folder / below)
        for name in names
    }
    problems = [f"{printable(path)}: is not in {MANIFEST_FILE}" for path in there - wanted.keys()]
    problems += [f"{printable(path)}: is missing" for path in wanted.keys() - there]
    for path in wanted.keys() & there:
        if _digest(folder / path) != wanted[path]:
            problems.append(f"{printable(path)}: is not what was unpacked: its SHA-256 differs")
    return sorted(problems)


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except ResultError:
        return ""
