"""The read-out of spiking networks: leaky integrators without spikes.

O[t] = γ·O[t−1] + (1 − γ)·W·S[t], γ = exp(−dt/τ); the score of a class is a bias plus the maximum, mean or sum of its O
over time, or its last value. With ``softmax`` it is Σ_t softmax(O[t] + bias), the sum over time of the probabilities at
each step, as in Bittar, Garner (2022), doi 10.3389/fnins.2022.865897. ``mean``, ``sum``, ``last`` and ``softmax`` use
the steps of the clip without its padding. ``max`` uses all steps, as in Cramer et al. (2020). The first steps can be
skipped, as in Baronig et al. (2024), arXiv:2408.07517: they are integrated, but not part of the reduction.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from spikebench.kernels.choice import Kernels
from spikebench.kernels.spikes import Spikes
from spikebench.metrics.operations import Account
from spikebench.models.base import ChunkState, DataShape
from spikebench.models.configs.base import ReadoutReduction


class LeakyReadout(nn.Module):
    """Leaky integrators and their reduction over time.

    Parameters
    ----------
    n_in
        Number of inputs.
    shape
        Shape of the data.
    tau
        Time constant [s].
    reduction
        Reduction of a trace over time.
    skip
        Time at the start of a clip [s] that is left out of the reduction, in whole steps; of a shorter clip the last
        step remains.
    """

    def __init__(
        self,
        n_in: int,
        shape: DataShape,
        tau: float,
        reduction: ReadoutReduction = "max",
        skip: float = 0.0,
    ) -> None:
        super().__init__()
        self.tau = tau
        self.decay = math.exp(-shape.time_step / tau)
        self.reduction = reduction
        self.skip = round(skip / shape.time_step)
        self.weight = nn.Parameter(torch.randn(n_in, shape.n_classes) / math.sqrt(n_in))
        self.bias = nn.Parameter(torch.zeros(shape.n_classes))

    def forward(
        self,
        kernels: Kernels,
        spikes: Spikes,
        lengths: torch.Tensor | None = None,
        gain: float = 1.0,
    ) -> torch.Tensor:
        """Compute the scores from the spikes of the last layer; returns float32 (batch, class).

        ``gain`` is a factor of the weights, for spikes of which some were dropped.
        """
        decay = self.weight.new_tensor(self.decay)
        weight = self.weight if gain == 1 else gain * self.weight
        if self.reduction == "softmax" or (self.skip and self.reduction != "last"):
            trace = kernels.leaky_readout(spikes, weight, decay, "trace")
            return self._reduced(kernels, trace, lengths)
        lasting = None
        if self.reduction != "max" and lengths is not None:
            lasting = lengths.clamp(min=1)
        return self.bias + kernels.leaky_readout(spikes, weight, decay, self.reduction, lasting)

    def _reduced(
        self, kernels: Kernels, trace: torch.Tensor, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        """Reduce the steps of a clip that are not skipped, float (batch, class)."""
        steps = torch.arange(trace.shape[1], device=trace.device)
        ends = steps.new_full((len(trace), 1), len(steps))
        if lengths is not None and self.reduction != "max":
            ends = lengths[:, None].clamp(min=0 if self.reduction == "softmax" else 1)
        inside = (steps < ends) & (steps >= (ends - 1).clamp(max=self.skip))
        if self.reduction == "max":
            return self.bias + trace.masked_fill(~inside[..., None], -math.inf).amax(1)
        if self.reduction == "softmax":
            return kernels.softmax_sum(trace, self.bias, inside)
        total = (trace * inside[..., None]).sum(1)
        if self.reduction == "mean":
            total = total / inside.sum(1, keepdim=True)
        return self.bias + total

    def account(self, account: Account, kernels: Kernels, spikes: Spikes) -> None:
        """Count the operations for the spikes of the last layer; all steps count, whatever the reduction."""
        account.fire(account.deliver(kernels, "readout.weight", spikes, self.weight), None)

    def forward_chunk(
        self,
        kernels: Kernels,
        spikes: Spikes,
        lengths: torch.Tensor,
        layers: list[torch.Tensor],
        state: ChunkState | None,
    ) -> tuple[torch.Tensor, ChunkState]:
        """Compute the scores after all chunks so far; see :meth:`spikebench.models.base.Classifier.forward_chunk`."""
        start = state.trace if state else None
        decay = self.weight.new_tensor(self.decay)
        trace = kernels.leaky_readout(
            spikes, self.weight, decay=decay, reduction="trace", start=start
        )
        n_steps = lengths + (state.n_steps if state else 0)
        before = state.summary if state else None
        if self.reduction == "max":
            summary = trace.amax(1) if before is None else torch.maximum(trace.amax(1), before)
        elif self.reduction == "last":
            rows = torch.arange(len(trace), device=trace.device)
            summary = trace[rows, lengths.clamp(min=1) - 1]
            if before is not None:
                summary = torch.where((lengths > 0)[:, None], summary, before)
        elif self.reduction == "softmax":
            summary = self._reduced(kernels, trace, lengths) + (0 if before is None else before)
        else:
            inside = torch.arange(trace.shape[1], device=trace.device) < lengths[:, None]
            summary = (trace * inside[..., None]).sum(1) + (0 if before is None else before)
        scores = summary / n_steps.clamp(min=1)[:, None] if self.reduction == "mean" else summary
        if self.reduction != "softmax":
            scores = self.bias + scores
        return scores, ChunkState(
            layers=layers, trace=trace[:, -1], summary=summary, n_steps=n_steps
        )
