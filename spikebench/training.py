"""Training: one loop, readable from top to bottom. It sees what the selection holds: not the test split.

Every epoch draws its order, its jitter and its dropout from generators seeded by (seed, epoch), so a run
that was interrupted goes on as if it had not been. The selected weights are those of the epoch with the
highest validation accuracy (ties: the lower validation loss, then the earlier epoch).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from spikebench import __version__
from spikebench.errors import TrainingError
from spikebench.events import BinnedSamples, DenseBuffer
from spikebench.models.base import Classifier, CountClassifier, DataShape, Output, model_class
from spikebench.preset import Preset, RegulariserSettings, TrainingSettings
from spikebench.protocol import SelectionData
from spikebench.results import first_problem, write_text
from spikebench.run import (
    CHECKPOINT_FILE,
    RUN_FILE,
    WEIGHTS_FILE,
    RunRecord,
    count_opening,
    load_tensors,
    locked,
    read_run,
    save_tensors,
    write_run,
)
from spikebench.spike_dataset import SpikeDataset


@dataclass(frozen=True)
class Epoch:
    """One line of the history."""

    epoch: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    spikes_per_sample: float
    learning_rate: float
    seconds: float
    samples_per_second: float


Report = Callable[[Epoch, int], None]


def start_run(
    folder: Path, model: str, preset: Preset, selection: SelectionData, seed: int
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

    Returns
    -------
    RunRecord
        New, or the one that stands in the folder.

    Raises
    ------
    TrainingError
        If the folder holds another run.
    """
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
        selected_on="test" if selection.is_oracle else "validation",
    )
    if (folder / RUN_FILE).exists():
        found = read_run(folder)
        same = {"model", "preset", "dataset", "seed", "fold", "selected_on"}
        if found.model_dump(include=same) != record.model_dump(include=same):
            raise TrainingError(f"{folder}: holds another run; choose another folder")
        return found
    build_model(record)  # a bad configuration is told before anything is written
    write_run(folder, record)
    return record


