"""Loss, regulariser, optimiser and learning-rate schedule of gradient descent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.learning.ranks import Ranks
from spikebench.models.base import Output
from spikebench.presets.preset import RegulariserSettings, TrainingSettings


def class_weights(labels: NDArray[np.int64], n_classes: int, kind: str) -> torch.Tensor:
    """Compute the weights of the classes in the loss.

    Parameters
    ----------
    labels
        Labels of the training split, int64, shape (samples,).
    n_classes
        Number of classes.
    kind
        ``none``: equal weights. ``balanced``: inversely proportional to the frequency of the class, so that all
        classes that occur contribute equally; the mean over the samples is 1.

    Returns
    -------
    Tensor of float32, shape (class,)
        Weights.
    """
    if kind == "none":
        return torch.ones(n_classes)
    counts = np.bincount(labels, minlength=n_classes)
    weights = labels.size / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.from_numpy(weights).float()


def batch_loss(
    output: Output,
    labels: torch.Tensor,
    weights: torch.Tensor,
    denominator: float,
    n_batch: int,
    regulariser: RegulariserSettings,
    ranks: Ranks,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Compute this process's share of the loss of a batch.

    Parameters
    ----------
    output
        Output of the model for this process's samples.
    labels
        Their classes, int64, shape (samples,).
    weights
        Weights of the classes, float32, shape (class,).
    denominator
        Sum of the class weights over the whole batch.
    n_batch
        Samples of the whole batch.
    regulariser
        Settings of the regularisation.
    ranks
        The processes.
    label_smoothing
        Part ε of the target that is spread evenly over all classes: 1 − ε + ε/classes for the label, ε/classes for each
        other class (Szegedy et al. 2016, arXiv:1512.00567).

    Returns
    -------
    Tensor of float32, shape ()
        Cross-entropy (of an ensemble, the mean over its networks) and regulariser; the gradients of all shares sum to
        the gradient of the whole batch.
    """
    members = output.scores[None] if output.member_scores is None else output.member_scores
    scores = members.to(weights.dtype)  # products may have a lower precision
    total = torch.nn.functional.cross_entropy(
        scores.flatten(0, 1),
        labels.repeat(len(scores)),
        weights,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    return total / (denominator * len(scores)) + activity_penalty(
        output, regulariser, n_batch, ranks
    )


def activity_penalty(
    output: Output, settings: RegulariserSettings, n_batch: int, ranks: Ranks
) -> torch.Tensor:
    """Compute the regularisation of :class:`spikebench.presets.preset.RegulariserSettings`.

    Parameters
    ----------
    output
        Output of a model with its hidden spikes.
    settings
        Strengths and thresholds.
    n_batch
        Samples of the whole batch.
    ranks
        The processes that share it.

    Returns
    -------
    Tensor of float32, shape ()
        To be added to the loss.
    """
    penalty = output.scores.new_zeros(())
    if not (settings.lower_strength or settings.upper_strength):
        return penalty
    for spikes in output.spikes:
        count = spikes.counts()  # (sample, unit)
        silent = torch.relu(settings.lower_spikes - ranks.total(count.sum(0)) / n_batch)
        busy = torch.relu(count.mean(1) - settings.upper_spikes)
        # The first term is the same in every process, so one of them counts it; its gradient is summed over all.
        penalty = penalty + settings.lower_strength * ranks.once((silent**2).mean())
        penalty = penalty + settings.upper_strength * (busy**2).sum() / n_batch
    return penalty


def make_optimizer(
    groups: Sequence[Sequence[torch.Tensor]], settings: TrainingSettings
) -> torch.optim.Optimizer:
    """Make the optimiser of a preset.

    Parameters
    ----------
    groups
        The parameters to optimise; those of a second group are delays with a learning rate of their own.
    settings
        Name and settings of the optimiser.

    Returns
    -------
    Optimizer
        Over all parameters; ``rate_factor`` of a group is its rate in units of that of the weights.
    """
    kinds: dict[str, Any] = {
        "adam": partial(torch.optim.Adam, fused=True),  # one pass over the weights
        "adamw": partial(torch.optim.AdamW, fused=True),
        "adamax": torch.optim.Adamax,
    }
    factors = (1.0, settings.learning_rate_delays / settings.learning_rate)
    optimizer: torch.optim.Optimizer = kinds[settings.optimizer](
        [
            {"params": list(group), "rate_factor": factor}
            for group, factor in zip(groups, factors, strict=False)
        ],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    return optimizer


def learning_rate(settings: TrainingSettings, epoch: int, n_reductions: int = 0) -> float:
    """Return the learning rate of an epoch.

    Parameters
    ----------
    settings
        Rate, schedule and warm-up.
    epoch
        Counted from 1.
    n_reductions
        Reductions of the schedule ``plateau`` in earlier epochs, see :mod:`spikebench.learning.plateau`.

    Returns
    -------
    float
        Increases to the full rate over ``warmup_epochs``, then follows the schedule. ``constant`` stays, ``plateau`` is
        multiplied by a factor at every reduction, the others end near 0. ``one_cycle``
        rises along a cosine from 1/25 of the rate, reaches it after 30 % of the epochs, and falls along a cosine to
        1/250,000 of it (Smith, Topin 2018, arXiv:1708.07120, with the defaults of PyTorch).
    """
    warm = settings.warmup_epochs
    if epoch <= warm:
        return settings.learning_rate * epoch / (warm + 1)
    left = (epoch - 1 - warm) / max(settings.epochs - warm, 1)
    if settings.schedule == "constant":
        return settings.learning_rate
    if settings.schedule == "plateau":
        return settings.learning_rate * settings.plateau_factor**n_reductions
    if settings.schedule == "one_cycle":
        return settings.learning_rate * _one_cycle(epoch - 1 - warm, settings.epochs - warm)
    if settings.schedule == "linear":
        return settings.learning_rate * (1 - left)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * left))


def _one_cycle(epoch: int, n_epochs: int) -> float:
    """Compute the part of the full rate in an epoch, counted from 0."""
    top = 0.3 * n_epochs - 1
    if epoch <= top:
        low, high, part = 1 / 25, 1.0, epoch / top
    else:
        low, high, part = 1.0, 1 / 25e4, (epoch - top) / (n_epochs - 1 - top)
    return high + (low - high) * 0.5 * (1 + math.cos(math.pi * part))
