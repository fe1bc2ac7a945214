"""Training epoch by epoch: one loop for all models and learning rules.

The order of samples, augmentation and dropout of an epoch come from generators seeded by (seed, epoch), so an
interrupted run gives the same result when it is resumed. The selected weights are those of the epoch with the
highest validation accuracy (ties: the lower validation loss, then the earlier epoch).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from spikebench.compiled import watch_compilation
from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples
from spikebench.learning.loss_and_optimiser import class_weights, learning_rate
from spikebench.learning.plateau import plateaus
from spikebench.learning.ranks import Ranks
from spikebench.learning.rule import LearningRule, device_of, rule_class, rule_name
from spikebench.models.base import Classifier
from spikebench.training.batches import TrainingBatches
from spikebench.training.checkpoint import Epoch, State, load_checkpoint, save_checkpoint
from spikebench.training.inference import ModelPredictions, run_model, seed_of
from spikebench.training.run_record import RunRecord

Report = Callable[[Epoch, int], None]


def train(
    folder: Path,
    record: RunRecord,
    model: Classifier,
    samples: BinnedSamples,
    validation: BinnedSamples | None,
    report: Report | None,
    ranks: Ranks,
) -> State:
    """Train a model by its learning rule, continuing from the state of the run.

    Parameters
    ----------
    folder, record
        The run.
    model
        With its initial weights, on the device of the training.
    samples
        The training samples.
    validation
        Samples for selecting the epoch. None in a refit, which keeps the last epoch.
    report
        Called after every epoch with its numbers and the number of epochs.
    ranks
        The processes that train together.

    Returns
    -------
    State
        The final state, with the selected weights as ``best``.

    Raises
    ------
    TrainingError
        If the loss or the weights are no longer finite.
    """
    settings = record.preset.training
    model.measure_input(samples)
    rule = make_rule(model, record, samples, ranks)
    if rule.updates == "once":
        began = time.perf_counter()
        choice = rule.fit(samples, validation, record.choice)
        seconds = time.perf_counter() - began
        accuracy = choice.get("validation_accuracy", -1.0)
        return State(best=_weights(model), accuracy=accuracy, seconds=seconds, choice=choice)
    state = load_checkpoint(folder, record, model, rule)
    last = settings.epochs if record.refit_epochs is None else record.refit_epochs
    patience = settings.patience_epochs if validation is not None else 0
    for epoch in range(len(state.history) + 1, last + 1):
        if 0 < patience < epoch - state.epoch and state.epoch:
            break
        began = time.perf_counter()
        reduced = [k for k in rate_reductions(record, state) if k < epoch]
        rate = learning_rate(settings, epoch, len(reduced))
        try:
            with watch_compilation() as compiled:
                loss = one_epoch(rule, samples, record, epoch, rate)
                with rule.evaluated_weights():
                    measured = _measure(model, validation, settings.batch_size, ranks)
                    seconds = time.perf_counter() - began
                    state.seconds += seconds
                    _keep(state, epoch, measured, model)
        except _NotFiniteError as stopped:
            kept = "no state is kept"
            if epoch > 1:
                kept = f"the state after epoch {epoch - 1} is kept in {folder}"
            phase = " of the refit" if validation is None else ""
            raise TrainingError(
                f"{stopped.what} no longer finite in epoch {epoch}{phase}, step {stopped}, at learning rate {rate:g}; "
                f"{kept}. Try a lower training.learning_rate or set training.gradient_norm"
            ) from None
        line = Epoch(
            epoch,
            loss=loss,
            validation_loss=measured.loss,
            validation_accuracy=measured.accuracy,
            spikes_per_sample=measured.spikes_per_sample,
            learning_rate=rate,
            seconds=seconds,
            samples_per_second=len(samples) / (seconds - compiled.seconds),
        )
        state.history = (*state.history, line)
        if ranks.is_first:
            save_checkpoint(folder, record, model, rule, state)
            if report:
                report(line, last)
    return state


def rate_reductions(record: RunRecord, state: State) -> list[int]:
    """Find the epochs after which the schedule ``plateau`` has reduced the learning rate.

    Parameters
    ----------
    record
        The run.
    state
        With the history so far.

    Returns
    -------
    list of int
        From the validation accuracy or loss of the epochs after the warm-up; in a refit, which measures neither, those
        of the selection. Empty for other schedules.
    """
    settings = record.preset.training
    if record.status == "chosen":
        return list(record.rate_reductions)
    if settings.schedule != "plateau":
        return []
    if settings.plateau_measure == "accuracy":
        values = [line.validation_accuracy for line in state.history]
    else:
        values = [
            None if line.validation_loss is None else -line.validation_loss
            for line in state.history
        ]
    warm = settings.warmup_epochs
    measured = [value for value in values[warm:] if value is not None]
    return [warm + epoch for epoch in plateaus(measured, settings.plateau_patience_epochs)]


def make_rule(
    model: Classifier, record: RunRecord, samples: BinnedSamples, ranks: Ranks
) -> LearningRule:
    """Make the learning rule of a model.

    Parameters
    ----------
    model
        With its initial weights, on the device of the training.
    record
        The run.
    samples
        The training samples.
    ranks
        The processes that train together.

    Returns
    -------
    LearningRule
        In its initial state.
    """
    kind = record.preset.training.class_weights
    weights = class_weights(samples.labels, len(record.dataset.classes), kind)
    return rule_class(rule_name(model, record.preset))(
        model, record.preset, weights, ranks, record.seed
    )


def one_epoch(
    rule: LearningRule, samples: BinnedSamples, record: RunRecord, epoch: int, rate: float
) -> float:
    """Train for one epoch.

    Parameters
    ----------
    rule
        The rule and its model.
    samples
        The training samples.
    record
        The run.
    epoch
        Number of the epoch, from 1.
    rate
        Learning rate.

    Returns
    -------
    float
        Mean loss per sample.
    """
    model, settings = rule.model, record.preset.training
    device = device_of(model)
    n_steps = -(-len(samples) // settings.batch_size)
    batches = TrainingBatches(samples, record.preset, record.seed, epoch)
    order = batches.order()
    total = 0.0
    model.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed_of(record.seed, epoch))
        for step, start in enumerate(range(0, order.size, settings.batch_size), 1):
            chosen = order[start : start + settings.batch_size]
            # The whole batch is made in every process, so that all draw the same random numbers.
            loss = rule.update(batches.batch(chosen), rate)
            if not math.isfinite(loss):
                raise _NotFiniteError(f"{step} of {n_steps}")
            total += loss * chosen.size
    # The last step has not been checked by a loss, and a neuron whose weights are NaN is merely silent.
    if not all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values()):
        raise _NotFiniteError(f"{n_steps} of {n_steps}", "the weights are")
    return total / order.size


class _NotFiniteError(ArithmeticError):
    """Raised if a step leads to values that are not finite; gives the number of the step."""

    def __init__(self, step: str, what: str = "the loss is") -> None:
        super().__init__(step)
        self.what = what


class _Measured(NamedTuple):
    """Loss, accuracy and hidden spikes of an epoch on the validation samples; None in a refit."""

    loss: float | None = None
    accuracy: float | None = None
    spikes_per_sample: float | None = None


def _measure(
    model: Classifier, validation: BinnedSamples | None, batch_size: int, ranks: Ranks
) -> _Measured:
    """Measure loss, accuracy and hidden spikes on the validation samples, if there are any."""
    if validation is None:
        return _Measured()
    answers = _validate(model, validation, batch_size, ranks)
    accuracy = float(np.mean(answers.predicted == validation.labels))
    return _Measured(answers.loss, accuracy, answers.spikes_per_sample)


def _validate(
    model: Classifier, validation: BinnedSamples, batch_size: int, ranks: Ranks
) -> ModelPredictions:
    """Compute the predictions of all processes, each for its share of the samples."""
    first, last = ranks.own_range(len(validation))
    found = ranks.gather(run_model(model, validation, batch_size, range(first, last)))
    n = len(validation)
    spikes = [
        answers.spikes_per_sample * answers.predicted.size
        for answers in found
        if answers.spikes_per_sample is not None
    ]
    return ModelPredictions(
        np.concatenate([answers.predicted for answers in found]),
        sum(answers.loss * answers.predicted.size for answers in found) / n,
        sum(spikes) / n if spikes else None,
    )


def _keep(state: State, epoch: int, measured: _Measured, model: Classifier) -> None:
    """Store the weights of an epoch if it is the best so far, or if there is no validation."""
    loss, accuracy = measured.loss, measured.accuracy
    if loss is not None and accuracy is not None:
        if not (accuracy, -loss) > (state.accuracy, -state.loss):  # also if the loss is NaN
            return
        state.accuracy, state.loss = accuracy, loss
    state.epoch, state.best = epoch, _weights(model)


def _weights(model: Classifier) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
