"""Sums over time of the probabilities at each step, on a CPU, as a PyTorch operator with gradients.

::

    score[k, c] = Σ_t inside[k, t]·p[k, t, c],   p[k, t] = softmax(O[k, t] + bias)
    ∂L/∂O[k, t, c] = inside[k, t]·p[k, t, c]·(g[k, c] − Σ_d p[k, t, d]·g[k, d]),   g = ∂L/∂score

Threads share a batch, while PyTorch computes with one thread during training; p is computed again for the gradients.
"""

from __future__ import annotations

from typing import Any

import torch

from spikebench.kernels.cpu.threads import pieces, run_in_threads
from spikebench.kernels.feed_forward import ONCE


def softmax_sum(trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Add up probabilities; see :func:`spikebench.kernels.reference.softmax_sum`."""
    scores: torch.Tensor = _softmax_sum(trace, bias, inside)
    return scores


@torch.library.custom_op("spikebench::softmax_sum", mutates_args=())
def _softmax_sum(trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    trace, bias = trace.detach(), bias.detach()  # threads differentiate by default
    scores = trace.new_empty(trace.shape[0], trace.shape[2])

    def run(first: int, last: int) -> None:
        p = torch.softmax(trace[first:last] + bias, 2)
        torch.sum(p.mul_(inside[first:last, :, None]), 1, out=scores[first:last])

    run_in_threads(run, pieces(len(trace)))
    return scores


@torch.library.custom_op("spikebench::softmax_sum_backward", mutates_args=())
def _softmax_sum_backward(
    grad: torch.Tensor, trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    grad, trace, bias = grad.detach(), trace.detach(), bias.detach()
    to_trace = torch.empty_like(trace, memory_format=torch.contiguous_format)

    def run(first: int, last: int) -> torch.Tensor:
        out, g = to_trace[first:last], grad[first:last, None]
        p = torch.softmax(trace[first:last] + bias, 2)
        mean = torch.matmul(p, grad[first:last, :, None])
        torch.mul(p, g - mean, out=out)
        out.mul_(inside[first:last, :, None])
        return out.sum((0, 1))

    return to_trace, sum(run_in_threads(run, pieces(len(trace))), torch.zeros_like(bias))


def _context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
    ctx.save_for_backward(*inputs)


def _gradients(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:  # noqa: ANN401
    to_trace, to_bias = _softmax_sum_backward(grad, *ctx.saved_tensors)
    return to_trace, to_bias, None


def _once(ctx: Any, *gradients: Any) -> None:  # noqa: ANN401
    raise RuntimeError(ONCE)


_softmax_sum.register_autograd(_gradients, setup_context=_context)
_softmax_sum_backward.register_autograd(_once)
