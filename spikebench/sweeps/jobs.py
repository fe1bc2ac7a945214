"""Running jobs on an Executor, some at a time, while their progress is watched."""

from __future__ import annotations

import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from pathlib import Path
from typing import Protocol, TypeVar

from spikebench.errors import TrainingError
from spikebench.training.run_record import HISTORY_FILE, REFIT_HISTORY_FILE
from spikebench.workers import ExecutorLostError

__all__ = ["Watch", "active", "run_jobs", "trained_part"]

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
JobT_contra = TypeVar("JobT_contra", contravariant=True)

_SIGN = ".running-"
_SECONDS_BETWEEN_LOOKS = 1.0


class Watch(Protocol[JobT_contra, ResultT]):
    """What is told about the progress of jobs."""

    def begin(self, job: JobT_contra) -> None:
        """Note that a job is submitted."""

    def finish(self, job: JobT_contra, future: Future[ResultT]) -> None:
        """Note that a job has ended."""

    def look(self) -> None:
        """Report the progress; called about every second."""


def run_jobs(
    jobs: Iterable[JobT],
    submit: Callable[[JobT], Future[ResultT]],
    window: Callable[[], int],
    watch: Watch[JobT, ResultT],
) -> None:
    """Run jobs until all have ended.

    Parameters
    ----------
    jobs
        In this order.
    submit
        Submits a job to the executor.
    window
        Called repeatedly; how many jobs are submitted at a time.
    watch
        Told about the progress.

    Raises
    ------
    TrainingError
        If the workers are lost.
    """
    waiting = deque(jobs)
    pending: dict[Future[ResultT], JobT] = {}
    try:
        while waiting or pending:
            while waiting and len(pending) < window():
                job = waiting.popleft()
                watch.begin(job)
                pending[submit(job)] = job
            # The timeout serves to report progress and to detect that all workers are gone.
            for future in wait(pending, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED).done:
                watch.finish(pending.pop(future), future)
            window()
            watch.look()
    except BrokenExecutor as error:
        why = (
            str(error)
            if isinstance(error, ExecutorLostError)
            else "a worker process died (killed, or out of memory? fewer --workers need less memory)"
        )
        raise TrainingError(
            f"{why}; complete epochs are kept, run the same command again to resume"
        ) from None


def trained_part(folder: Path, epochs: int, refit: bool = False) -> float:
    """Return the fraction of its epochs that a run has finished; a refit adds at most as many again.

    Parameters
    ----------
    folder
        The run, which may not exist.
    epochs
        Number of epochs.
    refit
        Whether it is refitted.

    Returns
    -------
    float
        In 0 … 1; 0 for a run that is not started, or a model without epochs.
    """
    files = (HISTORY_FILE, REFIT_HISTORY_FILE) if refit else (HISTORY_FILE,)
    done = sum(_epochs_in(folder / name) for name in files)
    return min(done / (len(files) * epochs), 1.0)


def _epochs_in(path: Path) -> int:
    try:
        return max(path.read_text(encoding="utf-8").count("\n") - 1, 0)
    except (OSError, ValueError):
        return 0  # not started, or a model without epochs


@contextlib.contextmanager
def active(output: Path) -> Iterator[Path]:
    """Create the file that marks the work on a folder as active, and remove those of killed commands.

    Parameters
    ----------
    output
        The folder, locked by the caller.

    Yields
    ------
    Path
        The sign, which workers look for.
    """
    for left in output.glob(f"{_SIGN}*"):
        left.unlink(missing_ok=True)
    sign = output / f"{_SIGN}{secrets.token_hex(8)}"
    sign.touch()
    try:
        yield sign
    finally:
        sign.unlink(missing_ok=True)
