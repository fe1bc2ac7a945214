"""Training all runs of a study, converting the degraded recordings, and testing.

The steps, each of which goes on where it was when the same command is run again:

1. With ``noisy_training``, half of the training recordings are mixed with noise and converted.
2. Runs that are not trained are trained, several at a time.
3. With ``--test``, the test split is opened, once per run, and counted before any of its recordings is read.
4. The recordings of the tested samples are degraded and converted, once for all models on spikes.
5. Every run is tested under every condition.

A run that fails is reported, and does not stop the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from spikebench import __version__
from spikebench.degradation.conditions import CLEAN
from spikebench.degradation.degraded import DegradedRecordings, Sources
from spikebench.encoders.warm import note
from spikebench.events.dataset import SpikeDataset
from spikebench.metrics.chance import chance_level
from spikebench.noise.conversions import Ear, convert_blocks
from spikebench.noise.report import (
    NoiseReport,
    NoiseSeed,
    Place,
    StudyModel,
    Trained,
    areas_of,
    row_of,
    write_report,
)
from spikebench.noise.samples import heard_under
from spikebench.noise.study import Job, Study, sources_of
from spikebench.noise.training import disturbed, training_recordings
from spikebench.noise.worker import (
    Measured,
    Work,
    measure,
    missing_of,
    open_tested,
    origin_of,
    train,
)
from spikebench.records.text import shareable
from spikebench.sweeps.jobs import active, run_jobs, trained_part
from spikebench.sweeps.study_folder import note_study
from spikebench.sweeps.study_watch import StudyProgress, StudyWatch, WatchedOutcome
from spikebench.sweeps.worker import FAILURES, Outcome, Task, reason, software
from spikebench.timing.answers import Answers, read_answers
from spikebench.training.run import locked, read_run
from spikebench.workers import available_cores, worker_pool

__all__ = ["run_study"]

OutcomeT = TypeVar("OutcomeT", bound=WatchedOutcome)
_MODULE = "spikebench.noise.worker"


def run_study(
    study: Study,
    *,
    workers: int | Callable[[], int] | None = None,
    executor: Executor | None = None,
    converted: Callable[[int, int], None] = lambda done, total: None,
    progress: Callable[[StudyProgress], None] = lambda state: None,
) -> NoiseReport:
    """Do what is not done yet of a study, and write the report.

    Parameters
    ----------
    study
        From :func:`spikebench.noise.study.plan_study`.
    workers
        Number of parallel runs and conversions; by default one per core. A function is called repeatedly.
    executor
        Runs the calls instead of local processes, such as those of a cluster on the same file system.
    converted
        Called after every recording that is converted, with the number of finished ones and their total.
    progress
        Called about every second while runs are trained and tested, and after every run.

    Returns
    -------
    NoiseReport
        The written report; failed runs are included with their reason.

    Raises
    ------
    TrainingError
        If another process is using the folder, or the workers are lost.
    SpikebenchError
        If a recording cannot be used, or is not the one of its sample.
    """
    study.output.mkdir(parents=True, exist_ok=True)
    with locked(study.output), active(study.output) as sign:
        note_study(study.output, "noise", study.selection.dataset)
        running = _Running(study, sign, workers, executor, converted, progress)
        report = running.report(running.outcomes())
        write_report(study.output, report)
    return report


class _Running:
    """The steps of one command."""

    def __init__(
        self,
        study: Study,
        sign: Path,
        workers: int | Callable[[], int] | None,
        executor: Executor | None,
        converted: Callable[[int, int], None],
        progress: Callable[[StudyProgress], None],
    ) -> None:
        self.study, self.sign = study, sign
        self.executor, self.converted, self.progress = executor, converted, progress
        self.asked = workers if callable(workers) else lambda: workers or available_cores()
        self.sources: Sources = sources_of(study.selection, study.settings.noise)

    def outcomes(self) -> dict[Path, Measured]:
        """Train and test all runs."""
        jobs = self.study.jobs
        self.convert_training()
        trained = self.run([job for job in jobs if not job.is_trained], train, Outcome, True)
        failed = {folder: one.failed for folder, one in trained.items() if one.failed}
        ready = [job for job in jobs if job.folder not in failed]
        samples = self.open_tested(ready, failed)
        ready = [job for job in ready if job.folder not in failed]
        if samples is not None:
            self.convert_tested(samples)
        lost = {folder: Measured(None, failed=why) for folder, why in failed.items()}
        return self.run(ready, measure, Measured, False) | lost

    def convert_training(self) -> None:
        """Convert the disturbed training recordings, if a run on spikes is still to be trained with them."""
        study, settings, ear = self.study, self.study.settings, self.study.ear
        waiting = [
            job
            for job in study.jobs
            if job.trained_on == "noise" and not job.is_trained and not job.entry.on_audio
        ]
        if not waiting or ear is None:
            return
        recordings = training_recordings(
            study.selection,
            settings.training_kinds,
            settings.seed,
            self.sources,
            keep_offset=ear.encoder.keeps_offset,
        )
        self.convert([disturbed(recordings)[1]], ear)

    def open_tested(self, jobs: Sequence[Job], failed: dict[Path, str]) -> SpikeDataset | None:
        """Open the tested samples for all runs that are not tested yet; None if recordings need no conversion."""
        opened = None
        for job in jobs:
            try:
                work, record = self.work(job), read_run(job.folder)
                origin = origin_of(work, record, self.sources)
                missing = missing_of(work, read_answers(job.answers, origin))
                if not missing:
                    continue
                if self.study.tested == "test":
                    with locked(job.folder):
                        samples = open_tested(work, self.study.selection, origin)
                else:
                    samples = open_tested(work, self.study.selection, origin)
                if work.ear is not None:
                    opened = samples
            except FAILURES as error:
                failed[job.folder] = reason(error)
        return opened

    def convert_tested(self, samples: SpikeDataset) -> None:
        """Convert the recordings of the tested samples under all conditions."""
        settings, ear = self.study.settings, self.study.ear
        assert ear is not None
        self.convert(
            [
                heard_under(
                    samples,
                    [condition] * len(samples),
                    settings.seed,
                    self.sources,
                    keep_offset=ear.encoder.keeps_offset,
                )
                for condition in settings.conditions
                if condition != CLEAN
            ],
            ear,
        )

    def convert(self, recordings: Sequence[DegradedRecordings], ear: Ear) -> None:
        """Convert recordings, several at a time."""
        with self.pool("spikebench.encoders.warm", None, note(ear.encoder)) as (pool, count):
            # One more than there are workers, so that none waits for the next recording to be degraded.
            window = (lambda: 1) if count == 1 else lambda: 2 * self.asked()
            convert_blocks(recordings, ear, self.study.output, pool, window, self.converted)

    def run(
        self,
        jobs: Sequence[Job],
        call: Callable[[Work, Callable[[], None] | None], OutcomeT],
        outcome: Callable[..., OutcomeT],
        is_training: bool,
    ) -> dict[Path, OutcomeT]:
        """Train or test runs, several at a time."""
        if not jobs:
            return {}
        watch = StudyWatch(
            jobs,
            part=_part if is_training else lambda job: 0.0,
            lost=lambda why: outcome(None, failed=why),
            progress=self.progress,
        )
        with self.pool(_MODULE, len(jobs)) as (pool, count):
            # Within this process no other thread watches the run, so progress is reported by the run itself.
            look = watch.look if count == 1 else None
            run_jobs(
                jobs,
                lambda job: pool.submit(call, self.work(job), look),
                (lambda: count) if count else self.asked,
                watch,
            )
        return watch.outcomes

    @contextmanager
    def pool(
        self, module: str, most: int | None, preload: str = ""
    ) -> Iterator[tuple[Executor, int]]:
        """Yield the executor, and the number of its processes if they are local, else 0."""
        if self.executor is not None:
            yield self.executor, 0
            return
        count = min(self.asked(), most or self.asked())
        with worker_pool(count, module, preload) as pool:
            yield pool, count

    def work(self, job: Job) -> Work:
        """Describe a run for a worker."""
        study = self.study
        task = Task(
            job.folder,
            job.entry.model,
            job.entry.preset,
            job.seed,
            study.selection.data,
            study.selection.dataset,
            self.sign,
            software(),
            audio=study.audio,
        )
        ear = None if job.entry.on_audio else study.ear
        return Work(
            task, job.trained_on, study.settings, ear, study.tested, job.answers, study.output
        )

    def report(self, outcomes: dict[Path, Measured]) -> NoiseReport:
        """Make the report."""
        study = self.study
        trained = _trained(study, outcomes)
        rows, method = [], ""
        for one in trained:
            places: tuple[Place, ...] = ("sound", "spikes")
            for place in places:
                for condition in study.settings.conditions:
                    if one.has(condition, place):
                        row, method = row_of(one, condition, place)
                        rows.append(row)
        areas, differences = areas_of(trained, study.settings.conditions)
        answers = next((one.answers for one in outcomes.values() if one.answers), None)
        dataset, seeds = study.selection.dataset, max(len(one.seeds) for one in study.entries)
        recorded = self.sources.digest_for("recorded")
        return NoiseReport(
            software=f"spikebench {__version__}",
            dataset=dataset,
            encoder=study.ear.encoder.name if study.ear else None,
            tested=study.tested,
            samples=len(answers.label) if answers else 0,
            chance=_chance(answers, len(dataset.classes)),
            interval=method.replace(" test ", f" {study.tested} ")
            + (", and the spread of the seeds" if method and seeds > 1 else ""),
            noise_seed=study.settings.seed,
            noise_sha256=recorded or None,
            test_opened=sum(one.test_opened for one in outcomes.values()),
            models=[
                StudyModel(name=one.name, model=one.model, preset=one.preset, seeds=list(one.seeds))
                for one in study.entries
            ],
            conditions=[str(condition) for condition in study.settings.conditions],
            seeds=[_seed(job, outcomes[job.folder], study.output) for job in study.jobs],
            rows=rows,
            areas=areas,
            differences=differences,
        )


def _part(job: Job) -> float:
    return trained_part(job.folder, job.entry.preset.training.epochs)


def _trained(study: Study, outcomes: dict[Path, Measured]) -> list[Trained]:
    """Gather the answers of every model and training; none for those of which all runs failed."""
    found = []
    for entry in study.entries:
        for trained_on in dict.fromkeys(job.trained_on for job in study.jobs):
            answers = [
                one.answers
                for job in study.jobs
                if (job.entry, job.trained_on) == (entry, trained_on)
                and (one := outcomes[job.folder]).answers is not None
            ]
            kept = [one for one in answers if one is not None]
            if kept:
                found.append(Trained(entry.name, trained_on, kept))
    return found


def _chance(answers: Answers | None, n_classes: int) -> float | None:
    if answers is None:
        return None
    return chance_level(np.bincount(answers.label, minlength=n_classes).tolist())


def _seed(job: Job, outcome: Measured, output: Path) -> NoiseSeed:
    inside = job.folder.is_relative_to(output)
    return NoiseSeed(
        model=job.entry.name,
        trained_on=job.trained_on,
        seed=job.seed,
        run=job.folder.relative_to(output).as_posix() if inside else shareable(str(job.folder)),
        test_opened=outcome.test_opened,
        failed=outcome.failed.replace(f"{output}{os.sep}", ""),
    )
