"""Training many seeds and configurations: parallel runs on an Executor, and one table.

Every run is a folder as made by ``train``, ``OUTPUT/<configuration>/seed<k>``. An interrupted sweep is resumed by
running it again: trained runs are kept, the others continue after their last complete epoch.

Workers are implemented in :mod:`spikebench.sweeps.worker`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from spikebench import __version__
from spikebench.errors import TrainingError
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import DatasetRecord
from spikebench.records.text import shareable
from spikebench.sweeps.jobs import active, run_jobs, trained_part
from spikebench.sweeps.report import (
    RunReport,
    SweepReport,
    rank,
    summarise,
    write_report,
)
from spikebench.sweeps.spec import Configuration, SweepSpec, list_configurations
from spikebench.sweeps.study_folder import note_study, refuse_other_study
from spikebench.sweeps.worker import Outcome, Task, finished, software, train_run
from spikebench.time_left import TimeLeft
from spikebench.training.loop import start_run
from spikebench.training.run import RUN_FILE, locked, read_run
from spikebench.training.run_record import RunRecord
from spikebench.workers import CallLostError, available_cores, worker_pool

__all__ = ["Run", "Sweep", "SweepProgress", "plan_sweep", "run_sweep"]


@dataclass(frozen=True)
class Run:
    """One configuration with one seed, and its folder."""

    configuration: Configuration
    seed: int
    folder: Path


@dataclass(frozen=True)
class Sweep:
    """The plan of a sweep, fully checked.

    Attributes
    ----------
    spec, output
        The specification, and the output folder.
    selection
        The data, without the test split.
    configurations, runs
        In the order of the file; runs with the first seed come before those with the second.
    records
        Records of runs that were started earlier, by their folder.
    """

    spec: SweepSpec
    output: Path
    selection: SelectionData
    configurations: list[Configuration]
    runs: list[Run]
    records: dict[Path, RunRecord]

    @property
    def n_trained(self) -> int:
        """Number of runs that are already trained."""
        return sum(record.status == "trained" for record in self.records.values())


@dataclass(frozen=True)
class SweepProgress:
    """Progress of a sweep.

    ``best`` is the highest validation accuracy of a single run so far, ``work`` the number of finished runs
    including the fractions of those in progress, ``seconds_left`` an estimate; None if there is none yet.
    """

    done: int
    failed: int
    total: int
    work: float
    best: float | None
    seconds_left: float | None


def plan_sweep(spec: SweepSpec, output: Path, device: str | None = "cpu") -> Sweep:
    """Check everything that a sweep requires, before it starts.

    Parameters
    ----------
    spec
        From :func:`spikebench.sweeps.spec.read_spec`.
    output
        Folder of the sweep; nothing is written to it.
    device
        ``cpu`` if this machine trains, whose support is then tested; None if other machines train.

    Returns
    -------
    Sweep
        For :func:`run_sweep`.

    Raises
    ------
    TrainingError
        If a setting is out of range, a model cannot be built, or a folder holds another run.
    UnknownNameError, SpikeFileError, DataError, ProtocolError
        If the data cannot be opened.
    """
    configurations = list_configurations(spec)
    output = output.absolute()
    runs = [
        Run(configuration, seed, output / configuration.name / f"seed{seed}")
        for seed in spec.seeds
        for configuration in configurations
    ]
    selection, refit = open_selection(spec.data, audio=_audio(spec)), spec.refit
    refuse_other_study(output, "sweep", selection.dataset)
    records = {}
    built = set()
    with tempfile.TemporaryDirectory() as scratch:
        for number, run in enumerate(runs):
            one = run.configuration
            if (run.folder / RUN_FILE).exists():
                record = read_run(run.folder)
                if not _is_record_of(record, run, selection.dataset, refit):
                    # Raises an error that names the other run and its folder.
                    record = start_run(
                        run.folder, one.model, one.preset, selection, run.seed, refit=refit
                    )
                records[run.folder] = record
                continue
            # Whether a model can be built does not depend on seeds and training settings.
            key = f"{one.model} {one.preset.model_dump_json(include={'input', 'mel', 'model'})}"
            key += f"{one.preset.training.precision} {one.preset.training.refit_epochs}"
            if key not in built:
                try:
                    start_run(
                        Path(scratch, str(number)),
                        model=one.model,
                        preset=one.preset,
                        selection=selection,
                        seed=run.seed,
                        device=device,
                        refit=refit,
                    )
                except (TrainingError, ValueError) as error:
                    raise TrainingError(f"configuration {one.name}: {error}") from None
                built.add(key)
    return Sweep(spec, output, selection, configurations, runs, records)


def _is_record_of(record: RunRecord, run: Run, dataset: DatasetRecord, refit: bool) -> bool:
    one = run.configuration
    found = (
        record.model,
        record.preset,
        record.seed,
        record.fold,
        record.selected_on,
        record.refit,
    )
    return found == (one.model, one.preset, run.seed, None, "validation", refit) and (
        not record.dataset.first_difference(dataset)
    )


def run_sweep(
    sweep: Sweep,
    *,
    workers: int | Callable[[], int] | None = None,
    executor: Executor | None = None,
    progress: Callable[[SweepProgress], None] = lambda state: None,
) -> SweepReport:
    """Train all runs that are not trained yet, and write the table.

    Parameters
    ----------
    sweep
        From :func:`plan_sweep`.
    workers
        Number of parallel runs; by default one per core. A function is called repeatedly.
    executor
        Executor to use instead of local processes; ``workers`` is the number of runs submitted at a time.
    progress
        Called about every second, and after every run.

    Returns
    -------
    SweepReport
        The written report; failed runs are included with their reason.

    Raises
    ------
    TrainingError
        If another process is using the folder, or the workers are lost.
    SpikebenchError
        If a worker cannot access the data or the folder, has other versions, or trains two runs at a time.
    """
    sweep.output.mkdir(parents=True, exist_ok=True)
    with locked(sweep.output), active(sweep.output) as sign:
        note_study(sweep.output, "sweep", sweep.selection.dataset)
        outcomes = {
            folder: finished(folder, record)
            for folder, record in sweep.records.items()
            if record.status == "trained"
        }
        missing = [run for run in sweep.runs if run.folder not in outcomes]
        watch = _Watch(sweep, outcomes, progress)
        asked = workers if callable(workers) else lambda: workers or available_cores()
        count = min(asked(), max(len(missing), 1)) if executor is None else 0
        place = (
            worker_pool(count, "spikebench.sweeps.worker")
            if executor is None
            else nullcontext(executor)
        )
        window = (lambda: count) if executor is None else asked
        # Within this process no other thread watches the run, so progress is reported after every epoch.
        look = watch.look if count == 1 else None
        with place as pool:
            run_jobs(
                missing,
                lambda run: pool.submit(train_run, _task(sweep, run, sign), look),
                window,
                watch,
            )
        report = _report(sweep, outcomes)
        write_report(sweep.output, report)
    return report


def _task(sweep: Sweep, run: Run, sign: Path) -> Task:
    one, selection = run.configuration, sweep.selection
    return Task(
        run.folder,
        one.model,
        one.preset,
        run.seed,
        selection.data,
        selection.dataset,
        sign,
        software(),
        sweep.spec.refit,
        audio=_audio(sweep.spec),
    )


def _audio(spec: SweepSpec) -> Path | None:
    return None if spec.audio is None else Path(spec.audio)


def _outcome(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except CallLostError as error:
        return Outcome(None, failed=str(error))


@dataclass
class _Watch:
    """Watch the runs in progress by their histories, one line per epoch."""

    sweep: Sweep
    outcomes: dict[Path, Outcome]
    progress: Callable[[SweepProgress], None]
    under_way: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = TimeLeft(least_pieces=1)
        self._parts = {
            run.folder: 1.0 if run.folder in self.outcomes else _part(run, self.sweep.spec.refit)
            for run in self.sweep.runs
        }
        self._left.see(sum(self._parts.values()), time.monotonic())

    def begin(self, job: Run) -> None:
        """Watch a run from now on."""
        self.under_way.append(job)

    def finish(self, job: Run, future: Future[Outcome]) -> None:
        """Record the outcome of a run."""
        self.outcomes[job.folder] = _outcome(future)
        self.under_way.remove(job)
        self._parts[job.folder] = 1.0

    def look(self) -> None:
        """Report the progress."""
        for run in self.under_way:
            part = _part(run, self.sweep.spec.refit)
            self._parts[run.folder] = max(part, self._parts[run.folder])
        work, total = sum(self._parts.values()), len(self._parts)
        self._left.see(work, time.monotonic())
        accuracies = [
            outcome.record.validation_accuracy
            for outcome in self.outcomes.values()
            if outcome.record and outcome.record.validation_accuracy is not None
        ]
        self.progress(
            SweepProgress(
                done=len(self.outcomes),
                failed=sum(bool(outcome.failed) for outcome in self.outcomes.values()),
                total=total,
                work=work,
                best=max(accuracies, default=None),
                seconds_left=self._left.seconds(total),
            )
        )


def _part(run: Run, refit: bool) -> float:
    return trained_part(run.folder, run.configuration.preset.training.epochs, refit)


def _report(sweep: Sweep, outcomes: dict[Path, Outcome]) -> SweepReport:
    ranked = rank(
        [
            summarise(
                one.name,
                one.name,
                one.model,
                one.values,
                [
                    _run_report(run, outcomes[run.folder], sweep.output)
                    for run in sweep.runs
                    if run.configuration is one
                ],
            )
            for one in sweep.configurations
        ]
    )
    return SweepReport(
        software=f"spikebench {__version__}",
        spec=sweep.spec.model_dump(mode="json")
        | {
            "data": shareable(sweep.spec.data),
            "preset": sweep.spec.preset and shareable(sweep.spec.preset),
        }
        | ({"audio": shareable(sweep.spec.audio)} if sweep.spec.audio else {}),
        dataset=sweep.selection.dataset,
        configurations=ranked,
        best=ranked[0].name if ranked[0].is_complete else None,
    )


def _run_report(run: Run, outcome: Outcome, output: Path) -> RunReport:
    record, folder = outcome.record, run.folder.relative_to(output).as_posix()
    if record is None:
        failed = outcome.failed.replace(f"{output}{os.sep}", "")
        return RunReport(seed=run.seed, folder=folder, failed=failed)
    return RunReport(
        seed=run.seed,
        folder=folder,
        validation_accuracy=record.validation_accuracy,
        epochs=record.epochs,
        selected_epoch=record.selected_epoch,
        train_seconds=record.train_seconds,
        test_opened=record.test_opened,
        parameters=outcome.parameters,
    )
