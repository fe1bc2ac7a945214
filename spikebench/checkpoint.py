"""Where a training stands after a whole epoch, kept so that it goes on as if it had not been interrupted.

Orders, jitter and dropout come from generators seeded by (seed, epoch), so no generator has a state to keep.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spikebench.errors import TrainingError
from spikebench.models.base import Classifier
from spikebench.results import write_text
from spikebench.run import CHECKPOINT_FILE, load_tensors, save_tensors


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


@dataclass
class State:
    """What the loop carries from epoch to epoch beside weights and optimiser."""

    best: dict[str, torch.Tensor]
    accuracy: float = -1.0
    loss: float = math.inf
    epoch: int = 0
    seconds: float = 0.0
    history: tuple[Epoch, ...] = ()


def save_checkpoint(
    folder: Path, model: Classifier, optimizer: torch.optim.Optimizer, state: State
) -> None:
    """Keep where a training stands, whole or not at all.

    Parameters
    ----------
    folder
        The run.
    model, optimizer, state
        After a whole epoch.

    Raises
    ------
    TrainingError
        If it cannot be written.
    """
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


def load_checkpoint(folder: Path, model: Classifier, optimizer: torch.optim.Optimizer) -> State:
    """Go back to where a training stood.

    Parameters
    ----------
    folder
        The run.
    model, optimizer
        As they were made; they get what was kept.

    Returns
    -------
    State
        That of the last whole epoch; of a run without checkpoint, that of the beginning.

    Raises
    ------
    TrainingError
        If the checkpoint is damaged or that of another model.
    """
    initial = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    if not (folder / CHECKPOINT_FILE).exists():
        return State(best=initial)
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
        return State(
            best=part("best."),
            accuracy=note["accuracy"],
            loss=note["loss"],
            epoch=note["epoch"],
            seconds=note["seconds"],
            history=tuple(Epoch(**line) for line in note["history"]),
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{folder / CHECKPOINT_FILE}: does not fit this run: {error}") from None
