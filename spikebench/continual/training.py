"""Training a model on one task after the other.

Task i is trained for the epochs of the preset, at its schedule of the learning rate, and the last weights are kept:
nothing is selected, since a model that learns task after task cannot return to earlier samples. Then the model is
tested on all tasks. Initial weights, the order of samples and dropout are determined by (seed, epoch), epochs counted
through all tasks, and are the same for all methods as far as they see the same samples. The mean input of the first
task sets the scale of the initial weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench import __version__
from spikebench.continual.methods import Method
from spikebench.continual.run import ContinualRun, Job, read_result, write_result
from spikebench.continual.tasks import TaskSequence
from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.dataset import SpikeDataset, join
from spikebench.learning.bptt import BackPropagation
from spikebench.learning.elastic_weights import ElasticWeights
from spikebench.learning.loss_and_optimiser import class_weights, learning_rate
from spikebench.learning.quadratic_penalty import ConsolidatingRule
from spikebench.learning.ranks import Ranks
from spikebench.learning.synaptic_intelligence import SynapticIntelligence
from spikebench.models.base import Classifier, Output, model_class
from spikebench.records.whole_files import write_text
from spikebench.sweeps.study_settings import refuse_unused
from spikebench.sweeps.test_answers import TestAnswers
from spikebench.sweeps.test_openings import count_opening
from spikebench.training.checkpoint import check_tensors
from spikebench.training.epochs import one_epoch
from spikebench.training.inference import (
    bin_samples,
    build_model,
    find_device,
    one_thread,
    place,
    run_model,
)
from spikebench.training.run import load_tensors, locked, save_tensors
from spikebench.training.run_record import HISTORY_FILE, RunRecord

__all__ = [
    "CHECKPOINT",
    "check_model",
    "make_model",
    "make_rule",
    "offered_classes",
    "train_tasks",
]

CHECKPOINT = "checkpoint.safetensors"


def check_model(job: Job, masked: bool) -> None:
    """Refuse a model or settings that cannot be trained task after task.

    Parameters
    ----------
    job
        A run.
    masked
        Whether the heads are masked.

    Raises
    ------
    TrainingError
        One line with the remedy.
    """
    kind = model_class(job.model)
    if kind.learning != "bptt" or kind.on_audio:
        why = "works on audio" if kind.on_audio else "is fitted to all samples at once"
        raise TrainingError(
            f"model {job.model} {why} and cannot learn task after task; choose a model that is trained by gradients on "
            "spikes, such as lif, rlif, adlif, lstm or mlp_counts"
        )
    settings = job.preset.training
    refuse_unused(job.model, job.preset, kind.spiking, "task after task")
    if masked and settings.label_smoothing:
        raise TrainingError(
            f"model {job.model}: label smoothing needs all classes; add --set training.label_smoothing=0, or choose "
            "tasks with a single head"
        )
    if job.method.kind in ("si", "ewc") and settings.precision != "float32":
        raise TrainingError(
            f"model {job.model}: {job.method.kind} needs float32; add --set training.precision=float32"
        )


def make_model(job: Job, first: BinnedSamples) -> tuple[Classifier, RunRecord]:
    """Build the model of a run with its initial weights.

    Parameters
    ----------
    job
        The run.
    first
        Training samples of the first task.

    Returns
    -------
    model : Classifier
        On the CPU.
    record : RunRecord
        Its settings, as the training loop takes them.
    """
    cells = len(first) * first.n_steps * first.n_units
    record = RunRecord(
        software=f"spikebench {__version__}",
        model=job.model,
        preset=job.preset,
        data=job.dataset.name,
        dataset=job.dataset,
        input_rate=first.n_events / cells,
        seed=job.seed,
    )
    return place(build_model(record), find_device("cpu"), record), record


def make_rule(job: Job, model: Classifier) -> BackPropagation:
    """Make the learning rule of a method.

    Parameters
    ----------
    job
        The run.
    model
        With its initial weights.

    Returns
    -------
    BackPropagation
        A :class:`ConsolidatingRule` for ``si`` and ``ewc``.
    """
    ones = torch.ones(len(job.dataset.classes))
    common = (model, job.preset, ones, Ranks(), job.seed)
    kind, strength = job.method.kind, job.method.strength or 0.0
    if kind == "si":
        return SynapticIntelligence(*common, strength=strength, damping=job.settings.damping)
    if kind == "ewc":
        samples = job.settings.fisher_samples
        return ElasticWeights(*common, strength=strength, fisher_samples=samples)
    return BackPropagation(*common)


@contextmanager
def offered_classes(model: Classifier, offered: np.ndarray | None) -> Iterator[None]:
    """Mask the scores of the classes that the task of a sample does not have.

    Parameters
    ----------
    model
        The model.
    offered
        As in :class:`spikebench.continual.tasks.TaskSequence`; None masks nothing.

    Yields
    ------
    None
    """
    if offered is None:
        yield
        return
    hidden = torch.from_numpy(~offered)

    def mask(module: torch.nn.Module, given: tuple[EventBatch], output: Output) -> Output:
        return replace(
            output, scores=output.scores.masked_fill(hidden[given[0].labels], -torch.inf)
        )

    hook = model.register_forward_hook(mask)
    try:
        yield
    finally:
        hook.remove()


def train_tasks(
    job: Job,
    sequence: TaskSequence,
    look: Callable[[], None] | None = None,
    validation: Sequence[SpikeDataset] = (),
) -> ContinualRun:
    """Train and test one run, continuing after its last complete task.

    Parameters
    ----------
    job
        The run.
    sequence
        Its tasks.
    look
        Called after every epoch.
    validation
        Validation samples, on which the last weights are tested too if the tasks are tested on the test split.

    Returns
    -------
    ContinualRun
        Its result, which is also written.

    Raises
    ------
    TrainingError
        If the loss is no longer finite, another process uses the folder, or it contains another run.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    with locked(job.folder), one_thread():
        found = read_result(job)
        return found or _train(job, sequence, look or (lambda: None), validation)


