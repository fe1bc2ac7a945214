"""Feed-forward layers with given currents on a CPU; :mod:`spikebench.kernels.feed_forward` calls these functions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import feed_forward as loops
from spikebench.kernels.cpu import neurons
from spikebench.kernels.cpu.arrays import array, bits_of
from spikebench.kernels.cpu.memory import aligned, empty
from spikebench.kernels.cpu.spike_gradients import places_of
from spikebench.kernels.cpu.spike_lists import spike_lists
from spikebench.kernels.cpu.threads import pieces, run_in_threads
from spikebench.kernels.cpu.tiles import tiles, untiled
from spikebench.kernels.neuron import COMPACT, Settings

_UNITS = torch.empty(0, dtype=torch.int32)
SAMPLES = 4  # of a piece: the fewer, the less a thread waits for the last piece of another

Array = NDArray[Any]


class Layer(NamedTuple):
    """Parameters of a layer: ``decay_syn`` (unit), ``parameters`` (parameter, unit), ``norm`` (4 or 0, unit).

    Rows of ``norm``: γ, β, the mean and 1/the deviation.
    """

    decay_syn: torch.Tensor
    parameters: torch.Tensor
    norm: torch.Tensor


def moments(current: torch.Tensor) -> torch.Tensor:
    """Compute means and variances of currents (batch, time, unit) per unit: float64, shape (2, unit)."""
    given = array(current)
    n = given.shape[2]

    def add(first: int, last: int) -> NDArray[np.float64]:
        sums = np.zeros((2, n))
        loops.add_moments(given, sums[0], sums[1], first, last)
        return sums

    total = sum(run_in_threads(add, pieces(len(given))), np.zeros((2, n)))
    return moments_of(total, given.shape[0] * given.shape[1])


def moments_of(sums: NDArray[np.float64], n_values: int) -> torch.Tensor:
    """Compute means and variances from the sums of values and of their squares (2, unit)."""
    mean, square = sums / n_values
    return torch.from_numpy(np.stack([mean, np.maximum(square - mean * mean, 0)]))


def scan(
    current: torch.Tensor,
    layer: Layer,
    state: torch.Tensor,
    settings: Settings,
    keep_membranes: bool,
) -> tuple[torch.Tensor, ...]:
    """Run neurons: offsets, bins, units, membranes (empty unless requested), units near their threshold, state.

    The latter are bits, int32 (batch, time, tile), for surrogates that are 0 far from it; empty for others. Currents
    are (batch, time, unit), or tiled: (batch, tile, time, 32).
    """
    is_tiled = current.ndim > 3
    (batch, _, n), n_steps = state.shape, current.shape[2 if is_tiled else 1]
    membranes = empty((batch, n_steps, n) if keep_membranes else (0, 0, 0), state)
    end = empty(state.shape, state)
    counts = np.zeros((batch, n_steps), np.int32)
    given, state_, membranes_, end_ = map(array, (current, state, membranes, end))
    end_[...] = state_
    neuron = _neuron(layer, settings)
    n_tiles = tiles(neuron.n)
    is_compact = settings.surrogate in COMPACT
    close = empty((batch, n_steps, n_tiles) if is_compact else (0, 0, 0), _UNITS)
    near = bits_of(close)

    def run(first: int, last: int) -> NDArray[np.int32]:
        room = empty(((last - first) * n_steps * neuron.n // 4 + 1024,), _UNITS)
        units: NDArray[np.int32] = loops.run(
            *(neuron, given.ravel(), is_tiled, state_, membranes_),
            *(near, end_, counts, room.numpy(), first, last),
        )
        return units

    parts = pieces(batch, SAMPLES)
    spikes = spike_lists(run_in_threads(run, parts), parts, counts)
    return *spikes, membranes, close, end


def scan_backward(
    grads: tuple[torch.Tensor, torch.Tensor],
    current: torch.Tensor,
    layer: Layer,
    state: torch.Tensor,
    settings: Settings,
    of_batch: bool,
    wanted: tuple[bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through a scan, from the gradients of spikes and membranes (empty where there are none).

    Returns the gradients of the current and of α and the parameters (both empty unless requested), and of ``norm``.
    With ``of_batch``, its mean and deviation are those of the current.
    """
    to_current, to_parameters = wanted
    gradient, by_parameters, by_norm = neuron_gradients(
        grads, current, layer, state, settings, to_parameters
    )
    if not to_current:
        return gradient.new_empty(0, 0, 0), by_parameters, by_norm
    if len(layer.norm):
        given, out = array(current), array(gradient)
        rows = by_current(layer, by_norm, given.shape[0] * given.shape[1])
        run_in_threads(
            lambda first, last: loops.normalise_back(out, given, rows, of_batch, first, last),
            pieces(len(given)),
        )
    return gradient, by_parameters, by_norm


