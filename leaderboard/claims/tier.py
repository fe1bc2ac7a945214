"""Tiers: how far a number was checked. Each has its own tables; nothing is ranked across them.

``verification.json`` of an entry records what was verified, by whom and with what; it refers to the result and the
entry by their SHA-256, so that it cannot be used for another one. It raises the tier on the machine where it was made,
and on others if it is signed by a trusted key, see :mod:`leaderboard.checks.signing`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from leaderboard.checks.signing import is_own, remember_own, sign, signer_of
from leaderboard.claims.declaration import Line
from spikebench.errors import ResultError
from spikebench.protocol.results import Interval, Result
from spikebench.records.fields import Count, Fraction, Sha256
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import write_text

VERIFICATION_FILE = "verification.json"
LEAST_AGREEMENT = 0.999
THIS_MACHINE = "this machine"

Tier = Literal["reported", "recomputed", "verified-inference", "verified-training"]
TIERS: dict[str, str] = {
    "verified-training": "trained again by a trusted verifier from the configuration; the mean is as claimed",
    "verified-inference": "weights run again by a trusted verifier; at least 99.9 % of the labels are equal",
    "recomputed": "recomputed here from the predictions",
    "reported": "from a paper, not checked here",
}
TIER_NAMES = {
    "verified-training": "Verified training",
    "verified-inference": "Verified inference",
    "recomputed": "Recomputed",
    "reported": "Reported",
}

_SIGNATURE = r"^-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+-----END SSH SIGNATURE-----\n$"
_WHEN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+00:00$"
_Text = Annotated[str, Field(min_length=1, max_length=500), Line]


def _check_time(text: str) -> str:
    datetime.fromisoformat(text)  # raises ValueError for a time that does not exist
    return text


class SeedCheck(BaseModel):
    """Verification of one seed: its accuracy here, and the fraction of equal labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Count
    accuracy: Fraction
    agreement: Fraction


class Verification(BaseModel):
    """One passed verification."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["inference", "training"]
    by: _Text
    when: Annotated[str, Field(pattern=_WHEN), AfterValidator(_check_time)]
    software: _Text
    environment: Annotated[dict[_Text, _Text], Field(max_length=50)]
    command: Annotated[str, Field(max_length=4000), Line]
    data_sha256: Sha256
    result_sha256: Sha256
    entry_sha256: Sha256
    seeds: Annotated[list[SeedCheck], Field(min_length=1, max_length=1000)]
    mean: Fraction
    claimed_interval: Interval
    signature: Annotated[str, Field(pattern=_SIGNATURE, max_length=10_000)] | None = None

    @property
    def signed_text(self) -> bytes:
        """What is signed: the other fields as JSON with sorted keys, without spaces and in ASCII."""
        fields = self.model_dump(mode="json", exclude={"signature"})
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _check_kinds(verifications: list[Verification]) -> list[Verification]:
    if len({one.kind for one in verifications}) < len(verifications):
        raise ValueError("two verifications of the same kind")
    return verifications


class Verifications(BaseModel):
    """Contents of ``verification.json``: at most one verification of each kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    verifications: Annotated[
        list[Verification], Field(min_length=1, max_length=2), AfterValidator(_check_kinds)
    ]


def read_verifications(folder: Path) -> tuple[Verification, ...]:
    """Read the verifications of an entry.

    Parameters
    ----------
    folder
        The entry.

    Returns
    -------
    tuple of Verification
        Empty if there are none.

    Raises
    ------
    ResultError
        If the file is not valid.
    """
    path = folder / VERIFICATION_FILE
    if not path.is_file():
        return ()
    return tuple(read_record(path, Verifications).verifications)


def write_verifications(folder: Path, verifications: Sequence[Verification]) -> None:
    """Write the verifications of an entry, whole or not at all.

    Parameters
    ----------
    folder
        The entry.
    verifications
        All verifications of the entry.
    """
    content = Verifications(verifications=list(verifications))
    write_text(folder / VERIFICATION_FILE, content.model_dump_json(indent=2) + "\n")


def add_verification(folder: Path, verification: Verification) -> None:
    """Record a passed verification made on this machine; an older one of its kind is replaced.

    Parameters
    ----------
    folder
        The entry.
    verification
        The verification.

    Raises
    ------
    ResultError
        If it was not passed, or the existing file is not valid; nothing is written then.
    """
    if reason := why_failed(verification):
        raise ResultError(f"{folder}: {reason}; nothing was written")
    others = [one for one in read_verifications(folder) if one.kind != verification.kind]
    write_verifications(folder, [*others, verification])
    remember_own(verification.signed_text)


