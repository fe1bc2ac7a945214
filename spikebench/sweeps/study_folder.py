"""The folder of a study: its kind and its data are noted in it, so that no other study is mixed into it.

``study.json`` is written when a study starts. A folder without it, of an earlier version, is recognised by its report.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field
from safetensors import SafetensorError, safe_open

from spikebench.errors import ResultError, TrainingError
from spikebench.protocol.results import DatasetRecord
from spikebench.records.fields import Record
from spikebench.records.strict_json import read_record
from spikebench.records.text import printable
from spikebench.records.whole_files import write_text

__all__ = [
    "STUDY_FILE",
    "StudyKind",
    "note_study",
    "refuse_other_checkpoint",
    "refuse_other_study",
    "refuse_twice",
]

STUDY_FILE = "study.json"

StudyKind = Literal[
    "pruning", "continual", "fewshot", "substrate", "timing", "noise", "patterns", "sweep"
]
# First part of the name of a report: what is in a folder that contains one.
_REPORTS = {
    "pruning": "a study of pruning",
    "continual": "a study of continual learning",
    "fewshot": "a study of few-shot learning",
    "substrate": "a study with a substrate in the loop",
    "timing": "a study of timing",
    "noise": "a study of noise",
    "patterns": "a study of spike patterns",
    "sweep": "a sweep",
    "run": "a run",
    "result": "a result",
}


class StudyNote(Record):
    """Contents of ``study.json``: the kind of the study, and its data; none for spike patterns, which are drawn."""

    schema_version: Literal[1] = 1
    kind: StudyKind
    dataset: DatasetRecord | None = Field(default=None, exclude_if=lambda dataset: dataset is None)


def refuse_other_study(folder: Path, kind: StudyKind, dataset: DatasetRecord | None) -> None:
    """Raise if a folder is in use by something else than this study; nothing is written.

    Parameters
    ----------
    folder
        Folder of the study; it need not exist.
    kind, dataset
        The study.

    Raises
    ------
    TrainingError
        If it contains another kind of study, a study on other data, a sweep, a run or a result.
    """
    path = folder / STUDY_FILE
    if path.exists():
        try:
            note = read_record(path, StudyNote)
        except ResultError as error:
            raise TrainingError(f"{error}; choose another folder with -o") from None
        if note.kind != kind:
            raise _other(folder, _REPORTS[note.kind])
        if not note.dataset or not dataset:
            return
        if difference := note.dataset.first_difference(dataset):
            name = printable(note.dataset.name)
            raise _other(folder, f"{_REPORTS[kind]} on other data ({name}, another {difference})")
        return
    for name, what in _REPORTS.items():
        if name != kind and any((folder / f"{name}{end}.json").exists() for end in ("", "-test")):
            raise _other(folder, what)


def note_study(folder: Path, kind: StudyKind, dataset: DatasetRecord | None) -> None:
    """Note which study a folder contains.

    Parameters
    ----------
    folder
        Folder of the study, locked by the caller.
    kind, dataset
        The study.

    Raises
    ------
    TrainingError
        As :func:`refuse_other_study`; nothing is written then.
    """
    refuse_other_study(folder, kind, dataset)
    path = folder / STUDY_FILE
    if not path.exists():
        write_text(path, StudyNote(kind=kind, dataset=dataset).model_dump_json(indent=2) + "\n")


def refuse_other_checkpoint(path: Path, identity: str) -> None:
    """Raise if an interrupted run left the checkpoint of another run; only its header is read.

    Parameters
    ----------
    path
        The checkpoint, in the folder of the run; it need not exist.
    identity
        SHA-256 that identifies the run.

    Raises
    ------
    TrainingError
        If it is of another run, or not readable.
    """
    if not path.exists():
        return
    try:
        with safe_open(path, framework="numpy") as file:
            note = json.loads((file.metadata() or {}).get("note", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise TrainingError(
            f"{path}: not readable as safetensors: {printable(str(error))}; delete it to restart the run"
        ) from None
    if not isinstance(note, dict) or note.get("run") != identity:
        raise _other(path.parent, "another run")


def refuse_twice(folders: Sequence[Path], pictures: Sequence[Sequence[str]]) -> None:
    """Raise if a page would contain the same study twice, or two studies whose pictures have the same name.

    Parameters
    ----------
    folders
        Folders of the studies.
    pictures
        Names of the pictures of each study.

    Raises
    ------
    ResultError
        With the folders.
    """
    seen: dict[str, Path] = {}
    for folder, names in zip(folders, pictures, strict=True):
        for name in names:
            other = seen.setdefault(name, folder)
            if other is folder:
                continue
            if other.resolve() == folder.resolve():
                raise ResultError(f"{folder}: is given twice; give every study once")
            raise ResultError(
                f"{folder}: is on the same data with the same model as {other}; write a page for each"
            )


def _other(folder: Path, what: str) -> TrainingError:
    return TrainingError(f"{folder}: contains {what}; choose another folder with -o")
