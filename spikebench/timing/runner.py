"""Training and testing all runs of a study, several at a time.

An interrupted study is resumed by running it again: trained runs and kept predictions are used, the others continue.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from spikebench import __version__
from spikebench.events.conditions import CLEAN, Condition
from spikebench.records.text import shareable
from spikebench.sweeps.jobs import active, run_jobs, trained_part
from spikebench.sweeps.study_entries import Entry
from spikebench.sweeps.study_folder import note_study
from spikebench.sweeps.study_watch import StudyProgress, StudyWatch
from spikebench.sweeps.worker import Task, software
from spikebench.timing.answers import Answers
from spikebench.timing.report import (
    StudyModel,
    TimingReport,
    TimingRow,
    TimingSeed,
    chance_of,
    row,
    write_report,
)
from spikebench.timing.study import Job, Study
from spikebench.timing.worker import Measured, Measurement, measure
from spikebench.training.run import locked
from spikebench.workers import available_cores, worker_pool

__all__ = ["run_study"]


def run_study(
    study: Study,
    *,
    workers: int | None = None,
    progress: Callable[[StudyProgress], None] = lambda state: None,
) -> TimingReport:
    """Train and test all runs that are not done yet, and write the report.

    Parameters
    ----------
    study
        From :func:`spikebench.timing.study.plan_study`.
    workers
        Number of parallel runs; by default one per core.
    progress
        Called about every second, and after every run.

    Returns
    -------
    TimingReport
        The written report; failed runs are included with their reason.

    Raises
    ------
    TrainingError
        If another process is using the folder, or the workers are lost.
    """
    study.output.mkdir(parents=True, exist_ok=True)
    with locked(study.output), active(study.output) as sign:
        note_study(study.output, "timing", study.selection.dataset)
        watch = StudyWatch(
            study.jobs,
            part=_part,
            lost=lambda why: Measured(None, failed=why),
            progress=progress,
            is_trained=lambda job: job.is_trained,
        )
        count = min(workers or available_cores(), len(study.jobs))
        # Within this process no other thread watches the run, so progress is reported after every epoch.
        look = watch.look if count == 1 else None
        with worker_pool(count, "spikebench.timing.worker") as pool:
            run_jobs(
                study.jobs,
                lambda job: pool.submit(measure, _measurement(study, job, sign), look),
                lambda: count,
                watch,
            )
        report = _report(study, watch.outcomes)
        write_report(study.output, report)
    return report


def _measurement(study: Study, job: Job, sign: Path) -> Measurement:
    task = Task(
        job.folder,
        job.entry.model,
        job.entry.preset,
        job.seed,
        study.selection.data,
        study.selection.dataset,
        sign,
        software(),
        condition="" if job.trained_on == CLEAN else str(job.trained_on),
    )
    return Measurement(task, job.is_trained, job.conditions, study.tested, job.answers)


def _part(job: Job) -> float:
    return trained_part(job.folder, job.entry.preset.training.epochs)


def _report(study: Study, outcomes: dict[Path, Measured]) -> TimingReport:
    rows: list[TimingRow] = []
    method = ""
    for condition in study.conditions:
        for entry in study.entries:
            for one, how in _rows(study, entry, condition, outcomes):
                rows.append(one)
                method = method or how
    answers = next((one.answers for one in outcomes.values() if one.answers), None)
    dataset = study.selection.dataset
    seeds = max(len(entry.seeds) for entry in study.entries)
    return TimingReport(
        software=f"spikebench {__version__}",
        dataset=dataset,
        tested=study.tested,
        samples=len(answers.label) if answers else 0,
        chance=chance_of(answers, len(dataset.classes)),
        interval=method.replace(" test ", f" {study.tested} ")
        + (", and the spread of the seeds" if method and seeds > 1 else ""),
        test_opened=sum(one.test_opened for one in outcomes.values()),
        models=[
            StudyModel(name=one.name, model=one.model, preset=one.preset, seeds=list(one.seeds))
            for one in study.entries
        ],
        conditions=[str(condition) for condition in study.conditions],
        rows=rows,
    )


def _rows(
    study: Study, entry: Entry, condition: Condition, outcomes: dict[Path, Measured]
) -> list[tuple[TimingRow, str]]:
    """Compute the rows of a model under a condition: trained on unchanged spikes, and under the condition."""
    mine = [job for job in study.jobs if job.entry is entry]
    on_clean = [job for job in mine if job.trained_on == CLEAN]
    on_changed = [job for job in mine if job.trained_on == condition != CLEAN]
    clean = [one for job in on_clean if (one := outcomes[job.folder].answers)]
    kinds: tuple[tuple[Literal["clean", "changed"], list[Job]], ...] = (
        ("clean", on_clean),
        ("changed", on_changed),
    )
    return [
        row(
            entry.name,
            condition,
            trained_on,
            [_seed(job, outcomes[job.folder], study.output) for job in jobs],
            clean,
        )
        for trained_on, jobs in kinds
        if jobs
    ]


def _seed(job: Job, outcome: Measured, output: Path) -> tuple[TimingSeed, Answers | None]:
    inside = job.folder.is_relative_to(output)
    run = job.folder.relative_to(output).as_posix() if inside else shareable(str(job.folder))
    failed = outcome.failed.replace(f"{output}{os.sep}", "")
    opened = outcome.test_opened
    return TimingSeed(seed=job.seed, run=run, test_opened=opened, failed=failed), outcome.answers
