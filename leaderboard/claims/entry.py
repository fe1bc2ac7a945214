"""Entries: one folder per entry, ``entries/<dataset>/<id>/``, written whole and validated on reading.

An entry contains

::

    entry.json               authors and declarations (Entry)
    result.json              the claims, and how they were made
    predictions-seed0.csv    label and prediction of every test sample, one file per seed
    stages-seed0.csv         of learning task after task: predictions after every training
    run.json                 settings, and the numbers of every epoch, one log per seed
    weights-seed0.safetensors   optional; result.json has their SHA-256 in any case
    verification.json        the verifications, see leaderboard.claims.tier
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from leaderboard.checks.breakdown import Breakdown, break_down, fingerprints
from leaderboard.checks.logs import check_logs, write_logs
from leaderboard.checks.recomputation import check_result
from leaderboard.checks.size import count_parameters
from leaderboard.claims.declaration import (
    AUDIO,
    STUDY_TRACKS,
    Declarations,
    Line,
    declare,
    is_online,
    own_track,
    tracks_of,
)
from leaderboard.claims.hardware import HARDWARE, Hardware
from leaderboard.claims.privacy import refuse_paths
from leaderboard.claims.tier import (
    VERIFICATION_FILE,
    Verification,
    check_verification,
    find_signers,
    find_trusted,
    read_verifications,
    tier_of,
)
from spikebench.errors import OutputExistsError, ResultError
from spikebench.protocol.results import RESULT_FILE, Predictions, Result, write_result
from spikebench.protocol.studies import FewShotStudy, NoiseStudy
from spikebench.records.fields import Sha256
from spikebench.records.problems import first_problem
from spikebench.records.strict_json import MAX_JSON_BYTES, read_bytes, read_record
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import (
    file_sha256,
    partial_folder,
    plain_file,
    remove_partials,
    write_text,
)
from spikebench.training.run_record import LOGS_FILE, read_run_log

MAX_ENTRY_BYTES = 1024 * 1024
# Control characters, and those that change the direction of text. JSON allows none below the space in a text.
_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ENTRY_FILE = "entry.json"
SHIPPED_ENTRIES = Path(__file__).parents[1] / "entries"


def printable(text: str) -> str:
    """Replace every character that could control a terminal or change the direction of text.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        Text of the same length, with U+FFFD for characters that cannot be printed.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Slug = Annotated[str, Field(pattern=SLUG_PATTERN, max_length=100)]
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
    "hardware",
]


def check_hardware(track: str, hardware: Hardware | None) -> None:
    """Raise ValueError unless measurements on a chip are in their own track, and this track contains nothing else.

    Parameters
    ----------
    track, hardware
        Of an entry or a form.
    """
    if (track == HARDWARE) != (hardware is not None):
        raise ValueError(
            "track hardware needs the measurements of a chip; `spikebench submit --kit FOLDER --hardware` writes a form"
            if hardware is None
            else f"measurements on a chip belong to the track {HARDWARE}, not {track}"
        )


