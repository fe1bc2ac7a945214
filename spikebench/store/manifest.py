"""``SHA256SUMS``: the recordings in a data set's folder, in the format of ``sha256sum --check``."""

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
        Folder of the data set.

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


_REMEDY = "remove it and the recordings beside it, then run the same command to get them again"


def add_to_manifest(folder: Path, below: str, digests: Mapping[str, str]) -> None:
    """Add recordings to the manifest, completely or not at all; entries of other folders are kept.

    Parameters
    ----------
    folder
        Folder of the data set.
    below
        Folder of the recordings in it, ending in a slash.
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
        Folder of the data set.
    below
        Folder of the recordings in it, ending in a slash.

    Returns
    -------
    list of str
        Recordings that are missing, changed or not in the manifest: one line each, with the path.

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
            problems.append(
                f"{printable(path)}: has changed since it was unpacked: its SHA-256 differs"
            )
    return sorted(problems)


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except ResultError:
        return ""
