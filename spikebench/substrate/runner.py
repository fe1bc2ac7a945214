"""Training and testing all runs of a study, one after another.

A finished run is kept, and a study continues with those that are missing when it is run again; a run that was
interrupted starts from its beginning, and ends with the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch

from spikebench.errors import ResultError, TrainingError
from spikebench.events.batches import BinnedSamples
from spikebench.events.dataset import SpikeDataset
from spikebench.learning.in_the_loop import Network, Substrate, SubstrateModel, network_of
from spikebench.learning.loss_and_optimiser import learning_rate
from spikebench.learning.ranks import together
from spikebench.models.base import Classifier
from spikebench.protocol.opening import open_test
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import file_sha256, write_text
from spikebench.substrate.analog import Analog, Fleet
from spikebench.substrate.answers import Answers, Condition, DeviceAnswers, answer
from spikebench.substrate.fixed_point import FixedPoint
from spikebench.substrate.ideal import Ideal
from spikebench.substrate.report import SubstrateReport, make_report, write_report
from spikebench.substrate.study import RUN_FILE, Job, LoopRun, Study, Tested
from spikebench.sweeps.study_folder import note_study
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.time_left import TimeLeft
from spikebench.training.epochs import make_rule, one_epoch
from spikebench.training.inference import bin_samples, build_model, load_weights, one_thread
from spikebench.training.run import WEIGHTS_FILE, locked, save_tensors

__all__ = ["read_answers", "run_study"]

_TEST_BATCH = 128  # samples
_TRIAL_OF_TEST = 1_000_000  # added to the seed: the noise of the test is not that of the training
_MAX_BYTES = 256 * 1024 * 1024


def run_study(
    study: Study, progress: Callable[[StudyProgress], None] = lambda state: None
) -> SubstrateReport:
    """Train and test all runs that are not done yet, and write the report.

    Parameters
    ----------
    study
        From :func:`spikebench.substrate.study.plan_study`.
    progress
        Called after every epoch.

    Returns
    -------
    SubstrateReport
        The written report.

    Raises
    ------
    TrainingError
        If another process is using the folder, or a loss is no longer finite.
    """
    study.output.mkdir(parents=True, exist_ok=True)
    watch = _Watch(len(study.jobs), progress)
    with locked(study.output), one_thread():
        note_study(study.output, "substrate", study.selection.dataset)
        runs = [_run(study, job, watch) for job in study.jobs]
        tested = cache(partial(_tested, study))  # opened only if there is something to test
        pairs = list(zip(study.jobs, runs, strict=True))
        if (
            study.tested == "test"
        ):  # a result states the validation accuracy beside that of the test
            for job, run in pairs:
                _answers(study, job, run, tested, "validation")
        answers = [_answers(study, job, run, tested, study.tested) for job, run in pairs]
        report = make_report(study, runs, answers)
        write_report(study.output, report)
    return report


class _Watch:
    """Count epochs, and estimate the time left."""

    def __init__(self, total: int, report: Callable[[StudyProgress], None]) -> None:
        self._total, self._report, self._done = total, report, 0
        self._left = TimeLeft(least_pieces=2)
        self._left.see(0.0, time.monotonic())

    def skip(self) -> None:
        """Count a run that was trained before."""
        self._left.skip(1.0)
        self._done += 1
        self._tell(0.0)

    def see(self, part: float) -> None:
        """Count the finished part of the run in progress, 0 … 1."""
        self._left.see(self._done + part, time.monotonic())
        self._done += part >= 1
        self._tell(part % 1)

    def _tell(self, part: float) -> None:
        left = self._left.seconds(self._total)
        self._report(
            StudyProgress(
                done=self._done,
                failed=0,
                total=self._total,
                work=self._done + part,
                rate=self._left.rate,
                seconds_left=left,
            )
        )


def _run(study: Study, job: Job, watch: _Watch) -> LoopRun:
    """Train a network, unless it is trained."""
    if job.is_trained:
        watch.skip()
        return job.run
    record = study.record(job)
    model = build_model(record)
    looped = SubstrateModel(model, _in_the_loop(study, job, model))
    settings = record.preset.training
    losses: list[float] = []
    with together(torch.device("cpu")) as ranks:
        trained = model if job.run.trained == "software" else looped
        rule = make_rule(trained, record, study.train, ranks)
        began = time.process_time()
        for epoch in range(1, settings.epochs + 1):
            try:
                loss = one_epoch(rule, study.train, record, epoch, learning_rate(settings, epoch))
            except ArithmeticError:
                loss = math.nan
            if not math.isfinite(loss):
                raise TrainingError(
                    f"{job.folder}: the loss is no longer finite in epoch {epoch}; "
                    "try a lower training.learning_rate"
                )
            losses.append(loss)
            if epoch < settings.epochs:
                watch.see(epoch / settings.epochs)
        seconds = time.process_time() - began
    batches = settings.epochs * -(-len(study.train) // settings.batch_size)
    first = study.train.batch(np.arange(min(settings.batch_size, len(study.train))))
    job.folder.mkdir(parents=True, exist_ok=True)
    save_tensors(job.folder / WEIGHTS_FILE, model.state_dict(), {"trained": job.run.trained})
    run = job.run.model_copy(
        update={
            "loss": losses,
            "seconds_per_batch": seconds / batches,
            "recorded_bytes": looped.record(first).n_bytes,
            "weights_sha256": file_sha256(job.folder / WEIGHTS_FILE),
        }
    )
    write_text(job.folder / RUN_FILE, run.model_dump_json(indent=2) + "\n")
    watch.see(1.0)
    return run


def _in_the_loop(study: Study, job: Job, model: Classifier) -> Substrate:
    """Make the substrate of a training."""
    network, seed = network_of(model), job.run.seed
    if job.run.trained == "software":
        return Ideal(network, model.kernels)
    if job.run.trained == "robust":
        return Fleet(network, study.settings.analog, model.kernels, seed)
    return _device(study, network, model, seed, seed)


def _device(
    study: Study, network: Network, model: Classifier, device: int, trial: int
) -> Substrate:
    if study.substrate == "fixed-point":
        return FixedPoint(network, study.settings.fixed_point, model.kernels)
    return Analog(network, study.settings.analog, model.kernels, device, trial)


def _tested(study: Study, split: Tested) -> SpikeDataset:
    return study.selection.validation if split == "validation" else open_test(study.selection)


def _answers(
    study: Study, job: Job, run: LoopRun, tested: Callable[[Tested], SpikeDataset], split: Tested
) -> Answers:
    """Test a network in all its conditions, unless it has been."""
    if (kept := read_answers(study, job, run, split)) is not None:
        return kept
    if split == "test":
        _count(job, f"{run.weights_sha256} {_places(study, run)}")
    record, samples = study.record(job), tested(split)
    model = load_weights(job.folder / WEIGHTS_FILE, record)
    binned = bin_samples(samples, record.preset)
    answers = Answers(
        weights_sha256=run.weights_sha256,
        index=samples.index.tolist(),
        label=samples.labels.tolist(),
        speaker=samples.speakers.tolist(),
        devices=[_answer(study, model, binned, run, *place) for place in _places(study, run)],
    )
    write_text(job.folder / f"answers-{split}.json", answers.model_dump_json() + "\n")
    return answers


def _count(job: Job, opening: str) -> None:
    """Count an opening of the test split before it is opened, unless it was opened for the same test before."""
    before = read_record(job.folder / RUN_FILE, LoopRun)
    if before.opened_for != opening:
        update = {"test_opened": before.test_opened + 1, "opened_for": opening}
        counted = before.model_copy(update=update)
        write_text(job.folder / RUN_FILE, counted.model_dump_json(indent=2) + "\n")


def read_answers(study: Study, job: Job, run: LoopRun, split: Tested) -> Answers | None:
    """Read the kept answers of a network.

    Parameters
    ----------
    study, job, run
        The network.
    split
        The samples that were tested.

    Returns
    -------
    Answers or None
        None if it was not tested on all devices of the study with these weights.
    """
    try:
        kept = read_record(job.folder / f"answers-{split}.json", Answers, _MAX_BYTES)
    except ResultError:
        return None
    places = [(one.condition, one.device) for one in kept.devices]
    same = kept.weights_sha256 == run.weights_sha256 and places == _places(study, run)
    return kept if same else None


def _answer(
    study: Study,
    model: Classifier,
    samples: BinnedSamples,
    run: LoopRun,
    condition: Condition,
    device: int | None,
) -> DeviceAnswers:
    network = network_of(model)
    substrate: Substrate = Ideal(network, model.kernels)
    if device is not None:
        substrate = _device(study, network, model, device, _TRIAL_OF_TEST + run.seed)
    return answer(SubstrateModel(model, substrate), samples, _TEST_BATCH, condition, device)


def _places(study: Study, run: LoopRun) -> list[tuple[Condition, int | None]]:
    """List the conditions and devices on which a network is tested."""
    devices = range(study.seeds) if study.substrate == "analog" else range(1)
    if run.trained == "software":
        return [("software", None), *(("deployed", device) for device in devices)]
    if run.trained == "robust":
        return [("robust", device) for device in devices]
    if study.substrate == "fixed-point":
        return [("in the loop", 0)]
    others = [device for device in devices if device != run.seed]
    return [("in the loop", run.seed), *(("transferred", device) for device in others)]
