"""The worker of a study: train one run, and test it under all conditions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.degradation.conditions import CLEAN, Condition
from spikebench.degradation.degraded import DEGRADATIONS, Sources
from spikebench.errors import ProtocolError
from spikebench.events.dataset import SpikeDataset
from spikebench.noise.after_conversion import damage_spikes, has_counterpart
from spikebench.noise.conversions import Ear, read_converted
from spikebench.noise.samples import heard_under, recordings_of, with_recordings, with_spikes
from spikebench.noise.study import Settings, TrainedOn, sources_of
from spikebench.noise.training import noisy_audio, noisy_spikes, training_recordings
from spikebench.protocol.opening import SelectionData
from spikebench.records.whole_files import file_sha256
from spikebench.sweeps.worker import FAILURES, Outcome, Task, open_once, reason, train_run
from spikebench.timing.answers import (
    Answers,
    ConditionAnswers,
    Tested,
    read_answers,
    write_answers,
)
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

__all__ = [
    "Measured",
    "Work",
    "asked_of",
    "measure",
    "missing_of",
    "on_spikes",
    "open_tested",
    "opening_of",
    "origin_of",
    "train",
]


@dataclass(frozen=True)
class Work:
    """A run as sent to a worker; every path is absolute.

    Attributes
    ----------
    task
        The run; its data are opened with their recordings.
    trained_on
        With what training recordings.
    settings
        What is done to recordings.
    ear
        How they were converted to spikes; None for a model on audio.
    tested
        The samples that are tested.
    answers
        The file of its predictions.
    output
        Folder of the study, with the spikes of degraded recordings.
    """

    task: Task
    trained_on: TrainedOn
    settings: Settings
    ear: Ear | None
    tested: Tested
    answers: Path
    output: Path


@dataclass(frozen=True)
class Measured:
    """The outcome of a run: answers, and how often the test split was opened; or the reason why it failed."""

    answers: Answers | None
    test_opened: int = 0
    failed: str = ""


def train(work: Work, look: Callable[[], None] | None = None) -> Outcome:
    """Train a run to its end.

    Parameters
    ----------
    work
        The run.
    look
        Called after every epoch.

    Returns
    -------
    Outcome
        A failed run raises no exception.

    Raises
    ------
    SpikebenchError
        As :func:`spikebench.sweeps.worker.train_run`.
    """

    def change(selection: SelectionData) -> SelectionData:
        settings, ear = work.settings, work.ear
        if work.trained_on == "clean":
            return selection if ear is None else replace(selection, audio=None)
        recordings = training_recordings(
            selection,
            settings.training_kinds,
            settings.seed,
            sources_of(selection, settings.noise),
            keep_offset=ear is not None and ear.encoder.keeps_offset,
        )
        if ear is None:
            return noisy_audio(selection, recordings)
        return noisy_spikes(selection, recordings, ear, work.output)

    return train_run(work.task, look, change)


def measure(work: Work, look: Callable[[], None] | None = None) -> Measured:
    """Test a trained run under the conditions under which it was not tested yet.

    Parameters
    ----------
    work
        The run.
    look
        Called after every condition.

    Returns
    -------
    Measured
        A failed run raises no exception.
    """
    try:
        # A given run is only written to if its test split is opened.
        lock = locked(work.task.folder) if work.tested == "test" else nullcontext()
        with lock, one_thread():
            answers = _test(work, look or (lambda: None))
            return Measured(answers, read_run(work.task.folder).test_opened)
    except FAILURES as error:
        return Measured(None, failed=reason(error))


def on_spikes(condition: Condition) -> str:
    """Name a condition that is done to spikes after the conversion."""
    return f"spikes {condition}"


def asked_of(settings: Settings, ear: Ear | None) -> list[tuple[Condition, bool]]:
    """List what a model is tested on.

    Parameters
    ----------
    settings
        What is done to recordings.
    ear
        How they were converted; None for a model on audio, which gets no damaged spikes.

    Returns
    -------
    list of (Condition, bool)
        Conditions of recordings, and those that are done to spikes (True).
    """
    asked = [(one, False) for one in settings.conditions]
    if ear is not None:
        frequencies = _frequencies(ear)
        asked += [
            (one, True)
            for one in settings.conditions
            if one != CLEAN and has_counterpart(one, frequencies)
        ]
    return asked


def _name(condition: Condition, is_on_spikes: bool) -> str:
    return on_spikes(condition) if is_on_spikes else str(condition)


@lru_cache(maxsize=8)
def _frequencies(ear: Ear) -> NDArray[np.float64] | None:
    return ear.encoder.characteristic_frequencies()


def origin_of(work: Work, record: RunRecord, sources: Sources) -> str:
    """Name what the answers of a run are of.

    Parameters
    ----------
    work, record
        The run.
    sources
        Recorded noise.

    Returns
    -------
    str
        SHA-256, equal for the same weights, data, tested samples, conversion and definition of degradations.
    """
    ear = work.ear
    said = [
        file_sha256(work.task.folder / WEIGHTS_FILE),
        record.dataset.model_dump(mode="json"),
        *(work.tested, DEGRADATIONS, work.settings.seed),
        *(sources.digest_for("babble"), sources.digest_for("recorded")),
        None if ear is None else [ear.encoder.name, ear.encoder.software(), ear.seed],
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def opening_of(origin: str, settings: Settings) -> str:
    """Name one opening of the test split: one is for all conditions of a command.

    Parameters
    ----------
    origin
        From :func:`origin_of`.
    settings
        What is done to recordings.

    Returns
    -------
    str
        SHA-256.
    """
    names = ",".join(map(str, settings.conditions))
    return hashlib.sha256(f"noise {origin} {names}".encode()).hexdigest()


def open_tested(work: Work, selection: SelectionData, origin: str) -> SpikeDataset:
    """Open the tested samples; an opening of the test split is counted before.

    Parameters
    ----------
    work
        A trained run, locked by the caller if its test split is opened.
    selection
        The data, opened with their recordings.
    origin
        From :func:`origin_of`.

    Returns
    -------
    SpikeDataset
        With their recordings.
    """
    if work.tested == "validation":
        return selection.validation
    return open_test_of_run(work.task.folder, selection, opening_of(origin, work.settings))


def missing_of(work: Work, kept: Answers | None) -> list[tuple[Condition, bool]]:
    """List what a run was not tested on yet.

    Parameters
    ----------
    work
        The run.
    kept
        Its answers, if there are any.

    Returns
    -------
    list of (Condition, bool)
        As :func:`asked_of`.
    """
    done = kept.conditions if kept else {}
    return [one for one in asked_of(work.settings, work.ear) if _name(*one) not in done]


def _test(work: Work, look: Callable[[], None]) -> Answers:
    folder, task = work.task.folder, work.task
    record = read_run(folder)
    selection = open_once(task.data, task.dataset.sha256, task.audio)
    if selection.dataset.first_difference(task.dataset):
        raise ProtocolError(f"{task.data}: has changed since the study began")
    sources = sources_of(selection, work.settings.noise)
    origin = origin_of(work, record, sources)
    kept = read_answers(work.answers, origin)
    missing = missing_of(work, kept)
    if kept and not missing:
        return kept
    model = place(load_trained(folder, record), find_device("cpu"), record)
    samples = open_tested(work, selection, origin)
    done = kept.conditions if kept else {}
    for name, changed in _changes(work, missing, samples, selection.train, sources):
        binned = bin_samples(changed, record.preset)
        predicted = run_model(model, binned, record.preset.training.batch_size).predicted
        done = done | {
            name: ConditionAnswers(
                predicted=predicted.tolist(), input_spikes=binned.n_events / len(binned)
            )
        }
        kept = Answers(
            origin=origin,
            label=samples.labels.tolist(),
            speaker=samples.speakers.tolist(),
            conditions=done,
        )
        write_answers(work.answers, kept)
        look()
    assert kept is not None  # there is at least one condition
    return kept


def _changes(
    work: Work,
    missing: Sequence[tuple[Condition, bool]],
    samples: SpikeDataset,
    train_samples: SpikeDataset,
    sources: Sources,
) -> Iterator[tuple[str, SpikeDataset]]:
    """Yield the samples under every condition."""
    settings, ear = work.settings, work.ear
    for condition, is_on_spikes in missing:
        if is_on_spikes:
            assert ear is not None
            found = damage_spikes(
                samples, train_samples, condition, settings.seed, _frequencies(ear)
            )
        elif ear is not None and condition == CLEAN:
            found = samples  # the spikes of the file
        elif condition == CLEAN:
            found = with_recordings(samples, recordings_of(samples))
        else:
            heard = heard_under(
                samples,
                [condition] * len(samples),
                settings.seed,
                sources,
                keep_offset=ear is not None and ear.encoder.keeps_offset,
            )
            found = (
                with_recordings(samples, heard)
                if ear is None
                else with_spikes(samples, read_converted(heard, ear, work.output))
            )
        yield _name(condition, is_on_spikes), found
