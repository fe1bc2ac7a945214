"""One run: choose the mask, train the weights that are kept, test.

Initial weights, the order of samples and dropout are determined by (seed, epoch) and are the same for all methods; so
are the initial weights that ``snip``, ``synflow``, ``magnitude`` and ``random`` leave unchanged where they keep them.
The network is trained for the epochs of the preset; the weights after the last one are tested, and nothing is selected
on the samples that are tested. A run that is interrupted continues after its last complete epoch, or the last new mask
of neural tangent transfer, and ends with the same numbers, except for the measured times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from spikebench import __version__
from spikebench.errors import TrainingError
from spikebench.evaluation.measurement import measure_cost
from spikebench.events.batches import BinnedSamples
from spikebench.events.dataset import SpikeDataset
from spikebench.learning.few_bits import connections
from spikebench.learning.loss_and_optimiser import class_weights, learning_rate
from spikebench.learning.masked_descent import MaskedBackPropagation
from spikebench.learning.pruning_masks import Masks, magnitude_masks, random_masks
from spikebench.learning.ranks import Ranks
from spikebench.learning.snip import snip_masks
from spikebench.learning.synflow import layers_of, synflow_masks
from spikebench.learning.tangent_kernel import check_tangents
from spikebench.learning.tangent_transfer import TangentTransfer
from spikebench.learning.unlabelled import UnlabelledSamples
from spikebench.metrics.cost import GROUPS
from spikebench.metrics.cost_table import COST_TABLES, read_cost_tables
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, model_class
from spikebench.models.spiking_network import SpikingNetwork
from spikebench.pruning.methods import DENSE
from spikebench.pruning.run import Job, KeptWeights, PruningRun, read_result, write_result
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
    "CHECKPOINTS",
    "START",
    "PruningData",
    "check_class",
    "check_model",
    "hidden_units",
    "make_model",
    "train_pruned",
]

CHECKPOINTS = ("start.safetensors", "transfer.safetensors", "checkpoint.safetensors")
START, _TRANSFER, _CHECKPOINT = CHECKPOINTS


@dataclass(frozen=True)
class PruningData:
    """Samples of a run: for training, for the accuracy of every epoch, and a function that opens the tested ones."""

    train: SpikeDataset
    validation: SpikeDataset
    tested: Callable[[], SpikeDataset]


def check_class(name: str) -> None:
    """Refuse a model that is not trained by gradients on spikes.

    Parameters
    ----------
    name
        Name of the model.

    Raises
    ------
    TrainingError
        One line with the remedy.
    """
    kind = model_class(name)
    if kind.learning != "bptt" or kind.on_audio:
        why = "works on audio" if kind.on_audio else "has no hidden weights trained by gradients"
        raise TrainingError(
            f"model {name} {why}, so it cannot be pruned before training; choose a network on spikes, such as lif, "
            "rlif or mlp_counts"
        )


def check_model(job: Job, model: Classifier) -> None:
    """Refuse settings, or a model that cannot be pruned by a method.

    Parameters
    ----------
    job, model
        A run and its model.

    Raises
    ------
    TrainingError
        One line with the remedy.
    """
    refuse_unused(job.model, job.preset, model.spiking)
    if type(model).account is Classifier.account:
        raise TrainingError(
            f"model {job.model} does not count its operations; choose lif, rlif or mlp_counts"
        )
    if job.method == "ntt":
        check_tangents(job.model, model)
    if job.method == "synflow":
        layers_of(job.model, model)


def make_model(job: Job, train: BinnedSamples) -> tuple[Classifier, RunRecord]:
    """Build the model of a run with its initial weights.

    Parameters
    ----------
    job
        The run.
    train
        Training samples.

    Returns
    -------
    model : Classifier
        On the CPU.
    record : RunRecord
        Its settings, as the training loop takes them.
    """
    cells = len(train) * train.n_steps * train.n_units
    record = RunRecord(
        software=f"spikebench {__version__}",
        model=job.model,
        preset=job.preset,
        data=job.dataset.name,
        dataset=job.dataset,
        input_rate=train.n_events / cells,
        seed=job.seed,
    )
    return place(build_model(record), find_device("cpu"), record), record


def hidden_units(job: Job, data: PruningData) -> int:
    """Count the neurons of the first layer of a spiking network.

    Parameters
    ----------
    job, data
        A run and its samples.

    Returns
    -------
    int
        0 for a model that is no network of spiking layers.
    """
    model, _ = make_model(job, bin_samples(data.train, job.preset))
    return model.hidden_layers()[0].weight.shape[1] if isinstance(model, SpikingNetwork) else 0


def train_pruned(job: Job, data: PruningData, look: Callable[[], None] | None = None) -> PruningRun:
    """Choose the mask of one run, train and test it, continuing where it was interrupted.

    Parameters
    ----------
    job
        The run.
    data
        Its samples.
    look
        Called after every epoch, and every new mask of neural tangent transfer.

    Returns
    -------
    PruningRun
        Its result, which is also written.

    Raises
    ------
    TrainingError
        If the loss is no longer finite, another process uses the folder, or it contains another run.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    with locked(job.folder), one_thread():
        return read_result(job) or _train(job, data, look or (lambda: None))


