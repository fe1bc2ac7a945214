"""The kernels on a CUDA device: Triton's loops, and sorting, searching and matrix products by PyTorch.

:mod:`spikebench.kernels.operators` calls them, with the signatures of :mod:`spikebench.kernels.cpu.launch`. A scan
waits for the device once, to read the number of spikes; checks of events wait once as well. Unlike on a CPU, the
currents of weighted events and their gradients are stored. Sums are in a fixed order: the same input gives the
same bits on the same device.
"""
# Triton has no type annotations and is not always installed.
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from typing import Any

import torch
import triton

from spikebench.kernels.delays import split_delays
from spikebench.kernels.neuron import Settings
from spikebench.kernels.recurrent_delays import arrivals
from spikebench.kernels.scan import STATE_ROWS, Layer
from spikebench.kernels.triton import delayed
from spikebench.kernels.triton import loops as loops
from spikebench.kernels.triton.neurons import SUPPORTED

__all__ = [
    "SUPPORTED",
    "check_events",
    "delayed_linear",
    "delayed_linear_backward",
    "event_linear",
    "event_linear_backward",
    "first_in_cell",
    "readout",
    "readout_backward",
    "scan",
    "scan_backward",
    "spikes_gradient",
]

# Sizes of programs, powers of two.
_LANES = 256  # columns of a program that multiplies events by weights
_EVENTS = 16  # events whose rows are read at once
_FORWARD_BYTES = 32768  # recurrent weights of spikes that are read at once
_BACKWARD_BYTES = 16384  # in the backward pass, which loads as many in advance
_MOST_PARAMETERS = 4  # of a neuron: rows that a program reads
_CHAINS = 64  # lanes of a program without products
_NEURONS = 32  # of a program that adds events one after the other: one per thread
_PROGRAMS = 2048  # enough to fill a device
_MOST_PARTS = 16  # gradients that are summed at the end

Cells = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # offsets, bins, units


def check_events(
    offsets: torch.Tensor, bins: torch.Tensor, units: torch.Tensor, n_steps: int, n_units: int
) -> int:
    """See :func:`spikebench.kernels.cpu.launch.check_events`."""
    n = bins.numel()
    if units.numel() != n:
        return 1
    torn = (offsets[0] != 0) | (offsets[-1] != n) | (offsets.diff() < 0).any()
    begins = torch.zeros(n + 1, dtype=torch.bool, device=bins.device)
    begins[offsets.clamp(0, n)] = True
    codes = torch.zeros(n + 1, dtype=torch.uint8, device=bins.device)
    codes[1:n] = 4 * ((bins.diff() < 0) & ~begins[1:n])
    codes[:n].masked_fill_((units < 0) | (units >= n_units), 3)
    codes[:n].masked_fill_((bins < 0) | (bins >= n_steps), 2)
    first = (codes > 0).int().argmax()
    return int(codes.take(first).masked_fill(torn, 1))


