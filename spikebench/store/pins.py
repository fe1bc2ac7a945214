"""Expected contents of a file: its published hash, or its SHA-256 when it was first checked.

``pins.json`` in a data set's folder stores, for every checked file, its SHA-256, and its size and modification
time at that moment. A file with the same size and time is not read again before use. ``spikebench data
verify`` always reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.errors import DataError, ResultError
from spikebench.records.problems import first_problem
from spikebench.records.strict_json import read_json
from spikebench.records.text import os_error_text, printable
from spikebench.records.whole_files import write_text

__all__ = [
    "Pin",
    "check_file",
    "find_difference",
    "forget",
    "is_checked",
    "read_pins",
    "wrong_file",
]

PINS_FILE = "pins.json"
_BLOCK = 2**20


class Pin(BaseModel):
    """Stored properties of a checked file: SHA-256, size, modification time [ns]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0)]
    mtime_ns: int


class _Pins(BaseModel):
    """Contents of ``pins.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    files: dict[str, Pin] = {}


def read_pins(folder: Path) -> dict[str, Pin]:
    """Read ``pins.json``.

    Parameters
    ----------
    folder
        Folder of a data set.

    Returns
    -------
    dict
        File name → pin; empty if nothing is pinned yet.

    Raises
    ------
    DataError
        If the file exists and cannot be used.
    """
    path = folder / PINS_FILE
    if not path.exists():
        return {}
    remedy = "remove it to pin the files as they are now"
    try:
        return _Pins.model_validate(read_json(path)).files
    except ResultError as error:
        raise DataError(f"{printable(str(error))}; {remedy}") from None
    except ValidationError as error:
        raise DataError(
            f"{printable(str(path))}: {printable(first_problem(error))}; {remedy}"
        ) from None


def forget(folder: Path, name: str) -> None:
    """Remove the pin of a file.

    Parameters
    ----------
    folder
        Folder of the data set; the caller must hold its lock (:func:`spikebench.store.folder.locked`).
    name
        Name of the file; it need not be pinned.
    """
    files = read_pins(folder)
    if files.pop(name, None) is not None:
        _write(folder, files)


def is_checked(path: Path, folder: Path, name: str, sha256: str | None) -> bool:
    """Return whether a file was checked and still has the same size and modification time.

    Parameters
    ----------
    path
        The file.
    folder
        Folder of the data set.
    name
        Name under which it is pinned.
    sha256
        Published SHA-256, or None.

    Returns
    -------
    bool
        Also False if the file does not exist.
    """
    pin = read_pins(folder).get(name)
    if pin is None or not path.is_file():
        return False
    status = path.stat()
    unchanged = (status.st_size, status.st_mtime_ns) == (pin.size_bytes, pin.mtime_ns)
    return unchanged and sha256 in (None, pin.sha256)


def find_difference(
    path: Path, pinned: str | None, md5: str | None, sha256: str | None
) -> tuple[str, str, str]:
    """Read a file and compare it with its published or pinned hash.

    Parameters
    ----------
    path
        The file.
    pinned
        Its SHA-256 when it was first checked, or None.
    md5, sha256
        Published hashes, or None.

    Returns
    -------
    difference : str
        The difference, one clause; empty if there is none.
    compared : str
        Description of the compared hash.
    digest : str
        SHA-256 of the file.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    digests = _digests(path, with_md5=sha256 is None and md5 is not None)
    digest = digests["sha256"]
    if sha256 is not None:
        difference = _differs("published SHA-256", digest, sha256)
        return difference, "published SHA-256", digest
    compared = []
    difference = ""
    if md5 is not None:
        compared.append("published MD5")
        difference = _differs("published MD5", digests["md5"], md5)
    if pinned is not None:
        compared.append("SHA-256 pinned on first use")
        difference = difference or _differs("SHA-256 pinned on first use", digest, pinned)
    return difference, " and ".join(compared) or "no hash: none is published or pinned", digest


def check_file(
    path: Path,
    folder: Path,
    name: str,
    *,
    md5: str | None,
    sha256: str | None,
    notify: Callable[[str], None] = lambda text: None,
) -> str:
    """Compare a file with its published or pinned hash, and pin it if it is new.

    Parameters
    ----------
    path
        The file; it may have a temporary name.
    folder
        Folder of the data set; the caller must hold its lock (:func:`spikebench.store.folder.locked`).
    name
        Name under which it is pinned.
    md5, sha256
        Published hashes, or None.
    notify
        Called with one line if its SHA-256 is not published, and pinned now.

    Returns
    -------
    str
        The difference, one clause; empty if there is none.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    if is_checked(path, folder, name, sha256):
        return ""
    files = read_pins(folder)
    pinned = files[name].sha256 if name in files else None
    # Taken before reading, so that a change during reading is detected later.
    status = path.stat()
    difference, _, digest = find_difference(path, pinned, md5, sha256)
    if difference:
        return difference
    if sha256 is None and pinned is None:
        known = "only its MD5 is published, and matches" if md5 else "no hash of it is published"
        notify(f"{name}: {known}; its SHA-256 is pinned on first use: {digest}")
    pin = Pin(sha256=digest, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)
    _write(folder, {**files, name: pin})
    return ""


def wrong_file(path: Path, difference: str) -> DataError:
    """Return the error for a file with another hash than expected.

    Parameters
    ----------
    path
        The file.
    difference
        Result of :func:`check_file`.

    Returns
    -------
    DataError
        Error with a message of one line, including the remedy.
    """
    right = (
        f" (if it is the right one, remove {PINS_FILE} beside it)" if "pinned" in difference else ""
    )
    return DataError(
        f"{printable(str(path))}: is not the expected file: {difference}; remove it, then run the same "
        f"command to get it again{right}"
    )


def _write(folder: Path, files: dict[str, Pin]) -> None:
    document = _Pins(files=dict(sorted(files.items())))
    text = json.dumps(document.model_dump(), indent=2) + "\n"
    write_text(folder / PINS_FILE, text)


def _differs(what: str, now: str, wanted: str) -> str:
    return "" if now == wanted else f"the {what} is {wanted}, that of this file is {now}"


def _digests(path: Path, with_md5: bool) -> dict[str, str]:
    """Compute the digests in one pass."""
    hashes = {"sha256": hashlib.sha256()}
    if with_md5:
        # MD5 does not protect against an attacker, but it is the hash that the authors published.
        hashes["md5"] = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                for one in hashes.values():
                    one.update(block)
    except OSError as error:
        reason = os_error_text(error)
        raise DataError(f"{printable(str(path))}: cannot be read: {reason}") from None
    return {name: one.hexdigest() for name, one in hashes.items()}
