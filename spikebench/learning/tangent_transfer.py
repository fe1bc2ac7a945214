"""Neural tangent transfer: a mask and weights, without labels, with the tangent kernel of the dense network.

::

    f_t(x) = f(x; θ_0)              teacher: the dense network with its initial weights; never changed
    f_s(x) = f(x; m ⊙ θ)            student: θ starts at θ_0; m: mask of the weights, 0 or 1
    L = λ·‖Θ_s(x₁, x₂) − Θ_t(x₁, x₂)‖²/D_Θ + ‖f_s(x) − f_t(x)‖²/D_f + µ/d·‖m ⊙ θ‖²/‖θ_0‖²
    θ ← Adam(θ, ∂L/∂θ)              step after step; x₁ and x₂: both halves of a batch x
    m ← the largest |θ| of every tensor, a part d of its weights     before the first step, and every ``mask_every``

λ, µ strengths and d density, without unit; Θ in :mod:`spikebench.learning.tangent_kernel`, f: scores. D_Θ and D_f are
the same squared distances with the first mask before the first step, the mean of some batches, so that both relative
distances start at 1. m stays as it is during the last ``mask_every`` steps. The result are m and m ⊙ θ, from which
training with labels starts. Masked weights get no gradient, so they keep the value that they had when they were masked,
and can return.

**No label is read**: the samples of :class:`spikebench.learning.unlabelled.UnlabelledSamples` have none.

Source: Liu, Zenke (2020), arXiv:2006.08228, and its code (fmi-basel/neural-tangent-transfer): Adam with 5e-4, batches
of 64, 18,720 steps, masks by layer every 100 steps, λ 1e-3 and µ 1e-4 of distances that are not relative. Departures:

* The distances are relative, so that strengths mean the same for networks whose scores and kernels differ by orders of
  magnitude.
* The kernel is projected on random signs, drawn anew in every step, instead of computed for all pairs of scores; the
  distance is estimated without bias, see :mod:`spikebench.learning.tangent_kernel`.
* ``kernel = "kept"``: Θ_s sums over the kept weights and the biases, the kernel that governs the training of the
  student. Their code sums over all weights, masked ones too: ``kernel = "all"``.
* Spiking networks: Θ, and its derivative by θ, with surrogate derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.learning.few_bits import connections
from spikebench.learning.pruning_masks import Masks, check_density, keep_largest, masked
from spikebench.learning.tangent_kernel import kernels_between, scores_and_tangents
from spikebench.learning.unlabelled import UnlabelledSamples
from spikebench.models.base import Classifier

__all__ = ["TangentTransfer", "TransferSettings"]


_MEASURED_BATCHES = 4


class TransferSettings(BaseModel):
    """Settings of neural tangent transfer; see the module."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: int = Field(default=300, ge=1, le=10_000_000)
    batch_size: int = Field(default=32, ge=2, le=1_000_000)
    learning_rate: float = Field(default=2e-3, gt=0, le=1e6)
    kernel_strength: float = Field(default=1.0, ge=0, le=1e12)  # λ
    norm_strength: float = Field(default=0.05, ge=0, le=1e12)  # µ
    mask_every: int = Field(default=50, ge=1, le=10_000_000)  # steps
    projections: int = Field(default=1, ge=1, le=10_000)  # P
    kernel: Literal["kept", "all"] = "kept"


