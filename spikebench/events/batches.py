"""Batches of events as the input of a network; a raster is made on request only.

An :class:`EventBatch` holds the spikes of a batch as (offsets, bins, units), so its size does not depend on the number
of cells: a word of SHD has some 8,000 spikes on a raster of 700 units and 100 to 1,000 bins. A raster is made only if
a model calls :meth:`EventBatch.dense` or :meth:`EventBatch.sparse`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import STRUCTURED, Sample, SpikeDataset
from spikebench.events.raster import (
    MAX_STEPS,
    Binned,
    Mode,
    bin_many,
    check_mode,
    clear_cells,
    count_inside,
    count_units,
    put_cells,
)
from spikebench.events.raster_loops import EDGE_TOLERANCE

__all__ = ["BinnedSamples", "Collate", "DenseBuffer", "EventBatch"]

MAX_TIME_STEP = 1.0  # s
_PIECE = 256  # samples that are binned at once for the rasters of all samples


@dataclass(frozen=True, eq=False)
class EventBatch:
    """Binned events of a batch.

    Attributes
    ----------
    offsets : Tensor of int64, shape (batch + 1,)
        Sample k has the events offsets[k] … offsets[k + 1].
    bins, units : Tensor of int32, shape (events,)
        Time bin and unit of each event; those of a sample are sorted by their bin.
    lengths : Tensor of int64, shape (batch,)
        Length of each sample in bins: to the end of its recording if that is known, else to its last event;
        at most ``n_steps``. Later bins are padding and must not be averaged over.
    labels : Tensor of int64, shape (batch,)
        Class of each sample; -1 is unknown.
    n_steps, n_units : int
        Numbers of bins and units.
    time_step : float
        Width of a bin [s].
    mode : {"counts", "binary", "audio"}
        Whether a cell holds its number of events, or 1 if it has any event; ``audio`` for a batch without events, see
        :class:`spikebench.mel.batches.MelBatch`.
    """

    offsets: torch.Tensor
    bins: torch.Tensor
    units: torch.Tensor
    lengths: torch.Tensor
    labels: torch.Tensor
    n_steps: int
    n_units: int
    time_step: float
    mode: Mode

    def __len__(self) -> int:
        return self.labels.numel()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} samples, {self.bins.numel():,} events, "
            f"{_grid(self.n_steps, self.time_step)}, {self.n_units} units, {self.mode}, {self.labels.device})"
        )

    def to(self, device: torch.device | str) -> Self:
        """Copy the batch to a device.

        Parameters
        ----------
        device
            The device.

        Returns
        -------
        EventBatch
            The batch on that device.
        """
        return self._moved(lambda tensor: tensor.to(device))

    def pin_memory(self) -> Self:
        """Copy the batch into page-locked memory; loaders with ``pin_memory=True`` call this.

        Returns
        -------
        EventBatch
            The batch in page-locked memory.
        """
        return self._moved(lambda tensor: tensor.pin_memory())

    def _moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> Self:
        return replace(
            self,
            offsets=move(self.offsets),
            bins=move(self.bins),
            units=move(self.units),
            lengths=move(self.lengths),
            labels=move(self.labels),
        )

    def part(self, first: int, last: int) -> Self:
        """Return a range of samples of the batch.

        Parameters
        ----------
        first, last
            The first sample, and the one after the last.

        Returns
        -------
        EventBatch
            Views of them.
        """
        begin, end = int(self.offsets[first]), int(self.offsets[last])
        return replace(
            self,
            offsets=self.offsets[first : last + 1] - begin,
            bins=self.bins[begin:end],
            units=self.units[begin:end],
            lengths=self.lengths[first:last],
            labels=self.labels[first:last],
        )

    def window(self, first: int, last: int) -> Self:
        """Return a range of bins of the batch.

        Parameters
        ----------
        first, last
            The first bin, and the one after the last.

        Returns
        -------
        EventBatch
            Its events and lengths, counted from the first bin; ``last - first`` bins.
        """
        inside = (self.bins >= first) & (self.bins < last)
        kept = torch.nn.functional.pad(inside.cumsum(0), (1, 0))
        return replace(
            self,
            offsets=kept[self.offsets],
            bins=self.bins[inside] - first,
            units=self.units[inside],
            lengths=torch.clamp(self.lengths - first, 0, last - first),
            n_steps=last - first,
        )

    def rebinned(
        self,
        *,
        time_step: float | None = None,
        n_steps: int | None = None,
        mode: Mode | None = None,
    ) -> EventBatch:
        """Return the batch with wider bins, another number of bins, or another mode.

        Parameters
        ----------
        time_step
            An integer multiple of the batch's own [s].
        n_steps
            Number of the new bins; events after the last are left out. By default as many as cover the batch's own.
            Events left out when the batch was made are not restored: further bins are empty.
        mode
            ``counts`` or ``binary``.

        Returns
        -------
        EventBatch
            The events of the batch on the new grid, in the same bins as if the samples were collated with it.

        Raises
        ------
        ValueError
            If the time step is not an integer multiple, or above 1 s, or there would be no bin.
        """
        if time_step is not None:
            _check_time_step(time_step)
        ratio = 1.0 if time_step is None else time_step / self.time_step
        factor = round(ratio) if 0.5 < ratio < MAX_STEPS else 0
        if factor < 1 or abs(ratio - factor) > 1e-6 * factor:
            raise ValueError(
                f"bins of {time_step} s are not an integer multiple of the batch's {self.time_step} s; "
                "collate with a finer time step"
            )
        steps = -(-self.n_steps // factor) if n_steps is None else n_steps
        check_mode(mode or self.mode)
        if steps < 1:
            raise ValueError(f"n_steps must be at least 1, got {steps}")
        bins = self.bins // factor
        inside = bins < steps
        kept = torch.nn.functional.pad(inside.cumsum(0), (1, 0))
        lengths = torch.clamp(-(-self.lengths // factor), max=steps)
        return EventBatch(
            offsets=kept[self.offsets],
            bins=bins[inside],
            units=self.units[inside],
            lengths=lengths,
            labels=self.labels,
            n_steps=steps,
            n_units=self.n_units,
            time_step=self.time_step * factor,
            mode=mode or self.mode,
        )

    def dense(
        self,
        *,
        time_step: float | None = None,
        n_steps: int | None = None,
        mode: Mode | None = None,
        device: torch.device | str | None = None,
    ) -> torch.Tensor:
        """Return the raster of the batch.

        Parameters
        ----------
        time_step, n_steps, mode
            As in :meth:`rebinned`; by default the batch's own.
        device
            Device of the raster; by default that of the batch.

        Returns
        -------
        Tensor of float32, shape (batch, time, unit)
            Counts, or 0 and 1.

        Raises
        ------
        ValueError
            As :meth:`rebinned`, or if an event is outside the raster.
        """
        batch = self._on_grid(time_step, n_steps, mode)
        shape = (len(batch), batch.n_steps, batch.n_units)
        raster = torch.zeros(shape, device=device or batch.bins.device)
        batch._put(raster)
        return raster

    def sparse(
        self,
        *,
        time_step: float | None = None,
        n_steps: int | None = None,
        mode: Mode | None = None,
    ) -> torch.Tensor:
        """Return the raster of the batch as a sparse tensor.

        Parameters
        ----------
        time_step, n_steps, mode
            As in :meth:`rebinned`; by default the batch's own.

        Returns
        -------
        sparse COO Tensor of float32, shape (batch, time, unit)
            Coalesced: every cell once, counts or 1.

        Raises
        ------
        ValueError
            As :meth:`rebinned`, or if an event is outside the raster.
        """
        batch = self._on_grid(time_step, n_steps, mode)
        batch._check_inside()
        index = torch.stack([batch._rows(), batch.bins.long(), batch.units.long()])
        values = torch.ones(index.shape[1], device=index.device)
        shape = (len(batch), batch.n_steps, batch.n_units)
        raster = torch.sparse_coo_tensor(index, values, shape, check_invariants=False).coalesce()
        if batch.mode == "binary":
            raster.values().fill_(1.0)
        return raster

    def mask(self, *, time_step: float | None = None, n_steps: int | None = None) -> torch.Tensor:
        """Return a mask that distinguishes samples from padding.

        Parameters
        ----------
        time_step, n_steps
            As in :meth:`dense`, whose raster the mask then fits; by default the batch's own.

        Returns
        -------
        Tensor of bool, shape (batch, time)
            True up to each sample's length.

        Raises
        ------
        ValueError
            As :meth:`rebinned`.
        """
        batch = self._on_grid(time_step, n_steps, None)
        return torch.arange(batch.n_steps, device=batch.lengths.device) < batch.lengths[:, None]

    def structured(self, position: int) -> NDArray[np.void]:
        """Return one sample as a structured array, the input of the transforms of tonic.

        Parameters
        ----------
        position
            Position of the sample.

        Returns
        -------
        ndarray, shape (events,)
            Fields ``t`` (int64, µs, the start of the bin), ``x`` (int64, unit), ``p`` (int64, 1).
        """
        here = slice(int(self.offsets[position]), int(self.offsets[position + 1]))
        bins = self.bins[here].cpu().numpy()
        array = np.ones(bins.size, dtype=STRUCTURED)
        array["t"] = np.rint(bins * (self.time_step * 1e6))
        array["x"] = self.units[here].cpu().numpy()
        return array

    def _on_grid(
        self, time_step: float | None, n_steps: int | None, mode: Mode | None
    ) -> EventBatch:
        if time_step is None and n_steps is None:
            if mode is None:
                return self
            check_mode(mode)
            return replace(self, mode=mode)
        return self.rebinned(time_step=time_step, n_steps=n_steps, mode=mode)

    def _rows(self) -> torch.Tensor:
        sizes = self.offsets.diff()
        return torch.repeat_interleave(torch.arange(len(self), device=sizes.device), sizes)

    def _cells(self) -> torch.Tensor:
        # In int64: a batch may have more cells than int32 can number.
        return (self._rows() * self.n_steps + self.bins) * self.n_units + self.units

    def _binned(self) -> Binned:
        return Binned(
            *(array.numpy() for array in (self.offsets, self.bins, self.units, self.lengths))
        )

    def _check_inside(self) -> None:
        """Raise if the arrays of the batch are inconsistent, before an index reads outside of memory."""
        n, sizes = self.bins.numel(), self.offsets.diff()
        if (self.offsets.numel(), self.units.numel()) != (len(self) + 1, n) or bool(
            (self.offsets[0] != 0) | (self.offsets[-1] != n) | (sizes < 0).any()
        ):
            raise ValueError("the offsets do not fit the events")
        for what, values, end in (
            ("bin", self.bins, self.n_steps),
            ("unit", self.units, self.n_units),
        ):
            if n and bool((values.min() < 0) | (values.max() >= end)):
                raise ValueError(f"a {what} lies outside 0 … {end - 1}")

    def _put(self, raster: torch.Tensor) -> None:
        """Write the events into rasters of zeros."""
        if raster.device.type == self.bins.device.type == "cpu":
            put_cells(self._binned(), raster.numpy(), self.mode)
            return
        self._check_inside()
        index = self._cells().to(raster.device)
        if self.mode == "binary":
            raster.view(-1)[index] = 1.0
        else:
            raster.view(-1).index_add_(0, index, torch.ones(index.numel(), device=raster.device))


# So that it can be an argument or a result of an exported network.
torch.export.register_dataclass(EventBatch, serialized_type_name="spikebench.EventBatch")


class DenseBuffer:
    """Rasters of successive batches in the same memory.

    Allocating a raster takes time proportional to its cells (a batch of 128 words at 1 ms has 358 MB of them). Here
    only the cells of the last batch are cleared, so the time is proportional to the events. The tensor that
    :meth:`fill` returns is valid until the next call.

    Parameters
    ----------
    device
        Device of the rasters.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._memory = torch.zeros(0, device=self.device)
        self._last: tuple[torch.Tensor, EventBatch] | None = None

    def fill(self, batch: EventBatch) -> torch.Tensor:
        """Write the raster of a batch into the buffer.

        Parameters
        ----------
        batch
            The batch.

        Returns
        -------
        Tensor of float32, shape (batch, time, unit)
            As :meth:`EventBatch.dense`; valid until the next call.
        """
        self._clear()
        shape = (len(batch), batch.n_steps, batch.n_units)
        cells = prod(shape)
        if self._memory.numel() < cells:
            self._memory = torch.zeros(cells, device=self.device)
        raster = self._memory[:cells].view(shape)
        batch._put(raster)
        self._last = (raster, batch)
        return raster

    def _clear(self) -> None:
        if self._last is None:
            return
        raster, batch = self._last
        if raster.device.type == batch.bins.device.type == "cpu":
            clear_cells(batch._binned(), raster.numpy())
        else:
            raster.view(-1)[batch._cells().to(raster.device)] = 0.0
        self._last = None


