"""The state of a training after an epoch, stored so that the training can be resumed exactly.

Orders, jitter and dropout come from generators seeded by (seed, epoch), so no state of a generator is stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from spikebench.errors import TrainingError
from spikebench.learning.rule import LearningRule, device_of
from spikebench.models.base import Classifier
from spikebench.records.problems import first_problem
from spikebench.records.whole_files import write_text
from spikebench.training.run import (
    CHECKPOINT_FILE,
    REFIT_CHECKPOINT_FILE,
    identity,
    load_tensors,
    save_tensors,
)
from spikebench.training.run_record import HISTORY_FILE, REFIT_HISTORY_FILE, RunRecord


@dataclass(frozen=True)
class Epoch:
    """One line of the history; the columns measured on validation samples are None in a refit.

    ``spikes_per_sample`` is None for a model that does not show its spikes.
    """

    epoch: int
    loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    spikes_per_sample: float | None
    learning_rate: float
    seconds: float
    samples_per_second: float

    @property
    def is_refit(self) -> bool:
        """Whether the epoch belongs to a refit."""
        return self.validation_accuracy is None


@dataclass
class State:
    """State that the loop keeps between epochs, beside the weights and the state of the learning rule.

    ``best`` are the weights of ``epoch``: the best epoch, or in a refit the last one, which has neither accuracy nor
    loss on validation samples. A rule without epochs stores the settings that validation selected in ``choice``.
    """

    best: dict[str, torch.Tensor]
    accuracy: float = -1.0
    loss: float = math.inf
    epoch: int = 0
    seconds: float = 0.0
    history: tuple[Epoch, ...] = ()
    choice: dict[str, float] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    record: RunRecord,
    model: Classifier,
    rule: LearningRule,
    state: State,
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    folder, record
        The run.
    model, rule, state
        The objects to store, after a complete epoch.

    Raises
    ------
    TrainingError
        If it cannot be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    tensors |= rule.state()
    history = [vars(line) for line in state.history]
    note = {
        "run": _phase(record),
        "accuracy": state.accuracy,
        "loss": state.loss,
        "epoch": state.epoch,
        "seconds": state.seconds,
        "history": history,
    }
    save_tensors(checkpoint_of(folder, record), tensors, note)
    columns = [name for name, value in history[0].items() if value is not None]
    lines = [",".join(columns), *(",".join(f"{line[c]:.6g}" for c in columns) for line in history)]
    name = REFIT_HISTORY_FILE if record.status == "chosen" else HISTORY_FILE
    write_text(folder / name, "\n".join(lines) + "\n")


def checkpoint_of(folder: Path, record: RunRecord) -> Path:
    """Return the path of the checkpoint for the current phase of a run, selection or refit.

    Parameters
    ----------
    folder, record
        The run.

    Returns
    -------
    Path
        The file, which may not exist.
    """
    return folder / (REFIT_CHECKPOINT_FILE if record.status == "chosen" else CHECKPOINT_FILE)


def _phase(record: RunRecord) -> str:
    """Identify the phase of a run for its checkpoint, with the epochs of a refit."""
    refit = f", {record.refit_epochs} epochs of its refit" if record.status == "chosen" else ""
    return identity(record) + refit


def load_checkpoint(
    folder: Path, record: RunRecord, model: Classifier, rule: LearningRule
) -> State:
    """Load the state of a training from its checkpoint.

    Parameters
    ----------
    folder, record
        The run.
    model, rule
        New objects, into which the stored values are loaded.

    Returns
    -------
    State
        State after the last complete epoch; without a checkpoint, the initial state.

    Raises
    ------
    TrainingError
        If the checkpoint is damaged or belongs to another run.
    """
    initial = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    path = checkpoint_of(folder, record)
    if not path.exists():
        return State(best=initial)
    tensors, said = load_tensors(path)
    weights, best = (_cut(tensors, f"{part}.") for part in ("model", "best"))
    expected = rule.state()
    try:
        note = _Note.model_validate(said)
        if note.run != _phase(record):
            raise ValueError("is the checkpoint of another run")
        is_refit = record.status == "chosen"
        if len(note.history) > (record.refit_epochs or record.preset.training.epochs):
            raise ValueError("has more epochs than the run")
        if any((line.validation_accuracy is None) != is_refit for line in note.history):
            raise ValueError("validation values are missing, or are given for a refit")
        check_tensors(weights, initial)
        check_tensors(best, initial)
        check_tensors(tensors, expected)
    except ValidationError as error:
        raise _unusable(path, first_problem(error)) from None
    except ValueError as error:
        raise _unusable(path, str(error)) from None
    device = device_of(model)
    model.load_state_dict(weights)
    rule.load_state({name: tensor.to(expected[name].device) for name, tensor in tensors.items()})
    return State(
        best={name: tensor.to(device) for name, tensor in best.items()},
        accuracy=note.accuracy,
        loss=note.loss,
        epoch=note.epoch,
        seconds=note.seconds,
        history=tuple(Epoch(**line.model_dump()) for line in note.history),
    )


def check_tensors(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Check tensors from a file against those of a model or a learning rule.

    Parameters
    ----------
    found
        Tensors from a file.
    expected
        Tensors of the model or the rule.

    Raises
    ------
    ValueError
        If names, shapes or types differ, or a number is not finite.
    """
    if set(found) != set(expected):
        odd = sorted(set(found) ^ set(expected))[0]
        raise ValueError(f"{odd}: is missing, or does not belong to this model")
    for name, tensor in found.items():
        if (tensor.shape, tensor.dtype) != (expected[name].shape, expected[name].dtype):
            raise ValueError(
                f"{name}: is {tensor.dtype} {tuple(tensor.shape)} instead of {expected[name].dtype} "
                f"{tuple(expected[name].shape)}"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name}: contains numbers that are not finite")


def _cut(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Remove the tensors with a prefix from a dict and strip the prefix; the remaining ones are the rule's."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _unusable(path: Path, why: str) -> TrainingError:
    return TrainingError(f"{path}: does not fit this run: {why}; delete it to restart the run")


class _Line(BaseModel):
    """An :class:`Epoch` as stored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    epoch: int
    loss: FiniteFloat
    validation_loss: float | None
    validation_accuracy: float | None = Field(ge=0, le=1)
    spikes_per_sample: FiniteFloat | None
    learning_rate: FiniteFloat
    seconds: FiniteFloat
    samples_per_second: FiniteFloat

    @model_validator(mode="after")
    def _validation_is_whole(self) -> _Line:
        measured = (self.validation_loss, self.validation_accuracy)
        if len({value is None for value in measured}) > 1:
            raise ValueError("an epoch of the history has only part of its validation values")
        return self


class _Note(BaseModel):
    """The header stored with the tensors."""

    model_config = ConfigDict(extra="forbid", strict=True)

    run: str
    accuracy: float = Field(ge=-1, le=1)  # -1: not measured
    loss: float
    epoch: int = Field(ge=1)
    seconds: FiniteFloat = Field(ge=0)
    history: list[_Line] = Field(min_length=1)

    @model_validator(mode="after")
    def _epochs_are_counted(self) -> _Note:
        if [line.epoch for line in self.history] != list(range(1, len(self.history) + 1)):
            raise ValueError("the epochs of the history are not 1, 2, 3 …")
        if self.epoch > len(self.history):
            raise ValueError("the best epoch is not in the history")
        return self
