"""Event-SSM: deep linear state-space layers on single events, at the times of the events; no raster is made.

::

    δ[k] = t[k] − t[k−1], time since the previous token of the sample [ms]; x = 0 before its first token
    tokens:    v[k] = mean of E[unit] over a group of consecutive events, t[k] the time of the last of them
    stages:    average pooling (groups of consecutive tokens, the time of the last), then layers
    layer:     u[k] = norm(v[k])
               x[k] = exp(λ·Δ·δ[k])·x[k−1] + (exp(λ·Δ) − 1)/λ·B·u[k]        λ, x complex, one Δ per state
               y[k] = Re(C·x[k]) + D∘u[k]
               v[k] ← v[k] + dropout(y[k]∘σ(W·dropout(gelu(y[k])) + b))
    scores = W·(mean of v[k] over the tokens of the sample) + b

What a token adds to a state does not depend on the time before it ("asynchronous" discretisation). Its effect decays,
with the time constant 2/Δ ms at first, and rotates. norm is layer normalisation; dropout takes a feature from all
tokens of a sample. Activations are continuous: this is a conventional network whose input is spikes.

λ starts as the eigenvalues −1/2 + iω of normal HiPPO-LegS matrices, one per block, of which one of each conjugate pair
is kept; Δ starts log-uniform. The real part of λ is −exp of a parameter, so that no state can grow.

Times are those of the bins: a small ``input.time_step_ms`` makes them nearly exact. Events of a bin are in the order of
their units, so that the scores depend on the raster alone; in binary mode, a cell is one event.

Source: Schöne et al. (2024), arXiv:2404.18508; the layers are those of Smith, Warrington and Linderman (2023),
arXiv:2208.04933. Differences: there, the first layer of a stage runs at full length and its states are pooled behind
it, so that no events are merged before they reach a state; the parameters of the states have a lower learning rate; B
and C are not drawn in the basis before diagonalisation.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add
from typing import ClassVar, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.event_ssm import EventSSMConfig
from spikebench.models.linear_recurrence import linear_recurrence


class Tokens(NamedTuple):
    """Tokens of a batch, those of one sample after another.

    Attributes
    ----------
    values : Tensor of float, shape (token, unit)
        Features.
    bins : Tensor of int64, shape (token,)
        Time bin.
    sizes : Tensor of int64, shape (batch,)
        Number of tokens of each sample.
    """

    values: torch.Tensor
    bins: torch.Tensor
    sizes: torch.Tensor

    def firsts(self) -> torch.Tensor:
        """Return the position of the first token of each sample, int64, shape (batch,)."""
        return self.sizes.cumsum(0) - self.sizes

    def places(self) -> torch.Tensor:
        """Return the position of each token in its sample, int64, shape (token,)."""
        firsts = self.firsts().repeat_interleave(self.sizes)
        return torch.arange(len(firsts), device=firsts.device) - firsts

    def gaps(self) -> tuple[torch.Tensor, torch.Tensor]:
        """List the bins between tokens.

        Returns
        -------
        gaps : Tensor of int64, shape (gap,)
            The distinct numbers of bins since the previous token; -1 at the start of a sample.
        index : Tensor of int64, shape (token,)
            Position of the gap before each token.
        """
        gaps = torch.where(self.places() == 0, -1, self.bins - self.bins.roll(1))
        return torch.unique(gaps, return_inverse=True)  # type: ignore[no-any-return]

    def pooled(self, n: int, index: torch.Tensor | None = None) -> Tokens:
        """Average groups of tokens.

        Parameters
        ----------
        n
            Tokens of a group; the last group of a sample may have fewer.
        index
            Row of ``values`` of each token; by default its own.

        Returns
        -------
        Tokens
            One per group, in the bin of its last token.
        """
        starts = (self.places() % n == 0).nonzero().flatten()
        values = _averages(self.values, starts, index)
        return Tokens(values, self.bins[starts.roll(-1) - 1], -(-self.sizes // n))


class EventSSMLayer(nn.Module):
    """State-space layer with normalisation before it, a gate after it, and a connection past it.

    Parameters
    ----------
    config
        Sizes, initial time constants and dropout.
    """

    def __init__(self, config: EventSSMConfig) -> None:
        super().__init__()
        n, states = config.hidden_units, config.states
        frequencies = _hippo_frequencies(config.block_states).float()
        log_steps = [math.log(2 / tau) for tau in config.tau_ms]
        self.norm = nn.LayerNorm(n)
        self.log_decay = nn.Parameter(torch.full((states,), math.log(0.5)))
        self.frequency = nn.Parameter(frequencies.repeat(states // config.block_states))
        self.log_step = nn.Parameter(torch.empty(states).uniform_(log_steps[1], log_steps[0]))
        # Real and imaginary part of each state are neighbours.
        self.input = nn.Linear(n, 2 * states, bias=False)
        self.output = nn.Linear(2 * states, n, bias=False)
        nn.init.normal_(self.input.weight, std=math.sqrt(1 / (2 * n)))
        nn.init.normal_(self.output.weight, std=math.sqrt(1 / states))
        self.past = nn.Parameter(torch.randn(n))
        self.gate = nn.Linear(n, n)
        self.dropout = config.dropout

    def forward(
        self, tokens: Tokens, gaps: torch.Tensor, index: torch.Tensor
    ) -> list[torch.Tensor]:
        """Process all tokens of a batch.

        Parameters
        ----------
        tokens
            Input.
        gaps
            Distinct times between tokens [ms], float, shape (gap,); negative for the start of a sample.
        index
            Position of the time before each token, int64, shape (token,).

        Returns
        -------
        list of Tensor
            Normalised input (token, unit), states (token, 2·state), input of the gate and output of the layer (token,
            unit).
        """
        u = self.norm(tokens.values)
        lam = torch.complex(-self.log_decay.exp(), self.frequency)
        rates = lam * self.log_step.exp()  # per ms
        decays = torch.exp(rates * gaps.clamp(min=0)[:, None]) * (gaps >= 0)[:, None]
        driven = self.input(u).to(u.dtype)  # products may have a lower precision
        inputs = torch.view_as_complex(driven.unflatten(1, (-1, 2))) * (torch.expm1(rates) / lam)
        states = torch.view_as_real(linear_recurrence(decays[index], inputs)).flatten(1)
        y = self.output(states) + self.past * u
        active = self._dropped(functional.gelu(y), tokens.sizes)
        gated = self._dropped(y * self.gate(active).sigmoid(), tokens.sizes)
        return [u, states, active, tokens.values + gated]

    def _dropped(self, values: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Drop features of all tokens of a sample together."""
        if not (self.training and self.dropout):
            return values
        factors = values.new_ones(len(sizes), values.shape[1])
        return values * functional.dropout(factors, self.dropout).repeat_interleave(sizes, 0)


