"""Entries: one folder per entry, ``entries/<dataset>/<id>/``, written whole and checked on reading.

An entry holds

::

    entry.json               who, what is declared (Entry)
    result.json              the claims, and what they were made with
    predictions-seed0.csv    label and prediction of every test sample, one file per seed
    run.json                 settings, and what every epoch came to, one log per seed
    weights-seed0.safetensors   only if their maker hands them in; result.json has their SHA-256 anyway
    verification.json        what was verified here, see leaderboard.claims.tier
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leaderboard.checks.breakdown import Breakdown, break_down
from leaderboard.checks.logs import check_logs, write_logs
from leaderboard.checks.recomputation import check_result
from leaderboard.claims.declaration import Declarations, Line, declare, tracks_of
from leaderboard.claims.tier import (
    VERIFICATION_FILE,
    Verification,
    check_verification,
    read_verifications,
    tier_of,
)
from spikebench.errors import OutputExistsError, ResultError
from spikebench.protocol.results import RESULT_FILE, Result, write_result
from spikebench.records.fields import Sha256
from spikebench.records.strict_json import MAX_JSON_BYTES, first_problem, read_record
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import file_sha256, plain_file, write_text
from spikebench.training.run_record import LOGS_FILE, read_run_log

MAX_ENTRY_BYTES = 1024 * 1024
ENTRY_FILE = "entry.json"
SHIPPED_ENTRIES = Path(__file__).parents[1] / "entries"


def printable(text: str) -> str:
    """Replace every character that could steer a terminal or turn the direction of reading.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        The same length, with U+FFFD for what cannot be printed.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
Link = Annotated[
    str,
    Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[^\s\"'<>`\\]*)?$", max_length=500),
    Line,
]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
OwnTrack = Literal[
    "spiking",
    "conventional-spikes",
    "conventional-audio",
    "few-shot",
    "continual",
    "online",
    "robust",
]


class Withdrawal(BaseModel):
    """When and why an entry was taken back; it stays, without a rank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: Day
    reason: Annotated[str, Field(min_length=1, max_length=1000), Line]


class Entry(BaseModel):
    """What is said about a result beside the result itself.

    ``result_sha256`` is of the ``result.json`` in the same folder. ``spikebench leaderboard schema`` prints the JSON
    Schema of this record.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[2] = 2
    id: Slug
    dataset: Slug
    name: Annotated[str, Field(min_length=1, max_length=100), Line]
    authors: Annotated[str, Field(max_length=500), Line]
    note: Annotated[str, Field(max_length=2000), Line]
    link: Link | None
    citation: Annotated[str, Field(max_length=2000), Line]
    submitted: Day
    track: OwnTrack
    declared: Declarations
    result_sha256: Sha256
    withdrawn: Withdrawal | None = None


@dataclass(frozen=True)
class StoredEntry:
    """An entry, its result, and the folder that holds both.

    ``breakdown`` is who was understood, ``flags`` what looks odd about it beside the other entries,
    ``contents_sha256`` is of all its files, where they were looked up (see :mod:`leaderboard.checks.memory`).
    """

    entry: Entry
    result: Result
    folder: Path
    breakdown: Breakdown = field(default_factory=Breakdown)
    verifications: tuple[Verification, ...] = ()
    flags: tuple[str, ...] = ()
    contents_sha256: str = ""

    @property
    def tier(self) -> str:
        """How far it was checked; see :mod:`leaderboard.claims.tier`."""
        return tier_of(self.verifications)

    @property
    def tracks(self) -> tuple[str, ...]:
        """Its tracks, its own first."""
        return tracks_of(self.entry.track, self.result.model.parameters, self.entry.declared)


