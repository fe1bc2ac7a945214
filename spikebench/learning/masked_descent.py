"""Back-propagation in which masked weights are 0 from the first step to the last.

::

    g ← m ⊙ g        before the norm is clipped and the optimiser takes its step
    θ ← m ⊙ θ        after the step

m is 1 for kept weights and 0 for the others (:mod:`spikebench.learning.pruning_masks`). The moments of the optimiser
are 0 where m is 0, so the second line only makes sure that weight decay and rounding leave exact zeros.
"""

from __future__ import annotations

import torch

from spikebench.learning.bptt import BackPropagation
from spikebench.learning.pruning_masks import Masks
from spikebench.learning.ranks import Ranks
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset

__all__ = ["MaskedBackPropagation"]


class MaskedBackPropagation(BackPropagation):
    """Gradient descent of the weights that a mask keeps.

    Parameters
    ----------
    model, preset, class_weights, ranks, seed
        As for :class:`spikebench.learning.rule.LearningRule`; masked weights of the model are set to 0.
    masks
        Masks of the connections by name; empty for a dense network.
    """

    def __init__(
        self,
        model: Classifier,
        preset: Preset,
        class_weights: torch.Tensor,
        ranks: Ranks,
        seed: int,
        *,
        masks: Masks,
    ) -> None:
        super().__init__(model, preset, class_weights, ranks, seed)
        parameters = dict(model.named_parameters())
        self._masked = [(parameters[name], ~mask) for name, mask in masks.items()]
        self._set_to_zero()

    def step(self, rate: float) -> None:
        """Take a step of the optimiser with the gradients of the kept weights."""
        for weight, removed in self._masked:
            if weight.grad is not None:
                weight.grad.masked_fill_(removed, 0.0)
        super().step(rate)
        self._set_to_zero()

    @torch.no_grad()
    def _set_to_zero(self) -> None:
        for weight, removed in self._masked:
            weight.masked_fill_(removed, 0.0)
