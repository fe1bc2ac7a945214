"""A temporal convolutional network: causal dilated convolutions in residual blocks on binned spikes.

::

    block k, dilation d = 2^k:
    y1 = dropout(max(0, norm(Σ over j = 0 … kernel − 1 of A[j]·x[t − j·d])))
    y2 = dropout(max(0, norm(Σ over j of B[j]·y1[t − j·d])))
    y[t] = max(0, y2[t] + x[t]);  if the numbers of channels differ, C·x[t] + c in place of x[t]
    trace[t] = b + W·y[t] of the last block
    scores = maximum (or mean, or last value) of the trace over all bins of the raster

Values before the start of the clip are 0, in every layer. The trace at bin t depends on the bins t − R + 1 … t, R = 1 +
2·(kernel − 1)·(2^blocks − 1), never on later ones; the state of a stream is the last (kernel − 1)·d inputs of every
convolution. norm is batch normalisation over samples and bins.

Source: Bai, Kolter and Koltun (2018), arXiv:1803.01271, who normalise the weights instead.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import ClassVar

import torch
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import ChunkState, Classifier, DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.tcn import TCNConfig


class CausalConvolution(nn.Conv1d):
    """Convolution over the present and past bins.

    Parameters
    ----------
    n_in, n_out
        Numbers of channels.
    kernel_bins, dilation
        Number of taps, and bins from one to the next.
    """

    def __init__(self, n_in: int, n_out: int, kernel_bins: int, dilation: int) -> None:
        super().__init__(n_in, n_out, kernel_bins, dilation=dilation, bias=False)
        self.n_past = (kernel_bins - 1) * dilation

    def after(
        self, past: torch.Tensor | None, x: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Convolve the next bins, shape (batch, channel, time); returns also the past of the bins after them."""
        if past is None:
            past = x.new_zeros(*x.shape[:2], self.n_past)
        x = torch.cat([past, x], 2)
        return self(x), x[:, :, x.shape[2] - self.n_past :]


class ResidualBlock(nn.Module):
    """Two causal convolutions of the same dilation, and a connection past them.

    Parameters
    ----------
    n_in, n_out
        Numbers of channels.
    kernel_bins, dilation
        Of the convolutions.
    dropout
        Probability.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel_bins: int, dilation: int, dropout: float
    ) -> None:
        super().__init__()
        self.first = CausalConvolution(n_in, n_out, kernel_bins, dilation)
        self.first_norm = nn.BatchNorm1d(n_out)
        self.second = CausalConvolution(n_out, n_out, kernel_bins, dilation)
        self.second_norm = nn.BatchNorm1d(n_out)
        self.past_them = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def after(
        self, pasts: list[torch.Tensor] | None, x: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Process the next bins, shape (batch, channel, time).

        Parameters
        ----------
        pasts
            Past inputs of both convolutions; None at the start of a clip.
        x
            Input of the block.

        Returns
        -------
        values : list of Tensor
            Outputs of both convolutions, rectified, and of the block, shape (batch, channel, time).
        pasts : list of Tensor
            For the bins after these.
        """
        before_first, before_second = pasts or (None, None)
        y1, past_first = self.first.after(before_first, x)
        y1 = self.dropout(self.first_norm(y1).relu())
        y2, past_second = self.second.after(before_second, y1)
        y2 = self.dropout(self.second_norm(y2).relu())
        return [y1, y2, (y2 + self.past_them(x)).relu()], [past_first, past_second]


class TCN(Classifier):
    """Residual blocks of doubling dilation; the score of a class is a reduction of a linear read-out over time."""

    Config: ClassVar[type[ModelConfig]] = TCNConfig
    spiking = False

    def __init__(self, config: TCNConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.reduction = config.readout
        self.blocks = nn.ModuleList()
        n_in = shape.n_units
        for k in range(config.blocks):
            self.blocks.append(
                ResidualBlock(n_in, config.channels, config.kernel_bins, 2**k, config.dropout)
            )
            n_in = config.channels
        self.readout = nn.Linear(n_in, shape.n_classes)

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        return Output(self.forward_chunk(batch, None)[0])

    def forward_chunk(
        self, batch: EventBatch, state: ChunkState | None
    ) -> tuple[torch.Tensor, ChunkState]:
        """Compute the scores after the next chunk; see :meth:`Classifier.forward_chunk`."""
        values, layers = self.values(batch).transpose(1, 2), []
        for k, block in enumerate(self._blocks()):
            pasts = state.layers[2 * k : 2 * k + 2] if state else None
            (*_, values), pasts = block.after(pasts, values)
            layers += pasts
        trace = self.readout(values.transpose(1, 2))  # (batch, time, class)
        summary = {"max": trace.amax(1), "mean": trace.sum(1), "last": trace[:, -1]}[self.reduction]
        n_bins = torch.tensor(float(batch.n_steps), device=trace.device)
        if state:
            n_bins = n_bins + state.layers[-1]
            if self.reduction == "max":
                summary = torch.maximum(summary, state.summary)
            elif self.reduction == "mean":
                summary = summary + state.summary
        scores = summary / n_bins if self.reduction == "mean" else summary
        n_steps = batch.lengths + (state.n_steps if state else 0)
        return scores, ChunkState(
            layers=[*layers, n_bins], trace=trace[:, -1], summary=summary, n_steps=n_steps
        )

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`.

        The first convolutions and the connection past them add the weights of spikes (on audio, they multiply levels),
        the others multiply values.
        Normalisation and the sum of a block are part of the updates of its units. Samples are counted one by one:
        whether a value next to 0 is rectified must not depend on the batch, whose size affects rounding.
        """
        parts = (batch.part(k, k + 1) for k in range(len(batch)))
        return reduce(add, map(self._account, parts))

    def _account(self, batch: EventBatch) -> Account:
        account = Account.of(batch)
        values = self.values(batch).transpose(1, 2)
        for k, block in enumerate(self._blocks()):
            (y1, y2, y), _ = block.after(None, values)
            name, spikes = f"blocks.{k}", k == 0 and not self.on_audio
            account.convolve_causally(f"{name}.first.weight", values, block.first, spikes)
            account.convolve_causally(f"{name}.second.weight", y1, block.second)
            if isinstance(block.past_them, nn.Conv1d):
                past_them = block.past_them
                account.convolve_causally(f"{name}.past_them.weight", values, past_them, spikes)
            for outputs in (y1, y2, y):
                account.compute(outputs, hidden=True)
            values = y
        hidden = values.transpose(1, 2)
        account.multiply("readout.weight", hidden, self.readout.weight)
        account.compute(self.readout(hidden), hidden=False)
        return account

    def _blocks(self) -> list[ResidualBlock]:
        return [block for block in self.blocks if isinstance(block, ResidualBlock)]
