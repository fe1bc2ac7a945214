"""Parameters held near those of earlier tasks, each by its importance.

::

    L'(θ) = L(θ) + c · Σ_k Ω_k (θ_k − θ̃_k)²
    ∂L'/∂θ_k = g_k + 2c · Ω_k (θ_k − θ̃_k)

L is the loss of the current task [nats], g its gradient, θ̃ the parameters after the last task, Ω_k ≥ 0 the
importance of parameter k for the tasks before [nats / unit of θ_k²], and c the strength (no unit). The gradient of
the penalty is added in closed form; no second pass through the network is needed. With c = 0 nothing is added, and
training is that without a penalty, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from spikebench.events.batches import BinnedSamples
from spikebench.learning.bptt import BackPropagation
from spikebench.learning.ranks import Ranks
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset

__all__ = ["ConsolidatingRule", "QuadraticPenalty"]


class QuadraticPenalty:
    """The penalty of some parameters.

    Parameters
    ----------
    parameters
        The parameters θ.
    strength
        c, at least 0.

    Attributes
    ----------
    importance, anchor : list of Tensor
        Ω and θ̃, in the order of the parameters; at first 0 and the current values.
    """

    def __init__(self, parameters: Iterable[torch.Tensor], strength: float) -> None:
        self.parameters, self.strength = list(parameters), strength
        self.importance = [torch.zeros_like(p) for p in self.parameters]
        self.anchor = [p.detach().clone() for p in self.parameters]

    def value(self) -> float:
        """Return the penalty at the current parameters [nats]."""
        terms = zip(self.parameters, self.importance, self.anchor, strict=True)
        total = sum(float((omega * (p.detach() - old) ** 2).sum()) for p, omega, old in terms)
        return self.strength * total

    @torch.no_grad()
    def add_gradient(self) -> None:
        """Add the gradient of the penalty to those of the parameters."""
        if not self.strength:
            return
        for p, omega, old in zip(self.parameters, self.importance, self.anchor, strict=True):
            pull = (p - old).mul_(omega).mul_(2 * self.strength)
            p.grad = pull if p.grad is None else p.grad.add_(pull)

    @torch.no_grad()
    def consolidate(self, increments: Sequence[torch.Tensor]) -> None:
        """Add the importance for a task that has ended, and hold the current parameters from now on.

        Parameters
        ----------
        increments
            One tensor per parameter, of its shape, at least 0.
        """
        for omega, more in zip(self.importance, increments, strict=True):
            omega.add_(more)
        for old, p in zip(self.anchor, self.parameters, strict=True):
            old.copy_(p)


class ConsolidatingRule(BackPropagation):
    """Back-propagation with a penalty, whose importances grow after every task.

    Parameters
    ----------
    model, preset, class_weights, ranks, seed
        As for :class:`spikebench.learning.rule.LearningRule`.
    strength
        c of the penalty.
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
    ) -> None:
        super().__init__(model, preset, class_weights, ranks, seed)
        self.penalty = QuadraticPenalty(model.parameters(), strength)

    def step(self, rate: float) -> None:
        """Add the gradient of the penalty, and take a step of the optimiser."""
        self.penalty.add_gradient()
        super().step(rate)

    def end_task(self, samples: BinnedSamples) -> None:
        """Add the importance of the parameters for the task that has ended.

        Parameters
        ----------
        samples
            Its training samples.
        """
        raise NotImplementedError

    def state(self) -> dict[str, torch.Tensor]:
        """Return the state of the optimiser, with Ω and θ̃."""
        kept = super().state()
        for name in ("importance", "anchor"):
            tensors: list[torch.Tensor] = getattr(self.penalty, name)
            kept |= {f"penalty.{k}.{name}": tensor for k, tensor in enumerate(tensors)}
        return kept

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue with the optimiser, Ω and θ̃ of another rule of the same kind."""
        super().load_state(state)
        for name, tensor in state.items():
            first, _, rest = name.partition(".")
            if first == "penalty":
                number, kind = rest.split(".")
                getattr(self.penalty, kind)[int(number)].copy_(tensor)
