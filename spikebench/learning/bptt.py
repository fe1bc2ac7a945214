"""Back-propagation through time: one step of an optimiser per batch.

For every batch, in this order: scores of the model, cross-entropy and activity regularisation, gradients (through
time, with the surrogate derivatives of spiking layers), their sum over the processes, clipping of their norm, and a
step of Adam, AdamW or Adamax at the learning rate of the epoch. An average of the weights over the steps can be kept,
see :mod:`spikebench.learning.weight_average`, and the weights can have few bits, see
:mod:`spikebench.learning.few_bits`; an average is then rounded after averaging.

Source for spiking networks: Neftci, Mostafa and Zenke (2019), arXiv:1901.09948.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from spikebench.events.batches import EventBatch
from spikebench.learning.few_bits import rounded_in
from spikebench.learning.loss_and_optimiser import batch_loss, make_optimizer
from spikebench.learning.products import products_in
from spikebench.learning.ranks import Ranks
from spikebench.learning.rule import LearningRule
from spikebench.learning.weight_average import WeightAverage
from spikebench.models.base import Classifier
from spikebench.presets.preset import Preset, TrainingSettings


class BackPropagation(LearningRule):
    """Gradient descent by an optimiser, whose state is the state of the rule."""

    updates = "batch"
    lower_precision = True
    averages_weights = True
    rounds_weights = True
    has_rate_of_delays = True
    shares_batches = True

    def __init__(
        self,
        model: Classifier,
        preset: Preset,
        class_weights: torch.Tensor,
        ranks: Ranks,
        seed: int,
    ) -> None:
        super().__init__(model, preset, class_weights, ranks, seed)
        self.restart_optimizer()
        decay = preset.training.weight_average
        self.average = WeightAverage(model, decay) if decay else None

    def restart_optimizer(self) -> None:
        """Make a new optimiser, without moments."""
        settings = self.preset.training
        self.optimizer = make_optimizer(_groups(self.model, settings), settings)

    def update(self, batch: EventBatch, rate: float) -> float:
        """Take one step down the gradient of the batch's loss."""
        settings = self.preset.training
        denominator = float(self.class_weights[batch.labels].sum())
        mine = self.own_part(batch)
        self.optimizer.zero_grad(set_to_none=True)
        with self._rounding():
            with products_in(settings.precision, self.device):
                output = self.model(mine)
            loss = batch_loss(
                output=output,
                labels=mine.labels,
                weights=self.class_weights.to(self.device),
                denominator=denominator,
                n_batch=len(batch),
                regulariser=self.preset.regulariser,
                ranks=self.ranks,
                label_smoothing=settings.label_smoothing,
            )
            loss.backward()  # type: ignore[no-untyped-call]
        self.ranks.sum_gradients(self.model.parameters())
        self.step(rate)
        if self.average:
            self.average.update()
        return float(sum(self.ranks.gather(float(loss.detach()))))

    def step(self, rate: float) -> None:
        """Clip the gradients of the parameters, and take a step of the optimiser.

        Parameters
        ----------
        rate
            Learning rate of this epoch.
        """
        if self.preset.training.gradient_norm:
            torch.nn.utils.clip_grad_norm_(
                self.model.parameters(), self.preset.training.gradient_norm
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        self.optimizer.step()

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Give the model the average of the weights, if one is kept, with the bits of its weights."""
        with self.average.in_model() if self.average else nullcontext(), self._rounding():
            yield

    def _rounding(self) -> AbstractContextManager[None]:
        settings = self.preset.training
        if settings.weight_bits and settings.weight_rounding == "aware":
            return rounded_in(self.model, settings.weight_bits)
        return nullcontext()

    def state(self) -> dict[str, torch.Tensor]:
        """Return the slots of the optimiser, ``optimizer.<number of the parameter>.<slot>``, and the average."""
        kept = _slots(self.optimizer)
        if len(self.optimizer.state) < len(list(self.model.parameters())):
            kept = self._blank_slots() | kept
        return kept | (self.average.state() if self.average else {})

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue with the slots of another optimiser of the same kind, and its average."""
        if self.average:
            self.average.load_state(state)
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in state.items():
            first, _, rest = name.partition(".")
            if first == "optimizer":
                number, slot = rest.split(".")
                slots.setdefault(int(number), {})[slot] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": slots})

    def _blank_slots(self) -> dict[str, torch.Tensor]:
        """Make the slots of a new optimiser, which would create them only in its first step: all are 0."""
        settings = self.preset.training
        copies = [
            [torch.zeros_like(p, requires_grad=True) for p in group]
            for group in _groups(self.model, settings)
        ]
        optimizer = make_optimizer(copies, settings)
        for copy in (copy for group in copies for copy in group):
            copy.grad = torch.zeros_like(copy)
        optimizer.step()
        return {name: torch.zeros_like(value) for name, value in _slots(optimizer).items()}


def _groups(model: Classifier, settings: TrainingSettings) -> list[list[torch.nn.Parameter]]:
    """List the parameters in the order of the model; delays with a rate of their own in a second list."""
    listed = list(model.parameters())
    if not settings.learning_rate_delays:
        return [listed]
    delays = {id(parameter) for parameter in model.delay_parameters()}
    return [
        [parameter for parameter in listed if id(parameter) not in delays],
        [parameter for parameter in listed if id(parameter) in delays],
    ]


def _slots(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"optimizer.{number}.{slot}": value
        for number, slots in optimizer.state_dict()["state"].items()
        for slot, value in slots.items()
    }