def first_in_cell(
    offsets: torch.Tensor, bins: torch.Tensor, units: torch.Tensor, n_units: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keep one event per cell."""
    n = bins.numel()
    if n == 0:
        return offsets, bins, units
    rows = _rows(offsets, n)
    changes = torch.nn.functional.pad((rows.diff() != 0) | (bins.diff() != 0), (1, 0))
    keys, order = (changes.cumsum(0) * n_units + units).sort(stable=True)
    chosen = torch.empty(n, dtype=torch.bool, device=bins.device)
    chosen[order] = torch.nn.functional.pad(keys.diff() != 0, (1, 0), value=True)
    kept = chosen.nonzero()[:, 0]
    if len(kept) == n:
        return offsets, bins, units
    before = torch.nn.functional.pad(chosen.cumsum(0), (1, 0))
    return before[offsets], bins[kept], units[kept]


def event_linear(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    n_steps: int,
) -> torch.Tensor:
    """Multiply events by weights; see :func:`spikebench.kernels.operators.event_linear`."""
    n_taps, n_units, n = weight.shape
    batch = offsets.numel() - 1
    current = weight.new_empty(batch, n_steps, n)
    samples = torch.arange(batch, device=bins.device) << 32
    keys = (_rows(offsets, bins.numel()) << 32) + bins
    steps = torch.arange(n_steps + 1, device=bins.device)
    starts = torch.searchsorted(keys, samples[:, None] + steps)
    lanes = min(_power(n), _LANES)
    _launch(
        loops.add_currents,
        (batch * n_steps, triton.cdiv(n, lanes)),
        (starts, units, weight),
        (current,),
        *(n_taps, n_units, n_steps, n),
        EVENTS=_EVENTS,
        LANES=lanes,
        num_warps=_warps(_EVENTS * lanes),
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
    _, n_steps, n = grad.shape
    sorted_units, order = units.sort(stable=True)
    numbers = torch.arange(n_units + 1, dtype=units.dtype, device=units.device)
    starts = torch.searchsorted(sorted_units, numbers)
    cells = _rows(offsets, bins.numel()) * n_steps + bins
    lanes = min(_power(n), _LANES)
    n_blocks = triton.cdiv(n, lanes)
    n_programs = max(n_taps * n_units * n_blocks, 1)
    n_parts = min(triton.cdiv(_PROGRAMS, n_programs), _MOST_PARTS)
    parts = grad.new_empty(n_parts, n_taps, n_units, n)
    _launch(
        loops.add_weight_gradients,
        (n_units, n_taps * n_parts, n_blocks),
        (starts, cells[order], bins[order], grad),
        (parts,),
        *(n_taps, n_units, n_steps, n, shift, n_parts),
        EVENTS=_EVENTS,
        LANES=lanes,
        num_warps=_warps(_EVENTS * lanes),
    )
    return parts.sum(0)


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
    batch, n = offsets.numel() - 1, weight.shape[1]
    current = weight.new_zeros(batch, n_steps, n)
    _launch(
        delayed.add_delayed,
        (batch, triton.cdiv(n, _NEURONS)),
        (offsets, bins, units, *_connections(weight, delay, n_taps, n_steps)),
        (current,),
        *(n_steps, n),
        LANES=_NEURONS,
        num_warps=1,
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
    n_units = len(weight)
    connections = _connections(weight, delay, n_taps, n_steps)
    weights, delays, spikes = weight.new_empty(0), weight.new_empty(0), weight.new_empty(0, 0, 0)
    if wanted[0]:
        sorted_units, order = units.sort(stable=True)
        numbers = torch.arange(n_units + 1, dtype=units.dtype, device=units.device)
        starts = torch.searchsorted(sorted_units, numbers)
        cells = _rows(offsets, bins.numel()) * n_steps + bins
        lanes = min(_power(n), _LANES)
        n_blocks = triton.cdiv(n, lanes)
        n_parts = min(triton.cdiv(_PROGRAMS, max(n_units * n_blocks, 1)), _MOST_PARTS)
        parts = grad.new_empty(n_parts, 2, n_units, n)
        _launch(
            delayed.add_delayed_gradients,
            (n_units, n_parts, n_blocks),
            (starts, cells[order], bins[order], grad, connections[2]),
            (parts,),
            *(n_units, n_steps, n, n_parts),
            EVENTS=_EVENTS,
            LANES=lanes,
            num_warps=_warps(_EVENTS * lanes),
        )
        near, far = parts.sum(0)
        _, part = split_delays(delay, n_taps)
        weights, delays = (1 - part) * near + part * far, weight * (far - near)
    if wanted[1]:
        by_unit = grad.new_empty(batch, n_units, n_steps)
        lanes = min(_power(n_steps), _LANES)
        _launch(
            delayed.add_delayed_spikes,
            (batch * n_units, triton.cdiv(n_steps, lanes)),
            (grad.transpose(1, 2), *connections),
            (by_unit,),
            *(n_units, n_steps, n),
            NEURONS=_EVENTS,
            LANES=lanes,
            num_warps=_warps(_EVENTS * lanes),
        )
        spikes = by_unit.transpose(1, 2).contiguous()
    return weights, delays, spikes


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
    batch, n_rows, n = state.shape
    weight, decay_syn, parameters, recurrent, late = layer
    n_taps = len(recurrent)
    if len(weight):
        current = event_linear(*events, weight, n_steps)
    kept = [state.new_empty((batch, n_steps, n) if wanted else (0, 0, 0)) for wanted in keep]
    raster = torch.empty(batch, n_steps, n, dtype=torch.uint8, device=state.device)
    end = torch.empty(state.shape, dtype=state.dtype, device=state.device)
    lists = torch.empty(batch, n_taps + 1, n, dtype=torch.int32, device=state.device)
    lanes = _power(n)
    chunk = _chunk(lanes, _FORWARD_BYTES // state.element_size())
    _launch(
        loops.scan_forward,
        (batch,),
        (
            *(current, decay_syn, parameters, recurrent, _given(late, state)),
            *(state, _number(settings.threshold, state)),
        ),
        (*kept, raster, end, lists, torch.empty_like(lists[..., 0])),
        *(n_steps, n, n_rows, n_taps, len(parameters)),
        **{f"KEEPS_{name}": kept for name, kept in zip(("MEM", "SYN", "AD"), keep, strict=True)},
        EQUATIONS=settings.equations,
        RECURS=n_taps > 0,
        DELAYS=late is not None,
        RESET=settings.reset,
        CHUNK=chunk,
        LANES=lanes,
        num_warps=_warps(max(chunk, 16) * lanes),
        enable_fp_fusion=False,  # rounded as in PyTorch
    )
    n_past = n_rows - STATE_ROWS
    end[:, STATE_ROWS:] = torch.cat(
        [raster[:, -n_past:].flip(1), state[:, STATE_ROWS : max(n_rows - n_steps, STATE_ROWS)]], 1
    )
    _, bins, units = raster.nonzero(as_tuple=True)
    sizes = raster.sum((1, 2), dtype=torch.int64)
    offsets = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
    return (offsets, bins.int(), units.int(), *kept, end)


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
    """Propagate back through a scan; see :func:`spikebench.kernels.cpu.launch.scan_backward`."""
    weight, decay_syn, parameters, recurrent, late = layer
    grad_spikes, grad_membranes = grads
    batch, n_steps, n = kept[0].shape
    n_rows, n_taps = state.shape[1], len(recurrent)
    numbers = (_number(settings.threshold, state), _number(settings.slope, state))
    lanes = _power(n)
    chunk = _chunk(lanes, _BACKWARD_BYTES // state.element_size())
    n_programs = triton.cdiv(batch, 2)
    grad_current = torch.empty(kept[0].shape, dtype=state.dtype, device=state.device)
    grad_decays = state.new_empty(n_programs, 1 + _MOST_PARAMETERS, n)
    products = state.new_empty(1 if late is None else n_taps * grad_current.numel())
    _launch(
        loops.scan_backward,
        (n_programs,),
        (
            *(grad_spikes, grad_membranes, *kept, decay_syn, parameters),
            *(recurrent.transpose(1, 2), _given(late, state), state, *numbers),
        ),
        (grad_current, grad_decays, products),
        *(batch, n_steps, n, n_rows, n_taps, len(parameters)),
        HAS_SPIKES=grad_spikes.numel() > 0,
        HAS_MEM=grad_membranes.numel() > 0,
        HAS_SYN=kept[1].numel() > 0,
        HAS_AD=kept[2].numel() > 0,
        EQUATIONS=settings.equations,
        RECURS=n_taps > 0,
        DELAYS=late is not None,
        RESET=settings.reset,
        RESET_IN_GRAPH=settings.reset_in_graph,
        SURROGATE=settings.surrogate,
        CHUNK=chunk,
        LANES=lanes,
        num_warps=_warps(max(chunk, 16) * lanes),
    )
    to_current, to_weight, to_recurrent = wanted
    weights, recurrents = state.new_empty(0, 0, 0), state.new_empty(0, 0, 0)
    if to_weight:
        weights = event_linear_backward(*events, grad_current, len(weight), weight.shape[1], 0)
    if to_recurrent and late is not None:
        arrived = arrivals(spikes, late, state[:, STATE_ROWS:], n_steps)
        by_row = event_linear_backward(*arrived, grad_current, 1, n_taps * n, 0)
        recurrents = by_row.view(n_taps, n, n)
    elif to_recurrent:
        recurrents = event_linear_backward(*spikes, grad_current, n_taps, n, 1)
    currents = grad_current if to_current else state.new_empty(0, 0, 0)
    return currents, weights, recurrents, grad_decays.sum(0)[: 1 + len(parameters)]


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
    n_steps = n_trace or (int(lengths.max()) if batch else 0)
    current = event_linear(offsets, bins, units, weight[None], n_steps)
    scores, trace = weight.new_empty(batch, n), weight.new_empty(batch, n_trace, n)
    peaks = torch.empty(batch, n, dtype=torch.int32, device=weight.device)
    _launch(
        loops.readout_forward,
        (triton.cdiv(batch * n, _CHAINS),),
        (current, decay, lengths, start),
        (scores, trace, peaks),
        *(batch * n, n_steps, n),
        KEEPS=n_trace > 0,
        REDUCTION=reduction,
        LANES=_CHAINS,
        num_warps=_CHAINS // 32,
    )
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
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Propagate back through a read-out: gradients of spikes, weights and decay."""
    batch, (n_units, n) = lengths.numel(), weight.shape
    has_trace = trace.numel() > 0
    current = trace  # not read without a trace
    if has_trace:
        current = event_linear(offsets, bins, units, weight[None], n_steps)
    grad_step = weight.new_empty(batch, n_steps, n)
    grad_decay = weight.new_empty(batch, n)
    _launch(
        loops.readout_backward,
        (triton.cdiv(batch * n, _CHAINS),),
        (current, decay, lengths, start, grad, trace, peaks),
        (grad_step, grad_decay),
        *(batch * n, n_steps, n),
        HAS_TRACE=has_trace,
        REDUCTION=reduction,
        LANES=_CHAINS,
        num_warps=_CHAINS // 32,
    )
    grad_weight = event_linear_backward(offsets, bins, units, grad_step, 1, n_units, 0)
    return grad_step @ weight.T, grad_weight[0], grad_decay.sum(0)


def spikes_gradient(
    grad: torch.Tensor, weight: torch.Tensor, near: torch.Tensor | None
) -> torch.Tensor:
    """Compute the gradient of the input spikes of :func:`event_linear`; ``grad`` is the gradient of its currents.

    All of it, since a GPU multiplies whole matrices faster than chosen rows; ``near`` is not used.
    """
    n_steps = grad.shape[1]
    out = grad @ weight[0].T
    for s in range(1, min(len(weight), n_steps)):
        out[:, : n_steps - s] += grad[:, s:] @ weight[s].T
    return out


def _launch(
    kernel: Any,  # noqa: ANN401
    grid: tuple[int, ...],
    given: tuple[torch.Tensor, ...],
    outs: tuple[torch.Tensor, ...],
    *numbers: int,
    **options: Any,  # noqa: ANN401
) -> None:
    """Start a kernel on the device of its tensors; tensors that it writes are contiguous."""
    with torch.cuda.device_of(given[0]):  # type: ignore[no-untyped-call]
        whole = (tensor.detach().contiguous() for tensor in given)
        kernel[grid](*whole, *outs, *numbers, **options)


def _connections(
    weight: torch.Tensor, delay: torch.Tensor, n_taps: int, n_steps: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute the weights of the two steps of arrival, and whole steps of delay."""
    whole, part = split_delays(delay, n_taps)
    return weight * (1 - part), weight * part, whole.clamp(max=n_steps).int()


def _rows(offsets: torch.Tensor, n_events: int) -> torch.Tensor:
    """Return the sample of every event; the number is known, so the host does not wait for the device."""
    samples = torch.arange(offsets.numel() - 1, device=offsets.device)
    return samples.repeat_interleave(offsets.diff(), output_size=n_events)


def _number(value: float, like: torch.Tensor) -> torch.Tensor:
    """Make a tensor of a number that must not be rounded to float32."""
    return like.new_full((1,), value)


def _given(late: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Return the whole steps of delays, or without delays a number in their place."""
    return like.new_zeros(1, dtype=torch.int64) if late is None else late


def _power(n: int) -> int:
    """Round up to a power of two, at least a quarter of a warp."""
    return max(int(triton.next_power_of_2(n)), 8)


def _chunk(lanes: int, tile: int) -> int:
    """Return the number of rows of recurrent weights in a tile."""
    return min(max(tile // lanes, 1), lanes)


def _warps(n_elements: int) -> int:
    """Return the number of warps for a tile: a power of two."""
    return min(max(n_elements // 512, 1), 8)
