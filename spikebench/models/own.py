"""A network of your own as a model: any ``torch.nn.Module`` that takes a raster or events and returns scores.

* ``forward(x)`` takes float32 (batch, time, unit), or an :class:`spikebench.events.batches.EventBatch` if the network
  has ``takes_events = True``, and returns scores (batch, class).
* Attributes that a network may have: ``takes_events``; ``spiking``, whether hidden units spike (by default whether it
  has neurons of a known library); ``look_ahead``, whether a prediction needs the whole clip (by default unknown).

States that neurons of snnTorch and SpikingJelly keep are reset before every batch. Operations are counted by hooks, see
:mod:`spikebench.metrics.operations_hooks`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict
from torch import nn

from spikebench.errors import TrainingError, out_of_memory
from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.metrics.operations_hooks import account_of
from spikebench.metrics.operations_neurons import emits_spikes, reset_states
from spikebench.models.base import Classifier, DataShape, Output
from spikebench.models.configs.base import ModelConfig


class OwnConfig(ModelConfig):
    """Arguments of the constructor of a network: any names."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class OwnModel(Classifier):
    """A network of the user.

    Parameters
    ----------
    module
        The network.
    shape
        Shape of the data.
    name
        Name for messages.
    takes_events
        Whether it takes events instead of a raster; by default its own attribute.

    Raises
    ------
    TrainingError
        If its tensors cannot be kept: lazy layers, or numbers that are not finite.
    """

    Config: ClassVar[type[ModelConfig]] = OwnConfig
    shows_spikes = False

    def __init__(
        self, module: nn.Module, shape: DataShape, name: str, takes_events: bool | None = None
    ) -> None:
        super().__init__(OwnConfig(), shape)
        if "_modules" not in vars(module):
            raise TrainingError(f"{name}: its constructor does not call super().__init__()")
        self.module, self.name = module, name
        self.takes_events = takes_events
        if takes_events is None:
            self.takes_events = getattr(module, "takes_events", False) is True
        said = getattr(module, "spiking", None)
        spiking = any(map(emits_spikes, module.modules()))
        self.spiking = said if isinstance(said, bool) else spiking
        ahead = getattr(module, "look_ahead", None)
        self.looks_ahead = ahead if isinstance(ahead, bool) else None
        _check_tensors(name, module)

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        reset_states(self.module)
        scores = self.run(batch)
        expected = (len(batch), self.shape.n_classes)
        if not isinstance(scores, torch.Tensor):
            hint = "; return the scores alone" if isinstance(scores, tuple) else ""
            raise TrainingError(
                f"{self.name}: its forward returned a {type(scores).__name__} instead of scores (batch, class){hint}"
            )
        if tuple(scores.shape) != expected or not scores.is_floating_point():
            raise TrainingError(
                f"{self.name}: its scores are {scores.dtype} {tuple(scores.shape)} for {len(batch)} samples of "
                f"{self.shape.n_classes} classes; floating-point numbers of shape {expected} are required"
            )
        if self.training:
            if torch.is_grad_enabled() and not scores.requires_grad:
                raise TrainingError(
                    f"{self.name}: its scores do not depend on its parameters, so it cannot be trained"
                )
        elif not bool(torch.isfinite(scores).all()):
            raise TrainingError(f"{self.name}: its scores are not finite (NaN or infinite)")
        return Output(scores)

    def run(self, batch: EventBatch) -> Any:  # noqa: ANN401
        """Call the network with what it takes.

        Parameters
        ----------
        batch
            A batch of events.

        Returns
        -------
        object
            What the network returned.
        """
        return self.module(batch if self.takes_events else batch.dense())

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`."""
        return account_of(self.module, lambda: self.forward(batch), batch, self.spiking)

    # The names of its tensors are those of the network itself.

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters of the network."""
        yield from self.module.named_parameters(prefix, recurse, remove_duplicate)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the buffers of the network that are kept with its weights; states of neurons are not."""
        kept = self.module.state_dict().keys()
        for name, buffer in self.module.named_buffers("", recurse, remove_duplicate):
            if name in kept:
                yield f"{prefix}.{name}" if prefix else name, buffer

    def state_dict(  # type: ignore[override]
        self,
        *args: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Return the tensors of the network."""
        found: dict[str, Any] = self.module.state_dict(*args, **kwargs)
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:  # noqa: ANN401
        """Load the tensors of the network."""
        return self.module.load_state_dict(state_dict, strict, assign)


def _check_tensors(name: str, module: nn.Module) -> None:
    """Refuse tensors that a file of weights cannot hold, or that are not finite from the start."""
    for key, value in module.state_dict().items():
        if nn.parameter.is_lazy(value):
            raise TrainingError(
                f"{name}: {key} has no size yet; give its layer the number of inputs, instead of a lazy layer"
            )
        if not isinstance(value, torch.Tensor):
            raise TrainingError(
                f"{name}: {key} in its state_dict is not a tensor, so it cannot be saved"
            )
        if not bool(torch.isfinite(value).all()):
            raise TrainingError(
                f"{name}: {key} is not finite; a constant such as a mask is registered with persistent=False"
            )


def in_one_line(name: str, what: str, error: BaseException, file: str = "") -> TrainingError:
    """Report an exception of the user's code in one line.

    Parameters
    ----------
    name
        Name of the network.
    what
        What raised it, such as ``its forward``.
    error
        The exception.
    file
        Name under which the code was compiled, to find the line.

    Returns
    -------
    TrainingError
        With the kind and first line of the message, and the last line of the file that took part.
    """
    if isinstance(error, TrainingError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if file and frame.filename == file]
    said = str(error)
    if isinstance(error, SyntaxError):
        said, lines = error.msg, [error.lineno] if error.filename == file else []
    place = f" (line {lines[-1]})" if lines else ""
    text = (said.strip() or "no message").splitlines()[0][:300]
    return TrainingError(f"{name}: {what} raised {type(error).__name__}: {text}{place}")


def guarded(name: str, what: str, file: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Call the user's code, and report what it raises in one line; what it prints goes to the standard error.

    If it changes the working directory, that is changed back, since relative paths of the command begin there.

    Parameters
    ----------
    name, what, file
        As for :func:`in_one_line`.
    call
        The call.

    Returns
    -------
    object
        What it returned.

    Raises
    ------
    TrainingError
        If it raised an exception; a lack of memory and an interrupt are raised as they are.
    """
    try:
        # The standard output may be JSON.
        with contextlib.redirect_stdout(sys.stderr), _same_directory():
            return call()
    except (Exception, SystemExit) as error:
        if out_of_memory(error):
            raise
        raise in_one_line(name, what, error, file) from None


@contextlib.contextmanager
def _same_directory() -> Iterator[None]:
    before = os.getcwd()
    try:
        yield
    finally:
        if os.getcwd() != before:
            os.chdir(before)