def sign_verification(verification: Verification, key: Path) -> Verification:
    """Sign a verification.

    Parameters
    ----------
    verification
        The verification.
    key
        See :func:`leaderboard.checks.signing.sign`.

    Returns
    -------
    Verification
        The same with the signature.

    Raises
    ------
    ResultError
        If it cannot be signed with this key.
    """
    return verification.model_copy(update={"signature": sign(verification.signed_text, key)})


def find_signers(verifications: Sequence[Verification]) -> tuple[str, ...]:
    """Find whose signature each verification has.

    Parameters
    ----------
    verifications
        Those of an entry.

    Returns
    -------
    tuple of str
        Names in the files of allowed signers; empty for one that is not signed by any of them.
    """
    return tuple(
        signer_of(one.signed_text, one.signature, one.when) if one.signature else ""
        for one in verifications
    )


def find_trusted(verifications: Sequence[Verification], signers: Sequence[str]) -> tuple[str, ...]:
    """Find why each verification can be trusted here.

    Parameters
    ----------
    verifications
        Those of an entry.
    signers
        Whose signatures they have, see :func:`find_signers`; nobody's if it is empty.

    Returns
    -------
    tuple of str
        The signer, or ``this machine``; empty for a verification that is not trusted.
    """
    return tuple(
        signer or (THIS_MACHINE if is_own(one.signed_text) else "")
        for one, signer in zip(verifications, signers or [""] * len(verifications), strict=True)
    )


def why_failed(verification: Verification) -> str:
    """Return the reason why a verification is not passed.

    Parameters
    ----------
    verification
        The verification.

    Returns
    -------
    str
        The reason, with both numbers; empty if it was passed.
    """
    if verification.kind == "inference":
        worst = min(verification.seeds, key=lambda one: one.agreement)
        if worst.agreement >= LEAST_AGREEMENT:
            return ""
        return (
            f"seed {worst.seed}: only {worst.agreement:.2%} of the labels are equal to those of the entry; "
            f"{LEAST_AGREEMENT:.1%} are required"
        )
    interval = verification.claimed_interval
    # Means of the same numbers may differ by an ulp.
    if interval.low - 1e-12 <= verification.mean <= interval.high + 1e-12:
        return ""
    return (
        f"trained again, the mean test accuracy is {verification.mean:.2%}, outside the claimed interval "
        f"{interval.low:.2%} … {interval.high:.2%}"
    )


def check_verification(
    verification: Verification,
    result_sha256: str,
    entry_sha256: str,
    result: Result,
    where: str,
) -> None:
    """Compare a verification recorded in an entry with the result beside it.

    Parameters
    ----------
    verification
        The recorded verification.
    result_sha256, result
        The result of the entry.
    entry_sha256
        Of the entry without a withdrawal.
    where
        Location of the record, for messages.

    Raises
    ------
    ResultError
        If it refers to another result or entry, other seeds or another claim, or was not passed according to its
        numbers.
    """
    if verification.result_sha256 != result_sha256:
        raise ResultError(f"{where}: refers to another result")
    if verification.entry_sha256 != entry_sha256:
        raise ResultError(f"{where}: refers to another entry")
    accuracies = [one.accuracy for one in verification.seeds]
    agree = {
        "seeds": [one.seed for one in verification.seeds] == [one.seed for one in result.seeds],
        "claimed_interval": verification.claimed_interval == result.summary.test_interval,
        "data_sha256": verification.data_sha256 == result.dataset.sha256,
        "mean": abs(verification.mean - sum(accuracies) / len(accuracies)) < 1e-9,
    }
    for name, same in agree.items():
        if not same:
            raise ResultError(f"{where}, {verification.kind}: {name} does not match the result")
    if reason := why_failed(verification):
        raise ResultError(f"{where}, {verification.kind}: {reason}")


def tier_of(verifications: Sequence[Verification], trusted: Sequence[str]) -> str:
    """Return the tier of an entry whose predictions were recomputed.

    Parameters
    ----------
    verifications
        Its passed verifications.
    trusted
        Why each is trusted, see :func:`find_trusted`; those that are not do not count.

    Returns
    -------
    str
        The highest tier reached.
    """
    kinds = {one.kind for one, why in zip(verifications, trusted, strict=True) if why}
    for kind in ("training", "inference"):
        if kind in kinds:
            return f"verified-{kind}"
    return "recomputed"
