"""Elastic weight consolidation: the importance of a parameter is its entry in the diagonal of the Fisher matrix.

::

    F_k = mean over samples x of (∂ log p(y | x, θ) / ∂θ_k)²,  y drawn from p(· | x, θ)     after a task
    Ω_k ← Ω_k + F_k
    loss of the next task: L + λ/2 · Σ_k Ω_k (θ_k − θ̃_k)²

p are the probabilities of the classes that the sample's task offers, θ̃ the parameters at the end of the last task,
F_k in 1 / unit of θ_k² and λ without unit.

Source: Kirkpatrick et al. (2017), arXiv:1612.00796. Departures: one penalty about the last parameters with the sum of
all F, instead of one penalty per task about its own parameters (as in Schwarz et al. 2018, arXiv:1805.06370, without
decay); F from a number of samples per task, by one backward pass per sample, without dropout.
"""

from __future__ import annotations

import numpy as np
import torch

from spikebench.events.batches import BinnedSamples
from spikebench.learning.quadratic_penalty import ConsolidatingRule
from spikebench.learning.ranks import Ranks
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset

__all__ = ["ElasticWeights", "fisher_diagonal"]


def fisher_diagonal(
    model: Classifier, samples: BinnedSamples, n_samples: int, seed: int
) -> list[torch.Tensor]:
    """Estimate the diagonal of the Fisher matrix of a model.

    Parameters
    ----------
    model
        The model, on the CPU; its gradients are cleared.
    samples
        Samples x.
    n_samples
        Number of samples that are drawn, all if there are fewer.
    seed
        Seed of the samples and of the classes y.

    Returns
    -------
    list of Tensor
        F, in the order and the shapes of the parameters.
    """
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(samples))[:n_samples]
    was_training = model.training
    model.eval()
    parameters = list(model.parameters())
    found = [torch.zeros_like(p) for p in parameters]
    for position in chosen:
        model.zero_grad(set_to_none=True)
        scores = model(samples.batch(np.array([position]))).scores[0]
        logarithms = torch.log_softmax(scores, 0)
        share = logarithms.detach().double().exp().numpy()
        drawn = int(generator.choice(share.size, p=share / share.sum()))
        logarithms[drawn].backward()  # type: ignore[no-untyped-call]
        for total, p in zip(found, parameters, strict=True):
            if p.grad is not None:
                total.addcmul_(p.grad, p.grad, value=1 / chosen.size)
    model.zero_grad(set_to_none=True)
    model.train(was_training)
    return found


class ElasticWeights(ConsolidatingRule):
    """Back-propagation that holds parameters by their Fisher information.

    Parameters
    ----------
    model, preset, class_weights, ranks, seed
        As for :class:`spikebench.learning.rule.LearningRule`.
    strength
        λ.
    fisher_samples
        Number of samples per task.
    """

    def __init__(
        self,
        model: Classifier,
        preset: Preset,
        class_weights: torch.Tensor,
        ranks: Ranks,
        seed: int,
        *,
        strength: float,
        fisher_samples: int,
    ) -> None:
        super().__init__(model, preset, class_weights, ranks, seed, strength=strength / 2)
        self.fisher_samples = fisher_samples

    def end_task(self, samples: BinnedSamples) -> None:
        """Add the Fisher information of the samples."""
        found = fisher_diagonal(self.model, samples, self.fisher_samples, self.seed)
        self.penalty.consolidate(found)
