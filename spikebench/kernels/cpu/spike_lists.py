"""Lists of the spikes of a batch, from those that threads found."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Ints, compiled
from spikebench.kernels.cpu.threads import run_in_threads


def spike_lists(
    found: list[NDArray[np.int32]], parts: list[tuple[int, int]], counts: NDArray[np.int32]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Join lists of spikes.

    Parameters
    ----------
    found
        Units that fired in the samples of every part, sample after sample and step after step.
    parts
        First sample of every part, and the sample after its last.
    counts
        How many units fired, (sample, step).

    Returns
    -------
    offsets : Tensor of int64, shape (batch + 1,)
        Sample k has the spikes offsets[k] … offsets[k + 1].
    bins, units : Tensor of int32, shape (spikes,)
        Time bin and unit.
    """
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts.sum(1), out=offsets[1:])
    bins, units = (np.empty(offsets[-1], np.int32) for _ in range(2))
    of_part = {first: list_ for (first, _), list_ in zip(parts, found, strict=True)}

    def put(first: int, last: int) -> None:
        put_spikes(of_part[first], counts, offsets, bins, units, first, last)

    run_in_threads(put, parts)
    offsets_, bins_, units_ = map(torch.from_numpy, (offsets, bins, units))
    return offsets_, bins_, units_


@compiled
def put_spikes(
    found: Ints,
    counts: Ints,
    offsets: NDArray[np.int64],
    bins: Ints,
    units: Ints,
    first: int,
    last: int,
) -> None:
    """Write the spikes of some samples to their places in the lists of the batch."""
    e, end = offsets[first], offsets[last]
    units[e:end] = found[: end - e]
    for k in range(first, last):
        for t in range(counts.shape[1]):
            for _ in range(counts[k, t]):
                bins[e] = t
                e += 1
