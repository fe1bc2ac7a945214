"""A long short-term memory on binned spikes; the score of a class is its maximum over time.

Source: Cramer et al. (2020), arXiv:1910.07407, who train an LSTM on 10 ms bins.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import ChunkState, Classifier, DataShape, ModelConfig, Output, Units

_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class LSTMConfig(ModelConfig):
    """Configuration of :class:`LSTM`."""

    hidden_units: Units = 128
    layers: int = Field(default=1, ge=1, le=100)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class LSTM(Classifier):
    """LSTM; the score of a class is the maximum over time of a linear read-out."""

    Config: ClassVar[type[ModelConfig]] = LSTMConfig
    spiking = False

    def __init__(self, config: LSTMConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.lstm = nn.LSTM(
            shape.n_units, config.hidden_units, num_layers=config.layers, batch_first=True
        )
        self.dropout = nn.Dropout(config.dropout)
        self.readout = nn.Linear(config.hidden_units, shape.n_classes)

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        hidden, _ = self.lstm(batch.dense())
        return Output(self.readout(self.dropout(hidden)).amax(1))

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`.

        The gates' products with each other and their non-linearities are part of the updates of the cells.
        """
        account = Account.of(batch)
        hidden = batch.dense()
        for k in range(self.lstm.num_layers):
            weights = {name: getattr(self.lstm, f"{name}_l{k}") for name in _PARAMETERS}
            with torch.random.fork_rng(devices=[]):  # its initial weights are not used
                layer = nn.LSTM(hidden.shape[2], self.lstm.hidden_size, batch_first=True)
            layer.to(hidden)
            layer.load_state_dict({f"{name}_l0": weights[name] for name in _PARAMETERS})
            # The input of the first layer is spikes, that of the others values.
            account.multiply(f"lstm.weight_ih_l{k}", hidden, weights["weight_ih"], spikes=k == 0)
            hidden, _ = layer(hidden)
            account.multiply(f"lstm.weight_hh_l{k}", hidden[:, :-1], weights["weight_hh"])
            account.compute(hidden, hidden=True)
        account.multiply("readout.weight", hidden, self.readout.weight)
        account.compute(self.readout(hidden), hidden=False)
        return account

    def forward_chunk(
        self, batch: EventBatch, state: ChunkState | None
    ) -> tuple[torch.Tensor, ChunkState]:
        """Compute the scores after the next chunk; see :meth:`Classifier.forward_chunk`."""
        cells = (state.layers[0], state.layers[1]) if state else None
        hidden, cells = self.lstm(batch.dense(), cells)
        trace = self.readout(self.dropout(hidden))
        best = trace.amax(1) if state is None else torch.maximum(trace.amax(1), state.summary)
        n_steps = batch.lengths + (state.n_steps if state else 0)
        return best, ChunkState(
            layers=list(cells), trace=trace[:, -1], summary=best, n_steps=n_steps
        )
