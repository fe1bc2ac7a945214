"""Raising the tier of an entry: the requirements of a verification, and its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from leaderboard.claims.entry import StoredEntry
from leaderboard.claims.tier import SeedCheck, Verification
from spikebench import __version__
from spikebench.errors import ResultError
from spikebench.metrics.classification import accuracy
from spikebench.protocol.results import Predictions, read_predictions
from spikebench.protocol.scoring import agreement
from spikebench.protocol.studies import ContinualStudy, FewShotStudy, PruningStudy, Study
from spikebench.records.problems import first_problem
from spikebench.records.text import printable
from spikebench.training.run_record import LOGS_FILE

Kind = Literal["inference", "training"]
NO_LOGS = (
    "contains no run.json, so its training settings are unknown and it cannot be run again; entries of results "
    "written by this version's `spikebench evaluate` have one"
)


def find_lacks(stored: StoredEntry) -> dict[Kind, str]:
    """Find the missing requirements of an entry for each kind of verification.

    Parameters
    ----------
    stored
        The entry.

    Returns
    -------
    dict
        Kind → what is missing; empty where the verification is possible.
    """
    if (study := stored.result.study) is not None:
        lacks = study_lacks(study, stored.result.command)
        return (
            {"inference": "a study keeps no weights; --training repeats it", "training": ""}
            if not lacks
            else {"inference": lacks, "training": lacks}
        )
    if not (stored.folder / LOGS_FILE).is_file():
        return {"inference": NO_LOGS, "training": NO_LOGS}
    model = stored.result.model
    if model.code_sha256 is not None:
        lacks = code_needed(model.name, model.code_sha256)
        return {"inference": lacks, "training": lacks}
    names = [record.weights_file for record in stored.result.seeds]
    if None in names:
        lacks = "the result refers to no weights"
    elif all((stored.folder / str(name)).is_file() for name in names):
        lacks = ""
    else:
        lacks = "the entry does not contain its weights; give their folder with --weights FOLDER"
    return {"inference": lacks, "training": ""}


def study_lacks(study: Study, command: str) -> str:
    """Say why the result of a study cannot be trained again.

    Parameters
    ----------
    study, command
        The study, and the command that its result names.

    Returns
    -------
    str
        One line; empty for learning task after task, and for pruned networks.
    """
    if isinstance(study, ContinualStudy | PruningStudy):
        return ""
    what = (
        "few-shot learning" if isinstance(study, FewShotStudy) else "training on an emulated chip"
    )
    return (
        f"an entry of {what} keeps no weights and not all settings of its training, so it is not verified; repeat the "
        f"study in a folder of your own and compare the results: {printable(command)[:400]}"
    )


def code_needed(name: str, sha256: str) -> str:
    """Say which file the verification of a network of its author needs.

    Parameters
    ----------
    name, sha256
        Names of file and class, and SHA-256 of the file.

    Returns
    -------
    str
        One line. The file is not in the entry, and nothing of an entry is run.
    """
    return (
        f"the model is {printable(name)}, a file of its authors that is not in the entry (SHA-256 {sha256[:16]}…); get "
        f"the file, read it, and name it with --model {printable(name)}, which runs its code"
    )


def make_verification(
    stored: StoredEntry,
    kind: Kind,
    answers: Sequence[Predictions],
    *,
    by: str,
    command: str,
    environment: Mapping[str, str],
) -> Verification:
    """Compare recomputed predictions with an entry; see :func:`leaderboard.claims.tier.why_failed`.

    Parameters
    ----------
    stored
        The entry.
    kind
        Kind of verification.
    answers
        The recomputed predictions, one set per seed.
    by, command, environment
        Verifier, command that reproduces the verification, and description of the machine.

    Returns
    -------
    Verification
        Accuracy and agreement of every seed.

    Raises
    ------
    ResultError
        If the predictions are not for the test samples of the entry, or a text is not valid.
    """
    checks = []
    for record, found in zip(stored.result.seeds, answers, strict=True):
        claimed = read_predictions(stored.folder / record.predictions_file)
        checks.append(
            SeedCheck(
                seed=record.seed,
                accuracy=accuracy(found.label, found.predicted),
                agreement=agreement(claimed, found),
            )
        )
    try:
        return Verification(
            kind=kind,
            by=by,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            software=f"spikebench {__version__}",
            environment=dict(environment),
            command=command,
            data_sha256=stored.result.dataset.sha256,
            result_sha256=stored.entry.result_sha256,
            entry_sha256=stored.entry.sha256,
            seeds=checks,
            mean=sum(check.accuracy for check in checks) / len(checks),
            claimed_interval=stored.result.summary.test_interval,
        )
    except ValidationError as error:
        raise ResultError(f"the verification's {first_problem(error)}") from None
