"""Processes that train one model together, as ``torchrun`` starts them.

Every process holds the whole model and processes its share of every batch. Gradients are summed, so that all make the
update that one process would make with the whole batch (up to the order of summation). Batches are drawn and augmented
identically in all processes, and only the first process writes files and messages.
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
        Number of this process.
    size : int
        Number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and messages."""
        return self.rank == 0

    def own_range(self, n_samples: int) -> tuple[int, int]:
        """Return the range of this process's samples in a batch.

        Parameters
        ----------
        n_samples
            Samples of the batch.

        Returns
        -------
        (int, int)
            First sample and the sample after the last; the range may be empty.
        """
        return self.rank * n_samples // self.size, (self.rank + 1) * n_samples // self.size

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """Sum a value over the processes.

        Parameters
        ----------
        value
            This process's addend.

        Returns
        -------
        Tensor, same shape
            The sum; each process gets the gradient of its own addend.
        """
        if self.size == 1:
            return value
        whole = value.detach().clone()
        distributed.all_reduce(whole)
        return value + (whole - value.detach())

    def once(self, value: torch.Tensor) -> torch.Tensor:
        """Make a value that all processes hold count once in a sum over them.

        Parameters
        ----------
        value
            The same value in every process.

        Returns
        -------
        Tensor, same shape
            The value in the first process and 0 in the others; all get its gradient.
        """
        return value if self.is_first else value - value.detach()

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum gradients over the processes.

        Parameters
        ----------
        parameters
            In the same order in all processes; a missing gradient counts as zero.
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
        """Collect a value from every process.

        Parameters
        ----------
        value
            Value of this process: numbers or arrays.

        Returns
        -------
        list
            In the order of the processes, the same in all of them.
        """
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Wait until every process has reached this call."""
        if self.size > 1:
            distributed.barrier()


def this_rank() -> Ranks:
    """Read the number of this process from the environment, without connecting to the others.

    Returns
    -------
    Ranks
        As set by ``torchrun``; a single process without it.

    Raises
    ------
    TrainingError
        If the environment variables are not valid.
    """
    words = {
        name: os.environ.get(name, default)
        for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"))
    }
    if not all(word.isascii() and word.isdigit() for word in words.values()):
        raise TrainingError(
            f"RANK={words['RANK']!r}, WORLD_SIZE={words['WORLD_SIZE']!r}: not as set by torchrun"
        )
    rank, size = int(words["RANK"]), int(words["WORLD_SIZE"])
    if not rank < size:
        raise TrainingError(f"RANK={rank} of WORLD_SIZE={size}: not as set by torchrun")
    return Ranks(rank, size)


@contextmanager
def together(device: torch.device) -> Iterator[Ranks]:
    """Connect to the other processes, if ``torchrun`` started some, and disconnect afterwards.

    Parameters
    ----------
    device
        Device of the model: gloo is used for a CPU, nccl for a GPU.

    Yields
    ------
    Ranks
        The processes.

    Raises
    ------
    TrainingError
        If the connection fails.
    """
    ranks = this_rank()
    if ranks.size == 1:
        yield ranks
        return
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"the {ranks.size} processes could not connect: {str(error).splitlines()[0]}"
        ) from None
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()
