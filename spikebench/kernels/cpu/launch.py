"""The kernels on a CPU: compiled loops, shared among threads; :mod:`spikebench.kernels.operators` calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import (
    delayed,
    leaky_back,
    neurons,
    readouts,
    recurrent_delays,
    scans,
    spike_gradients,
)
from spikebench.kernels.cpu import events as event_loops
from spikebench.kernels.cpu.memory import aligned, empty
from spikebench.kernels.cpu.neurons import SUPPORTED as SUPPORTED
from spikebench.kernels.cpu.simd import LANES
from spikebench.kernels.cpu.spike_lists import spike_lists
from spikebench.kernels.cpu.threads import PIECE, pieces, run_in_threads
from spikebench.kernels.cpu.tiles import tiles, untiled
from spikebench.kernels.delays import split_delays
from spikebench.kernels.neuron import Settings
from spikebench.kernels.scan import REDUCTIONS, STATE_ROWS, Layer
from spikebench.kernels.spikes import near_shape

_PANEL = 8192  # numbers in a block of weights: small products need no copies and are faster
_BLOCK_BYTES = 1 << 18  # of gradients that stay in the cache until they are added to the weights
_READOUT_SAMPLES = 8  # of a piece
_MOST_PARTIALS = 8  # gradients that are summed at the end
_PARTIAL_NUMBERS = 1 << 24  # in all of them
_PARAMETERS = 5  # counted among them, of α and the neuron: fixed, so that all neurons get the same groups of samples

Cells = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # offsets, bins, units
_Back = Callable[[NDArray[Any], int, scans.Gradients, int, int], None]


def check_events(
    offsets: torch.Tensor, bins: torch.Tensor, units: torch.Tensor, n_steps: int, n_units: int
) -> int:
    """Find events that would access memory out of bounds: 1 offsets, 2 a bin, 3 a unit, 4 not sorted; 0 if valid."""
    given = _arrays(offsets, bins, units)
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
    if event_loops.first_in_cell(*_arrays(offsets, bins, units), n_units, chosen) == bins.numel():
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
    given = _arrays(offsets, bins, units, weight, current)
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
    parts = _groups(len(grad), int(np.prod(shape)))
    lists, gradient = _arrays(offsets, bins, units), _array(grad)

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
    lists, out = _events((offsets, bins, units)), _array(current)
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
    lists, gradient, out = _events((offsets, bins, units)), *_arrays(grad, spikes)
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
    for partial in run_in_threads(run, _groups(batch, int(np.prod(shape)))):
        total += partial
    if not to_weight:
        return weight.new_empty(0), weight.new_empty(0), spikes
    _, part = split_delays(delay, n_taps)
    near, far = torch.from_numpy(total)[:, :n].transpose(1, 2)
    to_weights, to_delays = (1 - part) * near + part * far, weight * (far - near)
    return to_weights.contiguous(), to_delays.contiguous(), spikes


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
    weight, decay_syn, recurrent, current_, state_, end_ = _arrays(
        layer.weight,
        layer.decay_syn,
        layer.recurrent,
        current,
        state,
        end,
    )
    neuron, lists, room = _neuron(layer, settings), _events(events), scans.Kept(*_arrays(*kept))
    late, close = _late(layer), scans.Near(_bits(near), np.zeros(batch, np.int64))

    def run(first: int, last: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
        own = _array(empty((1, n_steps if len(weight) else 0, n), state))
        found, derivatives = _array(empty((2, n_steps * n), state))
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
        np.concatenate([slopes for _, slopes in lists_of_pieces], out=_array(slopes))
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
    out = _array(grad_current)
    shapes = (
        layer.weight.shape if to_weight else (0, 0, 0),
        layer.recurrent.shape if to_recurrent else (0, 0, 0),
        (tiles(n) * int(neurons.SUMS),),
    )
    n_numbers = sum(int(np.prod(shape)) for shape in shapes[:2]) + _PARAMETERS * n
    n_block = max(min(_BLOCK_BYTES // (PIECE * max(n, 1) * out.itemsize), n_steps), 1)
    groups = _groups(batch, n_numbers)
    partials = [_array(empty((len(groups), _padded(shape)), state)) for shape in shapes]

    def run(first: int, last: int) -> None:
        block = aligned((PIECE * n_block if to_weight or to_recurrent else 0, n), out.dtype)
        weights, recurrents, sums = _rows(partials, shapes, groups.index((first, last)))
        for partial in (weights, recurrents, sums):
            partial[...] = 0
        if layer.late is not None and to_recurrent:
            recurrents = recurrents.reshape(1, -1, n)
        into = scans.Gradients(out, weights, recurrents, sums)
        for begin, end in pieces(last - first):
            rows = block[: (end - begin) * n_block]
            back(rows, n_block, into, first + begin, first + end)

    run_in_threads(run, groups)
    totals = [np.zeros(shape, out.dtype) for shape in shapes]
    for group in range(len(groups)):
        for total, partial in zip(totals, _rows(partials, shapes, group), strict=True):
            total += partial
    rows = untiled(totals[2], n)
    totals[2] = neurons.by_parameters(rows, _array(layer.parameters), settings)
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
    asked, was = scans.Asked(*_arrays(*grads)), scans.Kept(*_arrays(*kept))
    neuron, late, own = _neuron(layer, settings), _late(layer), _events(lists[0])
    if to_recurrent and late.size:
        past = _array(state[:, STATE_ROWS:])
        own = event_loops.Events(*recurrent_delays.list_arrivals(own, late, past, kept[0].shape[1]))
    recurrent = _array(layer.recurrent)
    events = _events(lists[1])
    given = (asked, was, own, events, recurrent, _panels(recurrent), late, neuron)
    state_ = _array(state)

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
    slopes, asked, everywhere = _arrays(near[1], *grads)
    cells = leaky_back.NearCells(_bits(near[0]), _places(near[0]), slopes, asked, everywhere)
    recurrent = _array(layer.recurrent)
    padded = zeros((*recurrent.shape[:2], tiles(recurrent.shape[2]) * LANES), recurrent.dtype)
    padded[:, :, : recurrent.shape[2]] = recurrent
    own, events = _events(lists[0]), _events(lists[1])
    given = (cells, own, events, padded, _panels(padded))
    neuron, state_ = _neuron(layer, settings), _array(state)

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
    order: NDArray[np.int32] = _array(empty((max(sizes),), like))
    return order


def everywhere(
    listed: torch.Tensor, near: torch.Tensor, others: torch.Tensor, shape: tuple[int, ...]
) -> torch.Tensor:
    """Add the gradients of near spikes to those of all spikes, if there are any: (batch, time, unit)."""
    values = empty(shape, listed)
    if others.numel():
        values.copy_(others)
    else:
        values.zero_()
    given = _array(listed), _bits(near), _places(near), _array(values)
    run_in_threads(
        lambda first, last: spike_gradients.scatter_near(*given, first, last), pieces(len(values))
    )
    return values


def readout(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    decay: torch.Tensor,
    lengths: torch.Tensor,
    start: torch.Tensor,
    reduction: int,
    n_trace: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Integrate spikes and reduce: scores, trace of ``n_trace`` steps, steps of the maxima."""
    batch, n = lengths.numel(), weight.shape[1]
    scores, trace = weight.new_zeros(batch, n), weight.new_zeros(batch, n_trace, n)
    peaks = torch.zeros(batch, n, dtype=torch.int32)
    given = _arrays(offsets, bins, units, weight, decay, lengths, start)
    outs, one = _arrays(scores, trace, peaks), given[3].dtype.type(1)

    def run(first: int, last: int) -> None:
        readouts.readout_forward(*given, reduction, one, *outs, first, last)

    run_in_threads(run, pieces(batch, _READOUT_SAMPLES))
    return scores, trace, peaks