@dataclass
class _Start:
    """Masks, and what their choice took."""

    masks: Masks
    distances: list[tuple[int, float, float]]
    seconds: float


@dataclass
class _Done:
    """What training has done: accuracies from before the first epoch on, lines of the history, processor time [s]."""

    accuracies: list[float] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    seconds: float = 0.0


def _train(job: Job, data: PruningData, look: Callable[[], None]) -> PruningRun:
    train = bin_samples(data.train, job.preset)
    validation = bin_samples(data.validation, job.preset)
    model, record = make_model(job, train)
    model.measure_input(train)
    start = _start(job, model, train, look)
    settings = job.preset.training
    weights = class_weights(train.labels, len(job.dataset.classes), settings.class_weights)
    rule = MaskedBackPropagation(model, job.preset, weights, Ranks(), job.seed, masks=start.masks)
    done = _load(job, model, rule)
    if not done.accuracies:
        done.accuracies.append(_accuracy(model, validation, job))
    for epoch in range(len(done.history) + 1, settings.epochs + 1):
        rate, began = learning_rate(settings, epoch), time.process_time()
        try:
            loss = one_epoch(rule, train, record, epoch, rate)
        except ArithmeticError:
            raise TrainingError(
                f"loss or weights are no longer finite in epoch {epoch}, at learning rate {rate:g}; try a lower "
                "training.learning_rate"
            ) from None
        done.seconds += time.process_time() - began
        done.accuracies.append(_accuracy(model, validation, job))
        done.history.append(f"{epoch},{loss:.6g},{done.accuracies[-1]:.6g},{rate:.6g}")
        _save(job, model, rule, done)
        look()
    opened = count_opening(job.folder, job.identity) if job.tested == "test" else 0
    result = _result(job, model, data.tested(), start, done, opened)
    write_result(job, result)
    (job.folder / _CHECKPOINT).unlink(missing_ok=True)
    return result


def _result(
    job: Job,
    model: Classifier,
    samples: SpikeDataset,
    start: _Start,
    done: _Done,
    opened: int,
) -> PruningRun:
    tested, size = bin_samples(samples, job.preset), job.preset.training.batch_size
    account = _account(model, tested, size)
    hidden = sum(layer.nonzero or 0 for layer in account.layers) if model.spiking else 0
    predicted = run_model(model, tested, size).predicted
    is_test = job.tested == "test"
    metrics = None
    if is_test:
        tables = read_cost_tables(COST_TABLES)
        metrics = measure_cost(model, job.model, tested, predicted, size, GROUPS, tables)
    return PruningRun(
        identity=job.identity,
        accuracies=done.accuracies,
        accuracy=float(np.mean(predicted == tested.labels)),
        tested_samples=len(tested),
        kept=[
            KeptWeights(
                name=name,
                weights=weight.numel(),
                kept=int(start.masks[name].sum()) if start.masks else weight.numel(),
            )
            for name, weight in connections(model).items()
        ],
        effective_operations=sum(one.effective for one in account.bundles) / account.samples,
        dense_operations=sum(one.dense for one in account.bundles) / account.samples,
        spikes=hidden / account.samples,
        distances=start.distances,
        test_opened=opened,
        choice_seconds=start.seconds,
        seconds=done.seconds,
        answers=TestAnswers.of(samples, [predicted]) if is_test else None,
        metrics=metrics,
    )


@torch.no_grad()
def _account(model: Classifier, samples: BinnedSamples, batch_size: int) -> Account:
    model.eval()
    total: Account | None = None
    for first in range(0, len(samples), batch_size):
        chosen = np.arange(first, min(first + batch_size, len(samples)))
        found = model.account(samples.batch(chosen))
        assert found is not None
        total = found if total is None else total + found
    assert total is not None
    return total


def _accuracy(model: Classifier, samples: BinnedSamples, job: Job) -> float:
    answers = run_model(model, samples, job.preset.training.batch_size)
    return float(np.mean(answers.predicted == samples.labels))


