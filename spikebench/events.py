"""Events on their way into a network: binned once, collated per batch, dense only where a model asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.protocol import Samples
from spikebench.raster import Mode, time_bins


@dataclass(frozen=True)
class EventBatch:
    """Binned events of a batch.

    Attributes
    ----------
    offsets : ndarray of int64, shape (batch + 1,)
        Sample k has the events offsets[k] … offsets[k + 1].
    bins, units : ndarray of int64, shape (events,)
        Time bin and unit of each event.
    n_steps, n_units : int
        Numbers of bins and units.
    mode : {"counts", "binary"}
        Whether a cell holds how many events it got, or whether it got any.
    """

    offsets: NDArray[np.int64]
    bins: NDArray[np.int64]
    units: NDArray[np.int64]
    n_steps: int
    n_units: int
    mode: Mode

    def dense(self, device: torch.device | str = "cpu") -> torch.Tensor:
        """Make the raster of the batch.

        Parameters
        ----------
        device
            Where to make it.

        Returns
        -------
        Tensor of float32, shape (batch, time, unit)
            Counts, or 0 and 1.
        """
        n_batch = self.offsets.size - 1
        sample = np.repeat(np.arange(n_batch), np.diff(self.offsets))
        flat = (sample * self.n_steps + self.bins) * self.n_units + self.units
        index = torch.from_numpy(flat).to(device)
        raster = torch.zeros(n_batch * self.n_steps * self.n_units, device=device)
        if self.mode == "binary":
            raster[index] = 1.0
        else:
            raster.index_add_(0, index, torch.ones(flat.size, device=device))
        return raster.view(n_batch, self.n_steps, self.n_units)


class BinnedSamples:
    """Samples with their times binned once; batches are cut out of it.

    Parameters
    ----------
    samples
        Events in seconds.
    time_step
        Width of a bin [s].
    n_steps, n_units
        Numbers of bins and units. Events after the last bin are left out and counted in ``n_late``.
    mode
        ``counts`` or ``binary``.
    """

    def __init__(
        self, samples: Samples, time_step: float, n_steps: int, n_units: int, mode: Mode
    ) -> None:
        bins = time_bins(samples.times, time_step, n_steps)
        inside = bins < n_steps
        kept_before = np.concatenate([[0], np.cumsum(inside)])
        self.offsets: NDArray[np.int64] = kept_before[samples.offsets].astype(np.int64)
        self.bins = bins[inside].astype(np.int32)
        self.units = samples.units[inside].astype(np.int32)
        self.labels = samples.labels
        self.n_steps, self.n_units, self.mode = n_steps, n_units, mode
        self.n_late = int(inside.size - inside.sum())

    def __len__(self) -> int:
        return self.labels.size

    def batch(
        self,
        chosen: NDArray[np.int64],
        jitter: float = 0.0,
        generator: np.random.Generator | None = None,
    ) -> EventBatch:
        """Collate some samples.

        Parameters
        ----------
        chosen
            Positions among the samples, int64, shape (batch,).
        jitter
            Standard deviation of a normal displacement of every event's unit [units]; events displaced
            off the membrane are left out. Augmentation of Cramer et al. (2020).
        generator
            Source of the displacement; needed if ``jitter`` is not 0.

        Returns
        -------
        EventBatch
            Their events.

        Raises
        ------
        ValueError
            If ``jitter`` is asked for without a generator.
        """
        starts, sizes = self.offsets[chosen], np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        take = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
        bins, units = self.bins[take].astype(np.int64), self.units[take].astype(np.int64)
        if jitter > 0:
            if generator is None:
                raise ValueError("jitter needs a generator")
            shift = generator.standard_normal(units.size, dtype=np.float32) * jitter
            units = units + np.rint(shift).astype(np.int64)
            inside = (units >= 0) & (units < self.n_units)
            offsets = np.concatenate([[0], np.cumsum(inside)])[offsets].astype(np.int64)
            bins, units = bins[inside], units[inside]
        return EventBatch(offsets, bins, units, self.n_steps, self.n_units, self.mode)