def make_entry(
    result: Result,
    name: str = "",
    authors: str = "",
    note: str = "",
    *,
    link: str | None = None,
    citation: str = "",
    track: str = "",
    declared: Declarations | None = None,
    submitted: str = "",
) -> Entry:
    """Describe a result; the same result always gets the same id.

    Parameters
    ----------
    result
        A result that was verified.
    name
        Name to display; the model's name by default.
    authors, note
        Who made it, and what a reader should know.
    link, citation
        Where to read more, and how to cite it.
    track
        By default ``spiking`` or ``conventional-spikes``, whatever the model is.
    declared
        By default what the result says of itself.
    submitted
        The day, as 2026-01-31; by default today (UTC).

    Returns
    -------
    Entry
        With an id of model, number of seeds and the first 8 digits of the result's SHA-256.

    Raises
    ------
    ResultError
        If a text is too long or cannot be printed, or a link is none.
    """
    sha256 = hashlib.sha256(_result_text(result).encode()).hexdigest()
    count = len(result.seeds)
    seeds = f"{count}-seed{'s' if count > 1 else ''}"
    own_track = "spiking" if result.model.spiking else "conventional-spikes"
    try:
        return Entry.model_validate(
            {
                "id": f"{slug(result.model.name, 'model')}-{seeds}-{sha256[:8]}",
                "dataset": slug(result.dataset.name, "data"),
                "name": name or printable(result.model.name)[:100],
                "authors": authors,
                "note": note,
                "link": link,
                "citation": citation,
                "submitted": submitted or datetime.now(UTC).date().isoformat(),
                "track": track or own_track,
                "declared": declared or declare(result),
                "result_sha256": sha256,
            }
        )
    except ValidationError as error:
        raise ResultError(f"the entry's {first_problem(error)}") from None


