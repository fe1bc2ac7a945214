"""Batches made of rasters, for tests that want to say where the spikes are."""

from __future__ import annotations

import torch

from spikebench.events.batches import EventBatch


def batch_of(raster: torch.Tensor, time_step: float = 0.01) -> EventBatch:
    """Turn counts, float (batch, time, unit), into events."""
    n, n_steps, n_units = raster.shape
    rows, bins, units = raster.nonzero(as_tuple=True)
    times = raster[rows, bins, units].long()
    rows, bins, units = (index.repeat_interleave(times) for index in (rows, bins, units))
    offsets = torch.nn.functional.pad(torch.bincount(rows, minlength=n).cumsum(0), (1, 0))
    lengths = torch.full((n,), n_steps)
    return EventBatch(
        *(offsets, bins.int(), units.int(), lengths, torch.full((n,), -1)),
        *(n_steps, n_units, time_step, "counts"),
    )
