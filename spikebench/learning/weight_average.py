"""Exponential moving average of the weights over the steps of a training.

::

    avg[n] = Σ_k (1 − d)·d^(n−k)·w[k] / (1 − d^n),   k = 1 … n

w[k] are the weights after step k. The division corrects the bias of a sum that starts at 0, as in Adam (Kingma, Ba
2015, arXiv:1412.6980), so that the average does not depend on the initial weights. Buffers of floats, such as the
running averages of batch normalisation, are averaged with the same factors, since they belong to the weights of the
same steps; other buffers, such as counters, have their last value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

_PREFIX = "average."
_STEPS = "averaged_steps"


class WeightAverage:
    """Average of the weights and buffers of a model.

    Parameters
    ----------
    model
        The model that is trained.
    decay
        Factor d of the previous average, 0 < d < 1.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.steps = torch.zeros((), dtype=torch.int64)
        self.tensors = {name: t.detach().clone() for name, t in model.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Add the current weights of the model, after a step."""
        self.steps += 1
        part = (1 - self.decay) / (1 - self.decay ** int(self.steps))
        for name, tensor in self.model.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, part)
            else:
                self.tensors[name].copy_(tensor)

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """Load the average into the model; at the end, load the weights of the training again.

        Yields
        ------
        None
        """
        trained = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
        self.model.load_state_dict(self.tensors)
        try:
            yield
        finally:
            self.model.load_state_dict(trained)

    def state(self) -> dict[str, torch.Tensor]:
        """Return the average and the number of steps, for a checkpoint.

        Returns
        -------
        dict of Tensor
            The tensors themselves, by name.
        """
        named = {f"{_PREFIX}{name}": tensor for name, tensor in self.tensors.items()}
        return {**named, _STEPS: self.steps}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Continue from a state.

        Parameters
        ----------
        state
            As returned by :meth:`state`; other names are ignored.
        """
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
