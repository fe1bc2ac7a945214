"""Tiers: how far a number was checked. Each has its own tables; nothing is ranked across them.

``verification.json`` of an entry holds what was verified, by whom and with what; it names the result by its SHA-256,
so that it speaks of no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leaderboard.declaration import Line
from spikebench.errors import ResultError
from spikebench.record import Count, Fraction, Sha256
from spikebench.results import Interval, first_problem, read_json, write_text

VERIFICATION_FILE = "verification.json"
LEAST_AGREEMENT = 0.999

Tier = Literal["reported", "recomputed", "verified-inference", "verified-training"]
TIERS: dict[str, str] = {
    "verified-training": "trained again here from the configuration; the mean lies in the claimed interval",
    "verified-inference": "weights run again here; at least 99.9 % of the labels are equal",
    "recomputed": "recomputed here from the predictions",
    "reported": "from a paper, not checked here",
}
TIER_NAMES = {
    "verified-training": "Verified training",
    "verified-inference": "Verified inference",
    "recomputed": "Recomputed",
    "reported": "Reported",
}

_Text = Annotated[str, Field(min_length=1, max_length=500), Line]


class SeedCheck(BaseModel):
    """What came out for one seed: its accuracy here, and the part of the labels that are equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Count
    accuracy: Fraction
    agreement: Fraction


class Verification(BaseModel):
    """One verification that was passed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["inference", "training"]
    by: _Text
    when: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
    software: _Text
    environment: Annotated[dict[_Text, _Text], Field(max_length=50)]
    command: Annotated[str, Field(max_length=4000), Line]
    data_sha256: Sha256
    result_sha256: Sha256
    seeds: Annotated[list[SeedCheck], Field(min_length=1, max_length=1000)]
    mean: Fraction
    claimed_interval: Interval


class Verifications(BaseModel):
    """Contents of ``verification.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    verifications: Annotated[list[Verification], Field(max_length=100)]


def read_verifications(folder: Path) -> tuple[Verification, ...]:
    """Read what was verified of an entry.

    Parameters
    ----------
    folder
        The entry.

    Returns
    -------
    tuple of Verification
        Empty if nothing was.

    Raises
    ------
    ResultError
        If the file does not fit.
    """
    path = folder / VERIFICATION_FILE
    if not path.is_file():
        return ()
    try:
        return tuple(Verifications.model_validate(read_json(path)).verifications)
    except ValidationError as error:
        raise ResultError(f"{path}: {first_problem(error)}") from None


def write_verifications(folder: Path, verifications: Sequence[Verification]) -> None:
    """Write what was verified of an entry, whole or not at all.

    Parameters
    ----------
    folder
        The entry.
    verifications
        All of them.
    """
    content = Verifications(verifications=list(verifications))
    write_text(folder / VERIFICATION_FILE, content.model_dump_json(indent=2) + "\n")


def tier_of(verifications: Sequence[Verification]) -> str:
    """Find the tier of an entry whose predictions were recomputed.

    Parameters
    ----------
    verifications
        Those that were passed.

    Returns
    -------
    str
        The highest that it has reached.
    """
    kinds = {one.kind for one in verifications}
    for kind in ("training", "inference"):
        if kind in kinds:
            return f"verified-{kind}"
    return "recomputed"