def _start(job: Job, model: Classifier, train: BinnedSamples, look: Callable[[], None]) -> _Start:
    """Choose masks and weights before training, or load them."""
    if job.method == DENSE:
        return _Start({}, [], 0.0)
    path = job.folder / START
    names = list(connections(model))
    if path.exists():
        tensors, note = _read(job, START)
        shapes = {f"mask.{name}": connections(model)[name].bool() for name in names}
        shapes |= {f"weight.{name}": tensor for name, tensor in model.state_dict().items()}
        try:
            check_tensors(tensors, shapes)
        except ValueError as error:
            raise _unusable(job, START, error) from None
        model.load_state_dict({name: tensors[f"weight.{name}"] for name in model.state_dict()})
        masks = {name: tensors[f"mask.{name}"] for name in names}
        return _Start(masks, [(k, a, b) for k, a, b in note["distances"]], note["seconds"])
    found = _choose(job, model, train, look)
    tensors = {f"mask.{name}": mask for name, mask in found.masks.items()}
    tensors |= {f"weight.{name}": tensor for name, tensor in model.state_dict().items()}
    save_tensors(
        path,
        tensors,
        {"run": job.identity, "distances": found.distances, "seconds": found.seconds},
    )
    (job.folder / _TRANSFER).unlink(missing_ok=True)
    return found


def _choose(job: Job, model: Classifier, train: BinnedSamples, look: Callable[[], None]) -> _Start:
    """Choose masks; neural tangent transfer also changes the weights of the model."""
    began = time.process_time()
    if job.method == "ntt":
        return _transfer(job, model, UnlabelledSamples(train), look)
    if job.method == "snip":
        order = np.random.default_rng([job.seed, 1]).permutation(len(train))
        masks = snip_masks(model, train.batch(order[: job.settings.snip_samples]), job.density)
    elif job.method == "synflow":
        masks = synflow_masks(job.model, model, job.density, job.settings.synflow_rounds)
    elif job.method == "magnitude":
        masks = magnitude_masks(model, job.density)
    else:
        masks = random_masks(model, job.density, job.seed)
    return _Start(masks, [], time.process_time() - began)


def _transfer(
    job: Job, model: Classifier, samples: UnlabelledSamples, look: Callable[[], None]
) -> _Start:
    """Run neural tangent transfer, which sees no label, and give the model its weights."""
    settings = job.settings.ntt
    transfer = TangentTransfer(model, samples, job.density, settings, job.seed)
    before = 0.0
    if (job.folder / _TRANSFER).exists():
        tensors, note = _read(job, _TRANSFER)
        try:
            transfer.load_state(
                tensors, note["steps"], [(k, a, b) for k, a, b in note["distances"]]
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise _unusable(job, _TRANSFER, error) from None
        before = note["seconds"]
    began = time.process_time()
    while not transfer.is_done:
        transfer.step()
        if transfer.n_steps % settings.mask_every == 0:
            note = {
                "run": job.identity,
                "steps": transfer.n_steps,
                "distances": transfer.distances,
                "seconds": before + time.process_time() - began,
            }
            save_tensors(job.folder / _TRANSFER, transfer.state(), note)
            look()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(transfer.result()[name])
    seconds = before + time.process_time() - began
    return _Start(transfer.masks, transfer.distances, seconds)


def _save(job: Job, model: Classifier, rule: MaskedBackPropagation, done: _Done) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    save_tensors(
        job.folder / _CHECKPOINT, tensors | rule.state(), {"run": job.identity, **vars(done)}
    )
    lines = ["epoch,loss,validation_accuracy,learning_rate", *done.history, ""]
    write_text(job.folder / HISTORY_FILE, "\n".join(lines))


def _load(job: Job, model: Classifier, rule: MaskedBackPropagation) -> _Done:
    if not (job.folder / _CHECKPOINT).exists():
        return _Done()
    tensors, note = _read(job, _CHECKPOINT)
    prefix = "model."
    weights = {
        name.removeprefix(prefix): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(prefix)
    }
    try:
        check_tensors(weights, model.state_dict())
        check_tensors(tensors, rule.state())
        done = _Done(note["accuracies"], note["history"], note["seconds"])
    except (KeyError, ValueError) as error:
        raise _unusable(job, _CHECKPOINT, error) from None
    model.load_state_dict(weights)
    rule.load_state(tensors)
    return done


def _read(job: Job, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors, note = load_tensors(job.folder / name)
    if note.get("run") != job.identity:
        raise TrainingError(f"{job.folder}: contains another run; choose another folder with -o")
    return tensors, note


def _unusable(job: Job, name: str, error: Exception) -> TrainingError:
    what = str(error).splitlines()[0]
    return TrainingError(
        f"{job.folder / name}: does not fit this run: {what}; delete it to restart the run"
    )
