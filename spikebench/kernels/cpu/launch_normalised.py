"""Feed-forward layers of events on a CPU; :mod:`spikebench.kernels.normalised_layer` calls these functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import by_tile, spike_gradients
from spikebench.kernels.cpu.arrays import Cells, array, bits_of, zeros
from spikebench.kernels.cpu.launch_feed_forward import (
    SAMPLES,
    Layer,
    by_current,
    moments_of,
    neuron_gradients,
)
from spikebench.kernels.cpu.launch_feed_forward import scan as scan
from spikebench.kernels.cpu.launch_near import everywhere
from spikebench.kernels.cpu.launch_near import places_of as places_of
from spikebench.kernels.cpu.memory import aligned, empty
from spikebench.kernels.cpu.simd import LANES
from spikebench.kernels.cpu.threads import groups, pieces, run_in_threads
from spikebench.kernels.cpu.tiles import tiled, untiled
from spikebench.kernels.neuron import Settings

_GROUPS = (
    16  # of samples with gradients of their own: the more, the less a thread waits for the last one
)

_NO_BITS = torch.empty((0, 0, 0), dtype=torch.int32)

Array = NDArray[Any]


def currents(
    events: Cells, weight: torch.Tensor, n_steps: int, with_moments: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiply events by weights (input, unit), tiled; means and variances per unit as well: float64 (2, unit).

    Without moments, they have no rows.
    """
    n = weight.shape[1]
    table = _tiled(array(weight))
    current = empty((events[0].numel() - 1, len(table), n_steps, LANES), weight)
    lists, out = [array(cell) for cell in events], array(current)

    def run(first: int, last: int) -> NDArray[np.float64]:
        sums = np.zeros((2 if with_moments else 0, len(table), LANES))
        by_tile.add_currents(*lists, table, out, sums, first, last)
        return sums

    parts = run_in_threads(run, pieces(len(current), SAMPLES))
    if not with_moments:
        return current, torch.zeros(0, n, dtype=torch.float64)
    sums = sum(parts, np.zeros((2, len(table), LANES)))
    return current, moments_of(sums.reshape(2, -1)[:, :n], len(current) * n_steps)


def backward(
    grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    current: torch.Tensor,
    near: torch.Tensor,
    events: Cells,
    weight: torch.Tensor,
    near_input: torch.Tensor | None,
    is_listed: bool,
    layer: Layer,
    state: torch.Tensor,
    settings: Settings,
    of_batch: bool,
    wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through a layer, from the gradients of spikes, of those near their threshold, and of membranes.

    They are empty where there are none. Returns the gradients of weights, of the input spikes, of α and the parameters
    (all empty unless requested), and of ``norm``. Those of the input spikes are (batch, time, input), or a list if
    ``is_listed``: of the units near their threshold, ``near_input``.
    """
    to_weight, to_spikes, to_parameters = wanted
    batch, n_tiles, n_steps, _ = current.shape
    by_spikes, by_near, by_membranes = grads
    if by_near.numel() and by_spikes.numel():
        size = batch, n_steps, state.shape[2]
        by_spikes, by_near = everywhere(by_near, near, by_spikes, size), by_near[:0]
    gradient, by_parameters, by_norm = neuron_gradients(
        *((by_spikes, by_membranes), current, layer, state, settings, to_parameters),
        near=(near, by_near),
    )
    given, out, weights = map(array, (current, gradient, weight))
    lists = [array(cell) for cell in events]
    rows = _tiled(by_current(layer, by_norm, batch * n_steps))
    shape_ = (n_tiles, len(weight), LANES) if to_weight else (1, 0, 0)
    back = out, given, rows, of_batch, *lists
    spikes, inputs, is_sparse = _inputs(
        near_input, is_listed, weights, (batch, n_steps), n_tiles, to_spikes
    )
    none = inputs._replace(weight=inputs.weight[:0])

    def run(first: int, last: int) -> Array:
        into = zeros(shape_, out.dtype)
        found = aligned((n_tiles if to_spikes else 1, n_steps, LANES), out.dtype)
        if is_sparse or not to_spikes:
            by_tile.propagate_back(*back, into, found, inputs if to_spikes else none, first, last)
            return into
        for k in range(first, last):
            by_tile.propagate_back(*back, into, found, none, k, k + 1)
            _multiply(found, inputs, k)
        return into

    total = np.zeros(shape_, out.dtype)
    for partial in run_in_threads(run, groups(batch, int(np.prod(shape_)), _GROUPS, 1)):
        total += partial
    by_weight = untiled(total.reshape(-1), weight.shape[1]) if to_weight else total[0]
    return torch.from_numpy(np.ascontiguousarray(by_weight)), spikes, by_parameters, by_norm


def _inputs(
    near: torch.Tensor | None,
    is_listed: bool,
    weights: Array,
    shape: tuple[int, int],
    n_tiles: int,
    to_spikes: bool,
) -> tuple[torch.Tensor, by_tile.Inputs, bool]:
    """Make room for the gradients of the input spikes, and return whether only few of them are near their threshold."""
    bits = bits_of(_NO_BITS if near is None else near)
    found_at = spike_gradients.places_of(bits)
    n_cells = shape[0] * shape[1] * len(weights)
    is_sparse = near is not None and found_at[-1] < spike_gradients.SPARSE_STEPS * n_cells
    all_, few = (0, 0, 0), (0,)
    if to_spikes:
        all_, few = (
            ((0, 0, 0), (int(found_at[-1]),)) if is_listed else ((*shape, len(weights)), (0,))
        )
    spikes, listed = (empty(size, torch.from_numpy(weights)) for size in (all_, few))
    padded = zeros((len(weights), n_tiles * LANES), weights.dtype)
    padded[:, : weights.shape[1]] = weights
    inputs = by_tile.Inputs(padded, bits, found_at, array(spikes), array(listed))
    return listed if is_listed else spikes, inputs, is_sparse


def _multiply(gradient: Array, inputs: by_tile.Inputs, k: int) -> None:
    """Multiply the gradients (tile, step, 32) of sample k by weights, as dense matrices."""
    product = gradient.transpose(1, 0, 2).reshape(gradient.shape[1], -1) @ inputs.weight.T
    if inputs.spikes.size:
        inputs.spikes[k] = product
    else:
        one = slice(k, k + 1)
        given = product[None], inputs.near[one], inputs.places[one], inputs.listed
        spike_gradients.gather_near(*given, 0, 1)


def _tiled(rows: Array) -> Array:
    """Arrange rows (row, unit) in tiles (tile, row, 32)."""
    return tiled(rows).reshape(-1, len(rows), LANES)
