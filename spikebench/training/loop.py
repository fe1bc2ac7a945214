"""Training: one loop, readable from top to bottom. It sees what the selection holds: not the test split.

Every epoch draws its order, its augmentation and its dropout from generators seeded by (seed, epoch), so a run
that was interrupted goes on as if it had not been. The selected weights are those of the epoch with the
highest validation accuracy (ties: the lower validation loss, then the earlier epoch).

A refit follows this selection: the model is trained again, from the same initial weights, on training and validation
samples, for as many epochs as validation selected (or the preset fixes), and the last weights are kept. Epoch k has the
learning rate of epoch k before the refit, so the schedule is that of the preset, cut off at the selected epoch, as
validation measured it. An epoch is one pass over the samples, of which there are more, and so has more steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from spikebench import __version__
from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples
from spikebench.learning.optimisation import (
    batch_loss,
    class_weights,
    learning_rate,
    make_optimizer,
)
from spikebench.learning.ranks import Ranks, this_rank, together
from spikebench.models.base import Classifier, CountClassifier
from spikebench.presets.preset import Preset
from spikebench.protocol.opening import SelectionData, open_training
from spikebench.training.batches import training_batch
from spikebench.training.checkpoint import (
    Epoch,
    State,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from spikebench.training.inference import (
    Answers,
    bin_samples,
    build_model,
    find_device,
    one_thread,
    place,
    run_model,
    seed_of,
)
from spikebench.training.precision import check_precision, products_in
from spikebench.training.run import (
    RUN_FILE,
    WEIGHTS_FILE,
    count_opening,
    create_run,
    identity,
    locked,
    read_run,
    save_tensors,
    write_run,
)
from spikebench.training.run_record import RunRecord

Report = Callable[[Epoch, int], None]


def start_run(
    folder: Path,
    model: str,
    preset: Preset,
    selection: SelectionData,
    seed: int,
    device: str | None = "cpu",
    *,
    refit: bool = False,
) -> RunRecord:
    """Begin a run, or take up the same one again.

    Parameters
    ----------
    folder
        Where it is kept.
    model, preset, seed
        What to train, and how.
    selection
        The data opened for selection.
    device
        Device of the training, ``cpu`` or ``cuda``, whose support of the precision is tested here; None if
        another machine trains, where it is tested when training begins.
    refit
        Train again on training and validation samples after selection.

    Returns
    -------
    RunRecord
        New, or the one that stands in the folder.

    Raises
    ------
    TrainingError
        If the folder holds another run, a new run cannot be trained with the preset (nothing is written then), or
        a refit is not possible.
    """
    _check_refit(preset, selection, refit)
    binned = bin_samples(selection.train, preset)
    cells = len(binned) * binned.n_steps * binned.n_units
    record = RunRecord(
        software=f"spikebench {__version__}",
        model=model,
        preset=preset,
        data=selection.data,
        dataset=selection.dataset,
        input_rate=binned.n_events / cells,
        seed=seed,
        late_events=binned.n_late,
        fold=selection.fold,
        encoding=selection.encoding,
        selected_on="test" if selection.is_oracle else "validation",
        refit=refit,
    )
    if not (folder / RUN_FILE).exists():
        # A bad configuration is told before anything is written.
        _check_settings(build_model(record), record, this_rank())
        if device is not None:
            check_precision(record, torch.device(device))
        if create_run(folder, record):
            return record
    found = read_run(folder)
    if identity(found) != identity(record):
        raise TrainingError(f"{folder}: holds another run; choose another folder")
    return found


def _check_refit(preset: Preset, selection: SelectionData, refit: bool) -> None:
    if preset.training.refit_epochs and not refit:
        raise TrainingError(
            "training.refit_epochs is set without a refit; add --refit, or leave it out"
        )
    if refit and selection.is_oracle:
        raise TrainingError(
            "--refit and --oracle exclude each other: a refit would train on the test split, which the oracle uses"
        )
    if refit and selection.fold is not None:
        raise TrainingError(
            "--refit and --fold exclude each other: a refit would train on the speaker that the fold leaves out"
        )


def fit(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: str = "cpu",
    report: Report | None = None,
) -> RunRecord:
    """Train a run to its end, from where it stands.

    Started by ``torchrun``, every process calls this; they share the batches and the first one writes.

    Parameters
    ----------
    folder, record
        From :func:`start_run`.
    selection
        The data it was started on.
    device
        ``cpu`` or ``cuda``.
    report
        Called after every epoch with its numbers and the number of epochs.

    Returns
    -------
    RunRecord
        With status ``trained``.

    Raises
    ------
    TrainingError
        If the device is not there, the model cannot be trained as the preset says, or the loss is no longer finite
        (the last good checkpoint is kept).
    """
    if record.status == "trained":
        return record
    where = find_device(device)
    with (
        one_thread(),
        together(where) as ranks,
        locked(folder) if ranks.is_first else nullcontext(),
    ):
        try:
            return _fit(folder, record, selection, where, report, ranks)
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "alloc" in str(error) or "memory" in str(error):
                raise TrainingError(
                    f"model {record.model} needs more memory than there is; try a smaller training.batch_size or "
                    "wider bins (input.time_step_ms)"
                ) from None
            raise


def _fit(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: torch.device,
    report: Report | None,
    ranks: Ranks,
) -> RunRecord:
    if record.status == "training":
        record = _choose(folder, record, selection, device, report, ranks)
    if record.status == "chosen":
        record = _refit(folder, record, selection, device, report, ranks)
    return record


def _choose(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: torch.device,
    report: Report | None,
    ranks: Ranks,
) -> RunRecord:
    """Train on the training split, and select on validation."""
    model = place(build_model(record), device, record)
    _check_settings(model, record, ranks)
    check_precision(record, device)  # a run that is taken up may have been begun elsewhere
    if selection.is_oracle and ranks.is_first:
        record = count_opening(folder)  # the test split chooses the epoch, so it is open
    train = bin_samples(selection.train, record.preset)
    validation = bin_samples(selection.validation, record.preset)
    if isinstance(model, CountClassifier):
        began = time.perf_counter()
        choice = model.fit_counts(
            (train.counts(), train.labels), (validation.counts(), validation.labels)
        )
        state = State(
            best=_weights(model),
            accuracy=choice["validation_accuracy"],
            seconds=time.perf_counter() - began,
        )
    else:
        choice = {}
        state = _train(folder, record, model, train, validation, report, ranks)
    chosen = RunRecord.model_validate(
        record.model_dump()
        | {
            "status": "chosen" if record.refit else "trained",
            "epochs": len(state.history),
            "selected_epoch": state.epoch,
            "validation_accuracy": state.accuracy,
            "train_seconds": state.seconds,
            "choice": choice,
        }
    )
    _finish(folder, record, chosen, state.best, ranks)
    return chosen


def _refit(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: torch.device,
    report: Report | None,
    ranks: Ranks,
) -> RunRecord:
    """Train again on training and validation samples, with the settings that validation selected."""
    samples = bin_samples(open_training(selection), record.preset)
    model = place(build_model(record), device, record)
    check_precision(record, device)  # a run that is taken up may have been begun elsewhere
    if isinstance(model, CountClassifier):
        began = time.perf_counter()
        model.refit_counts((samples.counts(), samples.labels), record.choice)
        state = State(best=_weights(model), seconds=time.perf_counter() - began)
    else:
        state = _train(folder, record, model, samples, None, report, ranks)
    seconds = record.train_seconds + state.seconds
    done = record.model_copy(update={"status": "trained", "train_seconds": seconds})
    _finish(folder, record, done, state.best, ranks)
    return done


def _finish(
    folder: Path, phase: RunRecord, done: RunRecord, weights: dict[str, torch.Tensor], ranks: Ranks
) -> None:
    """Record the end of a phase; its checkpoint is deleted last, so that a kill in between loses nothing."""
    if ranks.is_first:
        if done.status == "trained":
            save_tensors(folder / WEIGHTS_FILE, weights, _note(done))
        write_run(folder, done)
        checkpoint_of(folder, phase).unlink(missing_ok=True)
    ranks.wait()


def _note(record: RunRecord) -> dict[str, Any]:
    """Make the header of the weights: model and seed, and any oracle, fold or refit, as they may be copied alone."""
    note: dict[str, Any] = {"model": record.model, "seed": record.seed}
    if record.selected_on == "test":
        note["selected_on"] = record.selected_on
    if record.fold is not None:
        note["fold"] = record.fold
    if record.refit:
        note["refit_epochs"] = record.refit_epochs
    return note


def _weights(model: Classifier) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _check_settings(model: Classifier, record: RunRecord, ranks: Ranks) -> None:
    """Refuse what would silently be something else."""
    if record.preset.training.precision != "float32" and (
        model.spiking or isinstance(model, CountClassifier)
    ):
        raise TrainingError(
            f"model {record.model} computes in float32; training.precision is for lstm and cnn"
        )
    if ranks.size > 1:
        if isinstance(model, CountClassifier):
            raise TrainingError(
                f"model {record.model} is not trained by gradients: one process does it"
            )
        if any(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in model.modules()):
            raise TrainingError(
                f"model {record.model} normalises over the batch, which {ranks.size} processes would change; "
                "train it in one"
            )


def _train(
    folder: Path,
    record: RunRecord,
    model: Classifier,
    train: BinnedSamples,
    validation: BinnedSamples | None,
    report: Report | None,
    ranks: Ranks,
) -> State:
    """Train epoch by epoch; without validation samples (a refit) the last epoch is kept."""
    settings = record.preset.training
    last = settings.epochs if record.refit_epochs is None else record.refit_epochs
    optimizer = make_optimizer(model, settings)
    state = load_checkpoint(folder, record, model, optimizer)
    for epoch in range(len(state.history) + 1, last + 1):
        patience = settings.patience_epochs if validation is not None else 0
        if 0 < patience < epoch - state.epoch and state.epoch:
            break
        began = time.perf_counter()
        rate = learning_rate(settings, epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        try:
            loss = _one_epoch(model, optimizer, train, record, epoch, ranks)
        except _NotFiniteError as stopped:
            kept = "none is kept"
            if epoch > 1:
                kept = f"the state after epoch {epoch - 1} is kept in {folder}"
            phase = " of the refit" if validation is None else ""
            raise TrainingError(
                f"{stopped.what} no longer finite in epoch {epoch}{phase}, step {stopped}, at learning rate {rate:g}; "
                f"{kept}. Try a lower training.learning_rate or set training.gradient_norm"
            ) from None
        measured = _measure(model, validation, settings.batch_size, ranks)
        seconds = time.perf_counter() - began
        state.seconds += seconds
        _keep(state, epoch, measured, model)
        line = Epoch(
            *(epoch, loss, measured.loss, measured.accuracy, measured.spikes_per_sample),
            *(rate, seconds, len(train) / seconds),
        )
        state.history = (*state.history, line)
        if ranks.is_first:
            save_checkpoint(folder, record, model, optimizer, state)
            if report:
                report(line, last)
    return state


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


def _keep(state: State, epoch: int, measured: _Measured, model: Classifier) -> None:
    """Keep the weights of an epoch if it is the best so far, or if there is no validation."""
    loss, accuracy = measured.loss, measured.accuracy
    if loss is not None and accuracy is not None:
        if not (accuracy, -loss) > (state.accuracy, -state.loss):  # also where a loss is no number
            return
        state.accuracy, state.loss = accuracy, loss
    state.epoch, state.best = epoch, _weights(model)


class _NotFiniteError(ArithmeticError):
    """What a step led to is not finite; says which step of how many."""

    def __init__(self, step: str, what: str = "the loss is") -> None:
        super().__init__(step)
        self.what = what


def _one_epoch(
    model: Classifier,
    optimizer: torch.optim.Optimizer,
    train: BinnedSamples,
    record: RunRecord,
    epoch: int,
    ranks: Ranks,
) -> float:
    """Go once through the training split; mean loss per sample."""
    settings = record.preset.training
    device = next(model.parameters()).device
    n_steps = -(-len(train) // settings.batch_size)
    weights = class_weights(train.labels, len(record.dataset.classes), settings.class_weights)
    generator = np.random.default_rng([record.seed, epoch])
    order = generator.permutation(len(train))
    total = 0.0
    model.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed_of(record.seed, epoch))
        for start in range(0, order.size, settings.batch_size):
            chosen = order[start : start + settings.batch_size]
            # Drawn whole in every process, so that all draw alike.
            batch = training_batch(train, chosen, record.preset, generator)
            denominator = float(weights[batch.labels].sum())
            batch = batch.part(*ranks.share(chosen.size)).to(device)
            with products_in(settings.precision, device):
                output = model(batch)
            loss = batch_loss(
                *(output, batch.labels, weights.to(device), denominator, chosen.size),
                *(record.preset.regulariser, ranks),
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            ranks.sum_gradients(model.parameters())
            if settings.gradient_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_norm)
            value = sum(ranks.gather(float(loss.detach())))
            if not math.isfinite(value):
                raise _NotFiniteError(f"{start // settings.batch_size + 1} of {n_steps}")
            optimizer.step()
            total += value * chosen.size
    # No loss saw the last step yet, and a neuron whose weights are no numbers is only silent.
    if not all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values()):
        raise _NotFiniteError(f"{n_steps} of {n_steps}", "the weights are")
    return total / order.size


def _validate(
    model: Classifier, validation: BinnedSamples, batch_size: int, ranks: Ranks
) -> Answers:
    """Let every process answer its share."""
    first, last = ranks.share(len(validation))
    found = ranks.gather(run_model(model, validation, batch_size, range(first, last)))
    n = len(validation)
    return Answers(
        np.concatenate([answers.predicted for answers in found]),
        sum(answers.loss * answers.predicted.size for answers in found) / n,
        sum(answers.spikes_per_sample * answers.predicted.size for answers in found) / n,
    )
