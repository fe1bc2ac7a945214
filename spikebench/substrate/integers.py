"""Weights as integers: the multiples of a step that a substrate can hold.

``w ≈ s·k``, k an integer in −q … q, q = 2^(b−1) − 1 with b bits, and s = max|w|/q, so that the largest weight is
representable. The step is the scale that a chip gets from a bias current or an exponent, and is written with the
weights.
"""

from __future__ import annotations

import torch

__all__ = ["to_integers"]


def to_integers(weights: list[torch.Tensor], bits: int) -> tuple[list[torch.Tensor], float]:
    """Round weights to integers with a common step.

    Parameters
    ----------
    weights
        Tensors of float, any shapes.
    bits
        Bits of a weight with its sign, at least 2.

    Returns
    -------
    integers : list of Tensor
        k, of the types of the weights.
    step : float
        s; 1 if all weights are 0.
    """
    most = 2 ** (bits - 1) - 1
    largest = max(float(weight.abs().max()) for weight in weights)
    step = largest / most or 1.0
    return [(weight / step).round_().clamp_(-most, most) for weight in weights], step