class Collate:
    """Make batches for ``torch.utils.data.DataLoader(dataset, collate_fn=Collate(...))``.

    Parameters
    ----------
    n_units
        Number of units (``dataset.n_units``).
    time_step
        Width of a bin [s].
    n_steps
        Number of bins; later events are left out. By default as many as the longest sample of a batch needs.
    mode
        ``counts`` or ``binary``.
    group_units
        Number of neighbouring units that become one input.

    Raises
    ------
    ValueError
        If the bins or the group are not positive, the bins are wider than 1 s, or the mode is unknown; when called, if
        a sample has a time that is negative or not finite, or a unit outside 0 … n_units - 1.
    """

    def __init__(
        self,
        n_units: int,
        *,
        time_step: float,
        n_steps: int | None = None,
        mode: Mode = "counts",
        group_units: int = 1,
    ) -> None:
        check_mode(mode)
        if group_units < 1:
            raise ValueError(f"group_units must be at least 1, got {group_units}")
        whole = n_steps is None or (isinstance(n_steps, int | np.integer) and n_steps >= 1)
        _check_time_step(time_step)
        if not 0 < time_step < np.inf or not whole:
            raise ValueError(
                f"bins need time_step > 0 and an integer n_steps ≥ 1, got {time_step}, {n_steps}"
            )
        self.n_units, self.time_step, self.n_steps, self.mode = n_units, time_step, n_steps, mode
        self.group_units = group_units

    def __repr__(self) -> str:
        return f"Collate({self.n_units} units, {_grid(self.n_steps, self.time_step)}, {self.mode})"

    def __call__(self, samples: Sequence[Sample]) -> EventBatch:
        """Collate samples."""
        events = FlatEvents.from_samples([(s.times, s.units) for s in samples], self.n_units)
        durations = np.array([sample.duration for sample in samples])
        if not np.isfinite(durations).all():
            raise ValueError("a duration is not finite; -1 is unknown")
        steps = self.n_steps or _steps_of(events, durations, self.time_step)
        binned = bin_many(
            events.offsets,
            times=events.times,
            units=events.units,
            chosen=np.arange(len(samples)),
            time_step=self.time_step,
            n_steps=steps,
            group_units=self.group_units,
        )
        labels = np.array([sample.label for sample in samples], dtype=np.int64)
        n_inputs = -(-self.n_units // self.group_units)
        return _batch(binned, durations, labels, self.time_step, steps, n_inputs, self.mode)


class BinnedSamples:
    """Samples with a grid of time bins, from which batches are made.

    Parameters
    ----------
    samples
        Samples to bin; their spikes are not copied.
    time_step
        Width of a bin [s].
    n_steps
        Number of bins. Events after the last bin are left out and counted in ``n_late``.
    mode
        ``counts`` or ``binary``.
    group_units
        Number of neighbouring units that become one input; ``n_units`` counts the inputs.
    """

    def __init__(
        self,
        samples: SpikeDataset,
        time_step: float,
        n_steps: int,
        mode: Mode,
        group_units: int = 1,
    ) -> None:
        check_mode(mode)
        self.samples, self.labels, self.group_units = samples, samples.labels, group_units
        self.n_units = -(-samples.n_units // group_units)
        self.time_step, self.n_steps, self.mode = time_step, n_steps, mode
        events = samples.events
        inside = count_inside(events.offsets, events.times, samples.rows, time_step, n_steps)
        self.n_events = int(inside.sum())
        self.n_late = int(samples.spike_counts.sum()) - self.n_events

    def __len__(self) -> int:
        return self.labels.size

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} samples, {_grid(self.n_steps, self.time_step)}, "
            f"{self.n_units} units, {self.mode})"
        )

    def counts(self) -> NDArray[np.int64]:
        """Count the spikes of each input in all bins; in binary mode, its bins with spikes.

        Returns
        -------
        ndarray of int64, shape (samples, input)
            Sums of the raster over time.
        """
        if self.mode == "binary":
            sums = [self.batch(chosen).dense().sum(1).numpy() for chosen in self._pieces()]
            return np.concatenate([np.zeros((0, self.n_units)), *sums]).astype(np.int64)
        events = self.samples.events
        counts = count_units(
            events.offsets,
            times=events.times,
            units=events.units,
            chosen=self.samples.rows,
            time_step=self.time_step,
            n_steps=self.n_steps,
            n_units=self.samples.n_units,
        )
        first = np.arange(0, self.samples.n_units, self.group_units)
        return counts if self.group_units == 1 else np.add.reduceat(counts, first, axis=1)

    def rasters(self) -> NDArray[np.float32]:
        """Return the rasters of all samples; their memory is 4 bytes per cell.

        Returns
        -------
        ndarray of float32, shape (samples, time, input)
            As :meth:`EventBatch.dense`.
        """
        rasters = np.empty((len(self), self.n_steps, self.n_units), np.float32)
        for chosen in self._pieces():
            rasters[chosen] = self.batch(chosen).dense().numpy()
        return rasters

    def _pieces(self) -> list[NDArray[np.int64]]:
        """List the positions of all samples, some at a time."""
        return [
            np.arange(first, min(first + _PIECE, len(self)))
            for first in range(0, len(self), _PIECE)
        ]

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
            Source of the displacement; required if ``jitter`` is not 0.

        Returns
        -------
        EventBatch
            Their events.

        Raises
        ------
        ValueError
            If ``jitter`` is given without a generator.
        """
        events, index = self.samples.events, self.samples.rows[chosen]
        group = 1 if jitter > 0 else self.group_units  # units are displaced before they are grouped
        binned = bin_many(
            events.offsets,
            times=events.times,
            units=events.units,
            chosen=index,
            time_step=self.time_step,
            n_steps=self.n_steps,
            group_units=group,
        )
        if jitter > 0:
            if generator is None:
                raise ValueError("jitter needs a generator")
            binned = _jittered(binned, jitter, generator, self.samples.n_units)
            binned = binned._replace(units=binned.units // np.int32(self.group_units))
        return self.of_binned(binned, chosen, events.durations[index])

    def of_binned(
        self, binned: Binned, chosen: NDArray[np.int64], durations: NDArray[np.float64]
    ) -> EventBatch:
        """Make a batch of binned spikes of some samples.

        Parameters
        ----------
        binned
            Their spikes, units grouped.
        chosen
            Positions among the samples, int64, shape (batch,).
        durations
            Length of each recording [s], float64, shape (batch,); negative is unknown.

        Returns
        -------
        EventBatch
            The spikes with labels and lengths.
        """
        grid = (self.time_step, self.n_steps, self.n_units, self.mode)
        return _batch(binned, durations, self.labels[chosen], *grid)


def _jittered(
    binned: Binned, jitter: float, generator: np.random.Generator, n_units: int
) -> Binned:
    shift = generator.standard_normal(binned.units.size, dtype=np.float32) * jitter
    units = binned.units + np.rint(shift).astype(np.int32)
    inside = (units >= 0) & (units < n_units)
    offsets = np.concatenate([[0], np.cumsum(inside)])[binned.offsets].astype(np.int64)
    return Binned(offsets, binned.bins[inside], units[inside], binned.lengths)


def _check_time_step(time_step: float) -> None:
    """Refuse bins that are wider than a second: such a number counts milliseconds."""
    if MAX_TIME_STEP < time_step < np.inf:
        raise ValueError(
            f"time_step is in seconds and at most {MAX_TIME_STEP:g}, got {time_step:g}; "
            f"{time_step:g} ms are time_step={time_step * 1e-3:g}"
        )


def _grid(n_steps: int | None, time_step: float) -> str:
    return f"{'' if n_steps is None else f'{n_steps} '}bins of {time_step * 1e3:g} ms"


def _steps_of(events: FlatEvents, durations: NDArray[np.float64], time_step: float) -> int:
    """Return the number of bins of the longest sample."""
    last = float(events.times.max(initial=0.0))
    steps = int((last + EDGE_TOLERANCE) / time_step) + 1
    return max(steps, int(_duration_steps(durations, time_step).max(initial=1)))


def _duration_steps(durations: NDArray[np.float64], time_step: float) -> NDArray[np.int64]:
    return np.ceil((durations - EDGE_TOLERANCE) / time_step).astype(np.int64)


def _batch(
    binned: Binned,
    durations: NDArray[np.float64],
    labels: NDArray[np.int64],
    time_step: float,
    n_steps: int,
    n_units: int,
    mode: Mode,
) -> EventBatch:
    known = np.minimum(_duration_steps(durations, time_step), n_steps)
    lengths = np.where(durations >= 0, np.maximum(known, binned.lengths), binned.lengths)
    return EventBatch(
        offsets=torch.from_numpy(binned.offsets),
        bins=torch.from_numpy(binned.bins),
        units=torch.from_numpy(binned.units),
        lengths=torch.from_numpy(lengths),
        labels=torch.from_numpy(labels),
        n_steps=n_steps,
        n_units=n_units,
        time_step=time_step,
        mode=mode,
    )
