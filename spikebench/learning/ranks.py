"""Processes that train one model together, as ``torchrun`` starts them.

Every process has the whole model and takes its share of every batch; gradients are summed, so that all take the step
that one process with the whole batch would take (up to the order of a sum). Batches are drawn and augmented alike
everywhere, and only the first process writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as distributed

from spikebench.errors import TrainingError


@dataclass(frozen=True)
class Ranks:
    """The processes.

    Attributes
    ----------
    rank : int
        Number of this one.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def share(self, n_samples: int) -> tuple[int, int]:
        """Find this process's samples of a batch.

        Parameters
        ----------
        n_samples
            Of the batch.

        Returns
        -------
        (int, int)
            The first, and the one behind the last; there may be none.
        """
        return self.rank * n_samples // self.size, (self.rank + 1) * n_samples // self.size

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Sum a value over the processes.

        Parameters
        ----------
        value
            This process's part.

        Returns
        -------
        Tensor, same shape
            The sum; the gradient goes to this process's part, as everywhere else to theirs.
        """
        if self.size == 1:
            return value
        whole = value.detach().clone()
        distributed.all_reduce(whole)
        return value + (whole - value.detach())

    def once(self, value: torch.Tensor) -> torch.Tensor:
        """Let a value that all processes have count once in a sum over them.

        Parameters
        ----------
        value
            The same in every process.

        Returns
        -------
        Tensor, same shape
            The value in the first process and 0 in the others, with its gradient everywhere.
        """
        return value if self.is_first else value - value.detach()

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum gradients over the processes.

        Parameters
        ----------
        parameters
            In the same order everywhere; one without a gradient counts as zero.
        """
        if self.size == 1:
            return
        listed = list(parameters)
        for parameter in listed:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.reshape(-1) for p in listed if p.grad is not None])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [parameter.numel() for parameter in listed])
        for parameter, part in zip(listed, parts, strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401
        """Collect a value of every process.

        Parameters
        ----------
        value
            This one's: numbers or arrays.

        Returns
        -------
        list
            In the order of the processes, everywhere the same.
        """
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            distributed.barrier()


def this_rank() -> Ranks:
    """Look which process this is, without meeting the others.

    Returns
    -------
    Ranks
        As ``torchrun`` says in the environment; alone without it.

    Raises
    ------
    TrainingError
        If what stands in the environment makes no sense.
    """
    words = {
        name: os.environ.get(name, default)
        for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"))
    }
    if not all(word.isascii() and word.isdigit() for word in words.values()):
        raise TrainingError(
            f"RANK={words['RANK']!r}, WORLD_SIZE={words['WORLD_SIZE']!r}: not as torchrun sets them"
        )
    rank, size = int(words["RANK"]), int(words["WORLD_SIZE"])
    if not rank < size:
        raise TrainingError(f"RANK={rank} of WORLD_SIZE={size}: not as torchrun sets them")
    return Ranks(rank, size)


@contextmanager
def together(device: torch.device) -> Iterator[Ranks]:
    """Meet the other processes, if ``torchrun`` started some, and part afterwards.

    Parameters
    ----------
    device
        Where the model is: gloo serves a CPU, nccl a GPU.

    Yields
    ------
    Ranks
        The processes.

    Raises
    ------
    TrainingError
        If they do not meet.
    """
    ranks = this_rank()
    if ranks.size == 1:
        yield ranks
        return
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"the {ranks.size} processes do not meet: {str(error).splitlines()[0]}"
        ) from None
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()