def readout_backward(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    decay: torch.Tensor,
    lengths: torch.Tensor,
    start: torch.Tensor,
    reduction: int,
    grad: torch.Tensor,
    trace: torch.Tensor,
    peaks: torch.Tensor,
    n_steps: int,
    near: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through a read-out: gradients of spikes, weights and decay.

    Those of spikes are a list if the units near their threshold are given.
    """
    batch, (n_units, n) = lengths.numel(), weight.shape
    if near is None:
        near, places = torch.empty((0, 0, 0), dtype=torch.int32), np.zeros(batch + 1, np.int64)
        shape: tuple[int, ...] = (batch, n_steps, n_units)
    else:
        places = _places(near)
        shape = (int(places[-1]),)
    grad_spikes = empty(shape, weight)
    given = _arrays(offsets, bins, units, weight, decay, lengths, start)
    is_trace = reduction == REDUCTIONS["trace"]
    none = weight.new_zeros(0, 0)
    first_grad = _array(none if is_trace else grad)
    whole_grad = _array(grad if is_trace else none[None])
    rest, out, bits = _arrays(trace, peaks), _array(grad_spikes), _bits(near)
    one, none_ = out.dtype.type(1), np.empty((0, 0, 0), out.dtype)
    into = (out, bits, none_.ravel(), places) if out.ndim == 3 else (none_, bits, out, places)

    def run(first: int, last: int) -> tuple[NDArray[Any], NDArray[Any]]:
        weights, decays = np.zeros((n_units, n), out.dtype), np.zeros(n, out.dtype)
        readouts.readout_backward(
            *given,
            reduction,
            one,
            first_grad,
            whole_grad,
            *rest,
            *into,
            weights,
            decays,
            first,
            last,
        )
        return weights, decays

    weights, decays = np.zeros((n_units, n), out.dtype), np.zeros(n, out.dtype)
    for one_weights, one_decays in run_in_threads(run, pieces(batch, _READOUT_SAMPLES)):
        weights += one_weights
        decays += one_decays
    return grad_spikes, torch.from_numpy(weights), torch.from_numpy(decays)


def spikes_gradient(
    grad: torch.Tensor, weight: torch.Tensor, near: torch.Tensor | None
) -> torch.Tensor:
    """Compute the gradient of the input spikes of :func:`event_linear`; ``grad`` is the gradient of its currents.

    Where ``near`` (:attr:`spikebench.kernels.spikes.Spikes.near`) has few bits, only for these units; 0 for the others.
    """
    batch, n_steps, _ = grad.shape
    out = empty((batch, n_steps, weight.shape[1]), grad)
    taps = min(len(weight), n_steps)
    bits = _few_near(near, out)
    if bits is not None:
        given = _arrays(grad, weight, out)
        run_in_threads(
            lambda first, last: spike_gradients.propagate_to_near(*given, bits, first, last),
            pieces(batch),
        )
        return out
    transposed = [np.ascontiguousarray(_array(weight[s]).T) for s in range(taps)]
    gradient, to_spikes = _arrays(grad, out)

    def multiply(first: int, last: int) -> None:
        for k in range(first, last):
            np.matmul(gradient[k], transposed[0], out=to_spikes[k])
            for s in range(1, taps):
                to_spikes[k, : n_steps - s] += gradient[k, s:] @ transposed[s]

    run_in_threads(multiply, pieces(batch))
    return out


def _few_near(near: torch.Tensor | None, spikes: torch.Tensor) -> NDArray[np.uint32] | None:
    """Return the bits of ``near`` if so few are set that products unit by unit are faster for these spikes."""
    if near is None:
        return None
    bits = _bits(near)
    few = int(np.bitwise_count(bits).sum()) < spike_gradients.SPARSE_STEPS * spikes.numel()
    return bits if few else None


def near_spikes_gradient(
    grad: torch.Tensor, weight: torch.Tensor, near: torch.Tensor
) -> torch.Tensor:
    """Compute what :func:`spikes_gradient` computes for the units near their threshold, as a list."""
    places, bits = _places(near), _bits(near)
    out = empty((int(places[-1]),), grad)
    given, listed = _arrays(grad, weight), _array(out)
    n_cells = len(grad) * grad.shape[1] * weight.shape[1]
    if listed.size < spike_gradients.SPARSE_STEPS * n_cells:
        run_in_threads(
            lambda first, last: spike_gradients.list_gradients_near(
                *given, bits, places, listed, first, last
            ),
            pieces(len(grad)),
        )
        return out

    def gather(first: int, last: int) -> None:
        for k in range(first, last):
            dense = _array(spikes_gradient(grad[k : k + 1], weight, None))
            spike_gradients.gather_near(dense, bits[k : k + 1], places[k : k + 1], listed, 0, 1)

    run_in_threads(gather, pieces(len(grad)))
    return out


def gather_near(values: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """List the values (batch, time or 1, unit) of the units near their threshold."""
    places, given, bits = _places(near), _array(values), _bits(near)
    out = empty((int(places[-1]),), values)
    listed = _array(out)
    run_in_threads(
        lambda first, last: spike_gradients.gather_near(given, bits, places, listed, first, last),
        pieces(len(given)),
    )
    return out


def _bits(near: torch.Tensor) -> NDArray[np.uint32]:
    return _array(near).view(np.uint32)


def _places(near: torch.Tensor) -> NDArray[np.int64]:
    return spike_gradients.places_of(_bits(near))


def _neuron(layer: Layer, settings: Settings) -> neurons.Neuron:
    decay_syn, parameters = _arrays(layer.decay_syn, layer.parameters)
    return neurons.layer(decay_syn, parameters, parameters[:0], settings)


def _late(layer: Layer) -> NDArray[np.int64]:
    """Return the whole steps of recurrent delays; empty if there are none."""
    return np.empty(0, np.int64) if layer.late is None else _array(layer.late)


def _events(cells: Cells) -> event_loops.Events:
    return event_loops.Events(*_arrays(*cells))


def _connections(
    weight: torch.Tensor, delay: torch.Tensor, n_taps: int, n_steps: int
) -> tuple[delayed.Connections, int]:
    """Make the weights and delays of compiled loops, and the number of places of a sample."""
    whole, part = split_delays(delay, n_taps)
    rows = (0, 0, 0, -weight.shape[1] % delayed.SIDE)

    def by_neuron(tensor: torch.Tensor) -> NDArray[Any]:
        return _array(torch.nn.functional.pad(tensor.T, rows))

    steps = by_neuron(whole.clamp(max=n_steps)).astype(np.uint32)  # later, nothing arrives
    near, far = by_neuron(weight * (1 - part)), by_neuron(weight * part)
    return delayed.Connections(near, far, steps), 1 + n_steps + int(steps.max(initial=0))


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


def _groups(n_samples: int, n_numbers: int) -> list[tuple[int, int]]:
    """Split a batch into groups, each with ``n_numbers`` gradients of its own."""
    n_groups = min(_MOST_PARTIALS, max(_PARTIAL_NUMBERS // max(n_numbers, 1), 1))
    size = -(-n_samples // n_groups)
    return pieces(n_samples, max(-(-size // PIECE) * PIECE, 1))


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Make an array of zeros, aligned to a cache line."""
    array = aligned(shape, dtype)
    array[...] = 0
    return array


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().contiguous().numpy()
    return array


def _arrays(*tensors: torch.Tensor) -> tuple[NDArray[Any], ...]:
    return tuple(_array(tensor) for tensor in tensors)
