"""A layer of leaky neurons that computes, with every step, how its spikes depend on its weights.

::

    q_p[t] = α·q_p[t−1] + s_p[t]                               s: input spikes x[t], and S[t−1] of the layer itself
    I_i[t] = Σ_p w_pi·q_p[t]                                   α = exp(−dt/τ_syn)
    U_i[t] = (β·U_i[t−1] + (1 − β)·I_i[t])·(1 − S_i[t−1])      β = exp(−dt/τ_mem)
    S_i[t] = 1 if U_i[t] ≥ ϑ else 0,   ψ_i[t] the surrogate of dS_i/dU_i

Its traces are the derivatives of the membranes and of the filtered spikes z, which enter a leaky read-out of decay γ:

    z_i[t]   = γ·z_i[t−1] + (1 − γ)·S_i[t]
    block-diagonal, one trace per sample and weight:
    e_pi[t]  = ∂U_i/∂w_pi = (1 − S_i[t−1])·(β·e_pi[t−1] + (1 − β)·q_p[t])
    f_pi[t]  = ∂z_i/∂w_pi = γ·f_pi[t−1] + (1 − γ)·ψ_i[t]·e_pi[t]
    exact, one trace per sample, weight and neuron, here with a = ∂I_j/∂w_pi:
    a_pij[t] = α·a_pij[t−1] + δ_ij·s_p[t] + Σ_m V_mj·ψ_m[t−1]·e_pim[t−1]
    e_pij[t] = (1 − S_j[t−1])·(β·e_pij[t−1] + (1 − β)·a_pij[t])
    f_pij[t] = γ·f_pij[t−1] + (1 − γ)·ψ_j[t]·e_pij[t]

With V = 0 both are the same. The reset 1 − S[t−1] is not differentiated, as in :mod:`spikebench.models.lif` and
``rlif``. The traces of a step depend only on earlier steps, so that their memory does
not grow with the number of steps.
"""

from __future__ import annotations

import torch

from spikebench.kernels.reference import surrogate_slope
from spikebench.models.spiking_layer import SpikingLayer, decay_per_step


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
    ) -> None:
        self.layer, self.exact, self.with_reset = layer, exact, with_reset
        n_in, n = layer.weight.shape
        assert isinstance(layer.tau_syn_ms, float)
        assert isinstance(layer.tau_mem_ms, float)
        self.alpha = decay_per_step(layer.tau_syn_ms, time_step)
        self.beta = decay_per_step(layer.tau_mem_ms, time_step)
        self.gamma = readout_decay
        self.n_in, n_sources = n_in, n_in + (n if layer.recurrent is not None else 0)
        zeros = layer.weight.new_zeros
        self.sources = zeros(n_batch, n_sources)  # q
        self.membrane, self.spikes, self.filtered, self.near = (
            zeros(n_batch, n) for _ in range(4)
        )  # U, S, z, ψ
        traces = (n_batch, n_sources, n, n) if exact else (n_batch, n_sources, n)
        self.membrane_traces, self.filtered_traces = zeros(traces), zeros(traces)  # e, f
        self.current_traces = zeros(traces) if exact else None  # a

    @torch.no_grad()
    def step(self, arriving: torch.Tensor) -> torch.Tensor:
        """Run one step.

        Parameters
        ----------
        arriving
            Input spikes of this step, float (batch, input).

        Returns
        -------
        Tensor of float, shape (batch, neuron)
            The spikes of the layer.
        """
        layer, alpha, beta, gamma = self.layer, self.alpha, self.beta, self.gamma
        before = self.spikes
        if layer.recurrent is not None:
            arriving = torch.cat([arriving, before], 1)
        self.sources.mul_(alpha).add_(arriving)
        current = self.sources[:, : self.n_in] @ layer.weight
        if layer.recurrent is not None:
            current += self.sources[:, self.n_in :] @ layer.recurrent
        silent = 1 - before
        self.membrane = (beta * self.membrane + (1 - beta) * current) * silent
        near = surrogate_slope(self.membrane - layer.neuron.threshold, layer.neuron)
        kept = silent if self.with_reset else torch.ones_like(silent)
        if self.exact:
            self._exact_traces(arriving, kept)
        else:
            self.membrane_traces.mul_((beta * kept)[:, None])
            self.membrane_traces.addcmul_(self.sources[:, :, None], ((1 - beta) * kept)[:, None])
        wide = near[:, None, None] if self.exact else near[:, None]
        self.filtered_traces.mul_(gamma).addcmul_(self.membrane_traces, (1 - gamma) * wide)
        self.near = near
        self.spikes = (self.membrane >= layer.neuron.threshold).to(near.dtype)
        self.filtered = gamma * self.filtered + (1 - gamma) * self.spikes
        return self.spikes

    def _exact_traces(self, arriving: torch.Tensor, kept: torch.Tensor) -> None:
        """Advance a and e; ``near`` still holds ψ of the previous step."""
        a, e = self.current_traces, self.membrane_traces
        assert a is not None
        a.mul_(self.alpha)
        if self.layer.recurrent is not None:
            a.add_((self.near[:, None, None] * e) @ self.layer.recurrent)
        a.diagonal(dim1=2, dim2=3).add_(arriving[:, :, None])
        e.mul_(self.beta).add_(a, alpha=1 - self.beta).mul_(kept[:, None, None])

    def gradients(self, error: torch.Tensor) -> list[torch.Tensor]:
        """Multiply an error by the traces.

        Parameters
        ----------
        error
            ∂L/∂z, float (batch, neuron).

        Returns
        -------
        list of Tensor
            ∂L/∂w, summed over the batch, for the input weights and, if there are any, the recurrent weights.
        """
        rule = "bj,bpij->pi" if self.exact else "bi,bpi->pi"
        both = torch.einsum(rule, error, self.filtered_traces)
        return [both[: self.n_in], both[self.n_in :]][: 1 if self.layer.recurrent is None else 2]

    def n_numbers(self) -> int:
        """Count the numbers of the state, for a batch.

        Returns
        -------
        int
            Independent of the number of steps.
        """
        traces = [self.membrane_traces, self.filtered_traces, self.current_traces]
        state = [self.sources, self.membrane, self.spikes, self.filtered, self.near]
        return sum(tensor.numel() for tensor in [*traces, *state] if tensor is not None)
