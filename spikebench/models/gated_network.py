"""Base of recurrent networks with gates, LSTM and GRU: the score of a class is its maximum over time.

::

    h[t] = cell(raster[t], h[t−1])        one or several layers of cells, the input of a layer is h of the one before
    scores = max over t of b + W·h[t]     dropout on h in training

A model names its cells; the rest, with the account of operations and the processing chunk by chunk, is the same.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import ChunkState, Classifier, DataShape, Output
from spikebench.models.configs.gated_network import GatedConfig

_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class GatedNetwork(Classifier):
    """Layers of cells of PyTorch; the score of a class is the maximum over time of a linear read-out.

    Subclasses set ``cells``, the class of the layers, and ``name``, the attribute that holds them.
    """

    spiking = False
    cells: ClassVar[type[nn.LSTM] | type[nn.GRU]]
    name: ClassVar[str]

    def __init__(self, config: GatedConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        layers = self.cells(
            shape.n_units, config.hidden_units, num_layers=config.layers, batch_first=True
        )
        self.add_module(self.name, layers)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = nn.Linear(config.hidden_units, shape.n_classes)

    @property
    def layers(self) -> nn.LSTM | nn.GRU:
        """The layers of cells."""
        layers: nn.LSTM | nn.GRU = getattr(self, self.name)
        return layers

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        hidden, _ = self.layers(self.values(batch))
        return Output(self.readout(self.dropout(hidden)).amax(1))

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`.

        The gates' products with each other and their non-linearities are part of the updates of the cells.
        """
        account = Account.of(batch)
        hidden, is_spikes = self.values(batch), not self.on_audio
        for k in range(self.layers.num_layers):
            weights = {name: getattr(self.layers, f"{name}_l{k}") for name in _PARAMETERS}
            with torch.random.fork_rng(devices=[]):  # its initial weights are not used
                layer = self.cells(hidden.shape[2], self.layers.hidden_size, batch_first=True)
            layer.to(hidden)
            layer.load_state_dict({f"{name}_l0": weights[name] for name in _PARAMETERS})
            # The input of the first layer is spikes, except on audio, that of the others values.
            name = f"{self.name}.weight_ih_l{k}"
            account.multiply(name, hidden, weights["weight_ih"], is_spikes and k == 0)
            hidden, _ = layer(hidden)
            account.multiply(f"{self.name}.weight_hh_l{k}", hidden[:, :-1], weights["weight_hh"])
            account.compute(hidden, hidden=True)
        account.multiply("readout.weight", hidden, self.readout.weight)
        account.compute(self.readout(hidden), hidden=False)
        return account

    def forward_chunk(
        self, batch: EventBatch, state: ChunkState | None
    ) -> tuple[torch.Tensor, ChunkState]:
        """Compute the scores after the next chunk; see :meth:`Classifier.forward_chunk`."""
        # The state of an LSTM is a pair (hidden, cell), that of a GRU one tensor.
        start: Any = None
        if state:
            start = state.layers[0] if len(state.layers) == 1 else tuple(state.layers)
        hidden, end = self.layers(self.values(batch), start)
        trace = self.readout(self.dropout(hidden))
        best = trace.amax(1) if state is None else torch.maximum(trace.amax(1), state.summary)
        n_steps = batch.lengths + (state.n_steps if state else 0)
        layers = [end] if isinstance(end, torch.Tensor) else list(end)
        return best, ChunkState(layers=layers, trace=trace[:, -1], summary=best, n_steps=n_steps)