class TangentTransfer:
    """A transfer, step by step.

    Parameters
    ----------
    model
        The dense network with its initial weights, on the CPU, which is not changed: the teacher.
    samples
        Samples without labels.
    density
        d, the part of the weights of every tensor that is kept.
    settings
        Strengths, steps, optimiser.
    seed
        Seed of batches and projections.

    Attributes
    ----------
    n_steps : int
        Steps that have been taken.
    distances : list of (int, float, float)
        Relative distances of kernels and of scores on the batches that define D_Θ and D_f, after 0 steps (1, 1), every
        ``mask_every`` steps and the last; each with the number of steps.

    Raises
    ------
    TrainingError
        If the density is out of range, there are too few samples, or masking changes neither scores nor kernel.
    """

    def __init__(
        self,
        model: Classifier,
        samples: UnlabelledSamples,
        density: float,
        settings: TransferSettings,
        seed: int,
    ) -> None:
        check_density(density)
        if len(samples) < 2:
            raise TrainingError("method ntt needs at least two samples for a kernel")
        model.eval()
        self.model, self.samples, self.density = model, samples, density
        self.settings, self.seed = settings, seed
        self.n_steps = 0
        self.teacher = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.weights = {name: p.clone().requires_grad_() for name, p in self.teacher.items()}
        self._connections = tuple(connections(model))
        self.masks = self._choose()
        self._optimizer = torch.optim.Adam(list(self.weights.values()), settings.learning_rate)
        self._scales = (1.0, 1.0, self._norm(self.teacher).item())
        self._scales = self._first_distances()
        self.distances = [(0, 1.0, 1.0)]

    @property
    def is_done(self) -> bool:
        """Whether all steps have been taken."""
        return self.n_steps >= self.settings.steps

    def step(self) -> None:
        """Take one step, and choose new masks if it is time.

        Raises
        ------
        TrainingError
            If the loss is no longer finite.
        """
        settings = self.settings
        self.n_steps += 1
        kernel, scores, norm = self._relative_distances(*self._draw(self.n_steps), True)
        loss = settings.kernel_strength * kernel + scores
        loss = loss + settings.norm_strength / self.density * norm
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of ntt is no longer finite in step {self.n_steps}; "
                "try a lower pruning.ntt.learning_rate"
            )
        gradients = torch.autograd.grad(loss, list(self.weights.values()))
        for weight, gradient in zip(self.weights.values(), gradients, strict=True):
            weight.grad = gradient
        self._optimizer.step()
        due = self.n_steps % settings.mask_every == 0
        if due or self.is_done:
            self.distances.append((self.n_steps, *self._measured()))
        if due and self.n_steps <= settings.steps - settings.mask_every:
            self.masks = self._choose()

    def result(self) -> Masks:
        """Return m ⊙ θ, all parameters by name."""
        found = masked(self.weights, self.masks)
        return {name: weight.detach().clone() for name, weight in found.items()}

    def state(self) -> dict[str, torch.Tensor]:
        """Return what is needed to continue, by name; :attr:`n_steps` and :attr:`distances` are kept by the caller."""
        kept = {f"weight.{name}": weight.detach() for name, weight in self.weights.items()}
        kept |= {f"mask.{name}": mask for name, mask in self.masks.items()}
        slots = self._optimizer.state_dict()["state"]
        kept |= {f"adam.{n}.{slot}": value for n in slots for slot, value in slots[n].items()}
        return kept

    def load_state(
        self,
        state: Mapping[str, torch.Tensor],
        n_steps: int,
        distances: list[tuple[int, float, float]],
    ) -> None:
        """Continue after some steps, at least one.

        Parameters
        ----------
        state, n_steps, distances
            Of another transfer with the same model and settings.
        """
        slots: dict[int, dict[str, torch.Tensor]] = {}
        with torch.no_grad():
            for key, tensor in state.items():
                kind, _, name = key.partition(".")
                if kind == "weight":
                    self.weights[name].copy_(tensor)
                elif kind == "mask":
                    self.masks[name] = tensor
                else:
                    number, slot = name.split(".")
                    slots.setdefault(int(number), {})[slot] = tensor
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": slots})
        self.n_steps, self.distances = n_steps, list(distances)

    def _choose(self) -> Masks:
        sizes = {name: self.weights[name].detach().abs() for name in self._connections}
        return keep_largest(sizes, self.density, "layer")

    def _draw(self, *key: int) -> tuple[EventBatch, torch.Tensor]:
        """Draw the batch and the projections of a step, by (seed, step)."""
        generator = np.random.default_rng([self.seed, *key])
        size = min(self.settings.batch_size, len(self.samples))
        chosen: NDArray[np.int64] = generator.permutation(len(self.samples))[:size]
        shape = (self.settings.projections, size, self.model.shape.n_classes)
        signs = torch.from_numpy(2 * generator.integers(0, 2, shape) - 1)
        like = next(iter(self.teacher.values()))
        return self.samples.batch(chosen), signs.to(like.dtype)

    def _relative_distances(
        self, batch: EventBatch, signs: torch.Tensor, create_graph: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute the relative distances of kernels and scores, and the relative squared norm of the weights."""
        known, expected = self._kernel(self.teacher, batch, signs, create_graph=False)
        student = masked(self.weights, self.masks)
        found, kernel = self._kernel(student, batch, signs, create_graph, self.masks)
        of_kernel, of_scores, of_norm = self._scales
        return (
            (kernel - expected).square().mean() / of_kernel,
            (found - known).square().mean() / of_scores,
            self._norm(student) / of_norm,
        )

    def _kernel(
        self,
        weights: Masks,
        batch: EventBatch,
        signs: torch.Tensor,
        create_graph: bool,
        masks: Masks | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute scores, and the projected kernel of the first half of a batch with the second."""
        scores, tangents = scores_and_tangents(self.model, weights, batch, signs, create_graph)
        half = len(batch) // 2
        first = {name: rows[:, :half] for name, rows in tangents.items()}
        second = {name: rows[:, half:] for name, rows in tangents.items()}
        if masks is not None and self.settings.kernel == "kept":
            second = masked(second, masks)  # one factor of a product is enough
        return scores, kernels_between(first, second)

    def _norm(self, weights: Masks) -> torch.Tensor:
        return torch.stack([weights[name].square().sum() for name in self._connections]).sum()

    def _measured(self) -> tuple[float, float]:
        """Measure the relative distances on some batches, the same ones in every call."""
        found = []
        for k in range(_MEASURED_BATCHES):
            pair = self._relative_distances(*self._draw(0, k), create_graph=False)[:2]
            found.append([float(one.detach()) for one in pair])
        kernel, scores = np.mean(found, 0).tolist()
        return kernel, scores

    def _first_distances(self) -> tuple[float, float, float]:
        kernel, scores = self._measured()
        if not (kernel > 0 and scores > 0 and self._scales[2] > 0):
            raise TrainingError(
                "method ntt: masking changes neither the scores nor the tangent kernel of the untrained network, "
                "probably because no hidden unit fires; increase model.init_fluctuation"
            )
        return kernel, scores, self._scales[2]
