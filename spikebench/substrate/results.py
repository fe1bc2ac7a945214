"""The results of a study that was tested on the test split, for the leaderboard.

The network of seed k is tested on device k, or, where it is transferred, on the device after it. The fixed-point
substrate has one device.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from spikebench.protocol.studies import SubstrateStudy
from spikebench.records.strict_json import read_record
from spikebench.substrate.answers import CONDITIONS, Answers, Condition, DeviceAnswers
from spikebench.substrate.report import TRAINED
from spikebench.substrate.runner import read_answers
from spikebench.substrate.study import ACTIVITIES, RUN_FILE, Activity, Job, LoopRun, Study
from spikebench.sweeps.study_results import (
    TestedSeed,
    model_record,
    training_record,
    write_study_result,
)
from spikebench.sweeps.test_answers import TestAnswers
from spikebench.training.inference import build_model

__all__ = ["write_results"]


def write_results(study: Study, command: str) -> list[Path]:
    """Write a result for every condition on a device, without and with activity regularisation.

    Parameters
    ----------
    study
        The study, after it was run.
    command
        The command that repeats it.

    Returns
    -------
    list of Path
        Folders of the results; none if the test split was not tested.
    """
    if study.tested != "test":
        return []
    folders = []
    for condition, activity in product(CONDITIONS, ACTIVITIES):
        jobs = [
            job
            for job in study.jobs
            if (job.run.trained, job.run.activity) == (TRAINED[condition], activity)
        ]
        seeds = [_seed(study, job, condition) for job in jobs]
        done = [seed for seed in seeds if seed is not None]
        if condition != "software" and done and len(done) == len(seeds):
            folders.append(_write(study, jobs[0], condition, activity, done, command))
    return folders


def _write(
    study: Study,
    job: Job,
    condition: Condition,
    activity: Activity,
    seeds: list[TestedSeed],
    command: str,
) -> Path:
    record = study.record(job)
    settings = study.settings
    chip = settings.analog if study.substrate == "analog" else settings.fixed_point
    own = settings.model_dump(mode="json", exclude={"preset"})
    return write_study_result(
        study.output,
        f"{study.model}-{study.substrate}-{condition}-{activity}",
        command,
        study.selection.dataset,
        model_record(study.model, build_model(record), record.preset),
        training_record(record.preset, own | {"condition": condition, "activity": activity}),
        SubstrateStudy.model_validate(
            {
                "substrate": study.substrate,
                "condition": condition,
                "activity": activity,
                "settings": chip.model_dump(),
            }
        ),
        seeds,
    )


def _seed(study: Study, job: Job, condition: Condition) -> TestedSeed | None:
    """Read the test of a network on its device; None if there is none."""
    run = read_record(job.folder / RUN_FILE, LoopRun)
    device = 0
    if study.substrate == "analog":
        device = (run.seed + (condition == "transferred")) % study.seeds
    places = [read_answers(study, job, run, split) for split in ("validation", "test")]
    found = [(one, on) for one in places if one and (on := _on(one, condition, device))]
    if len(found) < 2 or not found[1][0].index:
        return None
    (validation, on_validation), (test, on_test) = found
    right = np.array(on_validation.predicted) == np.array(validation.label)
    training = study.record(job).preset.training
    epochs, batches = training.epochs, -(-run.train_samples // training.batch_size)
    return TestedSeed.of_last_weights(
        seed=run.seed,
        answers=TestAnswers(
            index=test.index, label=test.label, speaker=test.speaker, predicted=[on_test.predicted]
        ),
        validation_accuracy=float(right.mean()),
        epochs=epochs,
        test_opened=run.test_opened,
        train_seconds=run.seconds_per_batch * epochs * batches,
        spikes_per_sample=on_test.spikes,
    )


def _on(answers: Answers, condition: Condition, device: int) -> DeviceAnswers | None:
    return next(
        (one for one in answers.devices if (one.condition, one.device) == (condition, device)), None
    )
