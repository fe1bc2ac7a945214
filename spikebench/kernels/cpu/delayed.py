"""The loops of connections with delays: an event arrives at two steps, whatever the longest delay is.

::

    x[t + d] += near, x[t + d + 1] += far    for every event at t: near = w·(1 − f), far = w·f, delay d + f

The delays of an input differ from neuron to neuron, so currents are summed neuron by neuron: a row of all steps of some
samples stays in the cache while the events of one input after the other are added to it. A sample has ``width`` places
in a row: an empty one, its steps, and room for what arrives after the last step. Events are sorted by their inputs, so
weights and delays are read once.

Weights and delays have one row per neuron; neurons are processed side by side, so there are a multiple of :data:`SIDE`.
Indices are unsigned because numba checks signed ones for values below 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.kernels.cpu.compiling import Floats, compiled
from spikebench.kernels.cpu.events import Events
from spikebench.kernels.cpu.pairs import add_pair

SIDE = 4  # neurons
_CHUNK = 32  # neurons whose currents or gradients are in memory at a time: a multiple of SIDE

_CACHE_BYTES = 1 << 15  # for the rows of currents of neurons that are processed side by side

Places = NDArray[np.uint32]
Starts = NDArray[np.uint64]


class Connections(NamedTuple):
    """Weights of the two steps of arrival, and whole steps of delay; each (neuron, input)."""

    near: Floats
    far: Floats
    steps: Places


def samples(width: int, number_bytes: int) -> int:
    """Return the number of samples, of ``width`` places each, that are processed together."""
    return max(_CACHE_BYTES // (2 * SIDE * number_bytes * width), 1)


@compiled
def sort_by_input(
    events: Events, n_inputs: int, width: int, first: int, last: int
) -> tuple[Starts, Places]:
    """Sort events of samples; input i has the places starts[i] … starts[i + 1]."""
    offsets, bins, units = events
    starts = np.zeros(n_inputs + 2, np.uint64)
    places = np.empty(offsets[last] - offsets[first], np.uint32)
    for e in range(offsets[first], offsets[last]):
        starts[units[e] + 2] += np.uint64(1)
    for i in range(n_inputs):
        starts[i + 2] += starts[i + 1]
    for k in range(first, last):
        for e in range(offsets[k], offsets[k + 1]):
            i = units[e] + 1
            places[starts[i]] = (k - first) * width + 1 + bins[e]
            starts[i] += np.uint64(1)
    return starts, places


@compiled
def add_currents(
    events: Events,
    connections: Connections,
    width: int,
    current: Floats,
    first: int,
    last: int,
) -> None:
    """current[k, t + d] += near, current[k, t + d + 1] += far; current need not be initialised."""
    near, far, steps = connections
    n_inputs = near.shape[1]
    n_steps, n = current.shape[1:]
    starts, places = sort_by_input(events, n_inputs, width, first, last)
    sums = np.empty((_CHUNK, (last - first) * width, 2), current.dtype)
    for begin in range(0, n, _CHUNK):
        end = min(begin + _CHUNK, n)
        sums[:] = 0
        for h in range(begin, end, SIDE):
            g = h - begin
            s0, s1, s2, s3 = sums[g], sums[g + 1], sums[g + 2], sums[g + 3]
            for i in range(n_inputs):
                a0, a1, a2, a3 = near[h, i], near[h + 1, i], near[h + 2, i], near[h + 3, i]
                b0, b1, b2, b3 = far[h, i], far[h + 1, i], far[h + 2, i], far[h + 3, i]
                d0, d1, d2, d3 = steps[h, i], steps[h + 1, i], steps[h + 2, i], steps[h + 3, i]
                for e in range(starts[i], starts[i + 1]):
                    place = places[e]
                    add_pair(s0, place + d0, a0, b0)
                    add_pair(s1, place + d1, a1, b1)
                    add_pair(s2, place + d2, a2, b2)
                    add_pair(s3, place + d3, a3, b3)
        for k in range(first, last):
            for t in range(n_steps):
                place = (k - first) * width + 1 + t
                for h in range(begin, end):
                    current[k, t, h] = sums[h - begin, place, 0] + sums[h - begin, place - 1, 1]


@compiled
def spread_gradients(
    events: Events,
    connections: Connections,
    width: int,
    gradient: Floats,
    at_near: Floats,
    at_far: Floats,
    to_spikes: Floats,
    first: int,
    last: int,
) -> None:
    """Compute gradients from those of the currents.

    at_near += Σ gradient[k, t + d], at_far += Σ gradient[k, t + d + 1] over the events; both (neuron, input). And
    to_spikes[k, t] = Σ near·gradient[k, t + d] + far·gradient[k, t + d + 1] over the neurons, at every step.
    Outputs of size 0 are left out.
    """
    near, far, steps = connections
    n_inputs = near.shape[1]
    n_steps, n = gradient.shape[1:]
    n_places = (last - first) * width
    starts, places = sort_by_input(events, n_inputs, width, first, last)
    rows = np.zeros((_CHUNK, n_places + width), gradient.dtype)
    spikes = np.zeros((n_inputs if to_spikes.size else 0, n_places), gradient.dtype)
    for begin in range(0, n, _CHUNK):
        end = min(begin + _CHUNK, n)
        for h in range(end - begin, _CHUNK):
            rows[h] = 0
        for k in range(first, last):
            for t in range(n_steps):
                place = (k - first) * width + 1 + t
                for h in range(begin, end):
                    rows[h - begin, place] = gradient[k, t, h]
        for h in range(begin, end, SIDE):
            if at_near.size:
                _sum_at_events(starts, places, steps, rows, begin, h, at_near, at_far)
        for i in range(len(spikes)):
            for h in range(begin, end, SIDE):
                _add_later(spikes[i], near, far, steps, rows, begin, h, i)
    for k in range(first, last if to_spikes.size else first):
        for t in range(n_steps):
            place = (k - first) * width + 1 + t
            for i in range(n_inputs):
                to_spikes[k, t, i] = spikes[i, place]


@compiled
def _sum_at_events(
    starts: Starts,
    places: Places,
    steps: Places,
    rows: Floats,
    begin: int,
    h: int,
    at_near: Floats,
    at_far: Floats,
) -> None:
    """Sum the gradients of neurons side by side, the first is h, where events arrive."""
    g = h - begin
    g0, g1, g2, g3 = rows[g], rows[g + 1], rows[g + 2], rows[g + 3]
    zero = rows.dtype.type(0)
    one = np.uint32(1)
    for i in range(steps.shape[1]):
        d0, d1, d2, d3 = steps[h, i], steps[h + 1, i], steps[h + 2, i], steps[h + 3, i]
        near0, near1, near2, near3 = zero, zero, zero, zero
        far0, far1, far2, far3 = zero, zero, zero, zero
        for e in range(starts[i], starts[i + 1]):
            place = places[e]
            near0 += g0[place + d0]
            far0 += g0[place + d0 + one]
            near1 += g1[place + d1]
            far1 += g1[place + d1 + one]
            near2 += g2[place + d2]
            far2 += g2[place + d2 + one]
            near3 += g3[place + d3]
            far3 += g3[place + d3 + one]
        at_near[h, i] += near0
        at_near[h + 1, i] += near1
        at_near[h + 2, i] += near2
        at_near[h + 3, i] += near3
        at_far[h, i] += far0
        at_far[h + 1, i] += far1
        at_far[h + 2, i] += far2
        at_far[h + 3, i] += far3


@compiled
def _add_later(
    into: Floats,
    near: Floats,
    far: Floats,
    steps: Places,
    rows: Floats,
    begin: int,
    h: int,
    i: int,
) -> None:
    """Add the gradients of neurons side by side, the first is h, at the steps when spikes of input i arrive."""
    a0, a1, a2, a3 = near[h, i], near[h + 1, i], near[h + 2, i], near[h + 3, i]
    b0, b1, b2, b3 = far[h, i], far[h + 1, i], far[h + 2, i], far[h + 3, i]
    d0, d1 = np.int64(steps[h, i]), np.int64(steps[h + 1, i])
    d2, d3 = np.int64(steps[h + 2, i]), np.int64(steps[h + 3, i])
    g = h - begin
    g0, g1, g2, g3 = rows[g, d0:], rows[g + 1, d1:], rows[g + 2, d2:], rows[g + 3, d3:]
    for p in range(into.size):
        into[p] += ((a0 * g0[p] + b0 * g0[p + 1]) + (a1 * g1[p] + b1 * g1[p + 1])) + (
            (a2 * g2[p] + b2 * g2[p + 1]) + (a3 * g3[p] + b3 * g3[p + 1])
        )
