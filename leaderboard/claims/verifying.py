"""What raises the tier of an entry: what a verification needs of it, and the record of one."""

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
from spikebench.records.strict_json import first_problem
from spikebench.training.run_record import LOGS_FILE

Kind = Literal["inference", "training"]
NO_LOGS = (
    "holds no run.json, so how it was trained is not known here and it cannot be run again; entries of results that "
    "this version's `spikebench evaluate` wrote have one"
)


def find_lacks(stored: StoredEntry) -> dict[Kind, str]:
    """Find what an entry lacks for each kind of verification.

    Parameters
    ----------
    stored
        The entry.

    Returns
    -------
    dict
        Kind → what it lacks; empty where the verification can be done.
    """
    if not (stored.folder / LOGS_FILE).is_file():
        return {"inference": NO_LOGS, "training": NO_LOGS}
    names = [record.weights_file for record in stored.result.seeds]
    if None in names:
        lacks = "the result names no weights"
    elif all((stored.folder / str(name)).is_file() for name in names):
        lacks = ""
    else:
        lacks = "its weights are not in the entry; --weights FOLDER says where they are"
    return {"inference": lacks, "training": ""}


def make_verification(
    stored: StoredEntry,
    kind: Kind,
    answers: Sequence[Predictions],
    *,
    by: str,
    command: str,
    environment: Mapping[str, str],
) -> Verification:
    """Compare what was computed again with an entry; :func:`leaderboard.claims.tier.why_failed` judges it.

    Parameters
    ----------
    stored
        The entry.
    kind
        What was done.
    answers
        What came out, one per seed.
    by, command, environment
        Who verified, the command that repeats it, and on what machine it ran.

    Returns
    -------
    Verification
        Accuracy and agreement of every seed.

    Raises
    ------
    ResultError
        If the answers are not for the test samples of the entry, or a text does not fit.
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
            seeds=checks,
            mean=sum(check.accuracy for check in checks) / len(checks),
            claimed_interval=stored.result.summary.test_interval,
        )
    except ValidationError as error:
        raise ResultError(f"the verification's {first_problem(error)}") from None