def build_model(record: RunRecord) -> Classifier:
    """Build the model of a run with its initial weights, which follow from the seed.

    Parameters
    ----------
    record
        The run.

    Returns
    -------
    Classifier
        On the CPU.

    Raises
    ------
    TrainingError
        If the preset's ``[model]`` table does not fit the model.
    """
    kind = model_class(record.model)
    settings = record.preset.input
    try:
        config = kind.Config.model_validate(record.preset.model)
    except ValidationError as error:
        raise TrainingError(f"model {record.model}: {first_problem(error)}") from None
    shape = DataShape(
        n_units=record.dataset.n_units,
        n_classes=len(record.dataset.classes),
        n_steps=settings.n_steps,
        time_step=settings.time_step_ms * 1e-3,
        input_rate=record.input_rate,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(record.seed, 0))
        try:
            return kind(config, shape)
        except (RuntimeError, MemoryError, ArithmeticError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TrainingError(f"model {record.model} cannot be built: {reason}") from None


def bin_samples(samples: SpikeDataset, preset: Preset) -> BinnedSamples:
    """Bin samples as a preset says.

    Parameters
    ----------
    samples
        Events in seconds.
    preset
        Settings.

    Returns
    -------
    BinnedSamples
        Ready for batches.
    """
    settings = preset.input
    return BinnedSamples(samples, settings.time_step_ms * 1e-3, settings.n_steps, settings.mode)


def fit(
    folder: Path,
    record: RunRecord,
    selection: SelectionData,
    device: str = "cpu",
    report: Report | None = None,
) -> RunRecord:
    """Train a run to its end, from where it stands.

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
        If the device is not there or the loss is no longer finite (the last good checkpoint is kept).
    """
    if record.status == "trained":
        return record
    with locked(folder), one_thread():
        if selection.is_oracle:  # the test split chooses the epoch, so it is open from here on
            record = count_opening(folder)
        return _fit(folder, record, selection, device, report)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread of the CPU, and give the others back afterwards.

    Layers of some hundred units are too small to share: on a machine of two cores an epoch of ``lif``,
    ``lstm`` and ``cnn`` (1,920 samples of 700 units) took 6 to 18 times as long with two threads as with
    one. And with one thread the weights do not depend on the number of cores.

    Yields
    ------
    None
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fit(
    folder: Path, record: RunRecord, selection: SelectionData, device: str, report: Report | None
) -> RunRecord:
    train = bin_samples(selection.train, record.preset)
    validation = bin_samples(selection.validation, record.preset)
    model = build_model(record).to(find_device(device))
    if isinstance(model, CountClassifier):
        began = time.perf_counter()
        choice = model.fit_counts(
            (train.counts(), train.labels), (validation.counts(), validation.labels)
        )
        state = _State(
            best={name: tensor.clone() for name, tensor in model.state_dict().items()},
            accuracy=choice["validation_accuracy"],
            seconds=time.perf_counter() - began,
        )
    else:
        choice = {}
        state = _train(folder, record, model, train, validation, report)
    note = {"model": record.model, "seed": record.seed}
    # Weights go their own ways; what else than the protocol selected them goes with them.
    if record.selected_on == "test":
        note["selected_on"] = record.selected_on
    if record.fold is not None:
        note["fold"] = record.fold
    save_tensors(folder / WEIGHTS_FILE, state.best, note)
    done = record.model_copy(
        update={
            "status": "trained",
            "epochs": len(state.history),
            "selected_epoch": state.epoch,
            "validation_accuracy": state.accuracy,
            "train_seconds": state.seconds,
            "choice": choice,
        }
    )
    write_run(folder, done)
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return done


@dataclass
class _State:
    """What the loop carries from epoch to epoch beside weights and optimiser."""

    best: dict[str, torch.Tensor]
    accuracy: float = -1.0
    loss: float = math.inf
    epoch: int = 0
    seconds: float = 0.0
    history: tuple[Epoch, ...] = ()


def _train(
    folder: Path,
    record: RunRecord,
    model: Classifier,
    train: BinnedSamples,
    validation: BinnedSamples,
    report: Report | None,
) -> _State:
    settings = record.preset.training
    optimizer = _optimizer(model, settings)
    state = _resume(folder, model, optimizer)
    for epoch in range(len(state.history) + 1, settings.epochs + 1):
        if 0 < settings.patience_epochs < epoch - state.epoch and state.epoch:
            break
        began = time.perf_counter()
        rate = _learning_rate(settings, epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _one_epoch(model, optimizer, train, record, epoch)
        if not math.isfinite(loss):
            kept = (
                f"the state after epoch {epoch - 1} is kept in {folder}"
                if epoch > 1
                else "none is kept"
            )
            raise TrainingError(
                f"the loss is no longer finite in epoch {epoch} at learning rate {rate:g}; {kept}. "
                "Try a lower training.learning_rate or set training.gradient_norm"
            )
        answers = run_model(model, validation, settings.batch_size)
        accuracy = float(np.mean(answers.predicted == validation.labels))
        seconds = time.perf_counter() - began
        state.seconds += seconds
        if (accuracy, -answers.loss) > (state.accuracy, -state.loss):
            state.accuracy, state.loss, state.epoch = accuracy, answers.loss, epoch
            state.best = {
                name: tensor.detach().clone() for name, tensor in model.state_dict().items()
            }
        line = Epoch(
            *(epoch, loss, answers.loss, accuracy, answers.spikes_per_sample),
            *(rate, seconds, len(train) / seconds),
        )
        state.history = (*state.history, line)
        _save_checkpoint(folder, model, optimizer, state)
        if report:
            report(line, settings.epochs)
    return state


def _one_epoch(
    model: Classifier,
    optimizer: torch.optim.Optimizer,
    train: BinnedSamples,
    record: RunRecord,
    epoch: int,
) -> float:
    """Go once through the training split; mean loss per sample."""
    settings = record.preset.training
    device = next(model.parameters()).device
    generator = np.random.default_rng([record.seed, epoch])
    order = generator.permutation(len(train))
    jitter = settings.unit_jitter_percent / 100 * train.n_units
    total, buffer = 0.0, DenseBuffer(device)
    model.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(_seed(record.seed, epoch))
        for start in range(0, order.size, settings.batch_size):
            chosen = order[start : start + settings.batch_size]
            # The last batch's raster is free again: its gradients were taken.
            raster = buffer.fill(train.batch(chosen, jitter, generator))
            labels = torch.from_numpy(train.labels[chosen]).to(device)
            output = model(raster)
            loss = torch.nn.functional.cross_entropy(output.scores, labels)
            loss = loss + activity_penalty(output, record.preset.regulariser)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if settings.gradient_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_norm)
            value = float(loss.detach())
            if not math.isfinite(value):
                return value
            optimizer.step()
            total += value * chosen.size
    return total / order.size


def activity_penalty(output: Output, settings: RegulariserSettings) -> torch.Tensor:
    """Compute the regularisation of :class:`spikebench.preset.RegulariserSettings`.

    Parameters
    ----------
    output
        A model's answer with its hidden spikes.
    settings
        Strengths and thresholds.

    Returns
    -------
    Tensor of float32, shape ()
        To be added to the loss.
    """
    penalty = output.scores.new_zeros(())
    for spikes in output.spikes:
        count = spikes.sum(1)  # (batch, unit)
        silent = torch.relu(settings.lower_spikes - count.mean(0))
        busy = torch.relu(count.mean(1) - settings.upper_spikes)
        penalty = penalty + settings.lower_strength * (silent**2).mean()
        penalty = penalty + settings.upper_strength * (busy**2).mean()
    return penalty


@dataclass(frozen=True)
class Answers:
    """What a model says of some samples.

    Attributes
    ----------
    predicted : ndarray of int64, shape (samples,)
        Class of each sample.
    loss : float
        Mean cross-entropy.
    spikes_per_sample : float
        Mean number of hidden spikes per sample; 0 for a model without.
    """

    predicted: NDArray[np.int64]
    loss: float
    spikes_per_sample: float


@torch.no_grad()
def run_model(model: Classifier, samples: BinnedSamples, batch_size: int) -> Answers:
    """Let a model answer, without learning.

    Parameters
    ----------
    model
        On any device.
    samples
        Binned samples, at least one.
    batch_size
        Samples at a time.

    Returns
    -------
    Answers
        Over all samples.
    """
    model.eval()
    device = next((t.device for t in [*model.parameters(), *model.buffers()]), torch.device("cpu"))
    predicted, loss, spikes, buffer = [], 0.0, 0.0, DenseBuffer(device)
    for start in range(0, len(samples), batch_size):
        chosen = np.arange(start, min(start + batch_size, len(samples)))
        output = model(buffer.fill(samples.batch(chosen)))
        labels = torch.from_numpy(samples.labels[chosen]).to(device)
        loss += float(torch.nn.functional.cross_entropy(output.scores, labels, reduction="sum"))
        spikes += sum(float(layer.sum(dtype=torch.float64)) for layer in output.spikes)
        predicted.append(output.scores.argmax(1).cpu().numpy())
    return Answers(np.concatenate(predicted), loss / len(samples), spikes / len(samples))


def load_trained(folder: Path, record: RunRecord) -> Classifier:
    """Build the model of a finished run with the selected weights.

    Parameters
    ----------
    folder, record
        The run.

    Returns
    -------
    Classifier
        On the CPU.

    Raises
    ------
    TrainingError
        If the run is not finished or its weights do not fit.
    """
    if record.status != "trained":
        raise TrainingError(
            f"{folder}: not trained to the end; first: spikebench train --resume {folder}"
        )
    model = build_model(record)
    tensors, _ = load_tensors(folder / WEIGHTS_FILE)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise TrainingError(
            f"{folder / WEIGHTS_FILE}: {str(error).splitlines()[-1].strip()}"
        ) from None
    return model


def find_device(name: str) -> torch.device:
    """Find a device; never another one than asked for.

    Parameters
    ----------
    name
        ``cpu`` or ``cuda``.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    TrainingError
        If it is not there.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device cuda: torch sees no CUDA device here; use --device cpu")
    return torch.device(name)


def _seed(seed: int, epoch: int) -> int:
    return int(
        np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


def _optimizer(model: Classifier, settings: TrainingSettings) -> torch.optim.Optimizer:
    kinds: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "adamax": torch.optim.Adamax,
    }
    optimizer: torch.optim.Optimizer = kinds[settings.optimizer](
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    return optimizer


def _learning_rate(settings: TrainingSettings, epoch: int) -> float:
    if settings.schedule == "constant":
        return settings.learning_rate
    # From the full rate at the first epoch down to nearly 0 at the last.
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / settings.epochs))


def _save_checkpoint(
    folder: Path, model: Classifier, optimizer: torch.optim.Optimizer, state: _State
) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    for number, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{slot}": value for slot, value in slots.items()}
    history = [vars(line) for line in state.history]
    note = {
        "accuracy": state.accuracy,
        "loss": state.loss,
        "epoch": state.epoch,
        "seconds": state.seconds,
        "history": history,
    }
    save_tensors(folder / CHECKPOINT_FILE, tensors, note)
    columns = list(history[0])
    lines = [",".join(columns), *(",".join(f"{line[c]:.6g}" for c in columns) for line in history)]
    write_text(folder / "history.csv", "\n".join(lines) + "\n")


def _resume(folder: Path, model: Classifier, optimizer: torch.optim.Optimizer) -> _State:
    initial = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    if not (folder / CHECKPOINT_FILE).exists():
        return _State(best=initial)
    tensors, note = load_tensors(folder / CHECKPOINT_FILE)
    device = next(model.parameters()).device

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {
            name.removeprefix(prefix): tensor.to(device)
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }

    try:
        model.load_state_dict(part("model."))
        slots: dict[int, dict[str, Any]] = {}
        for name, tensor in part("optimizer.").items():
            number, _, slot = name.partition(".")
            slots.setdefault(int(number), {})[slot] = tensor
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
        return _State(
            best=part("best."),
            accuracy=note["accuracy"],
            loss=note["loss"],
            epoch=note["epoch"],
            seconds=note["seconds"],
            history=tuple(Epoch(**line) for line in note["history"]),
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{folder / CHECKPOINT_FILE}: does not fit this run: {error}") from None
