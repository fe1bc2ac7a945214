"""The kernels on a CPU: compiled loops, shared among threads; :mod:`spikebench.kernels.operators` calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import events as event_loops
from spikebench.kernels.cpu import leaky_back, neurons, recurrent_delays, scans
from spikebench.kernels.cpu.arrays import Cells, array, arrays, bits_of, events_of, zeros
from spikebench.kernels.cpu.launch_events import check_events as check_events
from spikebench.kernels.cpu.launch_events import delayed_linear as delayed_linear
from spikebench.kernels.cpu.launch_events import delayed_linear_backward as delayed_linear_backward
from spikebench.kernels.cpu.launch_events import event_linear as event_linear
from spikebench.kernels.cpu.launch_events import event_linear_backward as event_linear_backward
from spikebench.kernels.cpu.launch_events import first_in_cell as first_in_cell
from spikebench.kernels.cpu.launch_near import everywhere, places_of
from spikebench.kernels.cpu.launch_near import gather_near as gather_near
from spikebench.kernels.cpu.launch_near import near_spikes_gradient as near_spikes_gradient
from spikebench.kernels.cpu.launch_near import spikes_gradient as spikes_gradient
from spikebench.kernels.cpu.launch_readout import readout as readout
from spikebench.kernels.cpu.launch_readout import readout_backward as readout_backward
from spikebench.kernels.cpu.memory import aligned, empty
from spikebench.kernels.cpu.neurons import SUPPORTED as SUPPORTED
from spikebench.kernels.cpu.simd import LANES
from spikebench.kernels.cpu.spike_lists import spike_lists
from spikebench.kernels.cpu.threads import PIECE, groups, pieces, run_in_threads
from spikebench.kernels.cpu.tiles import tiles, untiled
from spikebench.kernels.neuron import Settings
from spikebench.kernels.scan import STATE_ROWS, Layer
from spikebench.kernels.spikes import near_shape

_PANEL = 8192  # numbers in a block of weights: small products need no copies and are faster
_BLOCK_BYTES = 1 << 18  # of gradients that stay in the cache until they are added to the weights
_PARAMETERS = 5  # counted among them, of α and the neuron: fixed, so that all neurons get the same groups of samples

_Back = Callable[[NDArray[Any], int, scans.Gradients, int, int], None]


def scan(
    current: torch.Tensor,
    events: Cells,
    layer: Layer,
    state: torch.Tensor,
    n_steps: int,
    settings: Settings,
    keep: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, ...]:
    """Run neurons: offsets, bins, units, membranes, synapses, adaptation, state (empty unless requested)."""
    return _scan(current, events, layer, state, n_steps, settings, keep, False)[:7]


def scan_near(
    current: torch.Tensor,
    events: Cells,
    layer: Layer,
    state: torch.Tensor,
    n_steps: int,
    settings: Settings,
    keep: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, ...]:
    """Run neurons, see :func:`scan`, and list the units near their threshold and their surrogate derivatives.

    Two more results: :attr:`spikebench.kernels.spikes.Spikes.near` and, in its order, a derivative for each unit.
    """
    return _scan(current, events, layer, state, n_steps, settings, keep, True)


def _scan(
    current: torch.Tensor,
    events: Cells,
    layer: Layer,
    state: torch.Tensor,
    n_steps: int,
    settings: Settings,
    keep: tuple[bool, bool, bool],
    keep_near: bool,
) -> tuple[torch.Tensor, ...]:
    batch, _, n = state.shape
    kept = [empty((batch, n_steps, n) if wanted else (0, 0, 0), state) for wanted in keep]
    near_size = near_shape((batch, n_steps, n)) if keep_near else (0, 0, 0)
    near = empty(near_size, torch.empty(0, dtype=torch.int32))
    end = empty(state.shape, state)  # contiguous, whatever the layout of ``state``
    counts = np.zeros((batch, n_steps), np.int32)
    weight, decay_syn, recurrent, current_, state_, end_ = arrays(
        layer.weight,
        layer.decay_syn,
        layer.recurrent,
        current,
        state,
        end,
    )
    neuron, lists, room = _neuron(layer, settings), events_of(events), scans.Kept(*arrays(*kept))
    late, close = _late(layer), scans.Near(bits_of(near), np.zeros(batch, np.int64))

    def run(first: int, last: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
        own = array(empty((1, n_steps if len(weight) else 0, n), state))
        found, derivatives = array(empty((2, n_steps * n), state))
        units, slopes = scans.scan_forward(
            own,
            current_,
            lists,
            weight,
            decay_syn,
            recurrent,
            late,
            neuron,
            state_,
            room,
            close,
            end_,
            counts,
            found.view(np.int32),
            derivatives,
            first,
            last,
        )
        return units.copy(), slopes.copy()  # the memory of both lists is used again

    parts = pieces(batch)
    lists_of_pieces = run_in_threads(run, parts)
    fired = spike_lists([units for units, _ in lists_of_pieces], parts, counts)
    slopes = empty((sum(slopes.size for _, slopes in lists_of_pieces),), state)
    if lists_of_pieces:
        np.concatenate([slopes for _, slopes in lists_of_pieces], out=array(slopes))
    return (*fired, *kept, end, near, slopes)


def scan_backward(
    grads: tuple[torch.Tensor, torch.Tensor],
    kept: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    spikes: Cells,
    events: Cells,
    layer: Layer,
    state: torch.Tensor,
    settings: Settings,
    wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through a scan, from the gradients of spikes and membranes (empty where there are none).

    Returns the gradients of the current, the weights and the recurrent weights (empty unless requested), and of α
    and the parameters per unit.
    """
    back = _from_membranes(grads, kept, (spikes, events), layer, state, settings, wanted[2])
    return _scan_backward(back, layer, state, kept[0].shape[1], settings, wanted)


