"""Running all trainings of a study, several at a time.

An interrupted study is resumed by running it again: results of finished runs are used, the others continue after
their last complete task.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from spikebench import __version__
from spikebench.continual.costs import StepCost, measured_costs
from spikebench.continual.report import (
    ContinualReport,
    ContinualSeed,
    ReportedModel,
    ReportedTasks,
    rows_of,
    write_report,
)
from spikebench.continual.run import ContinualRun, Job, read_result
from spikebench.continual.study import ContinualStudy, tasks_of
from spikebench.continual.tasks import TaskSequence
from spikebench.continual.training import train_tasks
from spikebench.events.dataset import SpikeDataset
from spikebench.metrics.chance import chance_level
from spikebench.sweeps.jobs import trained_part
from spikebench.sweeps.study_folder import note_study
from spikebench.sweeps.study_runs import Ended, run_all
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.sweeps.worker import FAILURES, reason
from spikebench.training.run import locked

__all__ = ["run_study"]


def run_study(
    study: ContinualStudy,
    *,
    workers: int | None = None,
    progress: Callable[[StudyProgress], None] = lambda state: None,
) -> ContinualReport:
    """Train and test all runs that are not done yet, and write the report.

    Parameters
    ----------
    study
        From :func:`spikebench.continual.study.plan_study`.
    workers
        Number of parallel runs; by default one per core.
    progress
        Called about every second, and after every run.

    Returns
    -------
    ContinualReport
        The written report; failed runs are included with their reason.

    Raises
    ------
    TrainingError
        If another process is using the folder, or the workers are lost.
    """
    study.output.mkdir(parents=True, exist_ok=True)
    with locked(study.output):
        note_study(study.output, "continual", study.dataset)
        outcomes = run_all(
            study.jobs,
            _run,
            _part,
            partial(Ended[ContinualRun], None),
            "spikebench.continual.training",
            workers,
            progress,
        )
        report = _report(study, outcomes)
        write_report(study.output, report)
    return report


def _run(job: Job, look: Callable[[], None] | None) -> Ended[ContinualRun]:
    """Train a run to its end; a failed run raises no exception."""
    try:
        return Ended(read_result(job) or train_tasks(job, tasks_of(job), look, _validation(job)))
    except FAILURES as error:
        return Ended(None, reason(error))


def _validation(job: Job) -> list[SpikeDataset]:
    """Return the validation samples of a run on the test split; none for speakers, whose samples are all trained."""
    if job.tested != "test" or job.sequence == "speakers":
        return []
    return [task.test for task in tasks_of(replace(job, tested="validation")).tasks]


def _part(job: Job) -> float:
    if read_result(job):
        return 1.0
    stages = 1 if job.method.kind == "joint" else _n_tasks(job)
    return trained_part(job.folder, stages * job.preset.training.epochs)


def _n_tasks(job: Job) -> int:
    # The number of tasks does not depend on the tested samples, so the test split stays closed here.
    return len(tasks_of(replace(job, tested="validation")).tasks)


def _report(study: ContinualStudy, outcomes: dict[Path, Ended[ContinualRun]]) -> ContinualReport:
    rows = []
    for sequence in study.sequences:
        for model in study.models:
            jobs = [job for job in study.jobs if (job.sequence, job.model) == (sequence, model)]
            runs = [
                (
                    method,
                    [
                        (_seed(job, outcomes[job.folder], study), outcomes[job.folder].result)
                        for job in jobs
                        if job.method == method
                    ],
                )
                for method in study.methods
            ]
            rows += rows_of(sequence, model, runs)
    results = [one.result for one in outcomes.values() if one.result]
    done = {job.sequence for job in study.jobs if outcomes[job.folder].result}
    return ContinualReport(
        software=f"spikebench {__version__}",
        dataset=study.dataset,
        tested=study.tested,
        settings=study.settings,
        seeds=study.seeds,
        test_opened=sum(one.test_opened for one in results),
        models=[ReportedModel(model=name, preset=preset) for name, preset in study.models.items()],
        tasks=[_tasks(study, name) for name in study.sequences if name in done],
        rows=rows,
        costs=_costs(study, done),
    )


def _tasks(study: ContinualStudy, name: str) -> ReportedTasks:
    sequence = tasks_of(next(job for job in study.jobs if job.sequence == name))
    return ReportedTasks(
        name=name,
        tasks=[task.name for task in sequence.tasks],
        masked=sequence.offered is not None,
        train_samples=[len(task.train) for task in sequence.tasks],
        tested_samples=[len(task.test) for task in sequence.tasks],
        chance=_chance(sequence, len(study.dataset.classes)),
    )


def _chance(sequence: TaskSequence, n_classes: int) -> float:
    """Return the mean chance level of the tasks, among the classes that are offered."""
    if sequence.offered is None:
        return 1 / n_classes
    counts = [np.bincount(task.test.labels, minlength=n_classes) for task in sequence.tasks]
    return float(np.mean([chance_level(one[one > 0].tolist()) for one in counts]))


def _costs(study: ContinualStudy, done: set[str]) -> list[StepCost]:
    """Measure one run per sequence, model and kind of method."""
    chosen = {
        (job.sequence, job.model, job.method.kind): job
        for job in reversed(study.jobs)
        if job.sequence in done and job.seed == 0
    }
    jobs = [(job, tasks_of(job)) for job in reversed(chosen.values())]
    return measured_costs(study.output / "costs.json", jobs)


def _seed(job: Job, outcome: Ended[ContinualRun], study: ContinualStudy) -> ContinualSeed:
    return ContinualSeed(
        seed=job.seed,
        run=job.folder.relative_to(study.output).as_posix(),
        accuracies=outcome.result.accuracies if outcome.result else [],
        failed=outcome.failed.replace(f"{study.output}{os.sep}", ""),
    )
