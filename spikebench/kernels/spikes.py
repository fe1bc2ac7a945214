"""Spikes of a layer as events, with a tensor that carries their gradients.

A layer of 256 neurons has 64,000 cells per word and a few hundred spikes. The forward pass stores only the spikes. In
the backward pass every cell has a gradient, so ``handle`` is a tensor of the shape (batch, time, unit) in the autograd
graph: the dense spikes in the reference kernels, and elsewhere one number with strides 0, which takes no memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spikebench.events.batches import EventBatch

# Units in a number of ``Spikes.near``: those of a tile of the CPU kernels (``cpu/simd.py``).
BITS = 32


def near_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the shape of :attr:`Spikes.near` of spikes (batch, time, unit)."""
    return shape[0], shape[1], (shape[2] + BITS - 1) // BITS


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes of a layer.

    Attributes
    ----------
    offsets : Tensor of int64, shape (batch + 1,)
        Sample k has the spikes offsets[k] … offsets[k + 1].
    bins, units : Tensor of int32, shape (spikes,)
        Time bin and neuron, sorted by bin, then neuron.
    handle : Tensor of float, shape (batch, time, unit)
        Tensor that carries the gradients.
    is_raster : bool
        Whether the handle's values are the spikes, as in the reference kernels; :meth:`dense` is always correct.
    is_checked : bool
        Whether a kernel made them, so that they need no check.
    near : Tensor of int32, shape (batch, time, ceil(unit / 32)), or None
        A bit for every cell whose gradient is used, the lowest for the first of 32 neurons; the others are too far from
        their threshold, where a surrogate with compact support is 0. None: all gradients may be used.
    near_handle : Tensor of float, shape (cells in near,), or None
        Tensor that carries the gradients of these cells in the place of ``handle``, in the order (batch, time, unit),
        for whatever computes no others.
    """

    offsets: torch.Tensor
    bins: torch.Tensor
    units: torch.Tensor
    handle: torch.Tensor
    is_raster: bool = False
    is_checked: bool = False
    near: torch.Tensor | None = None
    near_handle: torch.Tensor | None = None

    @classmethod
    def from_dense(cls, dense: torch.Tensor) -> Spikes:
        """List the spikes of a raster.

        Parameters
        ----------
        dense
            Float (batch, time, unit) of 0 and 1; stays in the graph.

        Returns
        -------
        Spikes
            The same spikes as events.
        """
        rows, bins, units = dense.detach().nonzero(as_tuple=True)
        sizes = torch.bincount(rows, minlength=len(dense))
        offsets = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
        return cls(offsets, bins.int(), units.int(), dense, is_raster=True, is_checked=True)

    @property
    def shape(self) -> torch.Size:
        """Batch, time, unit."""
        return self.handle.shape

    def handles(self) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Return handle, near and near handle for an operator that uses only one of both handles.

        Returns
        -------
        tuple of Tensor or None
            Without the handle if there is one for the cells near their threshold.
        """
        return (self.handle if self.near_handle is None else None), self.near, self.near_handle

    def dense(self) -> torch.Tensor:
        """Return the raster.

        Returns
        -------
        Tensor of float, shape (batch, time, unit)
            0 and 1; gradients propagate through it.
        """
        if self.is_raster:
            return self.handle
        dense: torch.Tensor = _Dense.apply(self.handle, *self._cells())  # type: ignore[no-untyped-call]
        return dense

    def counts(self) -> torch.Tensor:
        """Count the spikes of every neuron.

        Returns
        -------
        Tensor of float, shape (batch, unit)
            Spikes per sample; gradients propagate through it.
        """
        if self.is_raster:
            return self.handle.sum(1)
        counts: torch.Tensor = _Counts.apply(  # type: ignore[no-untyped-call]
            self.handle, self.near, self.near_handle, *self._cells()
        )
        return counts

    def mean_count(self) -> float:
        """Return the mean number of spikes per sample.

        Returns
        -------
        float
            Spikes per sample.
        """
        return self.units.numel() / max(len(self.handle), 1)

    def drop(self, probability: float) -> Spikes:
        """Remove spikes at random, each with a probability, and the gradients of the removed cells.

        The rest is not scaled; the caller multiplies the weights by 1/(1 − probability).

        Parameters
        ----------
        probability
            0 ≤ probability < 1, of every cell, whether it has a spike or not.

        Returns
        -------
        Spikes
            The others; random numbers from torch's generator.
        """
        keep = torch.rand(self.shape, device=self.bins.device) >= probability
        rows, bins, units = self._cells()
        chosen = keep[rows, bins, units]
        offsets = torch.nn.functional.pad(chosen.cumsum(0), (1, 0))[self.offsets]
        handle: torch.Tensor = (
            self.handle * keep if self.is_raster else _Masked.apply(self.handle, keep)  # type: ignore[no-untyped-call]
        )
        return Spikes(
            offsets,
            self.bins[chosen],
            self.units[chosen],
            handle,
            self.is_raster,
            is_checked=True,
            near=self.near,
        )

    def events(self, time_step: float) -> EventBatch:
        """Convert the spikes to the events of an input.

        Parameters
        ----------
        time_step
            Width of a bin [s].

        Returns
        -------
        EventBatch
            Without labels (-1), every sample as long as the scan; not in the graph.
        """
        batch, n_steps, n_units = self.shape
        everywhere = torch.ones(batch, dtype=torch.int64, device=self.bins.device)
        return EventBatch(
            self.offsets,
            bins=self.bins,
            units=self.units,
            lengths=everywhere * n_steps,
            labels=-everywhere,
            n_steps=n_steps,
            n_units=n_units,
            time_step=time_step,
            mode="counts",
        )

    def _cells(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows = torch.arange(len(self.handle), device=self.bins.device)
        return rows.repeat_interleave(self.offsets.diff()), self.bins.long(), self.units.long()


# So that it can be an argument or a result of an exported network.
torch.export.register_dataclass(Spikes, serialized_type_name="spikebench.Spikes")


class _Dense(torch.autograd.Function):
    @staticmethod
    def forward(
        handle: torch.Tensor, rows: torch.Tensor, bins: torch.Tensor, units: torch.Tensor
    ) -> torch.Tensor:
        dense = torch.zeros(handle.shape, dtype=handle.dtype, device=handle.device)
        dense[rows, bins, units] = 1
        return dense

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: object, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        return gradients[0], None, None, None


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(handle: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        return handle.new_zeros(1).as_strided(handle.shape, (0,) * handle.ndim)

    @staticmethod
    def setup_context(
        ctx: torch.autograd.function.FunctionCtx,
        inputs: tuple[torch.Tensor, torch.Tensor],
        output: torch.Tensor,
    ) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        (keep,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * keep, None


class _Counts(torch.autograd.Function):
    @staticmethod
    def forward(
        handle: torch.Tensor,
        near: torch.Tensor | None,
        near_handle: torch.Tensor | None,
        rows: torch.Tensor,
        bins: torch.Tensor,
        units: torch.Tensor,
    ) -> torch.Tensor:
        batch, _, n_units = handle.shape
        cells = torch.bincount(rows * n_units + units, minlength=batch * n_units)
        return cells.view(batch, n_units).to(handle.dtype)

    @staticmethod
    def setup_context(
        ctx: torch.autograd.function.FunctionCtx,
        inputs: tuple[torch.Tensor, ...],
        output: torch.Tensor,
    ) -> None:
        ctx.shape = inputs[0].shape  # type: ignore[attr-defined]
        ctx.save_for_backward(*inputs[1:3])

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        near, near_handle = ctx.saved_tensors  # type: ignore[attr-defined]
        every_step = gradients[0][:, None]
        if near_handle is None:
            return every_step.expand(ctx.shape), *(None,) * 5  # type: ignore[attr-defined]
        listed = torch.ops.spikebench.gather_near(every_step, near, near_handle)
        return None, None, listed, None, None, None
