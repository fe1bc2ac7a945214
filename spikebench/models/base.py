"""The interface of all models: shape of the data, form of the output, base classes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.kernels.choice import Kernels, choose_kernels
from spikebench.kernels.spikes import Spikes
from spikebench.metrics.operations import Account
from spikebench.models import MODELS, check_model_name
from spikebench.models.configs.base import ModelConfig

# Spike counts of samples, the first axis, and their labels (samples,).
CountData = tuple[NDArray[np.int64 | np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class DataShape:
    """Properties of the data that a model needs.

    Attributes
    ----------
    n_units, n_classes, n_steps : int
        Inputs, classes, time bins.
    time_step : float
        Width of a bin [s].
    input_rate : float
        Mean count per unit and bin in the training split; sets the scale of initial weights. 0 for models on audio.
    """

    n_units: int
    n_classes: int
    n_steps: int
    time_step: float
    input_rate: float


@dataclass(frozen=True)
class Output:
    """Output of a model.

    Attributes
    ----------
    scores : Tensor of float32, shape (batch, class)
        The class with the largest score is predicted.
    spikes : list of Spikes
        Spikes of the hidden layers; empty for a model without any.
    member_scores : Tensor of float32, shape (network, batch, class), or None
        Scores of the networks of an ensemble, which the loss takes one by one.
    """

    scores: torch.Tensor
    spikes: list[Spikes] = field(default_factory=list)
    member_scores: torch.Tensor | None = None


# So that it can be an argument or a result of an exported network.
torch.export.register_dataclass(Output, serialized_type_name="spikebench.Output")


@dataclass(frozen=True)
class ChunkState:
    """State that a model keeps between chunks of clips.

    Attributes
    ----------
    layers : list of Tensor
        States of all layers.
    trace, summary : Tensor of float32, shape (batch, class)
        Last value of the read-out, and the current value of its reduction.
    n_steps : Tensor of int64, shape (batch,)
        Bins of each clip so far, without padding.
    """

    layers: list[torch.Tensor]
    trace: torch.Tensor
    summary: torch.Tensor
    n_steps: torch.Tensor


class Classifier(nn.Module):
    """Base of all models; see the contract in :mod:`spikebench.models`."""

    Config: ClassVar[type[ModelConfig]]
    spiking: bool
    looks_ahead: bool | None = False  # whether the scores depend on the whole clip; None: unknown
    shows_spikes: ClassVar[bool] = (
        True  # whether Output.spikes holds the spikes of all hidden layers
    )
    learning: ClassVar[str] = "bptt"  # its learning rule, see spikebench.learning
    on_audio: ClassVar[bool] = False  # whether its input is mel features
    second_derivatives: ClassVar[bool] = True  # whether its gradients can be differentiated again

    def __init__(self, config: ModelConfig, shape: DataShape) -> None:
        super().__init__()
        self.shape = shape
        self.kernels: Kernels = choose_kernels("cpu")  # to be chosen again when the model is moved

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        raise NotImplementedError

    def forward_chunk(
        self, batch: EventBatch, state: ChunkState | None
    ) -> tuple[torch.Tensor, ChunkState]:
        """Compute the scores after the next chunk of some clips.

        Parameters
        ----------
        batch
            The events of a chunk; its bins and lengths are counted from its start.
        state
            Returned for the previous chunk; None for the first one.

        Returns
        -------
        scores : Tensor of float32, shape (batch, class)
            As :meth:`forward` returns them for all chunks so far.
        state : ChunkState
            For the next chunk.

        Raises
        ------
        TrainingError
            If the model needs whole clips.
        """
        raise TrainingError(
            f"{type(self).__name__} needs whole clips and cannot process them chunk by chunk"
        )

    def values(self, batch: EventBatch) -> torch.Tensor:
        """Return what a conventional network gets from a batch.

        Parameters
        ----------
        batch
            A batch of events, or of mel features for a model on audio.

        Returns
        -------
        Tensor of float32, shape (batch, time, input)
            By default the raster.
        """
        return batch.dense()

    def measure_input(self, samples: BinnedSamples) -> None:
        """Take from the training samples, before the first epoch, what is not learned by gradients.

        Parameters
        ----------
        samples
            All training samples; by default nothing is taken from them.
        """

    def account(self, batch: EventBatch) -> Account | None:
        """Run the model once and count its operations.

        Parameters
        ----------
        batch
            A batch of events.

        Returns
        -------
        Account or None
            All weights with the values that passed through them, and all neurons with their activity; None if the model
            does not count them.
        """
        return None

    def delay_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are delays, which may have a learning rate of their own.

        Returns
        -------
        list of Parameter
            By default empty.
        """
        return []

    def n_parameters(self) -> int:
        """Return the number of trained parameters.

        Returns
        -------
        int
            Elements of all parameters.
        """
        return sum(parameter.numel() for parameter in self.parameters())


class CountClassifier(Classifier):
    """Base of models that are fitted to spike counts at once, not by gradients."""

    learning = "counts"

    def counts_of(self, samples: BinnedSamples) -> NDArray[np.int64 | np.float32]:
        """Count the spikes to which the model is fitted.

        Parameters
        ----------
        samples
            Samples with their time bins.

        Returns
        -------
        ndarray, shape (samples, …)
            By default the spikes of each input in the whole clip, int64, shape (samples, input); the caller owns it.
        """
        return samples.counts()

    def fit_counts(self, train: CountData, validation: CountData) -> dict[str, float]:
        """Fit the model to counts, as :meth:`counts_of` makes them, and labels (samples,).

        Returns
        -------
        dict
            The settings that validation selected, with their ``validation_accuracy``.
        """
        raise NotImplementedError

    def refit_counts(self, train: CountData, choice: Mapping[str, float]) -> None:
        """Train again with the settings that validation selected.

        Parameters
        ----------
        train
            Counts, as :meth:`counts_of` makes them, and labels, int64, shape (samples,), of all training and
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
        If the registry does not contain it.
    """
    check_model_name(name)
    module, _, attribute = MODELS[name].partition(":")
    found: type[Classifier] = getattr(importlib.import_module(module), attribute)
    return found
