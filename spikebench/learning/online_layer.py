"""A layer of leaky neurons that computes, with every step, the derivatives of its spikes by its weights.

::

    q_p[t] = α·q_p[t−1] + s_p[t]                               s: input spikes x[t], and S[t−1] of the layer itself
    I_i[t] = Σ_p w_pi·q_p[t]                                   α = exp(−dt/τ_syn)
    U_i[t] = (β·U_i[t−1] + (1 − β)·I_i[t])·(1 − S_i[t−1])      β = exp(−dt/τ_mem)
    S_i[t] = 1 if U_i[t] ≥ ϑ else 0,   ψ_i[t] the surrogate of dS_i/dU_i

Its traces are the derivatives of the membranes and of the filtered spikes z, which enter a leaky read-out of decay γ::

    z_i[t]   = γ·z_i[t−1] + (1 − γ)·S_i[t]
    block-diagonal, one trace per sample and weight:
    e_pi[t]  = ∂U_i/∂w_pi = (1 − S_i[t−1])·(β·e_pi[t−1] + (1 − β)·q_p[t])
    f_pi[t]  = ∂z_i/∂w_pi = γ·f_pi[t−1] + (1 − γ)·ψ_i[t]·e_pi[t]
    exact, one trace per sample, weight and neuron, here with a = ∂I_j/∂w_pi:
    a_pij[t] = α·a_pij[t−1] + δ_ij·s_p[t] + Σ_m V_mj·ψ_m[t−1]·e_pim[t−1]
    e_pij[t] = (1 − S_j[t−1])·(β·e_pij[t−1] + (1 − β)·a_pij[t])
    f_pij[t] = γ·f_pij[t−1] + (1 − γ)·ψ_j[t]·e_pij[t]

With V = 0 both are the same. The reset 1 − S[t−1] is not differentiated, as in :mod:`spikebench.models.lif` and
``rlif``. The traces of a step follow from those of the step before, so that their memory does not grow with the number
of steps. The state is computed step by step; the traces, which take most of the memory, follow in blocks of steps, with
the errors of these steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from spikebench.kernels.cpu.threads import pieces, run_in_threads
from spikebench.kernels.reference import surrogate_slope
from spikebench.learning.trace_loops import advance_traces
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step


@dataclass(frozen=True)
class _Step:
    """What the traces need of one step: s, q, (1 − S[t−1]), ψ."""

    arriving: torch.Tensor
    sources: torch.Tensor
    kept: torch.Tensor
    near: torch.Tensor


class OnlineLayer:
    """State and traces of a layer for a batch, at rest at first.

    Parameters
    ----------
    layer
        Leaky neurons with the reset ``zero``, without delays, adaptation or normalisation. Its weights are read at
        every step.
    n_batch
        Samples of the batch.
    time_step
        Width of a step [s].
    readout_decay
        γ.
    exact
        Whether to compute the exact traces.
    with_reset
        Whether a spike sets the traces e of its neuron to 0, as it does with the membrane.
    is_compiled
        Whether to use the compiled loop for block-diagonal traces; it works on CPUs.

    Attributes
    ----------
    filtered : Tensor of float, shape (batch, neuron)
        z.
    spikes : Tensor of float, shape (batch, neuron)
        S of the last step, 0 or 1.
    """

    def __init__(
        self,
        layer: SpikingLayer,
        n_batch: int,
        time_step: float,
        readout_decay: float,
        exact: bool = False,
        with_reset: bool = True,
        is_compiled: bool = True,
    ) -> None:
        self.layer, self.exact, self.with_reset = layer, exact, with_reset
        self.is_compiled = is_compiled and not exact and layer.weight.device.type == "cpu"
        n_in, n = layer.weight.shape
        assert isinstance(layer.tau_syn_ms, float)
        assert isinstance(layer.tau_mem_ms, float)
        self.alpha = decay_per_step(layer.tau_syn_ms, time_step)
        self.beta = decay_per_step(layer.tau_mem_ms, time_step)
        self.gamma = readout_decay
        self.n_in, n_sources = n_in, n_in + (n if layer.recurrent is not None else 0)
        zeros = layer.weight.detach().new_zeros
        self.sources = zeros(n_batch, n_sources)  # q
        self.membrane, self.spikes, self.filtered, self.near = (
            zeros(n_batch, n) for _ in range(4)
        )  # U, S, z, ψ
        traces = (n_batch, n_sources, n, n) if exact else (n_batch, n_sources, n)
        self.membrane_traces, self.filtered_traces = zeros(traces), zeros(traces)  # e, f
        self.current_traces = zeros(traces) if exact else None  # a
        self.block: list[_Step] = []

    @torch.no_grad()
    def step(self, arriving: torch.Tensor) -> torch.Tensor:
        """Run one step of the state; the traces follow in :meth:`gradients`.

        Parameters
        ----------
        arriving
            Input spikes of this step, float (batch, input).

        Returns
        -------
        Tensor of float, shape (batch, neuron)
            The spikes of the layer.
        """
        layer, beta, gamma = self.layer, self.beta, self.gamma
        before = self.spikes
        if layer.recurrent is not None:
            arriving = torch.cat([arriving, before], 1)
        self.sources = self.alpha * self.sources + arriving
        current = self.sources[:, : self.n_in] @ layer.weight
        if layer.recurrent is not None:
            current += self.sources[:, self.n_in :] @ layer.recurrent
        silent = 1 - before
        self.membrane = (beta * self.membrane + (1 - beta) * current) * silent
        near = surrogate_slope(self.membrane - layer.neuron.threshold, layer.neuron)
        kept = silent if self.with_reset else torch.ones_like(silent)
        self.block.append(_Step(arriving, self.sources, kept, near))
        self.spikes = (self.membrane >= layer.neuron.threshold).to(near.dtype)
        self.filtered = gamma * self.filtered + (1 - gamma) * self.spikes
        return self.spikes

    @torch.no_grad()
    def gradients(self, errors: torch.Tensor) -> list[torch.Tensor]:
        """Advance the traces by the steps since the last call, and multiply them by the errors of these steps.

        Parameters
        ----------
        errors
            ∂L/∂z, float (time, batch, neuron).

        Returns
        -------
        list of Tensor
            ∂L/∂w, summed over steps and batch, for the input weights and, if there are any, the recurrent weights.
        """
        block, self.block = self.block, []
        if self.is_compiled:
            both = self._compiled(block, errors)
        else:
            rule = "bj,bpij->pi" if self.exact else "bi,bpi->pi"
            both = errors.new_zeros(self.sources.shape[1], self.spikes.shape[1])
            for step, error in zip(block, errors, strict=True):
                if self.exact:
                    self._exact_traces(step)
                else:
                    self._traces(step)
                both += torch.einsum(rule, error, self.filtered_traces)
        return [both[: self.n_in], both[self.n_in :]][: 1 if self.layer.recurrent is None else 2]

    def _traces(self, step: _Step) -> None:
        e, beta = self.membrane_traces, self.beta
        e.mul_((beta * step.kept)[:, None])
        e.addcmul_(step.sources[:, :, None], ((1 - beta) * step.kept)[:, None])
        self._filter(step.near[:, None])

    def _exact_traces(self, step: _Step) -> None:
        """Advance a and e; ``self.near`` is ψ of the previous step."""
        a, e = self.current_traces, self.membrane_traces
        assert a is not None
        a.mul_(self.alpha)
        if self.layer.recurrent is not None:
            a.add_((self.near[:, None, None] * e) @ self.layer.recurrent)
        a.diagonal(dim1=2, dim2=3).add_(step.arriving[:, :, None])
        e.mul_(self.beta).add_(a, alpha=1 - self.beta).mul_(step.kept[:, None, None])
        self.near = step.near
        self._filter(step.near[:, None, None])

    def _filter(self, near: torch.Tensor) -> None:
        gamma = self.gamma
        self.filtered_traces.mul_(gamma).addcmul_(self.membrane_traces, (1 - gamma) * near)

    def _compiled(self, block: list[_Step], errors: torch.Tensor) -> torch.Tensor:
        kept = torch.stack([step.kept for step in block])
        sources, decay, drive, near, error = (
            tensor.contiguous().numpy()
            for tensor in (
                torch.stack([step.sources for step in block]),
                self.beta * kept,
                (1 - self.beta) * kept,
                (1 - self.gamma) * torch.stack([step.near for step in block]),
                errors,
            )
        )
        e, f = self.membrane_traces.numpy(), self.filtered_traces.numpy()
        gamma = e.dtype.type(self.gamma)

        def work(first: int, last: int) -> np.ndarray:
            gradient = np.zeros(e.shape[1:], e.dtype)
            advance_traces(e, f, gradient, sources, decay, drive, near, error, gamma, first, last)
            return gradient

        parts = run_in_threads(work, pieces(len(e)))
        return torch.from_numpy(np.sum(parts, axis=0))

    def n_numbers(self) -> int:
        """Count the numbers of the state, for a batch; those of a block of steps are not included.

        Returns
        -------
        int
            Independent of the number of steps.
        """
        traces = [self.membrane_traces, self.filtered_traces, self.current_traces]
        state = [self.sources, self.membrane, self.spikes, self.filtered, self.near]
        return sum(tensor.numel() for tensor in [*traces, *state] if tensor is not None)
