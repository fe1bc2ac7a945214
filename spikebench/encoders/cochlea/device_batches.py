"""Batches of clips that fit into the memory of a device.

An *item* is a group of channels of one clip, as many as the memory limit for transforms of its length allows. Its
shape depends on the clip only, and therefore also its bits. A *batch* is a group of items of one rate that run
together, padded to the longest. Batches depend on the available memory; results do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple, TypeVar

import torch

from spikebench.encoders.cochlea.chirp_z import padded_length
from spikebench.errors import SpikebenchError

__all__ = ["Item", "cut_batches", "within_memory"]

_TRANSFORM_BYTES = 2**30  # limit for the transforms of one item; fixed, since the bits depend on it
_SAMPLE_BYTES = 6  # per sample of a channel: signal, spike list and its compaction
_CPU_BUDGET = 2**30  # bytes of a batch on device "cpu"
_FREE_SHARE = 0.6  # share of a GPU's free memory for the signals of a batch
_Result = TypeVar("_Result")


class Item(NamedTuple):
    """Neighbouring pairs of channels of one clip.

    Attributes
    ----------
    clip : int
        Index of the clip.
    sample_rate : int
        Sample rate of the clip [Hz].
    n : int
        Output samples.
    first_pair, n_pairs : int
        Channels ``2·first_pair`` … ``2·(first_pair + n_pairs) − 1``.
    """

    clip: int
    sample_rate: int
    n: int
    first_pair: int
    n_pairs: int


def cut_batches(
    sizes: Sequence[tuple[int, int]],
    n_channels: int,
    value_bytes: int,
    device: torch.device,
    budget: int | None = None,
) -> Iterator[list[Item]]:
    """Cut clips into items and group items of one rate and similar lengths into batches.

    Parameters
    ----------
    sizes
        Sample rate [Hz] and output samples of each clip.
    n_channels
        Channels of each clip.
    value_bytes
        Bytes of a complex value in a transform.
    device
        Device whose memory is used.
    budget
        Bytes for the signals of a batch; by default a share of the free memory.

    Yields
    ------
    list of Item
        At least one item; the items of a clip are in the order of its channels.
    """
    if budget is None:
        budget = _free(device)
    batch: list[Item] = []
    lanes = 0
    for clip in sorted(range(len(sizes)), key=lambda i: (sizes[i][0], -sizes[i][1])):
        for item in _items(clip, *sizes[clip], n_channels, value_bytes):
            if batch:
                full = (lanes + 2 * item.n_pairs) * batch[0].n * _SAMPLE_BYTES > budget
                if full or batch[0].sample_rate != item.sample_rate:
                    yield batch
                    batch, lanes = [], 0
            batch.append(item)
            lanes += 2 * item.n_pairs
    if batch:
        yield batch


def _free(device: torch.device) -> int:
    if device.type != "cuda":
        return _CPU_BUDGET
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(_FREE_SHARE * (torch.cuda.mem_get_info(device)[0] + cached))


def _items(
    clip: int, sample_rate: int, n: int, n_channels: int, value_bytes: int
) -> Iterator[Item]:
    n_pairs = (n_channels + 1) // 2
    # The rows, their transform, and the library's working memory.
    at_once = max(_TRANSFORM_BYTES // (3 * value_bytes * padded_length(n, n)), 1)
    for first in range(0, n_pairs, at_once):
        yield Item(clip, sample_rate, n, first, min(at_once, n_pairs - first))


def within_memory(
    run: Callable[[list[Item]], list[_Result]], items: list[Item], device: torch.device
) -> list[_Result]:
    """Run a batch; if it does not fit into the device's memory, run its halves.

    Parameters
    ----------
    run
        Called with items; returns one or more results.
    items
        A batch.
    device
        Device that runs it.

    Returns
    -------
    list
        The results, in the order of the items.

    Raises
    ------
    SpikebenchError
        If a single item does not fit into the memory.
    """
    # Triton launches on the current device, regardless of the device of the tensors.
    current = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
    try:
        with current:
            return run(items)
    except torch.cuda.OutOfMemoryError:
        if len(items) == 1:
            raise SpikebenchError(
                f"device {device}: not enough memory for {2 * items[0].n_pairs} channels of a clip "
                f"of {items[0].n} samples; free memory, cut the recording, or use the CPU"
            ) from None
    # Outside the handler, whose traceback keeps the tensors of the failed attempt.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    middle = len(items) // 2
    return [
        *within_memory(run, items[:middle], device),
        *within_memory(run, items[middle:], device),
    ]