def _train(
    job: Job,
    sequence: TaskSequence,
    look: Callable[[], None],
    validation: Sequence[SpikeDataset],
) -> ContinualRun:
    first = bin_samples(sequence.tasks[0].train, job.preset)
    model, record = make_model(job, first)
    rule = make_rule(job, model)
    tests = [bin_samples(task.test, job.preset) for task in sequence.tasks]
    stages = 1 if job.method.kind == "joint" else len(sequence.tasks)
    kept = _Memory(job.method, job.seed)
    done = _load(job, model, rule)
    with offered_classes(model, sequence.offered):
        for stage in range(stages):
            own = sequence.tasks[stage].train
            if stage >= len(done.rows):
                samples = bin_samples(
                    _all(sequence) if stages == 1 else kept.joined(own), job.preset
                )
                began = time.perf_counter()
                _one_task(job, record, rule, samples, stage, done.history, look)
                if isinstance(rule, ConsolidatingRule):
                    rule.end_task(samples)
                done.seconds += time.perf_counter() - began
                _opened(job)
                answers = [_predicted(model, test, job) for test in tests]
                done.rows.append(
                    [
                        float(np.mean(found == test.labels))
                        for found, test in zip(answers, tests, strict=True)
                    ]
                )
                if job.tested == "test":
                    done.predicted.append(np.concatenate(answers).tolist())
                _save(job, model, rule, done)
            kept.add(own, stage)
        known = [bin_samples(samples, job.preset) for samples in validation]
        right = [np.mean(_predicted(model, one, job) == one.labels) * len(one) for one in known]
    result = ContinualRun(
        identity=job.identity,
        tasks=[task.name for task in sequence.tasks],
        train_samples=[len(task.train) for task in sequence.tasks],
        tested_samples=[len(task.test) for task in sequence.tasks],
        accuracies=done.rows,
        parameters=model.n_parameters(),
        kept_samples=sum(map(len, kept.samples)),
        kept_spikes=sum(int(some.spike_counts.sum()) for some in kept.samples),
        test_opened=_opened(job),
        seconds=done.seconds,
        validation_accuracy=float(sum(right) / sum(map(len, known))) if known else None,
        answers=_answers(sequence, done.predicted),
    )
    write_result(job, result)
    (job.folder / CHECKPOINT).unlink(missing_ok=True)
    return result


def _opened(job: Job) -> int:
    """Count the test of the run on the test split before its first predictions, which later tasks repeat."""
    return count_opening(job.folder, job.identity) if job.tested == "test" else 0


