"""The results of a study that was tested on the test split, for the leaderboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spikebench.protocol.studies import PruningStudy as StudyRecord
from spikebench.pruning.methods import DENSE
from spikebench.pruning.run import Job, PruningRun, read_result
from spikebench.pruning.study import PruningStudy, samples_of
from spikebench.pruning.training import make_model
from spikebench.sweeps.study_results import (
    TestedSeed,
    model_record,
    tested_rows,
    training_record,
    write_study_result,
)
from spikebench.training.inference import bin_samples

__all__ = ["write_results"]


def write_results(study: PruningStudy, command: str) -> list[Path]:
    """Write a result for every model, density and method of which all runs were tested on the test split.

    Parameters
    ----------
    study
        The study, after it was run.
    command
        The command that repeats it.

    Returns
    -------
    list of Path
        Folders of the results; none for the dense network, which is a classifier like any other.
    """
    if study.tested != "test":
        return []
    pruned = [job for job in study.jobs if job.method != DENSE]
    rows = tested_rows(pruned, lambda job: (job.model, job.method, job.density), read_result)
    return [_write(study, jobs, runs, command) for jobs, runs in rows]


def _write(study: PruningStudy, jobs: list[Job], runs: list[PruningRun], command: str) -> Path:
    job = jobs[0]
    train = bin_samples(samples_of(replace(job, tested="validation")).train, job.preset)
    model, _ = make_model(job, train)
    kept = [one.kept for one in runs[0].kept]
    settings = {"method": job.method, "density": job.density}
    return write_study_result(
        study.output,
        f"{job.model}-{job.method}-{job.density:g}",
        command,
        study.dataset,
        model_record(job.model, model, job.preset),
        training_record(job.preset, settings | study.settings.model_dump(mode="json")),
        StudyRecord(
            method=job.method,
            weights=sum(one.weights for one in runs[0].kept),
            kept=sum(kept),
        ),
        [_seed(one, run) for one, run in zip(jobs, runs, strict=True)],
    )


def _seed(job: Job, run: PruningRun) -> TestedSeed:
    return TestedSeed.of_last_weights(
        seed=job.seed,
        answers=run.answers,
        validation_accuracy=run.accuracies[-1],
        epochs=job.preset.training.epochs,
        test_opened=run.test_opened,
        train_seconds=run.seconds,
        spikes_per_sample=run.spikes if run.spikes else None,
        metrics=run.metrics,
    )