def neuron_gradients(
    grads: tuple[torch.Tensor, torch.Tensor],
    current: torch.Tensor,
    layer: Layer,
    state: torch.Tensor,
    settings: Settings,
    to_parameters: bool,
    near: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through neurons: gradients of normalised currents, of α and the parameters, and of ``norm``.

    Currents and their gradients may be tiled, as in :func:`scan`. ``near``: units near their threshold, and the
    gradients of their spikes in the place of those of all spikes, as a list.
    """
    is_tiled = current.ndim > 3
    (batch, _, n), n_steps = state.shape, current.shape[2 if is_tiled else 1]
    normalises = len(layer.norm) > 0
    gradient = empty(tuple(current.shape), current)
    given, state_, out, by_spikes, by_membranes = map(array, (current, state, gradient, *grads))
    if near is None:
        near = torch.empty((0, 0, 0), dtype=torch.int32), current.new_empty(0)
    bits, listed = bits_of(near[0]), array(near[1])
    asked = by_spikes, bits, places_of(bits), listed, by_membranes
    neuron = _neuron(layer, settings)
    n_sums = tiles(n) * int(neurons.SUMS)

    def run(first: int, last: int) -> Array:
        cells = aligned(((n_steps + 1) * int(neurons.CELLS),), out.dtype)
        sums = np.zeros(n_sums, out.dtype)
        loops.run_back(
            *(neuron, given.ravel(), is_tiled, state_, n_steps, *asked, cells, out.ravel(), sums),
            *(to_parameters, normalises, first, last),
        )
        return sums

    total = np.zeros(n_sums, out.dtype)
    for partial in run_in_threads(run, pieces(batch, SAMPLES)):
        total += partial
    rows = untiled(total, n)
    by_norm = np.zeros(tuple(layer.norm.shape), out.dtype)
    by_norm[:2] = rows[len(neurons.NEURON) :][: len(by_norm)]
    by_parameters = neurons.by_parameters(rows, array(layer.parameters), settings)
    return gradient, torch.from_numpy(by_parameters), torch.from_numpy(by_norm)


def by_current(layer: Layer, by_norm: torch.Tensor, n_values: int) -> Array:
    """Compute the rows with which gradients of normalised currents become those of currents: r, s, γ·r, two means."""
    gamma, _, mean, scale = array(layer.norm)
    by_gamma, by_beta = array(by_norm)[:2] / max(n_values, 1)
    rows = np.stack([scale, -mean * scale, gamma * scale, by_beta, by_gamma])
    return rows.astype(gamma.dtype)


def _neuron(layer: Layer, settings: Settings) -> neurons.Neuron:
    p = array(layer.parameters)
    one, none = np.ones(p.shape[1], p.dtype), np.zeros(p.shape[1], p.dtype)
    normalisation = np.stack([one, none, one, none])  # r, s, γ, β
    if len(layer.norm):
        gamma, beta, mean, scale = array(layer.norm)
        normalisation = np.stack([scale, -mean * scale, gamma, beta])
    made = neurons.layer(array(layer.decay_syn), p, normalisation, settings)
    return neurons.without_zeros(made)