def _one_task(
    job: Job,
    record: RunRecord,
    rule: BackPropagation,
    samples: BinnedSamples,
    stage: int,
    history: list[str],
    look: Callable[[], None],
) -> None:
    """Train all epochs of a task."""
    settings = job.preset.training
    rule.class_weights = class_weights(
        samples.labels, len(job.dataset.classes), settings.class_weights
    )
    if job.settings.optimizer_state == "reset":
        rule.restart_optimizer()
    for epoch in range(1, settings.epochs + 1):
        rate = learning_rate(settings, epoch)
        try:
            loss = one_epoch(rule, samples, record, stage * settings.epochs + epoch, rate)
        except ArithmeticError:
            raise TrainingError(
                f"loss or weights are no longer finite in epoch {epoch} of task {stage + 1}, at learning rate "
                f"{rate:g}; try a lower training.learning_rate, or a lower strength than {job.method}"
            ) from None
        history.append(f"{stage + 1},{epoch},{loss:.6g},{rate:.6g}")
        write_text(
            job.folder / HISTORY_FILE, "\n".join(["task,epoch,loss,learning_rate", *history, ""])
        )
        look()


def _predicted(model: Classifier, samples: BinnedSamples, job: Job) -> NDArray[np.int64]:
    return run_model(model, samples, job.preset.training.batch_size).predicted


def _answers(sequence: TaskSequence, predicted: list[list[int]]) -> TestAnswers | None:
    """Keep the predictions after every training, for the samples of all tasks."""
    if not predicted:
        return None
    tests = [task.test for task in sequence.tasks]
    return TestAnswers(
        index=np.concatenate([one.index for one in tests]).tolist(),
        label=np.concatenate([one.labels for one in tests]).tolist(),
        speaker=np.concatenate([one.speakers for one in tests]).tolist(),
        predicted=predicted,
    )


def _all(sequence: TaskSequence) -> SpikeDataset:
    samples = sequence.tasks[0].train
    for task in sequence.tasks[1:]:
        samples = join(samples, task.train)
    return samples


class _Memory:
    """The samples that replay keeps, drawn by (seed, task)."""

    def __init__(self, method: Method, seed: int) -> None:
        self._per_class = int(method.strength or 0) if method.kind == "replay" else 0
        self._seed = seed
        self.samples: list[SpikeDataset] = []

    def joined(self, samples: SpikeDataset) -> SpikeDataset:
        """Join samples with the kept ones."""
        for kept in self.samples:
            samples = join(samples, kept)
        return samples

    def add(self, samples: SpikeDataset, stage: int) -> None:
        """Keep samples of every class of a task."""
        if not self._per_class:
            return
        order = np.random.default_rng([self._seed, stage]).permutation(len(samples))
        labels = samples.labels[order]
        chosen = [order[labels == label][: self._per_class] for label in np.unique(labels)]
        self.samples.append(samples.subset(np.sort(np.concatenate(chosen))))


class _Done:
    """What a run has done: accuracies after every task, lines of the history, and the time of training [s].

    ``predicted`` are the predictions after every task, if the test split is tested.
    """

    def __init__(
        self,
        rows: list[list[float]],
        history: list[str],
        seconds: float,
        predicted: list[list[int]],
    ) -> None:
        self.rows, self.history, self.seconds, self.predicted = rows, history, seconds, predicted


def _save(job: Job, model: Classifier, rule: BackPropagation, done: _Done) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    note = {"run": job.identity} | vars(done)
    save_tensors(job.folder / CHECKPOINT, tensors | rule.state(), note)


def _load(job: Job, model: Classifier, rule: BackPropagation) -> _Done:
    path = job.folder / CHECKPOINT
    if not path.exists():
        return _Done([], [], 0.0, [])
    tensors, note = load_tensors(path)
    if note.get("run") != job.identity:
        raise TrainingError(f"{job.folder}: contains another run; choose another folder with -o")
    weights = {
        name.removeprefix("model."): tensors.pop(name)
        for name in list(tensors)
        if name.startswith("model.")
    }
    try:
        check_tensors(weights, model.state_dict())
        check_tensors(tensors, rule.state())
        predicted = note["predicted"] if job.tested == "test" else []
        done = _Done(note["rows"], note["history"], note["seconds"], predicted)
    except (KeyError, ValueError) as error:
        raise TrainingError(
            f"{path}: does not fit this run: {error}; delete it to restart the run"
        ) from None
    model.load_state_dict(weights)
    rule.load_state(tensors)
    return done
