"""Base of networks of spiking layers with a leaky read-out: their behaviour follows from the list of their layers.

A model makes its parameters and defines its layers once, in :meth:`SpikingNetwork.hidden_layers`. The scores of whole
clips, the scores chunk by chunk, the count of operations, and the graph of :mod:`spikebench.deployment.nir_graph` are
derived from that list and from ``readout``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from spikebench.events.batches import EventBatch
from spikebench.kernels.scan import Scan
from spikebench.kernels.spikes import Spikes
from spikebench.metrics.operations import Account
from spikebench.models.base import ChunkState, Classifier, Output
from spikebench.models.readout import LeakyReadout
from spikebench.models.spiking_layer import SpikingLayer


class SpikingNetwork(Classifier):
    """Spiking layers in sequence, and a read-out of the last one.

    Attributes
    ----------
    readout : LeakyReadout
        Set by the model after the weights of its layers, which fixes the order of random draws.
    dropout : float
        Probability with which spikes do not reach the next layer, in training.
    """

    spiking = True
    readout: LeakyReadout
    dropout: float = 0.0

    def hidden_layers(self) -> list[SpikingLayer]:
        """Return the layers, from the input to the read-out.

        Returns
        -------
        list of SpikingLayer
            Made from the current values of the parameters, so that gradients propagate to them.
        """
        raise NotImplementedError

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        spikes = [scan.spikes for scan in self._scan(batch, self.hidden_layers())]
        last, gain = self._dropped(spikes[-1])
        return Output(self.readout(self.kernels, last, batch.lengths, gain), spikes)

    def forward_chunk(
        self, batch: EventBatch, state: ChunkState | None
    ) -> tuple[torch.Tensor, ChunkState]:
        """Compute the scores after the next chunk; see :meth:`Classifier.forward_chunk`."""
        layers = self.hidden_layers()
        if self.readout.skip or any(layer.delays is not None for layer in layers):
            # Spikes under way in input delays are not part of the state, as those in recurrent delays are; nor is the
            # last step of a clip that is shorter than the skip.
            return super().forward_chunk(batch, state)
        scans = self._scan(batch, layers, state.layers if state else None)
        return self.readout.forward_chunk(
            self.kernels,
            scans[-1].spikes,
            lengths=batch.lengths,
            layers=[scan.state for scan in scans],
            state=state,
        )

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`."""
        account = Account.of(batch)
        source: EventBatch | Spikes = batch
        layers = self.hidden_layers()
        scans = self._scan(batch, layers)
        for layer, scan in zip(layers, scans, strict=True):
            arrived = account.deliver(
                self.kernels,
                name=self._name_of(layer.weight),
                source=source,
                weight=layer.weight,
                arrivals=layer.arrivals(),
            )
            source = scan.spikes
            if layer.recurrent is not None:
                arrived += account.deliver(
                    self.kernels,
                    name=self._name_of(layer.recurrent),
                    source=source,
                    weight=layer.recurrent,
                    arrivals=layer.recurrent_arrivals(),
                    later=1,
                )
            account.fire(arrived, source)
        self.readout.account(account, self.kernels, scans[-1].spikes)
        return account

    def _scan(
        self,
        batch: EventBatch,
        layers: list[SpikingLayer],
        states: Sequence[torch.Tensor | None] | None = None,
    ) -> list[Scan]:
        """Run all layers; each continues from its state in ``states``, by default from rest."""
        scans: list[Scan] = []
        for layer, state in zip(layers, states or [None] * len(layers), strict=True):
            source: EventBatch | Spikes = batch
            gain = 1.0
            if scans:
                source, gain = self._dropped(scans[-1].spikes)
            scans.append(layer.scan(self.kernels, source, self.shape.time_step, state, gain))
        return scans

    def _dropped(self, spikes: Spikes) -> tuple[Spikes, float]:
        """Drop spikes in training; return the rest, and the factor of the weights that makes up for them."""
        if not (self.training and self.dropout):
            return spikes, 1.0
        return spikes.drop(self.dropout), 1 / (1 - self.dropout)

    def _name_of(self, weight: torch.Tensor) -> str:
        for name, tensor in [*self.named_parameters(), *self.named_buffers()]:
            if tensor is weight:
                return name
        raise ValueError(
            f"{type(self).__name__}: weights of shape {tuple(weight.shape)} are neither a parameter nor a buffer"
        )
