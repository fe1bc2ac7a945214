"""The results of a study that was tested on the test split, for the leaderboard: areas under curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spikebench.metrics.areas import kinds_with_area
from spikebench.noise.study import Job, Study, TrainedOn
from spikebench.noise.training import RATIOS_DB, SHARE, TRAINING_KINDS
from spikebench.protocol.noise_answers import NoiseAnswers
from spikebench.protocol.opening import read_split_labels
from spikebench.protocol.studies import NoiseStudy
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_entries import Entry
from spikebench.sweeps.study_results import (
    TestedSeed,
    model_record,
    training_record,
    write_study_result,
)
from spikebench.timing.answers import MAX_ANSWERS_BYTES, Answers
from spikebench.training.inference import load_trained
from spikebench.training.run import read_run

__all__ = ["write_results"]


def write_results(study: Study, command: str) -> list[Path]:
    """Write a result for every model and training of which all runs were tested on the test split.

    Parameters
    ----------
    study
        The study, after it was run without failures.
    command
        The command that repeats it.

    Returns
    -------
    list of Path
        Folders of the results; none without ``--test``, for refitted runs, whose training a result of a study does
        not describe, or if no kind of noise but that of the user was tested at two ratios.
    """
    usual = [one for one in study.settings.conditions if one.kind in TRAINING_KINDS]
    conditions = [str(one) for those in kinds_with_area(usual).values() for one in those]
    if study.tested != "test" or not conditions:
        return []
    index = read_split_labels(study.selection.data).test.index
    groups: dict[tuple[str, TrainedOn], list[Job]] = {}
    for job in study.jobs:
        groups.setdefault((job.entry.name, job.trained_on), []).append(job)
    return [
        _write(study, jobs, conditions, index, command)
        for jobs in groups.values()
        if not any(read_run(job.folder).refit for job in jobs)
    ]


def _write(
    study: Study, jobs: Sequence[Job], conditions: list[str], index: np.ndarray, command: str
) -> Path:
    entry, trained_on = jobs[0].entry, jobs[0].trained_on
    model = load_trained(jobs[0].folder, read_run(jobs[0].folder))
    encoder = study.ear.encoder.name if study.ear and not entry.on_audio else None
    return write_study_result(
        study.output,
        f"{entry.name}-{trained_on}",
        command,
        study.selection.dataset,
        model_record(entry.model, model, entry.preset),
        _training(study, entry, trained_on),
        NoiseStudy(
            trained=trained_on,
            encoder=encoder,
            conditions=conditions,
            noise_seed=study.settings.seed,
        ),
        [_seed(job, conditions, index) for job in jobs],
    )


def _training(study: Study, entry: Entry, trained_on: TrainedOn) -> dict[str, object]:
    said = training_record(entry.preset, {"noise_seed": study.settings.seed})
    if entry.preset.mel is not None:
        said["mel"] = entry.preset.mel.model_dump(mode="json")
    if trained_on == "noise":
        kinds = ", ".join(study.settings.training_kinds)
        low, high = RATIOS_DB
        what = f"{kinds} noise at {low:g} … {high:g} dB in {SHARE:.0%} of the training recordings"
        said["declared"] = {"augmentation": what}
    return said


def _seed(job: Job, conditions: Sequence[str], index: np.ndarray) -> TestedSeed:
    record = read_run(job.folder)
    answers = read_record(job.answers, Answers, MAX_ANSWERS_BYTES)
    order = np.argsort(index, kind="stable")
    predicted = [np.array(answers.conditions[name].predicted, np.int64) for name in conditions]
    return TestedSeed(
        seed=job.seed,
        answers=NoiseAnswers(
            index[order],
            np.array(answers.label, np.int64)[order],
            np.array(answers.speaker, np.int64)[order],
            np.stack(predicted)[:, order],
        ),
        validation_accuracy=record.validation_accuracy,
        epochs=record.epochs,
        selected_epoch=record.selected_epoch,
        selected_on="validation",
        test_opened=record.test_opened,
        train_seconds=record.train_seconds,
    )
