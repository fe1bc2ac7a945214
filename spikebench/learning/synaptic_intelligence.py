"""Synaptic intelligence: the importance of a parameter is its part of the fall of the loss during training.

::

    ω_k ← ω_k − g_k · Δθ_k                                    at every step of the optimiser
    Ω_k ← Ω_k + max(0, ω_k / ((θ_k − θ̃_k)² + ξ)),  ω_k ← 0     after a task
    loss of the next task: L + c · Σ_k Ω_k (θ_k − θ̃_k)²        then θ̃ ← θ

g is the gradient of L, the loss of the task without the penalty [nats / unit of θ_k]; Δθ_k the step that the
optimiser takes with the gradient of loss and penalty [unit of θ_k]; ω_k the part of parameter k in the fall of L
along the path [nats]: the sum over k is the fall of L up to the second order of the steps. θ̃ are the parameters at
the end of the last task, so θ_k − θ̃_k is the change during the task; ξ is a damping [unit of θ_k²] and c the
strength (no unit).

Source: Zenke, Poole, Ganguli (2017), arXiv:1703.04200. Departures: L is the mean loss of a batch and contains the
activity regularisation of spiking layers, where a preset sets one; g is taken before the clipping of gradients, Δθ is
the step after it. A negative ω_k counts as 0 for its task, so that Ω never falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from spikebench.events.batches import BinnedSamples
from spikebench.learning.quadratic_penalty import ConsolidatingRule
from spikebench.learning.ranks import Ranks
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset

__all__ = ["SynapticIntelligence", "add_to_path", "importance_of_path"]


@torch.no_grad()
def add_to_path(
    path: Sequence[torch.Tensor],
    gradients: Sequence[torch.Tensor | None],
    steps: Sequence[torch.Tensor],
) -> None:
    """Add −g · Δθ to the path integral ω, in place.

    Parameters
    ----------
    path
        ω, one tensor per parameter [nats].
    gradients
        g of the loss without the penalty, at the parameters before the step; None is 0.
    steps
        Δθ, the change of the parameters.
    """
    for omega, gradient, step in zip(path, gradients, steps, strict=True):
        if gradient is not None:
            omega.addcmul_(gradient, step, value=-1.0)


@torch.no_grad()
def importance_of_path(path: torch.Tensor, change: torch.Tensor, damping: float) -> torch.Tensor:
    """Compute the increment of Ω after a task.

    Parameters
    ----------
    path
        ω [nats].
    change
        Change of the parameter during the task, same shape.
    damping
        ξ > 0.

    Returns
    -------
    Tensor
        max(0, ω / (change² + ξ)), same shape.
    """
    return (path / (change.square() + damping)).clamp_(min=0.0)


class SynapticIntelligence(ConsolidatingRule):
    """Back-propagation that holds parameters by their path integral.

    Parameters
    ----------
    model, preset, class_weights, ranks, seed
        As for :class:`spikebench.learning.rule.LearningRule`.
    strength, damping
        c and ξ.
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
        damping: float,
    ) -> None:
        super().__init__(model, preset, class_weights, ranks, seed, strength=strength)
        self.damping = damping
        self.path = [torch.zeros_like(p) for p in self.penalty.parameters]

    def step(self, rate: float) -> None:
        """Take a step with the penalty, and add it to the path integral with the gradient without."""
        parameters = self.penalty.parameters
        gradients = [None if p.grad is None else p.grad.clone() for p in parameters]
        before = [p.detach().clone() for p in parameters]
        super().step(rate)
        steps = [p.detach() - old for p, old in zip(parameters, before, strict=True)]
        add_to_path(self.path, gradients, steps)

    def end_task(self, samples: BinnedSamples) -> None:
        """Add the importance of the path, which needs no samples."""
        held = self.penalty
        changes = [p.detach() - old for p, old in zip(held.parameters, held.anchor, strict=True)]
        held.consolidate(
            [
                importance_of_path(omega, change, self.damping)
                for omega, change in zip(self.path, changes, strict=True)
            ]
        )
        for omega in self.path:
            omega.zero_()

    def state(self) -> dict[str, torch.Tensor]:
        """Return the state of the optimiser and of the penalty, with ω."""
        return super().state() | {f"path.{k}": omega for k, omega in enumerate(self.path)}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue with the optimiser, the penalty and ω of another rule of the same kind."""
        super().load_state(state)
        for k, omega in enumerate(self.path):
            omega.copy_(state[f"path.{k}"])
