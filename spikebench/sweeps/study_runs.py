"""The runs of a study, several at a time, and the result that each keeps.

An interrupted study is resumed by running it again: results of finished runs are used, the others continue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from spikebench.errors import ResultError, TrainingError
from spikebench.records.fields import Record
from spikebench.records.strict_json import read_record
from spikebench.sweeps.jobs import run_jobs
from spikebench.sweeps.study_watch import StudyProgress, StudyWatch, WatchedJob, WatchedOutcome
from spikebench.workers import available_cores, worker_pool

__all__ = ["Ended", "read_run_result", "run_all"]

RecordT = TypeVar("RecordT", bound=Record)
ResultT = TypeVar("ResultT")
JobT = TypeVar("JobT", bound=WatchedJob)
OutcomeT = TypeVar("OutcomeT", bound=WatchedOutcome)


@dataclass(frozen=True)
class Ended(Generic[ResultT]):
    """What became of a run: its result, or the reason why it failed."""

    result: ResultT | None
    failed: str = ""


def read_run_result(path: Path, kind: type[RecordT], identity: str) -> RecordT | None:
    """Read the result of a run, if it is finished.

    Parameters
    ----------
    path
        The file, in the folder of the run.
    kind
        Its type, with the field ``identity``.
    identity
        SHA-256 of all that determines the result.

    Returns
    -------
    Record or None
        None if there is no result yet.

    Raises
    ------
    TrainingError
        If the folder contains the result of another run, or a damaged one.
    """
    if not path.exists():
        return None
    try:
        found = read_record(path, kind)
    except ResultError as error:
        raise TrainingError(f"{error}; delete the file to repeat the run") from None
    if getattr(found, "identity", "") != identity:
        raise TrainingError(f"{path.parent}: contains another run; choose another folder with -o")
    return found


def run_all(
    jobs: Sequence[JobT],
    run: Callable[[JobT, Callable[[], None] | None], OutcomeT],
    part: Callable[[JobT], float],
    lost: Callable[[str], OutcomeT],
    module: str,
    workers: int | None,
    progress: Callable[[StudyProgress], None],
) -> dict[Path, OutcomeT]:
    """Train and test all runs.

    Parameters
    ----------
    jobs
        The runs.
    run
        Trains a run to its end, in a worker; raises no exception if it fails. Its second argument is called after
        every piece of work if it is not None.
    part
        Returns the finished part of a run, 0 … 1, from its files.
    lost
        Makes the outcome of a run whose worker was lost, from the reason.
    module
        Module that the workers load first.
    workers
        Number of parallel runs; by default one per core.
    progress
        Called about every second, and after every run.

    Returns
    -------
    dict
        Outcome of every run, by its folder.

    Raises
    ------
    TrainingError
        If the workers are lost.
    """
    watch = StudyWatch(jobs, part, lost, progress)
    count = min(workers or available_cores(), len(jobs))
    # Within this process no other thread watches the run, so progress is reported by the run itself.
    look = watch.look if count == 1 else None
    with worker_pool(count, module) as pool:
        run_jobs(jobs, lambda job: pool.submit(run, job, look), lambda: count, watch)
    return watch.outcomes
