"""What every model shares with its trainer: the shape of the data, the form of an answer."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels, choose
from spikebench.kernels.spikes import Spikes
from spikebench.metrics.operations import Account
from spikebench.models import MODELS, check_model_name

Units = Annotated[int, Field(ge=1, le=65_536)]  # neurons of a layer


class ModelConfig(BaseModel):
    """Configuration of a model: frozen, unknown keys refused, units in the names of the keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class DataShape:
    """What a model needs to know of the data.

    Attributes
    ----------
    n_units, n_classes, n_steps : int
        Inputs, classes, time bins.
    time_step : float
        Width of a bin [s].
    input_rate : float
        Mean count per unit and bin in the training split; sets the scale of initial weights.
    """

    n_units: int
    n_classes: int
    n_steps: int
    time_step: float
    input_rate: float


@dataclass(frozen=True)
class Output:
    """Answer of a model.

    Attributes
    ----------
    scores : Tensor of float32, shape (batch, class)
        The largest wins.
    spikes : list of Spikes
        Those of the hidden layers; empty for a model without.
    """

    scores: torch.Tensor
    spikes: list[Spikes] = field(default_factory=list)


@dataclass(frozen=True)
class ChunkState:
    """What a model keeps from one chunk of a clip to the next.

    Attributes
    ----------
    layers : list of Tensor
        State of every layer.
    trace, summary : Tensor of float32, shape (batch, class)
        Last value of the read-out, and what its reduction has come to.
    n_steps : Tensor of int64, shape (batch,)
        Bins of each clip up to here, its padding not counted.
    """

    layers: list[torch.Tensor]
    trace: torch.Tensor
    summary: torch.Tensor
    n_steps: torch.Tensor


class Classifier(nn.Module):
    """Base of all models; see the contract in :mod:`spikebench.models`."""

    Config: ClassVar[type[ModelConfig]]
    spiking: ClassVar[bool]
    looks_ahead: ClassVar[bool] = False  # whether an answer needs the whole clip
    learning: ClassVar[str] = "bptt"  # what trains it, see spikebench.learning

    def __init__(self, config: ModelConfig, shape: DataShape) -> None:
        super().__init__()
        self.shape = shape
        self.kernels: Kernels = choose("cpu")  # whoever moves the model chooses again

    def forward(self, batch: EventBatch) -> Output:
        """Answer a batch of events."""
        raise NotImplementedError

    def forward_chunk(
        self, batch: EventBatch, state: ChunkState | None
    ) -> tuple[torch.Tensor, ChunkState]:
        """Answer after the next chunk of some clips.

        Parameters
        ----------
        batch
            The events of a chunk, its bins and lengths counted from its beginning.
        state
            From the chunk before; None at the beginning.

        Returns
        -------
        scores : Tensor of float32, shape (batch, class)
            As :meth:`forward` gives them for all chunks up to here.
        state : ChunkState
            For the next chunk.

        Raises
        ------
        TrainingError
            If the model looks at whole clips.
        """
        raise TrainingError(
            f"{type(self).__name__} looks at whole clips and cannot answer chunk by chunk"
        )

    def account(self, batch: EventBatch) -> Account | None:
        """Run once, and list what that cost.

        Parameters
        ----------
        batch
            A batch of events.

        Returns
        -------
        Account or None
            All weights and what went through them, all neurons and what they did; None if the model does not say.
        """
        return None

    def n_parameters(self) -> int:
        """Count the trained numbers.

        Returns
        -------
        int
            Elements of all parameters.
        """
        return sum(parameter.numel() for parameter in self.parameters())


class CountClassifier(Classifier):
    """Base of models that learn from spike counts at once, not by gradients."""

    learning = "counts"

    def fit_counts(
        self,
        train: tuple[NDArray[np.int64], NDArray[np.int64]],
        validation: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> dict[str, float]:
        """Learn; counts (samples, units) and labels (samples,) in.

        Returns
        -------
        dict
            What validation chose, with its ``validation_accuracy``.
        """
        raise NotImplementedError

    def refit_counts(
        self, train: tuple[NDArray[np.int64], NDArray[np.int64]], choice: Mapping[str, float]
    ) -> None:
        """Train again with the settings that validation selected.

        Parameters
        ----------
        train
            Counts, int64, shape (samples, units), and labels, int64, shape (samples,), of all training and
            validation samples.
        choice
            Selected settings, as returned by :meth:`fit_counts`.
        """
        raise NotImplementedError


def model_class(name: str) -> type[Classifier]:
    """Import a model.

    Parameters
    ----------
    name
        Name in the registry.

    Returns
    -------
    type
        The class.

    Raises
    ------
    UnknownNameError
        If the registry does not hold it.
    """
    check_model_name(name)
    module, _, attribute = MODELS[name].partition(":")
    found: type[Classifier] = getattr(importlib.import_module(module), attribute)
    return found
