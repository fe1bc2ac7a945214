"""Running all trainings of a study, several at a time.

An interrupted study is resumed by running it again: results of finished runs are used, the others continue after
their last complete epoch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from spikebench import __version__
from spikebench.pruning.methods import DENSE
from spikebench.pruning.report import PruningReport, ReportedModel, rows_of, write_report
from spikebench.pruning.run import Job, PruningRun, read_result
from spikebench.pruning.speed import LayerTime, measured_times
from spikebench.pruning.study import PruningStudy, samples_of
from spikebench.pruning.training import START, PruningData, hidden_units, train_pruned
from spikebench.sweeps.jobs import trained_part
from spikebench.sweeps.study_folder import note_study
from spikebench.sweeps.study_runs import Ended, run_all
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.sweeps.worker import FAILURES, reason
from spikebench.training.inference import bin_samples
from spikebench.training.run import locked

__all__ = ["run_study"]

_TIMED_BATCH = 32  # samples


def run_study(
    study: PruningStudy,
    *,
    workers: int | None = None,
    progress: Callable[[StudyProgress], None] = lambda state: None,
) -> PruningReport:
    """Train and test all runs that are not done yet, and write the report.

    Parameters
    ----------
    study
        From :func:`spikebench.pruning.study.plan_study`.
    workers
        Number of parallel runs; by default one per core.
    progress
        Called about every second, and after every run.

    Returns
    -------
    PruningReport
        The written report; failed runs are included with their reason.

    Raises
    ------
    TrainingError
        If another process is using the folder, or the workers are lost.
    """
    study.output.mkdir(parents=True, exist_ok=True)
    with locked(study.output):
        note_study(study.output, "pruning", study.dataset)
        outcomes = run_all(
            study.jobs,
            _run,
            _part,
            partial(Ended[PruningRun], None),
            "spikebench.pruning.training",
            workers,
            progress,
        )
        report = _report(study, outcomes)
        write_report(study.output, report)
    return report


def _run(job: Job, look: Callable[[], None] | None) -> Ended[PruningRun]:
    """Train a run to its end; a failed run raises no exception."""
    try:
        return Ended(read_result(job) or train_pruned(job, samples_of(job), look))
    except FAILURES as error:
        return Ended(None, reason(error))


def _part(job: Job) -> float:
    """Return the finished part of a run; the choice of a mask by ntt counts as half of it."""
    if read_result(job):
        return 1.0
    trained = trained_part(job.folder, job.preset.training.epochs)
    if job.method != "ntt":
        return trained
    return 0.5 * (job.folder / START).exists() + 0.5 * trained


def _report(study: PruningStudy, outcomes: dict[Path, Ended[PruningRun]]) -> PruningReport:
    rows = []
    for model in study.models:
        pairs = [(DENSE, 1.0)]
        pairs += [(method, part) for part in study.densities for method in study.methods]
        ended = {
            (method, density): [
                (job.seed, *_ended(study, job, outcomes[job.folder]))
                for job in study.jobs
                if (job.model, job.method, job.density) == (model, method, density)
            ]
            for method, density in pairs
        }
        rows += rows_of(model, ended)
    results = [one.result for one in outcomes.values() if one.result]
    classes = len(study.dataset.classes)
    return PruningReport(
        software=f"spikebench {__version__}",
        dataset=study.dataset,
        tested=study.tested,
        tested_samples=results[0].tested_samples if results else 0,
        train_samples=len(_closed(study.jobs[0]).train),
        chance=1 / classes,
        settings=study.settings,
        seeds=study.seeds,
        test_opened=sum(one.test_opened for one in results),
        models=[ReportedModel(model=name, preset=preset) for name, preset in study.models.items()],
        rows=rows,
        times=_times(study) if results else [],
    )


def _closed(job: Job) -> PruningData:
    """Open the samples of a run with the test split closed."""
    return samples_of(replace(job, tested="validation"))


def _ended(
    study: PruningStudy, job: Job, outcome: Ended[PruningRun]
) -> tuple[str, PruningRun | str]:
    folder = job.folder.relative_to(study.output).as_posix()
    return folder, outcome.result or outcome.failed.replace(f"{study.output}{os.sep}", "")


def _times(study: PruningStudy) -> list[LayerTime]:
    """Measure a layer with the inputs and the first hidden layer of the first spiking model."""
    firsts = {job.model: job for job in reversed(study.jobs)}
    for job in reversed(firsts.values()):
        data = _closed(job)
        units = hidden_units(job, data)
        if units:
            samples = bin_samples(data.train, job.preset)
            batch = samples.batch(np.arange(min(_TIMED_BATCH, len(samples))))
            identity = f"{job.identity} {study.densities}"
            path = study.output / "speed.json"
            return measured_times(path, identity, batch, units, study.densities)
    return []
