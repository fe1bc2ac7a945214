"""The worker of a study: train one run, and test it under its conditions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from spikebench.errors import ProtocolError
from spikebench.events.changed import few_spikes
from spikebench.events.conditions import CLEAN, Condition
from spikebench.events.dataset import SpikeDataset
from spikebench.protocol.opening import SelectionData
from spikebench.records.whole_files import file_sha256
from spikebench.sweeps.worker import FAILURES, Task, open_once, reason, train_run
from spikebench.timing.answers import (
    Answers,
    ConditionAnswers,
    Tested,
    origin_of,
    read_answers,
    write_answers,
)
from spikebench.training.changed import bins_of, changed
from spikebench.training.inference import (
    bin_samples,
    find_device,
    load_trained,
    one_thread,
    place,
    run_model,
)
from spikebench.training.run import WEIGHTS_FILE, locked, open_test_of_run, read_run
from spikebench.training.run_record import RunRecord

__all__ = ["Measured", "Measurement", "measure"]


@dataclass(frozen=True)
class Measurement:
    """A job as sent to a worker; every path is absolute.

    Attributes
    ----------
    task
        The run.
    is_trained
        Whether it was trained before.
    conditions
        Conditions of its test.
    tested
        The samples that are tested.
    answers
        The file of its predictions.
    """

    task: Task
    is_trained: bool
    conditions: tuple[Condition, ...]
    tested: Tested
    answers: Path


@dataclass(frozen=True)
class Measured:
    """The outcome of a job: answers, and how often the test split was opened; or the reason why it failed."""

    answers: Answers | None
    test_opened: int = 0
    failed: str = ""


def measure(job: Measurement, look: Callable[[], None] | None = None) -> Measured:
    """Train a run to its end, if it is not trained, and test it.

    Parameters
    ----------
    job
        The job.
    look
        Called after every epoch.

    Returns
    -------
    Measured
        A failed run raises no exception.

    Raises
    ------
    SpikebenchError
        As :func:`spikebench.sweeps.worker.train_run`.
    """
    if not job.is_trained:
        outcome = train_run(job.task, look)
        if outcome.failed:
            return Measured(None, failed=outcome.failed)
    try:
        # A given run is only written to if its test split is opened.
        lock = locked(job.task.folder) if job.tested == "test" else nullcontext()
        with lock, one_thread():
            answers = _test(job)
            return Measured(answers, read_run(job.task.folder).test_opened)
    except FAILURES as error:
        return Measured(None, failed=reason(error))


def _test(job: Measurement) -> Answers:
    """Answer under the conditions that are not answered yet; the caller locks the run to open its test split."""
    folder = job.task.folder
    record = read_run(folder)
    selection = open_once(job.task.data, job.task.dataset.sha256)
    if selection.dataset.first_difference(job.task.dataset):
        raise ProtocolError(f"{job.task.data}: has changed since the study began")
    origin = origin_of(file_sha256(folder / WEIGHTS_FILE), record.dataset, job.tested)
    kept = read_answers(job.answers, origin)
    done = kept.conditions if kept else {}
    missing = [condition for condition in job.conditions if str(condition) not in done]
    if kept and not missing:
        return kept
    model = place(load_trained(folder, record), find_device("cpu"), record)
    samples = _open(job, folder, selection, origin)
    for condition in missing:
        binned = bin_samples(_change(samples, selection, condition, record), record.preset)
        predicted = run_model(model, binned, record.preset.training.batch_size).predicted
        done = done | {
            str(condition): ConditionAnswers(
                predicted=predicted.tolist(),
                input_spikes=binned.n_events / len(binned),
                few_spikes=few_spikes(samples, selection.train, condition, bins_of(record.preset)),
            )
        }
        kept = Answers(
            origin=origin,
            label=samples.labels.tolist(),
            speaker=samples.speakers.tolist(),
            conditions=done,
        )
        write_answers(job.answers, kept)
    assert kept is not None  # there is at least one condition
    return kept


def _open(job: Measurement, folder: Path, selection: SelectionData, origin: str) -> SpikeDataset:
    """Open the tested samples; one opening of the test split is for all conditions of a command."""
    if job.tested == "validation":
        return selection.validation
    names = ",".join(map(str, job.conditions))
    opening = hashlib.sha256(f"timing {origin} {names}".encode()).hexdigest()
    return open_test_of_run(folder, selection, opening)


def _change(
    samples: SpikeDataset, selection: SelectionData, condition: Condition, record: RunRecord
) -> SpikeDataset:
    name = "" if condition == CLEAN else str(condition)
    return changed(samples, selection.train, name, record.seed, record.preset)