class EventSSM(Classifier):
    """State-space layers on events; the score of a class is a linear read-out of the mean over all tokens."""

    Config: ClassVar[type[ModelConfig]] = EventSSMConfig
    second_derivatives: ClassVar[bool] = False  # of the mean of embeddings
    spiking = False

    def __init__(self, config: EventSSMConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.pooling, self.stage = config.pooling, config.layers
        self.embedding = nn.Parameter(torch.randn(shape.n_units, config.hidden_units))
        n_layers = len(config.pooling) * config.layers
        self.layers = nn.ModuleList(EventSSMLayer(config) for _ in range(n_layers))
        self.readout = nn.Linear(config.hidden_units, shape.n_classes)

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        return Output(self.readout(self._features(batch)))

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`.

        Samples are counted one by one: whether a value next to 0 is rounded to it must not depend on the batch.
        """
        parts = (batch.part(k, k + 1) for k in range(len(batch)))
        return reduce(add, map(self._account, parts))

    def _account(self, batch: EventBatch) -> Account:
        account = Account.of(batch)
        account.multiply("embedding", batch.dense(), self.embedding.T, spikes=True)
        features = self._features(batch, account)
        account.multiply("readout.weight", features, self.readout.weight)
        account.compute(self.readout(features), hidden=False)
        return account

    def _features(self, batch: EventBatch, account: Account | None = None) -> torch.Tensor:
        """Compute the mean of the last tokens, float (batch, unit); fill an account of the layers."""
        cells = batch.sparse()
        events = cells.indices().repeat_interleave(cells.values().long(), 1)
        rows, bins, units = events
        index: torch.Tensor | None = units
        tokens = Tokens(self.embedding, bins, torch.bincount(rows, minlength=len(batch)))
        for k, layer in enumerate(self.layers):
            assert isinstance(layer, EventSSMLayer)
            if k % self.stage == 0:
                tokens, index = tokens.pooled(self.pooling[k // self.stage], index), None
                gaps, before = tokens.gaps()
            values = layer(tokens, gaps * (batch.time_step * 1e3), before)
            if account is not None:
                _count(account, f"layers.{k}", layer, values)
            tokens = tokens._replace(values=values[-1])
        return _averages(tokens.values, tokens.firsts())


def _count(account: Account, name: str, layer: EventSSMLayer, values: list[torch.Tensor]) -> None:
    """Count the operations of a layer from the values that :meth:`EventSSMLayer.forward` returns."""
    u, states, active, outputs = values
    account.multiply(f"{name}.input.weight", u, layer.input.weight)
    account.multiply(f"{name}.output.weight", states, layer.output.weight)
    account.multiply(f"{name}.gate.weight", active, layer.gate.weight)
    for computed in (states, active, outputs):
        account.compute(computed, hidden=True)


def _averages(
    values: torch.Tensor, starts: torch.Tensor, index: torch.Tensor | None = None
) -> torch.Tensor:
    """Average consecutive rows (or those of an index), from each start to the next; an empty mean is 0."""
    if index is None:
        index = torch.arange(len(values), device=values.device)
    averages: torch.Tensor = functional.embedding_bag(index, values, starts, mode="mean")
    return averages


def _hippo_frequencies(n: int) -> torch.Tensor:
    """Compute the positive imaginary parts of the eigenvalues of the normal part of HiPPO-LegS, float64, shape (n,).

    The matrix of 2 n rows is −1/2 on its diagonal and ∓√(2 i + 1)·√(2 k + 1)/2 below and above it (Gu et al. 2020,
    arXiv:2008.07669; 2022, arXiv:2206.11893).
    """
    roots = (2 * torch.arange(2 * n, dtype=torch.float64) + 1).sqrt()
    below = torch.outer(roots, roots).tril(-1) / 2
    frequencies: torch.Tensor = torch.linalg.eigvalsh(1j * (below - below.T))
    return frequencies[n:]
