"""Masks of the weights that are kept: those with the largest scores, or random ones.

A mask has the shape of a tensor of connections (:func:`spikebench.learning.few_bits.connections`) and is true where a
weight is kept. Biases are always kept. At density d, with N weights, the number of kept weights is exact:

``global``
    max(1, round(d·N)) of all weights together; a tensor may lose all of its weights.
``layer``
    max(1, round(d·N_l)) of every tensor l.

Of equal scores, the first in the order of the parameters is kept.

``magnitude`` keeps the largest |θ| of the initial weights, ``random`` random ones; both by layer, as the random masks
of Liu, Zenke (2020), arXiv:2006.08228.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch

from spikebench.errors import TrainingError
from spikebench.learning.few_bits import connections
from spikebench.models.base import Classifier

__all__ = [
    "Masks",
    "Scope",
    "check_density",
    "keep_largest",
    "magnitude_masks",
    "masked",
    "random_masks",
]

Masks = dict[str, torch.Tensor]
Scope = Literal["global", "layer"]


def check_density(density: float) -> None:
    """Refuse a density outside of 0 … 1.

    Parameters
    ----------
    density
        Part of the weights that is kept.

    Raises
    ------
    TrainingError
        If it is 0 or below, above 1, or not a number.
    """
    if not 0 < density <= 1:
        raise TrainingError(
            f"density {density:g}: must be above 0 and at most 1, the part of the weights that is kept, e.g. 0.03"
        )


def keep_largest(scores: Mapping[str, torch.Tensor], density: float, scope: Scope) -> Masks:
    """Keep the weights with the largest scores.

    Parameters
    ----------
    scores
        A score of every weight, float, by the name of the parameter.
    density
        Part that is kept, in (0, 1].
    scope
        Whether weights are compared with all others, or with those of the same tensor.

    Returns
    -------
    dict of Tensor of bool
        Masks, with the exact number of kept weights; see the module.

    Raises
    ------
    TrainingError
        If the density is out of range, or a score is not a number.
    """
    check_density(density)
    for name, score in scores.items():
        if bool(torch.isnan(score).any()):
            raise TrainingError(f"scores of {name} are not numbers; no mask can be chosen")
    if scope == "layer":
        return {
            name: _largest(score.flatten(), density).reshape(score.shape)
            for name, score in scores.items()
        }
    kept = _largest(torch.cat([score.flatten() for score in scores.values()]), density)
    parts = torch.split(kept, [score.numel() for score in scores.values()])
    return {
        name: part.reshape(score.shape)
        for (name, score), part in zip(scores.items(), parts, strict=True)
    }


def magnitude_masks(model: Classifier, density: float) -> Masks:
    """Keep the largest initial weights of every tensor.

    Parameters
    ----------
    model
        With its initial weights.
    density
        Part that is kept.

    Returns
    -------
    dict of Tensor of bool
        Masks.
    """
    sizes = {name: weight.detach().abs() for name, weight in connections(model).items()}
    return keep_largest(sizes, density, "layer")


def random_masks(model: Classifier, density: float, seed: int) -> Masks:
    """Keep random weights of every tensor.

    Parameters
    ----------
    model
        The model.
    density
        Part that is kept.
    seed
        Seed of the draw.

    Returns
    -------
    dict of Tensor of bool
        Masks.
    """
    generator = np.random.default_rng(seed)
    drawn = {
        name: torch.from_numpy(generator.random(tuple(weight.shape)))
        for name, weight in connections(model).items()
    }
    return keep_largest(drawn, density, "layer")


def masked(weights: Mapping[str, torch.Tensor], masks: Mapping[str, torch.Tensor]) -> Masks:
    """Multiply weights by their masks.

    Parameters
    ----------
    weights
        Parameters by name.
    masks
        Masks of some of them.

    Returns
    -------
    dict of Tensor
        The same parameters, in their graph; 0 where a mask is false.
    """
    return {
        name: weight.masked_fill(~masks[name], 0.0) if name in masks else weight
        for name, weight in weights.items()
    }


def _largest(scores: torch.Tensor, density: float) -> torch.Tensor:
    """Mark the largest scores, shape (weights,)."""
    count = max(1, round(density * scores.numel()))
    order = torch.argsort(scores, descending=True, stable=True)
    kept = torch.zeros_like(scores, dtype=torch.bool)
    kept[order[:count]] = True
    return kept
