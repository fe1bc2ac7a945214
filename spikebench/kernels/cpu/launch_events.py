"""Events on a CPU: checks, and products with weights; :mod:`spikebench.kernels.operators` calls these functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import delayed
from spikebench.kernels.cpu import events as event_loops
from spikebench.kernels.cpu.arrays import array, arrays, events_of, zeros
from spikebench.kernels.cpu.memory import empty
from spikebench.kernels.cpu.threads import groups, pieces, run_in_threads
from spikebench.kernels.delays import split_delays


def check_events(
    offsets: torch.Tensor, bins: torch.Tensor, units: torch.Tensor, n_steps: int, n_units: int
) -> int:
    """Find events that would access memory out of bounds: 1 offsets, 2 a bin, 3 a unit, 4 not sorted; 0 if valid."""
    given = arrays(offsets, bins, units)
    sizes = np.diff(given[0])
    n = given[1].size
    if given[0][0] != 0 or given[0][-1] != n or units.numel() != n:
        return 1
    if (sizes < 0).any():
        return 1

    def check(first: int, last: int) -> int:
        return int(event_loops.check_events(*given, n_steps, n_units, first, last))

    return next((code for code in run_in_threads(check, pieces(sizes.size)) if code), 0)


def first_in_cell(
    offsets: torch.Tensor, bins: torch.Tensor, units: torch.Tensor, n_units: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keep one event per cell."""
    chosen = np.zeros(bins.numel(), dtype=np.bool_)
    if event_loops.first_in_cell(*arrays(offsets, bins, units), n_units, chosen) == bins.numel():
        return offsets, bins, units
    kept = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen)])
    inside = torch.from_numpy(chosen)
    return torch.from_numpy(kept)[offsets], bins[inside], units[inside]


def event_linear(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    n_steps: int,
) -> torch.Tensor:
    """Multiply events by weights; see :func:`spikebench.kernels.operators.event_linear`."""
    current = empty((offsets.numel() - 1, n_steps, weight.shape[2]), weight)
    given = arrays(offsets, bins, units, weight, current)
    run_in_threads(
        lambda first, last: event_loops.add_currents(*given, first, last), pieces(len(current))
    )
    return current


def event_linear_backward(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    grad: torch.Tensor,
    n_taps: int,
    n_units: int,
    shift: int,
) -> torch.Tensor:
    """Compute the gradient of the weights for events that arrive ``shift`` steps plus their tap later."""
    shape = (n_taps, n_units, grad.shape[2])
    parts = groups(len(grad), int(np.prod(shape)))
    lists, gradient = arrays(offsets, bins, units), array(grad)

    def add(first: int, last: int) -> NDArray[Any]:
        into = zeros(shape, gradient.dtype)
        event_loops.add_weight_gradients(*lists, gradient, shift, into, first, last)
        return into

    total = np.zeros(shape, gradient.dtype)
    for partial in run_in_threads(add, parts):
        total += partial
    return torch.from_numpy(total)


def delayed_linear(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    delay: torch.Tensor,
    n_taps: int,
    n_steps: int,
) -> torch.Tensor:
    """Multiply events by weights with delays; see :func:`spikebench.kernels.operators.delayed_linear`."""
    current = empty((offsets.numel() - 1, n_steps, weight.shape[1]), weight)
    lists, out = events_of((offsets, bins, units)), array(current)
    connections, width = _connections(weight, delay, n_taps, n_steps)
    run_in_threads(
        lambda first, last: delayed.add_currents(lists, connections, width, out, first, last),
        pieces(len(out), delayed.samples(width, out.itemsize)),
    )
    return current


def delayed_linear_backward(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    delay: torch.Tensor,
    n_taps: int,
    grad: torch.Tensor,
    wanted: tuple[bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute the gradients of weights, of delays and of the input spikes (empty unless requested)."""
    batch, n_steps, n = grad.shape
    to_weight, to_spikes = wanted
    spikes = empty((batch, n_steps, len(weight)) if to_spikes else (0, 0, 0), grad)
    lists, gradient, out = events_of((offsets, bins, units)), *arrays(grad, spikes)
    connections, width = _connections(weight, delay, n_taps, n_steps)
    shape = (2, *connections.near.shape) if to_weight else (2, 0, 0)
    size = delayed.samples(width, out.itemsize)

    def run(first: int, last: int) -> NDArray[Any]:
        into = zeros(shape, gradient.dtype)
        for begin, end in pieces(last - first, size):
            delayed.spread_gradients(
                lists, connections, width, gradient, *into, out, first + begin, first + end
            )
        return into

    total = np.zeros(shape, gradient.dtype)
    for partial in run_in_threads(run, groups(batch, int(np.prod(shape)))):
        total += partial
    if not to_weight:
        return weight.new_empty(0), weight.new_empty(0), spikes
    _, part = split_delays(delay, n_taps)
    near, far = torch.from_numpy(total)[:, :n].transpose(1, 2)
    to_weights, to_delays = (1 - part) * near + part * far, weight * (far - near)
    return to_weights.contiguous(), to_delays.contiguous(), spikes


def _connections(
    weight: torch.Tensor, delay: torch.Tensor, n_taps: int, n_steps: int
) -> tuple[delayed.Connections, int]:
    """Make the weights and delays of compiled loops, and the number of places of a sample."""
    whole, part = split_delays(delay, n_taps)
    rows = (0, 0, 0, -weight.shape[1] % delayed.SIDE)

    def by_neuron(tensor: torch.Tensor) -> NDArray[Any]:
        return array(torch.nn.functional.pad(tensor.T, rows))

    steps = by_neuron(whole.clamp(max=n_steps)).astype(np.uint32)  # later, nothing arrives
    near, far = by_neuron(weight * (1 - part)), by_neuron(weight * part)
    return delayed.Connections(near, far, steps), 1 + n_steps + int(steps.max(initial=0))
