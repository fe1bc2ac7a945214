"""All states of a diagonal linear recurrence x[t] = a[t]·x[t−1] + b[t], x[−1] = 0, without a loop over t.

Two steps of the recurrence are one step of the same form::

    x[t] = (a[t]·a[t−1])·x[t−2] + (a[t]·b[t−1] + b[t])

so the states of odd t are those of a recurrence of half the length, found in the same way, and each state of even t
takes one further step. This needs 2·log2 n vectorised steps and about 3 n multiplications, and never divides, so that
decays near 0 are exact: a[t] = 0 starts again from b[t], which separates the sequences of a batch that lie one after
another.

Source: Blelloch (1990), "Prefix sums and their applications", CMU-CS-90-190; used for state-space layers by Smith,
Warrington and Linderman (2023), arXiv:2208.04933.
"""

from __future__ import annotations

from typing import Any

import torch


def linear_recurrence(decays: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Compute all states; differentiable once.

    Parameters
    ----------
    decays
        a[t], float or complex, shape (time, state).
    inputs
        b[t], of the same shape and dtype.

    Returns
    -------
    Tensor, shape (time, state)
        x[t].
    """
    states: torch.Tensor = _Recurrence.apply(decays, inputs)  # type: ignore[no-untyped-call]
    return states


class _Recurrence(torch.autograd.Function):
    """The gradients are a recurrence in reversed time: g[t] = ∂L/∂x[t] + conj(a[t+1])·g[t+1]."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        decays: torch.Tensor,
        inputs: torch.Tensor,
    ) -> torch.Tensor:
        states = _states(decays, inputs)
        ctx.save_for_backward(decays, states)
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        grad: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        decays, states = ctx.saved_tensors
        later = torch.cat([decays[1:], torch.zeros_like(decays[:1])]).conj()
        by_input = _states(later.flip(0), grad.flip(0)).flip(0)
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        return by_input * before.conj(), by_input


def _states(decays: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    n = len(inputs)
    if n < 2:
        return inputs.clone()
    odd, even = decays[1::2], decays[: n - 1 : 2]
    at_odd = _states(odd * even, torch.addcmul(inputs[1::2], odd, inputs[: n - 1 : 2]))
    states = torch.empty_like(inputs)
    states[0] = inputs[0]
    states[1::2] = at_odd
    states[2::2] = torch.addcmul(inputs[2::2], decays[2::2], at_odd[: (n - 1) // 2])
    return states
