"""A multi-layer perceptron on spike counts: a network without temporal information, trained by gradients.

::

    a = log(1 + n)                               n: spikes of each input in the whole clip
    x = (a − mean of a)/deviation of a           over the inputs of the clip: loudness has no effect
    h = max(0, W·x + b)                          one or several hidden layers, dropout on h in training
    scores = W_out·h + b_out

Source: Rumelhart, Hinton and Williams (1986), Nature 323:533; rectified units: Glorot, Bordes and Bengio (2011), PMLR
15:315.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.mlp_counts import CountMLPConfig


class CountMLP(Classifier):
    """Rectified layers on the spike counts of the whole clip."""

    Config: ClassVar[type[ModelConfig]] = CountMLPConfig
    spiking = False
    looks_ahead = True

    def __init__(self, config: CountMLPConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        layers: list[nn.Module] = []
        n_in = shape.n_units
        for n_out in config.hidden_units:
            layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(config.dropout)]
            n_in = n_out
        self.layers = nn.Sequential(*layers, nn.Linear(n_in, shape.n_classes))

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        return Output(self.layers(_profile(batch)))

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; standardised logarithms are values. See :meth:`Classifier.account`."""
        account = Account.of(batch)
        values = _profile(batch)
        for k, layer in enumerate(self.layers):
            if isinstance(layer, nn.Linear):
                account.multiply(f"layers.{k}.weight", values, layer.weight)
            values = layer(values)
            if isinstance(layer, nn.ReLU):
                account.compute(values, hidden=True)
        account.compute(values, hidden=False)
        return account


def _profile(batch: EventBatch) -> torch.Tensor:
    """Compute the standardised logarithms of the counts, float32, shape (batch, input)."""
    logarithms = batch.dense().sum(1).log1p()
    return nn.functional.layer_norm(logarithms, logarithms.shape[1:])
