"""Synaptic delays, as taps of the weights of events, between two steps, or per axon.

A connection with weight w and delay d sends w·k(s − d) at the taps s = 0, 1, … of
:func:`spikebench.kernels.reference.event_linear`, so a delay is learned like a weight. With ``spread`` σ = 0, k is the
triangle max(0, 1 − |x|): the spike is shared between the two bins around d, and
:func:`spikebench.kernels.reference.delayed_linear` computes the same without the other taps. With σ > 0, k is
exp(−x²/2σ²), normalised to a sum of 1 over the taps; training begins with a wide kernel and narrows it. Sources:
Khalfaoui-Hassani, Pellegrini, Masquelier (2023), arXiv:2112.03740 and 2306.00817 (DCLS); Hammouamri,
Khalfaoui-Hassani, Masquelier (2023), arXiv:2306.17670 (delays in spiking networks).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from spikebench.events.batches import EventBatch


def delay_taps(
    weight: torch.Tensor, delay: torch.Tensor, n_taps: int, spread: float = 0.0
) -> torch.Tensor:
    """Spread weights over the taps around their delays.

    Parameters
    ----------
    weight
        Float (input, output).
    delay
        In steps, float, of a shape that broadcasts to ``weight``: (input, output), or (input, 1) for one per axon.
        Clamped to 0 … n_taps − 1; a delay outside gets no gradient.
    n_taps
        Number of taps.
    spread
        σ in steps.

    Returns
    -------
    Tensor of float, shape (n_taps, input, output)
        For :func:`spikebench.kernels.reference.event_linear`; gradients propagate to weights and delays.

    Raises
    ------
    ValueError
        If there are no taps, the spread is negative, or shapes do not fit.
    """
    if not 0 <= spread < float("inf"):
        raise ValueError(f"delays need spread ≥ 0, got {spread}")
    check_delays(weight, delay, n_taps)
    steps = torch.arange(n_taps, dtype=weight.dtype, device=weight.device).view(-1, 1, 1)
    distance = steps - delay.clamp(0, n_taps - 1)
    if spread == 0:
        kernel = (1 - distance.abs()).clamp(min=0)
    else:
        kernel = torch.exp(-0.5 * (distance / spread) ** 2)
        kernel = kernel / kernel.sum(0, keepdim=True)
    return kernel * weight


def check_delays(weight: torch.Tensor, delay: torch.Tensor, n_taps: int) -> None:
    """Check the delays of connections.

    Parameters
    ----------
    weight, delay, n_taps
        As in :func:`delay_taps`.

    Raises
    ------
    ValueError
        If there are no taps, or the delays do not fit the weights.
    """
    if n_taps < 1:
        raise ValueError(f"delays need n_taps ≥ 1, got {n_taps}")
    if delay.ndim != 2 or any(
        given not in (1, n) for given, n in zip(delay.shape, weight.shape, strict=True)
    ):
        raise ValueError(
            f"delays of shape {tuple(delay.shape)} do not fit weights of shape {tuple(weight.shape)}"
        )
    if delay.dtype != weight.dtype or delay.device != weight.device:
        raise ValueError(
            f"delays are {delay.dtype} on {delay.device}, the weights are {weight.dtype} on {weight.device}"
        )


def split_delays(delay: torch.Tensor, n_taps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Split delays into whole steps and the part of a step that is left.

    Parameters
    ----------
    delay
        In steps, float, 0 … n_taps − 1.
    n_taps
        Number of taps.

    Returns
    -------
    whole : Tensor of int64, shape of ``delay``
        ⌊d⌋; the step before the last tap for the longest delay, so that both steps of arrival are taps.
    part : Tensor of float, shape of ``delay``
        d − ⌊d⌋, in the graph.
    """
    whole = delay.detach().floor().long().clamp(0, max(n_taps - 2, 0))  # NaN is inside, too
    return whole, delay - whole


def delay_axons(events: EventBatch, delay: torch.Tensor) -> EventBatch:
    """Delay the events of every input by a whole number of steps.

    Parameters
    ----------
    events
        Events of an input.
    delay
        In steps, int64, shape (input,), not negative.

    Returns
    -------
    EventBatch
        Sorted by the new bins; events after the last bin are dropped.

    Raises
    ------
    ValueError
        If the delays do not fit or one is negative.
    """
    if delay.shape != (events.n_units,) or delay.is_floating_point() or bool((delay < 0).any()):
        raise ValueError(f"delays must be {events.n_units} whole numbers that are not negative")
    bins = events.bins + delay.to(events.bins.device)[events.units.long()]
    sizes = events.offsets.diff()
    rows = torch.arange(len(events), device=bins.device).repeat_interleave(sizes)
    inside = bins < events.n_steps
    rows, bins, units = rows[inside], bins[inside], events.units[inside]
    order = torch.argsort(rows * events.n_steps + bins, stable=True)
    counts = torch.bincount(rows, minlength=len(events))
    last = torch.where(counts > 0, events.n_steps, events.lengths)
    latest = int(delay.max()) if delay.numel() else 0
    lengths = torch.minimum(events.lengths + latest, last)
    return replace(
        events,
        offsets=torch.nn.functional.pad(counts.cumsum(0), (1, 0)),
        bins=bins[order].to(events.bins.dtype),
        units=units[order],
        lengths=lengths.clamp(max=events.n_steps),
    )
