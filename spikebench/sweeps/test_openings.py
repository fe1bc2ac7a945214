"""How often the test split was opened for a run of a study: counted before the first predictions, in its folder.

``opened.json`` outlives a process that is killed in a test, and a result that is deleted. A run is determined by its
identity, so the test of the same run, repeated after an interruption, counts once; that of another run in the same
folder counts again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from spikebench.errors import ResultError, TrainingError
from spikebench.records.fields import Count, Record, Sha256
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import write_text

__all__ = ["OPENINGS_FILE", "count_opening"]

OPENINGS_FILE = "opened.json"


class _Openings(Record):
    """Contents of ``opened.json``: openings so far, and the identity of the run that was tested last."""

    format_version: Literal[1] = 1
    identity: Sha256
    test_opened: Count


def count_opening(folder: Path, identity: str) -> int:
    """Count an opening of the test split, unless it was opened for the same run before.

    Parameters
    ----------
    folder
        Folder of the run, in which no other process works.
    identity
        SHA-256 of all that determines the result.

    Returns
    -------
    int
        Openings for runs in this folder, this one included.

    Raises
    ------
    TrainingError
        If the count cannot be read.
    """
    path = folder / OPENINGS_FILE
    before = 0
    if path.exists():
        try:
            found = read_record(path, _Openings)
        except ResultError as error:
            raise TrainingError(
                f"{error}; openings of the test split cannot be counted in this folder; choose another with -o"
            ) from None
        if found.identity == identity:
            return found.test_opened
        before = found.test_opened
    folder.mkdir(parents=True, exist_ok=True)
    noted = _Openings(identity=identity, test_opened=before + 1)
    write_text(path, noted.model_dump_json(indent=2) + "\n")
    return noted.test_opened
