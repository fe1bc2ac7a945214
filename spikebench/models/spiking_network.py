"""Base of networks of spiking layers with a leaky read-out: all that they do follows from the list of their layers.

A model makes its parameters and states its layers once, in :meth:`SpikingNetwork.hidden_layers`. The answer to a whole
clip, the answer chunk by chunk, what a batch costs, and the graph of :mod:`spikebench.deployment.nir_graph` are
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
    """Spiking layers, one after the other, and a read-out of the last.

    Attributes
    ----------
    readout : LeakyReadout
        Set by the model, after the weights of its layers: this is the order of random draws.
    """

    spiking = True
    readout: LeakyReadout

    def hidden_layers(self) -> list[SpikingLayer]:
        """State the layers, from the input to the read-out.

        Returns
        -------
        list of SpikingLayer
            Made of the present values of the parameters, so that gradients reach them.
        """
        raise NotImplementedError

    def forward(self, batch: EventBatch) -> Output:
        """Answer a batch of events."""
        spikes = [scan.spikes for scan in self._scan(batch, self.hidden_layers())]
        return Output(self.readout(self.kernels, spikes[-1], batch.lengths), spikes)

    def forward_chunk(
        self, batch: EventBatch, state: ChunkState | None
    ) -> tuple[torch.Tensor, ChunkState]:
        """Answer after the next chunk; see :meth:`Classifier.forward_chunk`."""
        layers = self.hidden_layers()
        if any(layer.delays is not None for layer in layers):
            return super().forward_chunk(batch, state)  # spikes under way are in no state
        scans = self._scan(batch, layers, state.layers if state else None)
        return self.readout.forward_chunk(
            self.kernels,
            scans[-1].spikes,
            lengths=batch.lengths,
            layers=[scan.state for scan in scans],
            state=state,
        )

    def account(self, batch: EventBatch) -> Account:
        """List what a batch costs; see :meth:`Classifier.account`."""
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
                delays=layer.arrivals(),
            )
            source = scan.spikes
            if layer.recurrent is not None:
                arrived += account.deliver(
                    self.kernels,
                    name=self._name_of(layer.recurrent),
                    source=source,
                    weight=layer.recurrent,
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
        """Run all layers; the state of each continues from ``states``, by default from rest."""
        scans: list[Scan] = []
        for layer, state in zip(layers, states or [None] * len(layers), strict=True):
            source = scans[-1].spikes if scans else batch
            scans.append(layer.scan(self.kernels, source, self.shape.time_step, state))
        return scans

    def _name_of(self, weight: torch.Tensor) -> str:
        for name, tensor in [*self.named_parameters(), *self.named_buffers()]:
            if tensor is weight:
                return name
        raise ValueError(
            f"{type(self).__name__}: weights of shape {tuple(weight.shape)} are neither a parameter nor a buffer"
        )