def scan_backward_near(
    grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    kept: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    near: tuple[torch.Tensor, torch.Tensor],
    spikes: Cells,
    events: Cells,
    layer: Layer,
    state: torch.Tensor,
    n_steps: int,
    settings: Settings,
    wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through a scan, see :func:`scan_backward`, also from the gradients of near spikes, a list.

    ``near`` are the last results of :func:`scan_near`. Without membranes, the gradients of α and the parameters are 0:
    they must not be used.
    """
    of_spikes, of_membranes, of_near = grads
    if kept[0].numel():
        if of_near.numel():
            of_spikes = everywhere(of_near, near[0], of_spikes, tuple(kept[0].shape))
        asked = of_spikes, of_membranes
        return scan_backward(asked, kept, spikes, events, layer, state, settings, wanted)
    back = _from_near((of_near, of_spikes), near, (spikes, events), layer, state, n_steps, settings)
    return _scan_backward(back, layer, state, n_steps, settings, wanted)


def _scan_backward(
    back: _Back,
    layer: Layer,
    state: torch.Tensor,
    n_steps: int,
    settings: Settings,
    wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Run the loops of a scan back on all samples, and add their gradients."""
    batch, _, n = state.shape
    to_current, to_weight, to_recurrent = wanted
    grad_current = empty((batch, n_steps, n) if to_current else (0, 0, 0), state)
    out = array(grad_current)
    shapes = (
        layer.weight.shape if to_weight else (0, 0, 0),
        layer.recurrent.shape if to_recurrent else (0, 0, 0),
        (tiles(n) * int(neurons.SUMS),),
    )
    n_numbers = sum(int(np.prod(shape)) for shape in shapes[:2]) + _PARAMETERS * n
    n_block = max(min(_BLOCK_BYTES // (PIECE * max(n, 1) * out.itemsize), n_steps), 1)
    parts = groups(batch, n_numbers)
    partials = [array(empty((len(parts), _padded(shape)), state)) for shape in shapes]

    def run(first: int, last: int) -> None:
        block = aligned((PIECE * n_block if to_weight or to_recurrent else 0, n), out.dtype)
        weights, recurrents, sums = _rows(partials, shapes, parts.index((first, last)))
        for partial in (weights, recurrents, sums):
            partial[...] = 0
        if layer.late is not None and to_recurrent:
            recurrents = recurrents.reshape(1, -1, n)
        into = scans.Gradients(out, weights, recurrents, sums)
        for begin, end in pieces(last - first):
            rows = block[: (end - begin) * n_block]
            back(rows, n_block, into, first + begin, first + end)

    run_in_threads(run, parts)
    totals = [np.zeros(shape, out.dtype) for shape in shapes]
    for group in range(len(parts)):
        for total, partial in zip(totals, _rows(partials, shapes, group), strict=True):
            total += partial
    rows = untiled(totals[2], n)
    totals[2] = neurons.by_parameters(rows, array(layer.parameters), settings)
    to_weights, to_recurrents, to_parameters = (torch.from_numpy(total) for total in totals)
    return grad_current, to_weights, to_recurrents, to_parameters


def _padded(shape: tuple[int, ...]) -> int:
    """Return the size of an array in a row of arrays that all begin on a cache line."""
    return -(-int(np.prod(shape)) // LANES) * LANES


def _rows(
    arrays: list[NDArray[Any]], shapes: tuple[tuple[int, ...], ...], number: int
) -> list[NDArray[Any]]:
    return [
        array[number, : int(np.prod(shape))].reshape(shape)
        for array, shape in zip(arrays, shapes, strict=True)
    ]


def _from_membranes(
    grads: tuple[torch.Tensor, torch.Tensor],
    kept: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    lists: tuple[Cells, Cells],
    layer: Layer,
    state: torch.Tensor,
    settings: Settings,
    to_recurrent: bool,
) -> _Back:
    """Prepare the scan back that reads membranes."""
    asked, was = scans.Asked(*arrays(*grads)), scans.Kept(*arrays(*kept))
    neuron, late, own = _neuron(layer, settings), _late(layer), events_of(lists[0])
    if to_recurrent and late.size:
        past = array(state[:, STATE_ROWS:])
        own = event_loops.Events(*recurrent_delays.list_arrivals(own, late, past, kept[0].shape[1]))
    recurrent = array(layer.recurrent)
    events = events_of(lists[1])
    given = (asked, was, own, events, recurrent, _panels(recurrent), late, neuron)
    state_ = array(state)

    def back(
        block: NDArray[Any], n_block: int, into: scans.Gradients, first: int, last: int
    ) -> None:
        order = _order(own, events, first, last, lists[0][1])
        scans.scan_backward(*given, state_, block, n_block, order, into, first, last)

    return back


def _from_near(
    grads: tuple[torch.Tensor, torch.Tensor],
    near: tuple[torch.Tensor, torch.Tensor],
    lists: tuple[Cells, Cells],
    layer: Layer,
    state: torch.Tensor,
    n_steps: int,
    settings: Settings,
) -> _Back:
    """Prepare the scan back that needs the units near their threshold only; gradients of near and of all spikes."""
    slopes, asked, everywhere = arrays(near[1], *grads)
    cells = leaky_back.NearCells(bits_of(near[0]), places_of(near[0]), slopes, asked, everywhere)
    recurrent = array(layer.recurrent)
    padded = zeros((*recurrent.shape[:2], tiles(recurrent.shape[2]) * LANES), recurrent.dtype)
    padded[:, :, : recurrent.shape[2]] = recurrent
    own, events = events_of(lists[0]), events_of(lists[1])
    given = (cells, own, events, padded, _panels(padded))
    neuron, state_ = _neuron(layer, settings), array(state)

    def back(
        block: NDArray[Any], n_block: int, into: scans.Gradients, first: int, last: int
    ) -> None:
        order = _order(own, events, first, last, lists[0][1])
        leaky_back.scan_back_leaky(
            *given, neuron, state_, n_steps, block, n_block, order, into, first, last
        )

    return back


def _order(
    spikes: event_loops.Events,
    events: event_loops.Events,
    first: int,
    last: int,
    like: torch.Tensor,
) -> NDArray[np.int32]:
    """Make room for as many events as some samples have."""
    sizes = [
        int(lists.offsets[last] - lists.offsets[first])
        for lists in (spikes, events)
        if len(lists.offsets) > last
    ]
    order: NDArray[np.int32] = array(empty((max(sizes),), like))
    return order


def _neuron(layer: Layer, settings: Settings) -> neurons.Neuron:
    decay_syn, parameters = arrays(layer.decay_syn, layer.parameters)
    return neurons.layer(decay_syn, parameters, parameters[:0], settings)


def _late(layer: Layer) -> NDArray[np.int64]:
    """Return the whole steps of recurrent delays; empty if there are none."""
    return np.empty(0, np.int64) if layer.late is None else array(layer.late)


def _panels(recurrent: NDArray[Any]) -> NDArray[Any]:
    """Split transposed recurrent weights into blocks of columns, the last one padded with zeros."""
    n_taps, n, n_to = recurrent.shape
    width = max(min(_PANEL // max(n, 1), 64, n) // 16 * 16, 16)
    n_panels = -(-n // width)
    panels = zeros((n_taps, n_panels, n_to, width), recurrent.dtype)
    for p in range(n_panels):
        columns = recurrent[:, p * width : (p + 1) * width]  # (tap, to, from): rec = λ·Vᵀ
        panels[:, p, :, : columns.shape[1]] = columns.transpose(0, 2, 1)
    return panels