def slug(text: str, fallback: str) -> str:
    """Turn any text into a name that is safe as a folder and in a link.

    Parameters
    ----------
    text
        Any text.
    fallback
        What to use if no letter or digit is left.

    Returns
    -------
    str
        At most 40 of ``a … z``, ``0 … 9`` and single inner hyphens.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", ascii_text)
    return "-".join(words)[:40].strip("-") or fallback


def write_entry(
    source: Path,
    entries: Path,
    entry: Entry,
    result: Result,
    *,
    overwrite: bool,
    weights: bool = False,
    origin: Path | None = None,
) -> Path:
    """Write an entry's folder whole or not at all.

    Parameters
    ----------
    source
        The result folder, for the predictions.
    entries
        The folder of all entries; made if it is not there.
    entry, result
        What to write; ``result`` was verified.
    overwrite
        Whether an entry of the same id is replaced.
    weights
        Whether the weights go into the entry.
    origin
        What errors name where ``source`` is a temporary folder.

    Returns
    -------
    Path
        ``entries/<dataset>/<id>``.

    Raises
    ------
    OutputExistsError
        If it is there and may not be replaced.
    ResultError
        If the copy does not stand its checks, or the place cannot be written.
    """
    target = entries / entry.dataset / entry.id
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise OutputExistsError(
            f"{target}: this result was submitted already; --overwrite replaces it"
        )
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=target.parent, prefix=f".{entry.id}.", suffix=".partial"
        ) as temporary:
            # One level below, because mkdtemp makes folders that only their owner may read.
            partial = Path(temporary) / entry.id
            _fill(partial, source, entry, result, weights=weights)
            _check_copy(partial, origin or source)
            _swap(partial, target, Path(temporary) / "replaced")
    except BaseException as error:
        for folder in missing:
            with contextlib.suppress(OSError):  # not made, or in use by another process
                folder.rmdir()
        if isinstance(error, OSError):
            raise ResultError(f"{target}: cannot be written: {os_error_text(error)}") from None
        raise
    return target


def _check_copy(copy: Path, origin: Path) -> None:
    """Check what is published, the copy; an error names the folder that it was made of."""
    try:
        read_entry(copy)
    except ResultError as error:
        said = str(error).replace(f"{copy}/", "").replace(str(copy), "entry")
        raise ResultError(f"{origin}: makes no valid entry: {said}") from None


def _swap(partial: Path, target: Path, replaced: Path) -> None:
    if target.exists() or target.is_symlink():
        target.rename(replaced)
    try:
        partial.rename(target)
    except BaseException:
        if replaced.exists():
            replaced.rename(target)
        raise


def _fill(folder: Path, source: Path, entry: Entry, result: Result, *, weights: bool) -> None:
    write_result(folder, result)
    write_text(folder / ENTRY_FILE, entry.model_dump_json(indent=2) + "\n")
    for record in result.seeds:
        names = [record.predictions_file, record.weights_file if weights else None]
        for name in filter(None, names):
            shutil.copyfile(plain_file(source, name), folder / name, follow_symlinks=False)
    if all(record.run_file for record in result.seeds):
        logs = [read_run_log(plain_file(source, str(record.run_file))) for record in result.seeds]
        write_logs(folder, logs)


def _result_text(result: Result) -> str:
    # The text that write_result writes.
    return result.model_dump_json(indent=2) + "\n"


def read_entry(folder: Path) -> StoredEntry:
    """Read an entry and check all that it claims.

    Parameters
    ----------
    folder
        The entry's folder, named as its id.

    Returns
    -------
    StoredEntry
        The entry with its result.

    Raises
    ------
    ResultError
        If a file is missing, does not fit its schema or its SHA-256, or a claim does not follow
        from the predictions.
    """
    if not (folder / ENTRY_FILE).exists() and (folder / RESULT_FILE).is_file():
        raise ResultError(
            f"{folder / ENTRY_FILE}: no such file, so this is a result; spikebench submit makes an entry of it"
        )
    if not folder.is_dir():
        raise ResultError(f"{folder}: no such folder; give the folder of an entry")
    if not (folder / ENTRY_FILE).is_symlink() and not (folder / ENTRY_FILE).exists():
        raise ResultError(f"{folder / ENTRY_FILE}: no such file, so the folder is no entry")
    path = plain_file(folder, ENTRY_FILE)
    entry = read_record(path, Entry, MAX_ENTRY_BYTES)
    if entry.id != folder.name:
        raise ResultError(f"{path}: its id is {entry.id!r}, its folder {folder.name!r}")
    if file_sha256(plain_file(folder, RESULT_FILE, MAX_JSON_BYTES)) != entry.result_sha256:
        raise ResultError(
            f"{folder / RESULT_FILE}: not the file that was submitted; submit the result again"
        )
    result, predictions = check_result(folder, weights="if there")
    if slug(result.dataset.name, "data") != entry.dataset:
        raise ResultError(f"{path}: the result is about another data set, {result.dataset.name!r}")
    _check_files(folder, result)
    _check_declared(path, entry, result)
    check_logs(folder, result)
    verifications = read_verifications(folder)
    for one in verifications:
        check_verification(one, entry.result_sha256, result, f"{folder / VERIFICATION_FILE}")
    return StoredEntry(
        entry, result, folder, break_down(predictions, result.dataset.classes), verifications
    )


def _check_files(folder: Path, result: Result) -> None:
    """Refuse what has no business in an entry."""
    known = {ENTRY_FILE, RESULT_FILE, LOGS_FILE, VERIFICATION_FILE}
    for record in result.seeds:
        known |= {record.predictions_file, record.weights_file or RESULT_FILE}
    with os.scandir(folder) as found:
        for one in found:
            if one.name not in known:
                raise ResultError(
                    f"{printable(one.path)}: does not belong to an entry; remove it, or submit again"
                )
            if not one.is_file(follow_symlinks=False):
                plain_file(folder, one.name)  # says what it must be


def _check_declared(path: Path, entry: Entry, result: Result) -> None:
    if (entry.track == "spiking") > result.model.spiking:
        raise ResultError(f"{path}: track spiking, but the result says that the model is not")
    if not isinstance(result.training.get("input"), dict):
        return  # not from our trainer: only its maker can know
    said = declare(result)
    for name in ("augmentation", "input", "time_step_ms", "time_steps", "look_ahead"):
        claimed, found = getattr(entry.declared, name), getattr(said, name)
        if claimed != found and found is not None:
            raise ResultError(f"{path}: declared.{name} is {claimed!r}, the result says {found!r}")


def withdraw(folder: Path, reason: str) -> Entry:
    """Take an entry back; it stays where it is, with the reason.

    Parameters
    ----------
    folder
        The entry, which must hold.
    reason
        Why, in one line.

    Returns
    -------
    Entry
        As it now is.

    Raises
    ------
    ResultError
        If it does not hold, was taken back before, or the reason does not fit.
    """
    stored = read_entry(folder)
    if stored.entry.withdrawn is not None:
        raise ResultError(f"{folder}: was withdrawn on {stored.entry.withdrawn.date}")
    try:
        today = datetime.now(UTC).date().isoformat()
        taken_back = Withdrawal(date=today, reason=reason)
    except ValidationError as error:
        raise ResultError(f"{folder}: the {first_problem(error)}") from None
    entry = stored.entry.model_copy(update={"withdrawn": taken_back})
    try:
        write_text(folder / ENTRY_FILE, entry.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise ResultError(f"{folder}: cannot be written: {os_error_text(error)}") from None
    return entry
