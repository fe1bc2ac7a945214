"""The results of a study that was tested on the test split, for the leaderboard."""

from __future__ import annotations

from pathlib import Path

from spikebench.continual.run import ContinualRun, Job, read_result
from spikebench.continual.study import ContinualStudy, tasks_of
from spikebench.continual.training import make_model
from spikebench.protocol.studies import ContinualStudy as StudyRecord
from spikebench.protocol.task_groups import class_groups
from spikebench.sweeps.study_results import (
    TestedSeed,
    model_record,
    tested_rows,
    training_record,
    write_study_result,
)
from spikebench.training.inference import bin_samples

__all__ = ["write_results"]


def write_results(study: ContinualStudy, command: str) -> list[Path]:
    """Write a result for every sequence, model and method of which all runs were tested on the test split.

    Parameters
    ----------
    study
        The study, after it was run.
    command
        The command that repeats it.

    Returns
    -------
    list of Path
        Folders of the results.
    """
    if study.tested != "test":
        return []
    rows = tested_rows(study.jobs, lambda job: (job.sequence, job.model, job.method), read_result)
    return [_write(study, jobs, runs, command) for jobs, runs in rows]


def _write(study: ContinualStudy, jobs: list[Job], runs: list[ContinualRun], command: str) -> Path:
    job = jobs[0]
    sequence = tasks_of(job)
    model, _ = make_model(job, bin_samples(sequence.tasks[0].train, job.preset))
    groups = list(class_groups(job.sequence, study.dataset.classes).values())
    speakers = [[int(task.test.speakers[0])] for task in sequence.tasks]
    settings = study.settings.model_dump(
        mode="json", include={"damping", "fisher_samples", "optimizer_state", "train_fraction"}
    )
    return write_study_result(
        study.output,
        f"{job.sequence}-{job.model}-{job.method}",
        command,
        study.dataset,
        model_record(job.model, model, job.preset),
        training_record(job.preset, settings | {"method": str(job.method)}),
        StudyRecord.model_validate(
            {
                "sequence": job.sequence,
                "method": str(job.method),
                "tasks": groups or speakers,
            }
        ),
        [_seed(one, run) for one, run in zip(jobs, runs, strict=True)],
    )


def _seed(job: Job, run: ContinualRun) -> TestedSeed:
    return TestedSeed.of_last_weights(
        seed=job.seed,
        answers=run.answers,
        validation_accuracy=run.validation_accuracy,
        epochs=job.preset.training.epochs * len(run.accuracies),
        test_opened=run.test_opened,
        train_seconds=run.seconds,
    )