class Withdrawal(BaseModel):
    """Date of and reason for the withdrawal of an entry; the entry stays, without a rank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: Day
    reason: Annotated[str, Field(min_length=1, max_length=1000), Line]


class Entry(BaseModel):
    """Description of a result, in addition to the result itself.

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
    hardware: Hardware | None = Field(default=None, exclude_if=lambda measured: measured is None)

    @model_validator(mode="after")
    def _has_hardware(self) -> Self:
        check_hardware(self.track, self.hardware)
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of the entry without a withdrawal, to which verifications refer."""
        text = self.model_copy(update={"withdrawn": None}).model_dump_json(indent=2) + "\n"
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class StoredEntry:
    """An entry, its result, and the folder that holds both.

    ``breakdown`` is the accuracy by group, ``flags`` lists oddities in comparison with other entries,
    ``contents_sha256`` is of all its files, if they were looked up (see :mod:`leaderboard.checks.memory`),
    ``signers`` names whose signatures the verifications have,
    ``parameters_counted`` says whether the number of parameters follows from the configuration, ``labels_compared``
    whether labels and speakers were compared with those of the data set.
    """

    entry: Entry
    result: Result
    folder: Path
    breakdown: Breakdown = field(default_factory=Breakdown)
    verifications: tuple[Verification, ...] = ()
    flags: tuple[str, ...] = ()
    contents_sha256: str = ""
    signers: tuple[str, ...] = ()
    parameters_counted: bool = False
    labels_compared: bool = False

    @cached_property
    def trusted(self) -> tuple[str, ...]:
        """Why each verification counts here, see :func:`leaderboard.claims.tier.find_trusted`."""
        return find_trusted(self.verifications, self.signers)

    @property
    def tier(self) -> str:
        """The highest tier of its trusted verifications; see :mod:`leaderboard.claims.tier`."""
        return tier_of(self.verifications, self.trusted)

    @property
    def parameters_known(self) -> bool:
        """Whether the number of parameters is more than a claim: counted, or verified with the weights."""
        return self.parameters_counted or any(self.trusted)

    @property
    def tracks(self) -> tuple[str, ...]:
        """Its tracks, its own first."""
        parameters = self.result.model.parameters if self.parameters_known else None
        return tracks_of(self.entry.track, parameters, self.entry.declared)


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
    hardware: Hardware | None = None,
    submitted: str = "",
) -> Entry:
    """Make the entry of a result; the same result always gets the same id.

    Parameters
    ----------
    result
        A verified result.
    name
        Name to display; the model's name by default.
    authors, note
        Authors, and a note for readers.
    link, citation
        Link to more information, and the citation.
    track
        By default ``spiking``, ``conventional-spikes`` or ``conventional-audio``, according to the model.
    declared
        By default derived from the result.
    hardware
        Measurements on a chip, for the track ``hardware``.
    submitted
        Date, as 2026-01-31; by default today (UTC).

    Returns
    -------
    Entry
        With an id of model, number of seeds and the first 8 digits of the result's SHA-256.

    Raises
    ------
    ResultError
        If a text is too long or cannot be printed, or a link is not valid.
    """
    sha256 = hashlib.sha256(_result_text(result).encode()).hexdigest()
    study = f", {result.study.name}" if result.study else ""
    count = len(result.seeds)
    seeds = f"{count}-seed{'s' if count > 1 else ''}"
    try:
        return Entry.model_validate(
            {
                "id": f"{slug(result.model.name + study, 'model')}-{seeds}-{sha256[:8]}",
                "dataset": slug(result.dataset.name, "data"),
                "name": name or printable(result.model.name + study)[:100],
                "authors": authors,
                "note": note,
                "link": link,
                "citation": citation,
                "submitted": submitted or datetime.now(UTC).date().isoformat(),
                "track": track or own_track(result),
                "declared": declared or declare(result),
                "hardware": hardware,
                "result_sha256": sha256,
            }
        )
    except ValidationError as error:
        raise ResultError(f"the entry's {first_problem(error)}") from None


def slug(text: str, fallback: str) -> str:
    """Convert any text to a name that is safe for a folder and a link.

    Parameters
    ----------
    text
        Any text.
    fallback
        Name to use if no letter or digit is left.

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
        The result folder that contains the predictions.
    entries
        The folder of all entries; created if it does not exist.
    entry, result
        The entry and its verified result.
    overwrite
        Whether an existing entry of the same id is replaced.
    weights
        Whether to include the weights.
    origin
        Folder to name in errors if ``source`` is a temporary one.

    Returns
    -------
    Path
        ``entries/<dataset>/<id>``.

    Raises
    ------
    OutputExistsError
        If the entry exists and may not be replaced.
    ResultError
        If the copy fails its checks, or the folder cannot be written.
    """
    target = entries / entry.dataset / entry.id
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise OutputExistsError(
            f"{target}: this result was submitted already; --overwrite replaces it"
        )
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_partials(target.parent)
        with partial_folder(target) as temporary:
            # One level below, because only its owner may read the temporary folder.
            partial = temporary / entry.id
            _fill(partial, source, entry, result, weights=weights)
            _check_copy(partial, origin or source)
            _swap(partial, target, temporary / "replaced")
    except BaseException as error:
        for folder in missing:
            with contextlib.suppress(OSError):  # not created, or in use by another process
                folder.rmdir()
        if isinstance(error, OSError):
            raise ResultError(f"{target}: cannot be written: {os_error_text(error)}") from None
        raise
    return target


def _check_copy(copy: Path, origin: Path) -> None:
    """Check the copy that is to be published; errors name the original folder."""
    try:
        read_entry(copy)
    except ResultError as error:
        reason = str(error).replace(f"{copy}/", "").replace(str(copy), "entry")
        raise ResultError(f"{origin}: does not make a valid entry: {reason}") from None


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
    refuse_paths(result, RESULT_FILE)
    refuse_paths(entry, ENTRY_FILE)
    write_result(folder, result)
    write_text(folder / ENTRY_FILE, entry.model_dump_json(indent=2) + "\n")
    for record in result.seeds:
        names = [record.predictions_file, record.weights_file if weights else None]
        names.append(record.stages.file if record.stages else None)
        for name in filter(None, names):
            shutil.copyfile(plain_file(source, name), folder / name, follow_symlinks=False)
    if all(record.run_file for record in result.seeds):
        logs = [read_run_log(plain_file(source, str(record.run_file))) for record in result.seeds]
        for log in logs:
            refuse_paths(log, LOGS_FILE)
        write_logs(folder, logs)


def _result_text(result: Result) -> str:
    # The text that write_result writes.
    return result.model_dump_json(indent=2) + "\n"


def read_entry(folder: Path) -> StoredEntry:
    """Read an entry and check all its claims.

    Parameters
    ----------
    folder
        The entry's folder, named by its id.

    Returns
    -------
    StoredEntry
        The entry with its result.

    Raises
    ------
    ResultError
        If a file is missing, does not match its schema or its SHA-256, or a claim does not match the
        predictions.
    """
    path = folder / ENTRY_FILE
    if not path.exists():
        _refuse_missing(folder)
    plain_file(folder, ENTRY_FILE)
    for text in (path, folder / RESULT_FILE, folder / LOGS_FILE):
        if text.is_file() and (found := _steering(read_bytes(text))):
            raise ResultError(
                f"{text}: contains the control character {found!r}, which makes text look like another; write "
                "it as an escape"
            )
    entry = read_record(path, Entry, MAX_ENTRY_BYTES)
    if entry.id != folder.name:
        raise ResultError(f"{path}: its id is {entry.id!r}, but its folder is {folder.name!r}")
    if file_sha256(plain_file(folder, RESULT_FILE, MAX_JSON_BYTES)) != entry.result_sha256:
        raise ResultError(
            f"{folder / RESULT_FILE}: not the file that was submitted; submit the result again"
        )
    result, predictions, compared = check_result(folder, weights="if there")
    if slug(result.dataset.name, "data") != entry.dataset:
        raise ResultError(f"{path}: the result is for another data set, {result.dataset.name!r}")
    _check_files(folder, result)
    _check_declared(path, entry, result)
    logs = check_logs(folder, result)
    counted = count_parameters(folder, logs, result)
    verifications = read_verifications(folder)
    for one in verifications:
        place = f"{folder / VERIFICATION_FILE}"
        check_verification(one, entry.result_sha256, entry.sha256, result, place)
    return StoredEntry(
        entry,
        result,
        folder,
        _break_down(result, predictions),
        verifications,
        signers=find_signers(verifications),
        parameters_counted=counted,
        labels_compared=compared,
    )


def _break_down(result: Result, predictions: list[Predictions]) -> Breakdown:
    """Compute the accuracy of groups of samples; few-shot tasks of two seeds are of other samples, and have none.

    Neither has a study of noise, whose samples are tested several times.
    """
    if isinstance(result.study, FewShotStudy | NoiseStudy):
        return Breakdown(fingerprints=fingerprints(predictions))
    return break_down(predictions, result.dataset.classes)


def _refuse_missing(folder: Path) -> None:
    """Explain why there is no entry in a folder without its file; a link is refused by the caller."""
    path = folder / ENTRY_FILE
    if (folder / RESULT_FILE).is_file():
        raise ResultError(
            f"{path}: no such file, so this is a result; use spikebench submit to make an entry"
        )
    if not folder.is_dir():
        raise ResultError(f"{folder}: no such folder; give the folder of an entry")
    if not path.is_symlink():
        raise ResultError(f"{path}: no such file, so the folder is not an entry")


def _steering(content: bytes) -> str:
    """Find a control character; most files are ASCII, which is seen at once."""
    if content.isascii() and b"\x7f" not in content:
        return ""
    found = _STEERING.search(content.decode("utf-8", errors="replace"))
    return found[0] if found else ""


def _check_files(folder: Path, result: Result) -> None:
    """Refuse files that do not belong to an entry."""
    known = {ENTRY_FILE, RESULT_FILE, LOGS_FILE, VERIFICATION_FILE}
    known |= {record.stages.file for record in result.seeds if record.stages}
    for record in result.seeds:
        known |= {record.predictions_file, record.weights_file or RESULT_FILE}
    with os.scandir(folder) as found:
        for one in found:
            if one.name not in known:
                raise ResultError(
                    f"{printable(one.path)}: does not belong to an entry; remove it, or submit again"
                )
            if not one.is_file(follow_symlinks=False):
                plain_file(folder, one.name)  # raises with the reason


def _check_declared(path: Path, entry: Entry, result: Result) -> None:
    if (entry.track == "spiking") > result.model.spiking:
        raise ResultError(
            f"{path}: track spiking, but the model is not spiking according to the result"
        )
    _check_measured(path, entry.hardware, result)
    _check_study(path, entry.track, result)
    if not isinstance(result.training.get("input"), dict):
        return  # not made by our trainer: cannot be derived
    said = declare(result)
    if entry.track in ("spiking", "conventional-spikes", AUDIO):
        has_audio = own_track(result) == AUDIO
        if (entry.track == AUDIO) != has_audio:
            raise ResultError(
                f"{path}: track {entry.track}, but the input of the model is {'audio' if has_audio else 'spikes'} "
                "according to the result"
            )
    for name in ("augmentation", "input", "time_step_ms", "time_steps", "look_ahead"):
        claimed, found = getattr(entry.declared, name), getattr(said, name)
        if claimed != found and found is not None:
            raise ResultError(
                f"{path}: declared.{name} is {claimed!r}, but the result has {found!r}"
            )


def _check_study(path: Path, track: str, result: Result) -> None:
    """Refuse a study in another track than its own, and other results in the tracks of studies."""
    if result.study is not None:
        if track != result.study.track:
            raise ResultError(
                f"{path}: track {track}, but a study of {result.study.kind} belongs to the track {result.study.track}"
            )
        return
    if track in STUDY_TRACKS:
        raise ResultError(
            f"{path}: the track {track} has results of studies only: {STUDY_TRACKS[track]} --test writes them"
        )
    ours = isinstance(result.training.get("input"), dict)
    if track == "online" and ours and not is_online(result):
        raise ResultError(
            f"{path}: track online, but the model was not trained by an online rule; leave out --track"
        )


def _check_measured(path: Path, hardware: Hardware | None, result: Result) -> None:
    """Refuse measurements on a chip that do not fit the result, or beside what software counted."""
    if hardware is None:
        return
    test_samples = result.dataset.split.test_samples
    if hardware.samples > test_samples:
        raise ResultError(
            f"{path}: hardware.samples is {hardware.samples}, but there are {test_samples} test samples"
        )
    if any(seed.metrics is not None or seed.run_file is not None for seed in result.seeds):
        raise ResultError(
            f"{path}: measurements on a chip, but the result has a training log or cost metrics of software; submit "
            "the predictions of the chip with a form"
        )


def withdraw(folder: Path, reason: str) -> Entry:
    """Withdraw an entry; it stays in its folder, with the reason.

    Parameters
    ----------
    folder
        The entry, which must pass its checks.
    reason
        The reason, in one line.

    Returns
    -------
    Entry
        The changed entry.

    Raises
    ------
    ResultError
        If it fails its checks, was withdrawn before, or the reason is not valid.
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
