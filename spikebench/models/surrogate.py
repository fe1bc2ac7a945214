"""The spike: a step forward, a smooth slope backward.

``S = 1 if U ≥ 1 else 0``; backward ``dS/dU = 1/(λ·|U − 1| + 1)²``, the fast sigmoid with slope λ.
Source: Zenke, Ganguli (2018), arXiv:1705.11146; Neftci, Mostafa, Zenke (2019), arXiv:1901.09948.
"""

from __future__ import annotations

from typing import Any

import torch


class _FastSigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor, slope: float) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(distance)
        ctx.slope = slope
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401
        (distance,) = ctx.saved_tensors
        return gradients[0] / (ctx.slope * distance.abs() + 1) ** 2, None


def spike(distance: torch.Tensor, slope: float) -> torch.Tensor:
    """Fire where the membrane has reached its threshold.

    Parameters
    ----------
    distance
        Membrane minus threshold, any float dtype and shape.
    slope
        λ of the backward pass.

    Returns
    -------
    Tensor, same dtype and shape
        1 where ``distance`` ≥ 0, else 0.
    """
    spikes: torch.Tensor = _FastSigmoid.apply(distance, slope)  # type: ignore[no-untyped-call]
    return spikes
