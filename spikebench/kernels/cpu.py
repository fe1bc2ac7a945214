"""The kernels on a CPU: compiled loops, shared among threads. What they compute: :mod:`spikebench.kernels.operators`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels import cpu_loops as loops
from spikebench.kernels.threads import pieces, share

_SMALL_PRODUCT = 1_000_000  # multiplications up to which BLAS needs no copies
_PARTIAL_BYTES = 1 << 26  # of gradients that are summed at the end
_MOST_PARTIALS = 8


def check_events(
    offsets: torch.Tensor, bins: torch.Tensor, units: torch.Tensor, n_steps: int, n_units: int
) -> int:
    """See :func:`spikebench.kernels.cpu_loops.check_events`."""
    return int(loops.check_events(*_arrays(offsets, bins, units), n_steps, n_units))


def first_in_cell(
    offsets: torch.Tensor, bins: torch.Tensor, units: torch.Tensor, n_units: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Leave one event in every cell."""
    chosen = np.zeros(bins.numel(), dtype=np.bool_)
    if loops.first_in_cell(*_arrays(offsets, bins, units), n_units, chosen) == bins.numel():
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
    """Weigh events; see :func:`spikebench.kernels.operators.event_linear`."""
    current = weight.new_empty(offsets.numel() - 1, n_steps, weight.shape[2])
    given = _arrays(offsets, bins, units, weight, current)
    share(lambda first, last: loops.add_currents(*given, first, last), pieces(len(current)))
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
    """Compute the gradient of the weights of events that arrive ``shift`` steps later, and later still by their tap."""
    shape = (n_taps, n_units, grad.shape[2])
    size = int(np.prod(shape)) * grad.element_size()
    n_partials = min(_MOST_PARTIALS, max(_PARTIAL_BYTES // max(size, 1), 1), max(len(grad), 1))
    parts = pieces(len(grad), -(-len(grad) // n_partials) or 1)
    lists, gradient = _arrays(offsets, bins, units), _array(grad)

    def add(first: int, last: int) -> NDArray[Any]:
        into = np.zeros(shape, gradient.dtype)
        loops.add_weight_gradients(*lists, gradient, shift, into, first, last)
        return into

    total = np.zeros(shape, gradient.dtype)
    for partial in share(add, parts):
        total += partial
    return torch.from_numpy(total)


def scan(
    current: torch.Tensor,
    decay_syn: torch.Tensor,
    decay_mem: torch.Tensor,
    recurrent: torch.Tensor,
    adaptation: torch.Tensor,
    state: torch.Tensor,
    threshold: float,
    reset: int,
    n_refractory: int,
    keep: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, ...]:
    """Run neurons: offsets, bins, units, membranes, synapses, adaptation, state (kept as asked, else empty)."""
    batch, n_steps, _ = current.shape
    empty = current.new_empty(0, 0, 0)
    kept = [torch.empty_like(current) if wanted else empty for wanted in keep]
    end = torch.empty_like(state)
    counts = np.zeros((batch, n_steps), np.int32)
    given = _arrays(current, decay_syn, decay_mem, recurrent, adaptation, state)
    dtype = given[0].dtype.type
    outs = _arrays(*kept, end)

    def run(first: int, last: int) -> NDArray[np.int32]:
        settings = (dtype(threshold), dtype(1), reset, n_refractory)
        units: NDArray[np.int32] = loops.scan_forward(
            *given, *settings, *outs, counts, first, last
        )
        return units

    units = np.concatenate([np.empty(0, np.int32), *share(run, pieces(batch))])
    offsets = np.zeros(batch + 1, np.int64)
    np.cumsum(counts.sum(1), out=offsets[1:])
    steps = np.tile(np.arange(n_steps, dtype=np.int32), batch)
    bins = np.repeat(steps, counts.ravel())
    return (*(torch.from_numpy(array) for array in (offsets, bins, units)), *kept, end)


def scan_backward(
    grad_spikes: torch.Tensor,
    grad_membranes: torch.Tensor,
    kept: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    decay_syn: torch.Tensor,
    decay_mem: torch.Tensor,
    recurrent: torch.Tensor,
    adaptation: torch.Tensor,
    state: torch.Tensor,
    threshold: float,
    slope: float,
    reset: int,
    reset_in_graph: bool,
    n_refractory: int,
    surrogate: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Go back through a scan: gradients of the current and of (α, β, ρ, a, b) per unit."""
    membranes = kept[0]
    batch, _, n = membranes.shape
    grad_current = torch.empty_like(membranes)
    given = _arrays(grad_spikes, grad_membranes, *kept, decay_syn, decay_mem)
    rest = _arrays(adaptation, state)
    panels, out = _panels(_array(recurrent)), _array(grad_current)
    dtype = out.dtype.type
    constants = (dtype(threshold), dtype(slope), dtype(1))
    settings = (reset, reset_in_graph, n_refractory, surrogate)

    def run(first: int, last: int) -> NDArray[Any]:
        decays = np.zeros((5, n), out.dtype)
        loops.scan_backward(
            *given, panels, *rest, *constants, *settings, out, decays, first, last
        )
        return decays

    total = np.zeros((5, n), out.dtype)
    for partial in share(run, pieces(batch)):
        total += partial
    return grad_current, torch.from_numpy(total)


def readout(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    decay: torch.Tensor,
    lengths: torch.Tensor,
    reduction: int,
    n_trace: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Integrate and reduce: scores, trace of ``n_trace`` steps, steps of the maxima."""
    batch, n = lengths.numel(), weight.shape[1]
    scores, trace = weight.new_zeros(batch, n), weight.new_zeros(batch, n_trace, n)
    peaks = torch.zeros(batch, n, dtype=torch.int32)
    given = _arrays(offsets, bins, units, weight, decay, lengths)
    outs, one = _arrays(scores, trace, peaks), given[3].dtype.type(1)

    def run(first: int, last: int) -> None:
        loops.readout_forward(*given, reduction, one, *outs, first, last)

    share(run, pieces(batch))
    return scores, trace, peaks


def readout_backward(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    decay: torch.Tensor,
    lengths: torch.Tensor,
    reduction: int,
    grad: torch.Tensor,
    trace: torch.Tensor,
    peaks: torch.Tensor,
    n_steps: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Go back through a read-out: gradients of spikes, weights and decay."""
    batch, (n_units, n) = lengths.numel(), weight.shape
    grad_spikes = weight.new_empty(batch, n_steps, n_units)
    given = _arrays(offsets, bins, units, weight, decay, lengths)
    is_trace = reduction == 4
    empty = weight.new_zeros(0, 0)
    first_grad = _array(empty if is_trace else grad)
    whole_grad = _array(grad if is_trace else empty[None])
    rest, out = _arrays(trace, peaks), _array(grad_spikes)
    one = out.dtype.type(1)

    def run(first: int, last: int) -> tuple[NDArray[Any], NDArray[Any]]:
        weights, decays = np.zeros((n_units, n), out.dtype), np.zeros(n, out.dtype)
        loops.readout_backward(
            *(*given, reduction, one, first_grad, whole_grad, *rest, out, weights, decays),
            *(first, last),
        )
        return weights, decays

    weights, decays = np.zeros((n_units, n), out.dtype), np.zeros(n, out.dtype)
    for one_weights, one_decays in share(run, pieces(batch)):
        weights += one_weights
        decays += one_decays
    return grad_spikes, torch.from_numpy(weights), torch.from_numpy(decays)


def spikes_gradient(grad: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Compute the gradient of the spikes that :func:`event_linear` weighed; ``grad`` is that of its currents."""
    batch, n_steps, _ = grad.shape
    out = grad.new_empty(batch, n_steps, weight.shape[1])
    for k in range(batch):
        torch.mm(grad[k], weight[0].T, out=out[k])
        for s in range(1, min(len(weight), n_steps)):
            out[k, : n_steps - s] += grad[k, s:] @ weight[s].T
    return out


def _panels(recurrent: NDArray[Any]) -> NDArray[Any]:
    """Cut transposed recurrent weights into blocks of columns, the last filled up with zeros."""
    n_taps, n, _ = recurrent.shape
    width = max(min(_SMALL_PRODUCT // (16 * max(n, 1)), 128, max(n, 1)) // 16 * 16, 16)
    n_panels = -(-n // width)
    panels = np.zeros((n_taps, n_panels, n, width), recurrent.dtype)
    for p in range(n_panels):
        columns = recurrent[:, p * width : (p + 1) * width]  # (tap, to, from): rec = λ·Vᵀ
        panels[:, p, :, : columns.shape[1]] = columns.transpose(0, 2, 1)
    return panels


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().contiguous().numpy()
    return array


def _arrays(*tensors: torch.Tensor) -> tuple[NDArray[Any], ...]:
    return tuple(_array(tensor) for tensor in tensors)
