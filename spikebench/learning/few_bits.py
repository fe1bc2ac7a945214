"""Weights of few bits: rounding to integer multiples of a step.

::

    w' = s · clip(round(w / s), −q, q),   q = 2^(b−1) − 1

b is the number of bits, so w' has at most 2^b − 1 values, symmetric about 0: 255, 15 and 3 with 8, 4 and 2 bits. Each
tensor of weights has one step s, of the 128 steps k/128 · max|w|/q, k = 1 … 128, that with the least sum of squared
errors (w' − w)²; among equal ones the largest.

Rounded are the parameters with two and more axes: connections. Biases, time constants, delays and normalisations
remain numbers of 32 bits; they are few.

*After training*: the selected weights are rounded once. *Aware* (quantisation-aware training): scores and gradients
are those of the rounded weights, and the gradient changes the weights before rounding, as if rounding had the
derivative 1 (straight-through estimator: Bengio, Léonard, Courville 2013, arXiv:1308.3432; Hubara et al. 2018,
arXiv:1609.07061).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from spikebench.models.base import Classifier

N_STEPS = 128


def n_levels(bits: int) -> int:
    """Return the number of values that a weight of few bits can have.

    Parameters
    ----------
    bits
        At least 2.

    Returns
    -------
    int
        2^bits − 1.
    """
    return int(2**bits) - 1


def n_values(weight: torch.Tensor) -> int:
    """Count the different numbers in a tensor.

    Parameters
    ----------
    weight
        Any shape, on any device.

    Returns
    -------
    int
        Their number.
    """
    return int(np.unique(weight.numpy(force=True)).size)


@torch.no_grad()
def rounded(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """Round a tensor of weights.

    Parameters
    ----------
    weight
        Floating-point numbers, any shape, finite.
    bits
        At least 2.

    Returns
    -------
    Tensor
        New, same shape and type.
    """
    most = 2 ** (bits - 1) - 1
    largest = weight.abs().max() if weight.numel() else weight.new_zeros(())
    if not largest > 0:
        return torch.zeros_like(weight)
    best, least = weight, torch.inf
    for k in range(N_STEPS, 0, -1):
        step = largest * (k / N_STEPS / most)
        if not step > 0:  # below the smallest number of the type
            continue
        tried = (weight / step).round_().clamp_(-most, most).mul_(step)
        error = float((tried - weight).double().square().sum())
        if error < least:
            best, least = tried, error
    return best if least < torch.inf else torch.zeros_like(weight)


def connections(model: Classifier) -> dict[str, torch.nn.Parameter]:
    """Return the parameters of a model that are rounded.

    Parameters
    ----------
    model
        Any model.

    Returns
    -------
    dict of Parameter
        By name: two or more axes, and no delays.
    """
    delays = {id(parameter) for parameter in model.delay_parameters()}
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1 and id(parameter) not in delays
    }


def round_tensors(
    model: Classifier, tensors: dict[str, torch.Tensor], bits: int
) -> dict[str, torch.Tensor]:
    """Round the connections among the tensors of a model.

    Parameters
    ----------
    model
        The model, which is not changed.
    tensors
        Its parameters and buffers, by name.
    bits
        Bits per weight.

    Returns
    -------
    dict of Tensor
        The same, with new tensors for the connections.
    """
    return tensors | {name: rounded(tensors[name], bits) for name in connections(model)}


def too_many_values(model: Classifier, bits: int) -> str | None:
    """Find a tensor of connections with more values than its bits can represent.

    Parameters
    ----------
    model
        The model.
    bits
        Bits per weight.

    Returns
    -------
    str or None
        A description of the first one; None if there is none.
    """
    for name, parameter in connections(model).items():
        found = n_values(parameter)
        if found > n_levels(bits):
            return f"{name} has {found:,} different values; {bits} bits allow {n_levels(bits):,}"
    return None


@contextmanager
def rounded_in(model: Classifier, bits: int) -> Iterator[None]:
    """Round the connections of a model; at the end, load the numbers before rounding again.

    Gradients computed meanwhile are those at the rounded weights.

    Parameters
    ----------
    model
        The model.
    bits
        Bits per weight.

    Yields
    ------
    None
    """
    chosen = connections(model).values()
    before = [parameter.detach().clone() for parameter in chosen]
    with torch.no_grad():
        for parameter in chosen:
            parameter.copy_(rounded(parameter, bits))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, weight in zip(chosen, before, strict=True):
                parameter.copy_(weight)
