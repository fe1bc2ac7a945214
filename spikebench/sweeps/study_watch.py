"""Watching the runs of a study: how many are done, how much of the work, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from spikebench.time_left import TimeLeft
from spikebench.workers import CallLostError

__all__ = ["StudyProgress", "StudyWatch"]


@dataclass(frozen=True)
class StudyProgress:
    """Progress of a study.

    ``work`` is the number of finished runs including the fractions of those in progress, ``rate`` the runs per second,
    ``seconds_left`` an estimate; None if there is none yet.
    """

    done: int
    failed: int
    total: int
    work: float
    rate: float | None
    seconds_left: float | None


class WatchedJob(Protocol):
    """A run of a study."""

    @property
    def folder(self) -> Path:
        """Its folder, which no other run has."""


class WatchedOutcome(Protocol):
    """What became of a run."""

    @property
    def failed(self) -> str:
        """Why it failed; empty if it did not."""


JobT = TypeVar("JobT", bound=WatchedJob)
OutcomeT = TypeVar("OutcomeT", bound=WatchedOutcome)


class StudyWatch(Generic[JobT, OutcomeT]):
    """Watch the runs in progress; for :func:`spikebench.sweeps.jobs.run_jobs`.

    Parameters
    ----------
    jobs
        All runs of the study.
    part
        Returns the finished part of a run, 0 … 1, from its files.
    lost
        Makes the outcome of a run whose worker was lost, from the reason.
    progress
        Called with the progress.
    is_trained
        Whether a run only has to be tested, which takes far less time than training.

    Attributes
    ----------
    outcomes : dict
        Outcome of every run that has ended, by its folder.
    """

    def __init__(
        self,
        jobs: Sequence[JobT],
        part: Callable[[JobT], float],
        lost: Callable[[str], OutcomeT],
        progress: Callable[[StudyProgress], None],
        is_trained: Callable[[JobT], bool] = lambda job: False,
    ) -> None:
        self.outcomes: dict[Path, OutcomeT] = {}
        self._part, self._lost, self._progress = part, lost, progress
        self._is_trained = is_trained
        self._under_way: list[JobT] = []
        self._parts = {job.folder: 0.0 for job in jobs}
        self._left = TimeLeft(least_pieces=1)
        self._left.see(0.0, time.monotonic())

    def begin(self, job: JobT) -> None:
        """Watch a run from now on; what was done before takes no time."""
        self._under_way.append(job)
        if not self._is_trained(job):
            self._parts[job.folder] = self._part(job)
            self._left.skip(self._parts[job.folder])

    def finish(self, job: JobT, future: Future[OutcomeT]) -> None:
        """Record the outcome of a run."""
        try:
            self.outcomes[job.folder] = future.result()
        except CallLostError as error:
            self.outcomes[job.folder] = self._lost(str(error))
        self._under_way.remove(job)
        if self._is_trained(job):
            self._left.skip(1.0)
        self._parts[job.folder] = 1.0

    def look(self) -> None:
        """Report the progress."""
        for job in self._under_way:
            if not self._is_trained(job):
                self._parts[job.folder] = max(self._part(job), self._parts[job.folder])
        work, total = sum(self._parts.values()), len(self._parts)
        self._left.see(work, time.monotonic())
        self._progress(
            StudyProgress(
                done=len(self.outcomes),
                failed=sum(bool(one.failed) for one in self.outcomes.values()),
                total=total,
                work=work,
                rate=self._left.rate,
                seconds_left=self._left.seconds(total),
            )
        )
