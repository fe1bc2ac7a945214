"""SNIP: the weights are kept whose removal would change the loss of a batch most.

::

    s_k = |θ_k · ∂L/∂θ_k|        at the initial weights; L: mean cross-entropy of a batch [nats]

The largest s_k of all weights together are kept, once (``global`` in :mod:`spikebench.learning.pruning_masks`). **The
labels of the batch are read.** The gradient of a spiking network is its surrogate gradient.

Source: Lee, Ajanthan, Torr (2019), arXiv:1810.02340. Departure: the initial weights are those of the model, not drawn
anew by a scheme of their own.
"""

from __future__ import annotations

import torch

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.learning.few_bits import connections
from spikebench.learning.pruning_masks import Masks, keep_largest
from spikebench.models.base import Classifier

__all__ = ["snip_masks", "snip_scores"]


def snip_scores(model: Classifier, batch: EventBatch) -> Masks:
    """Compute how much every weight matters for the loss.

    Parameters
    ----------
    model
        With its initial weights; its gradients are not changed.
    batch
        Samples with labels.

    Returns
    -------
    dict of Tensor of float
        s, by the name of the parameter.
    """
    was_training = model.training
    model.eval()
    weights = connections(model)
    loss = torch.nn.functional.cross_entropy(model(batch).scores, batch.labels)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    model.train(was_training)
    return {
        name: (weight.detach() * gradient).abs()
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }


def snip_masks(model: Classifier, batch: EventBatch, density: float) -> Masks:
    """Choose the masks.

    Parameters
    ----------
    model
        With its initial weights.
    batch
        Samples with labels.
    density
        Part of the weights that is kept.

    Returns
    -------
    dict of Tensor of bool
        Masks.

    Raises
    ------
    TrainingError
        If all scores are 0, so that there is no choice.
    """
    scores = snip_scores(model, batch)
    if not any(bool(score.any()) for score in scores.values()):
        raise TrainingError(
            "snip: no weight has a gradient, probably because no hidden unit fires; increase model.init_fluctuation"
        )
    return keep_largest(scores, density, "global")
