"""Feed-forward layers of events on a CPU; :mod:`spikebench.kernels.normalised_layer` calls these functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import by_unit
from spikebench.kernels.cpu import events as event_loops
from spikebench.kernels.cpu import feed_forward as loops
from spikebench.kernels.cpu.launch import Cells, few_near, zeros
from spikebench.kernels.cpu.launch_feed_forward import (
    SAMPLES,
    Layer,
    by_current,
    moments_of,
    neuron_gradients,
)
from spikebench.kernels.cpu.launch_feed_forward import scan as scan
from spikebench.kernels.cpu.memory import empty
from spikebench.kernels.cpu.threads import pieces, run_in_threads
from spikebench.kernels.neuron import Settings

_MOST_PARTIALS = 16  # gradients that are summed at the end
_PARTIAL_NUMBERS = 1 << 24  # in all of them

Array = NDArray[Any]


def currents(
    events: Cells, weight: torch.Tensor, n_steps: int, with_moments: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiply events by weights (input, unit); compute means and variances per unit as well: float64 (2, unit).

    Without moments, they have no rows.
    """
    n = weight.shape[1]
    current = empty((events[0].numel() - 1, n_steps, n), weight)
    lists, weights, out = [_array(cell) for cell in events], _array(weight), _array(current)

    def run(first: int, last: int) -> NDArray[np.float64]:
        sums = np.zeros((2 if with_moments else 0, n))
        for k in range(first, last):
            event_loops.add_currents(*lists, weights[None], out, k, k + 1)
            if with_moments:
                loops.add_moments(out, sums[0], sums[1], k, k + 1)
        return sums

    parts = run_in_threads(run, pieces(len(current), SAMPLES))
    if not with_moments:
        return current, torch.zeros(0, n, dtype=torch.float64)
    return current, moments_of(sum(parts, np.zeros((2, n))), out.shape[0] * out.shape[1])


def backward(
    grads: tuple[torch.Tensor, torch.Tensor],
    current: torch.Tensor,
    events: Cells,
    once: bool,
    weight: torch.Tensor,
    near: torch.Tensor | None,
    layer: Layer,
    state: torch.Tensor,
    settings: Settings,
    of_batch: bool,
    wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through a layer, from the gradients of spikes and membranes (empty where there are none).

    Returns the gradients of weights, of the input spikes, of α and the parameters (all empty unless requested), and of
    ``norm``.
    """
    to_weight, to_spikes, to_parameters = wanted
    gradient, by_parameters, by_norm = neuron_gradients(
        grads, current, layer, state, settings, to_parameters
    )
    batch, n_steps, _ = current.shape
    spikes = empty((batch, n_steps, len(weight)) if to_spikes else (0, 0, 0), current)
    lists = [_array(cell) for cell in events]
    given, out, weights, to_input = map(_array, (current, gradient, weight, spikes))
    rows = by_current(layer, by_norm, batch * n_steps)
    bits = few_near(near, spikes) if to_spikes else None
    transposed = np.ascontiguousarray(weights.T)
    shape = weights.shape if to_weight else (0, 0)

    def run(first: int, last: int) -> Array:
        into = zeros(shape, out.dtype)
        for k in range(first, last):
            loops.normalise_back(out, given, rows, of_batch, k, k + 1)
            if to_weight:
                by_unit.add_weight_gradients(*lists, once, out, into, k, k + 1)
            if bits is not None:
                by_unit.propagate_to_near(out, weights, to_input, bits, k, k + 1)
            elif to_spikes:
                np.matmul(out[k], transposed, out=to_input[k])
        return into

    total = np.zeros(shape, out.dtype)
    for partial in run_in_threads(run, pieces(batch, _samples(batch, int(np.prod(shape))))):
        total += partial
    return torch.from_numpy(total), spikes, by_parameters, by_norm


def _samples(batch: int, n_numbers: int) -> int:
    """Return the samples of a piece with ``n_numbers`` gradients of its own; it does not depend on the threads."""
    n_partials = min(_MOST_PARTIALS, max(_PARTIAL_NUMBERS // max(n_numbers, 1), 1))
    return max(-(-batch // n_partials), 1)


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array
