"""Operations of a batch, counted for every bundle of weights and every layer.

A model fills an :class:`Account` while it runs (``Classifier.account``); :mod:`spikebench.metrics.cost` averages
the accounts of all batches. ``docs/metrics.md`` is the specification. All counts are integers, summed over the
samples and steps of a batch.

* A spike through a weight is an addition (AC); a value through a weight is a multiplication and an addition (MAC).
  A cell of k spikes counts as k spikes.
* Effective: nonzero inputs × nonzero outgoing weights. Dense: the same number if every input were nonzero, once, and
  no weight zero.
* Both leave out operations whose result would arrive after the last step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import torch
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels
from spikebench.kernels.spikes import Spikes


@dataclass(frozen=True)
class Bundle:
    """Weights from one layer to another.

    Attributes
    ----------
    name : str
        Name of the parameter or buffer.
    kind : {"AC", "MAC"}
        Additions if the inputs are spikes, multiply-accumulates if they are values.
    effective, dense : int
        Numbers of operations.
    weights, zero_weights : int
        Number of connections, and of those whose weight is 0.
    as_values : int or None
        Effective operations if the inputs are taken as values, where the inputs decide whether they are spikes: they
        are, if all inputs of all samples are counts. None where the model decides it.
    """

    name: str
    kind: Literal["AC", "MAC"]
    effective: int
    dense: int
    weights: int
    zero_weights: int
    as_values: int | None = None

    def __add__(self, other: Bundle) -> Bundle:
        """Add the operations of the same weights on other samples."""
        dense = self.dense + other.dense
        if self.as_values is None or other.as_values is None:
            return replace(self, effective=self.effective + other.effective, dense=dense)
        values = self.as_values + other.as_values
        spikes = self.kind == other.kind == "AC"
        effective = self.effective + other.effective if spikes else values
        kind: Literal["AC", "MAC"] = "AC" if spikes else "MAC"
        return replace(self, kind=kind, effective=effective, dense=dense, as_values=values)


@dataclass(frozen=True)
class Layer:
    """Neurons, or the units of a conventional model.

    Attributes
    ----------
    updates : int
        Neurons × steps, the number of computed outputs.
    updates_event : int or None
        Number of updates with an input; None if the neurons also change without input.
    nonzero : int or None
        Number of outputs that are not 0; None for a read-out, which is not hidden.
    neurons : int or None
        Number of neurons, where it is not the number of updates per sample and step.
    spikes : bool
        Whether the outputs are spikes, if those of the model are.
    """

    updates: int
    updates_event: int | None
    nonzero: int | None
    neurons: int | None = None
    spikes: bool = True


@dataclass(frozen=True, eq=False)
class Arrival:
    """One of the times at which connections deliver a spike.

    Attributes
    ----------
    there : Tensor of bool, shape (input, output)
        Connections that deliver at this time, even if their weight is 0.
    steps : Tensor of int64, shape (input, output)
        Steps after the spike.
    """

    there: torch.Tensor
    steps: torch.Tensor


@dataclass
class Account:
    """Operations of a model on some samples.

    Attributes
    ----------
    samples, n_steps : int
        Number of samples, and of steps of each.
    input_cells : int
        Number of cells of their rasters.
    input_nonzero : int or None
        Number of cells with a spike; None if the input is not spikes.
    bundles : list of Bundle
        All weights.
    layers : list of Layer
        All neurons; empty for a model without neurons.
    not_counted : dict of str
        Metric → the reason why it cannot be counted, with the name of the layer; empty if everything is counted.
    """

    samples: int
    n_steps: int
    input_cells: int
    input_nonzero: int | None
    bundles: list[Bundle] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    not_counted: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: EventBatch) -> Self:
        """Create the account of a batch.

        Parameters
        ----------
        batch
            The input.

        Returns
        -------
        Account
            Account of the input only.
        """
        cells = len(batch) * batch.n_steps * batch.n_units
        if batch.mode == "audio":
            return cls(len(batch), batch.n_steps, cells, None)
        # One raster at a time, which is small, and faster than sorting all events.
        rasters = (batch.part(k, k + 1).dense() for k in range(len(batch)))
        nonzero = sum(int(torch.count_nonzero(raster)) for raster in rasters)
        return cls(len(batch), batch.n_steps, cells, nonzero)

    def deliver(
        self,
        kernels: Kernels,
        name: str,
        source: EventBatch | Spikes,
        weight: torch.Tensor,
        arrivals: Sequence[Arrival] | None = None,
        later: int = 0,
    ) -> torch.Tensor:
        """Count the operations of spikes through weights, by multiplying the spikes with 1 for every nonzero weight.

        Parameters
        ----------
        kernels
            Kernels for the multiplication.
        name
            Name of the weights.
        source
            The spikes.
        weight
            Float (input, output).
        arrivals
            When the connections deliver; None for ``later`` alone.
        later
            Steps until a spike arrives without delay: 1 for a layer's own spikes.

        Returns
        -------
        Tensor of float, shape (batch, time, output)
            Number of spikes that arrived.
        """
        there = weight != 0
        if arrivals is None:
            mask = torch.cat([weight.new_zeros(later, *weight.shape), there.to(weight.dtype)[None]])
            arrived = kernels.event_linear(source, mask)
            connections = weight.numel() * max(self.n_steps - later, 0)
        else:
            arrived, connections = weight.new_zeros(()), 0
            for arrival in arrivals:
                steps = later + arrival.steps
                mask = (there & arrival.there).to(weight.dtype)
                # The last tap comes after the last step.
                arrived = arrived + kernels.delayed_linear(
                    source, mask, steps.to(weight.dtype), self.n_steps + 1
                )
                # A connection of s steps delivers the spikes up to s steps before the end.
                connections += int((arrival.there * (self.n_steps - steps).clamp(min=0)).sum())
        self.bundles.append(
            Bundle(
                name=name,
                kind="AC",
                effective=int(arrived.sum(dtype=torch.float64)),
                dense=self.samples * connections,
                weights=weight.numel(),
                zero_weights=weight.numel() - int(there.sum()),
            )
        )
        return arrived

    def fire(self, arrived: torch.Tensor, spikes: Spikes | None) -> None:
        """Count the updates of neurons with an input, and the spikes of the neurons.

        Parameters
        ----------
        arrived
            Spikes of all bundles together, shape (batch, time, neuron).
        spikes
            Spikes of the neurons; None for integrators, which do not spike.
        """
        event = int(torch.count_nonzero(arrived))
        fired = None if spikes is None else spikes.units.numel()
        self.layers.append(Layer(arrived.numel(), event, fired))

    def multiply(
        self, name: str, values: torch.Tensor, weight: torch.Tensor, spikes: bool = False
    ) -> None:
        """Count a product with a matrix.

        Parameters
        ----------
        name
            Name of the weights.
        values
            The input, shape (…, input).
        weight
            Float (output, input).
        spikes
            Whether the values are numbers of spikes, each of which is added.
        """
        others = tuple(range(values.ndim - 1))
        active = (values if spikes else values != 0).sum(others, dtype=torch.int64)
        self._add_product(name, "AC" if spikes else "MAC", active, values.numel(), weight)

    def convolve(self, name: str, values: torch.Tensor, layer: nn.Conv2d) -> None:
        """Count a convolution; kernel positions outside the borders are not counted.

        Parameters
        ----------
        name
            Name of the weights.
        values
            The input, shape (batch, channel, row, column).
        layer
            The convolution, in one group.
        """
        assert layer.groups == 1
        assert not isinstance(layer.padding, str)
        padding = layer.padding

        def sum_over_places(counts: torch.Tensor) -> torch.Tensor:
            """Sum the inputs at every position of the kernel, shape (channel · row · column,)."""
            columns = nn.functional.unfold(
                counts.double(),
                kernel_size=layer.kernel_size,
                dilation=layer.dilation,
                padding=padding,
                stride=layer.stride,
            )
            return columns.sum(1).long()

        active = sum_over_places(torch.count_nonzero(values, 0))
        inputs = self.samples * int(sum_over_places(torch.ones_like(values[0])).sum())
        self._add_product(name, "MAC", active, inputs, layer.weight.flatten(1))

    def convolve_causally(
        self, name: str, values: torch.Tensor, layer: nn.Conv1d, spikes: bool = False
    ) -> None:
        """Count a convolution over the present and past steps; the steps before the first are not counted.

        Parameters
        ----------
        name
            Name of the weights.
        values
            The input, shape (batch, channel, time).
        layer
            The convolution, in one group; its last tap is the present step.
        spikes
            Whether the values are numbers of spikes, each of which is added.
        """
        assert layer.groups == 1
        n_steps, (taps,), (dilation,) = values.shape[2], layer.kernel_size, layer.dilation
        later = dilation * torch.arange(taps - 1, -1, -1)  # steps after the input
        reached = (n_steps - later).clamp(min=0)  # inputs whose result is not after the last step
        counts = (values if spikes else values != 0).sum(0, dtype=torch.int64)
        until = nn.functional.pad(counts.cumsum(1), (1, 0))  # sum of the inputs before each step
        active = until[:, reached.to(until.device)]
        inputs = values.shape[0] * values.shape[1] * int(reached.sum())
        kind: Literal["AC", "MAC"] = "AC" if spikes else "MAC"
        self._add_product(name, kind, active.flatten(), inputs, layer.weight.flatten(1))

    def _add_product(
        self,
        name: str,
        kind: Literal["AC", "MAC"],
        active: torch.Tensor,
        inputs: int,
        weight: torch.Tensor,
    ) -> None:
        """Add a bundle of weights (output, input), from the count of each input and the maximum number of inputs."""
        outgoing = torch.count_nonzero(weight, 0)
        self.bundles.append(
            Bundle(
                name=name,
                kind=kind,
                effective=int((active * outgoing).sum()),
                dense=inputs * len(weight),
                weights=weight.numel(),
                zero_weights=weight.numel() - int(outgoing.sum()),
            )
        )

    def compute(self, outputs: torch.Tensor, hidden: bool) -> None:
        """Count units that are computed regardless of their input.

        Parameters
        ----------
        outputs
            All outputs of the units.
        hidden
            Whether the outputs are the input of other layers.
        """
        nonzero = int(torch.count_nonzero(outputs)) if hidden else None
        self.layers.append(Layer(outputs.numel(), None, nonzero))

    def __add__(self, other: Account) -> Account:
        """Add the account of other samples of the same model."""
        bundles = [a + b for a, b in zip(self.bundles, other.bundles, strict=True)]
        layers = [
            replace(
                a,
                updates=a.updates + b.updates,
                updates_event=_added(a.updates_event, b.updates_event),
                nonzero=_added(a.nonzero, b.nonzero),
            )
            for a, b in zip(self.layers, other.layers, strict=True)
        ]
        return Account(
            samples=self.samples + other.samples,
            n_steps=self.n_steps,
            input_cells=self.input_cells + other.input_cells,
            input_nonzero=_added(self.input_nonzero, other.input_nonzero),
            bundles=bundles,
            layers=layers,
            not_counted=other.not_counted | self.not_counted,
        )


def footprint_of(model: nn.Module) -> int:
    """Count the bytes of parameters and buffers.

    Parameters
    ----------
    model
        Any network.

    Returns
    -------
    int
        Σ numel · element size.
    """
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _added(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
