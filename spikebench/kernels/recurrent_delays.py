"""Delays of recurrent spikes, one for each neuron that sends them.

A spike of neuron j at step t arrives at its targets at t + 1 + d_j, d_j ≥ 0 in steps and learned. Between two steps it
is shared: with f = d − ⌊d⌋, 1 − f of it arrives at t + 1 + ⌊d⌋ and f at t + 2 + ⌊d⌋, a triangle of half width 1. A scan
therefore needs two taps of recurrent weights, (1 − f)·V and f·V, and the whole steps ⌊d⌋ that delay both; the
gradients of V and d follow from those of the taps. Source: DelRec, Queant et al. (2025), arXiv:2509.24852, with a
fixed width instead of one that shrinks during training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

MOST_STEPS = 10_000  # each takes memory in every sample


@dataclass(frozen=True, eq=False)
class RecurrentDelays:
    """Delays of a layer's own spikes, in addition to the one step that every recurrent spike needs.

    Attributes
    ----------
    steps : Tensor of float, shape (unit,)
        d, delay of every sending neuron in time steps. Clamped to 0 … ``longest``; a delay outside gets no gradient.
    longest : int
        Longest delay in steps, 1 … 10,000. Memory grows with it, time does not.

    Raises
    ------
    ValueError
        If the longest delay is out of range.
    """

    steps: torch.Tensor
    longest: int

    def __post_init__(self) -> None:
        if not 1 <= self.longest <= MOST_STEPS:
            raise ValueError(
                f"the longest recurrent delay must be 1 … {MOST_STEPS} steps, got {self.longest}"
            )

    def split(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Split the delays into whole steps and the rest.

        Returns
        -------
        late : Tensor of int64, shape (unit,)
            ⌊d⌋, 0 … longest − 1, so that the longest delay is 1 step later than these.
        part : Tensor of float, shape (unit,)
            f, 0 … 1, in the graph.
        """
        steps = self.steps.clamp(0, self.longest)
        late = steps.detach().floor().long().clamp(0, self.longest - 1)  # clamps nan as well
        return late, steps - late

    def kernel(self) -> torch.Tensor:
        """Return the part of a spike that arrives s + 1 steps later.

        Returns
        -------
        Tensor of float, shape (longest + 1, unit)
            For s = 0 … longest; the sum is 1, gradients propagate to the delays.
        """
        late, part = self.split()
        steps = torch.arange(self.longest + 1, device=late.device)[:, None]
        return (steps == late) * (1 - part) + (steps == late + 1) * part

    def taps(self, recurrent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Split recurrent weights.

        Parameters
        ----------
        recurrent
            V, float (from, to).

        Returns
        -------
        taps : Tensor of float, shape (2, from, to)
            (1 − f)·V and f·V, in the graph.
        late : Tensor of int64, shape (from,)
            ⌊d⌋: tap s of unit j arrives 1 + late[j] + s steps after the spike.
        """
        late, part = self.split()
        return torch.stack([1 - part, part])[:, :, None] * recurrent, late


def arrivals(
    spikes: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    late: torch.Tensor,
    past: torch.Tensor,
    n_steps: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """List the spikes of a layer by the steps at which they arrive at its recurrent weights.

    Parameters
    ----------
    spikes
        Offsets, bins and units.
    late
        As returned by :meth:`RecurrentDelays.taps`.
    past
        Spikes before the first step, float (batch, step, unit), the latest first.
    n_steps
        Number of steps; later arrivals are left out.

    Returns
    -------
    offsets, bins, units : Tensor of int64, int32, int32
        Sorted by arrival. Unit u + s·(units) is tap s of unit u.
    """
    offsets, bins, units = spikes
    rows = torch.arange(len(past), device=bins.device).repeat_interleave(offsets.diff())
    before = past.nonzero().T
    rows = torch.cat([before[0], rows]).repeat(2)
    units = torch.cat([before[2], units.long()])
    at = torch.cat([-before[1], bins.long() + 1]) + late[units]
    at, units = torch.cat([at, at + 1]), torch.cat([units, units + len(late)])
    inside = (at >= 0) & (at < n_steps)
    order = (rows * n_steps + at)[inside].argsort(stable=True)
    rows, at, units = (list_[inside][order] for list_ in (rows, at, units))
    sizes = torch.bincount(rows, minlength=len(past))
    return torch.nn.functional.pad(sizes.cumsum(0), (1, 0)), at.int(), units.int()
