"""The worker of a sweep: train one run and return its outcome.

While a sweep is active, its folder contains an empty file with a unique name, the sign. A worker that cannot find it
uses another file system. A run that no longer finds it after an epoch stops; this also stops runs on machines that
cannot receive a signal.

A run draws from torch's generator, of which there is one per process, so no process may train two runs at a time.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from spikebench import __version__
from spikebench.errors import SpikebenchError, TrainingError
from spikebench.presets.preset import Preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import DatasetRecord
from spikebench.records.text import os_error_text, printable
from spikebench.training.checkpoint import Epoch
from spikebench.training.inference import load_trained
from spikebench.training.loop import fit, start_run
from spikebench.training.run_record import RunRecord

__all__ = [
    "FAILURES",
    "Outcome",
    "Task",
    "finished",
    "open_once",
    "reason",
    "software",
    "train_run",
]

# Failures of one run that do not concern the others; torch reports lack of memory by RuntimeError.
FAILURES = (SpikebenchError, OSError, MemoryError, RuntimeError, ArithmeticError)

_at_work = threading.Lock()


@dataclass(frozen=True)
class Task:
    """One run as sent to a worker; every path is absolute."""

    folder: Path
    model: str
    preset: Preset
    seed: int
    data: str
    dataset: DatasetRecord
    sign: Path
    software: str
    refit: bool = False
    condition: str = ""
    audio: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: its record and size, or the reason why it failed."""

    record: RunRecord | None
    parameters: int = 0
    failed: str = ""


class _StoppedError(TrainingError):
    """The sweep of this run has ended."""


def software() -> str:
    """Name the software that determines the weights of a run, beside its settings.

    Returns
    -------
    str
        Its versions.
    """
    return f"spikebench {__version__} with torch {version('torch')}"


def train_run(
    task: Task,
    look: Callable[[], None] | None = None,
    change: Callable[[SelectionData], SelectionData] = lambda selection: selection,
) -> Outcome:
    """Train one run to its end in a worker.

    Parameters
    ----------
    task
        The run.
    look
        Called after every epoch.
    change
        Changes the data before the training; what it raises makes the run fail.

    Returns
    -------
    Outcome
        Outcome of the run; a failed run raises no exception.

    Raises
    ------
    SpikebenchError
        If this worker cannot train any run: it has other versions, cannot access the data or the folder, or is
        training another run.
    """
    if look is None:  # one of several workers, which use the other cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    here = f"the worker on {socket.gethostname()}"
    if task.software != software():
        raise SpikebenchError(f"{here} has {software()}, but the sweep has {task.software}")
    if not _at_work.acquire(blocking=False):
        raise SpikebenchError(
            f"{here} was given two runs at a time, which would mix their random numbers; "
            "start workers with one thread: dask worker ADDRESS --nthreads 1 --nworkers N"
        )
    try:
        if not task.sign.exists():
            raise SpikebenchError(
                f"{here} cannot find {task.sign.parent}; all workers need one file system, under the same paths"
            )
        try:
            selection = open_once(task.data, task.dataset.sha256, task.audio)
        except SpikebenchError as error:
            raise SpikebenchError(f"{here} cannot open the data: {error}") from None
        if selection.dataset.first_difference(task.dataset):
            raise SpikebenchError(f"{here}: {task.data} has changed since the sweep began")
        return _fit(task, selection, look, change)
    finally:
        _at_work.release()


@lru_cache(maxsize=1)
def open_once(data: str, sha256: str, audio: Path | None = None) -> SelectionData:
    """Open data once per process.

    Parameters
    ----------
    data
        Name or path of the data.
    sha256
        The expected SHA-256, which distinguishes earlier contents.
    audio
        Folder of the recordings, for models on audio.

    Returns
    -------
    SelectionData
        The samples without the test split.
    """
    return open_selection(data, audio=audio)


def _fit(
    task: Task,
    opened: SelectionData,
    look: Callable[[], None] | None,
    change: Callable[[SelectionData], SelectionData],
) -> Outcome:
    def report(epoch: Epoch, epochs: int) -> None:
        if look is not None:
            look()
        if not task.sign.exists():
            raise _StoppedError("stopped because its sweep has ended")

    try:
        selection = change(opened)
        record = start_run(
            task.folder,
            model=task.model,
            preset=task.preset,
            selection=selection,
            seed=task.seed,
            refit=task.refit,
            condition=task.condition,
        )
        return finished(task.folder, fit(task.folder, record, selection, "cpu", report))
    except FAILURES as error:
        return Outcome(None, failed=reason(error))


def finished(folder: Path, record: RunRecord) -> Outcome:
    """Return the outcome of a trained run.

    Parameters
    ----------
    folder, record
        The run.

    Returns
    -------
    Outcome
        Its record and size, or why its weights cannot be read.
    """
    try:
        return Outcome(record, load_trained(folder, record).n_parameters())
    except FAILURES as error:
        return Outcome(None, failed=reason(error))


def reason(error: Exception) -> str:
    """Describe why a run failed.

    Parameters
    ----------
    error
        One of :data:`FAILURES`.

    Returns
    -------
    str
        One line.
    """
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return printable(f"{place}{os_error_text(error)}")
    first = printable((str(error).splitlines() or [""])[0].strip())
    if isinstance(error, SpikebenchError):
        return first
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
