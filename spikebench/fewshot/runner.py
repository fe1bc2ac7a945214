"""Runs of a study, one after another or several at a time.

An interrupted study is resumed by running it again: runs continue from their last validation, and kept curves are used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from spikebench.fewshot.report import FewShotReport, rows_of, write_report
from spikebench.fewshot.study import Study
from spikebench.fewshot.worker import HISTORY, FewShotJob, Outcome, run_job
from spikebench.sweeps.study_folder import note_study
from spikebench.sweeps.study_runs import run_all
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.sweeps.worker import software
from spikebench.training.run import locked

__all__ = ["run_study"]


def run_study(
    study: Study,
    *,
    workers: int | None = None,
    progress: Callable[[StudyProgress], None] = lambda state: None,
) -> FewShotReport:
    """Train and evaluate all runs that are not done yet, and write the report.

    Parameters
    ----------
    study
        From :func:`spikebench.fewshot.study.plan_study`.
    workers
        Number of parallel runs; by default one per core.
    progress
        Called about every second, and after every run.

    Returns
    -------
    FewShotReport
        The written report; failed runs are included with their reason.

    Raises
    ------
    TrainingError
        If another process is using the folder, or the workers are lost.
    """
    study.output.mkdir(parents=True, exist_ok=True)
    with locked(study.output):
        note_study(study.output, "fewshot", study.selection.dataset)
        outcomes = run_all(
            study.jobs,
            _run,
            _part,
            partial(Outcome, None, 0),
            "spikebench.fewshot.worker",
            workers,
            progress,
        )
        report = FewShotReport(
            software=software(),
            dataset=study.selection.dataset,
            tested=study.tested,
            test_opened=sum(one.test_opened for one in outcomes.values()),
            settings=study.settings,
            rows=rows_of(
                [
                    (
                        job.run,
                        job.folder.relative_to(study.output).as_posix(),
                        _without_paths(outcomes[job.folder], study.output),
                    )
                    for job in study.jobs
                ]
            ),
        )
        write_report(study.output, report)
    return report


def _run(job: FewShotJob, look: Callable[[], None] | None) -> Outcome:
    return run_job(job, look or (lambda: None))


def _without_paths(outcome: Outcome, output: Path) -> Outcome:
    text = outcome.failed.replace(f"{output}{os.sep}", "")
    return Outcome(outcome.curve, outcome.test_opened, text)


def _part(job: FewShotJob) -> float:
    """Return the finished part of a run, from the last line of its history."""
    settings = job.run.settings
    total = (
        settings.pretrain.iterations if job.run.method == "finetune" else settings.meta.iterations
    )
    try:
        last = (job.folder / HISTORY).read_text(encoding="utf-8").splitlines()[-1]
        return min(int(last.split(",")[0]) / total, 1.0)
    except (OSError, ValueError, IndexError):
        return 0.0  # not started
