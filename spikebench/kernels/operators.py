"""The kernels as PyTorch operators with gradients, executed by ``cpu`` or ``triton`` according to the device.

The same functions as :mod:`spikebench.kernels.reference`, on events: no array is as large as the raster of the input.
They have first derivatives only; :func:`spikebench.kernels.choice.choose_kernels` returns the reference for second
derivatives. Sums are in a fixed order, so on a CPU the same input gives the same bits.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import torch

from spikebench.events.batches import EventBatch
from spikebench.kernels import reference
from spikebench.kernels import softmax_sum as sums
from spikebench.kernels.cpu import launch as cpu
from spikebench.kernels.delays import check_delays
from spikebench.kernels.fake import FAKES
from spikebench.kernels.feed_forward import ONCE, feed_forward_scan
from spikebench.kernels.neuron import COMPACT, Neuron, Parameters, Settings
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.normalised_layer import normalised_layer
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import (
    REDUCTIONS,
    STATE_ROWS,
    Layer,
    Reduction,
    Scan,
    check_readout,
    check_scan,
    check_weight,
    n_neurons,
    steps_of,
)
from spikebench.kernels.spikes import Spikes

__all__ = [
    "delayed_linear",
    "event_linear",
    "leaky_readout",
    "lif_scan",
    "recurrent_lif_scan",
    "softmax_sum",
]

_WRONG = {
    1: "the offsets do not fit the events",
    2: "a bin lies outside 0 … {bins}",
    3: "a unit lies outside 0 … {units}",
    4: "the events of a sample are not sorted by their bin",
}


def event_linear(events: EventBatch | Spikes, weight: torch.Tensor) -> torch.Tensor:
    """Multiply events by weights to get currents; see :func:`spikebench.kernels.reference.event_linear`."""
    taps = check_weight(events, weight)
    n_steps = steps_of(events)
    handles = events.handles() if isinstance(events, Spikes) else (None, None, None)
    current: torch.Tensor = _event_linear(*_cells(events), taps, *handles, n_steps)
    return current


def delayed_linear(
    events: EventBatch | Spikes, weight: torch.Tensor, delay: torch.Tensor, n_taps: int
) -> torch.Tensor:
    """Multiply events by weights with delays; see :func:`spikebench.kernels.reference.delayed_linear`."""
    check_weight(events, weight, has_taps=False)
    check_delays(weight, delay, n_taps)
    delays = delay.clamp(0, n_taps - 1).expand(weight.shape)
    handle = events.handle if isinstance(events, Spikes) else None
    n_steps = steps_of(events)
    current: torch.Tensor = _delayed_linear(
        *_cells(events), weight, delays, handle, n_taps, n_steps
    )
    return current


def lif_scan(
    current: torch.Tensor | EventBatch | Spikes,
    decay_syn: torch.Tensor,
    decay_mem: torch.Tensor,
    neuron: Neuron,
    adaptation: Parameters | None = None,
    state: torch.Tensor | None = None,
    keep_membranes: bool = False,
    weight: torch.Tensor | None = None,
    normalisation: Normalisation | None = None,
) -> Scan:
    """Run a layer of neurons; see :func:`spikebench.kernels.reference.lif_scan`."""
    n = n_neurons(current, weight)
    recurrent = decay_mem.new_zeros(0, n, n)
    return recurrent_lif_scan(
        current,
        recurrent=recurrent,
        decay_syn=decay_syn,
        decay_mem=decay_mem,
        neuron=neuron,
        adaptation=adaptation,
        state=state,
        keep_membranes=keep_membranes,
        weight=weight,
        normalisation=normalisation,
    )


def recurrent_lif_scan(
    current: torch.Tensor | EventBatch | Spikes,
    recurrent: torch.Tensor,
    decay_syn: torch.Tensor,
    decay_mem: torch.Tensor,
    neuron: Neuron,
    adaptation: Parameters | None = None,
    state: torch.Tensor | None = None,
    keep_membranes: bool = False,
    weight: torch.Tensor | None = None,
    recurrent_delays: RecurrentDelays | None = None,
    normalisation: Normalisation | None = None,
) -> Scan:
    """Run a recurrent layer of neurons; see :func:`spikebench.kernels.reference.recurrent_lif_scan`."""
    taps, weights, state = check_scan(
        current, weight, recurrent, decay_syn, decay_mem, adaptation, state, recurrent_delays
    )
    n = taps.shape[2]
    settings = neuron.settings(adaptation)
    if settings.equations not in _device(taps).SUPPORTED:
        raise ValueError(
            f"the kernels for {taps.device.type} have no equations for parameters of {type(adaptation).__name__}"
        )
    fits = len(taps) == 0 and _device(taps) is cpu
    separate = normalisation is not None or isinstance(current, Spikes)
    if separate and not isinstance(current, torch.Tensor):
        has_variance = len(state) * steps_of(current) > 1
        if normalisation is not None and fits and len(weights) == 1 and has_variance:
            return normalised_layer(
                current,
                _cells(current),
                weights[0],
                decay_syn.expand(n),
                _parameters(decay_mem, adaptation, n),
                state,
                settings,
                normalisation,
                keep_membranes,
            )
        current, weights = event_linear(current, weights), weights[:0, :0, :0]
    if isinstance(current, torch.Tensor):
        if normalisation is not None and not (fits and current.shape[0] * current.shape[1] > 1):
            current, normalisation = normalisation.apply(current), None  # which refuses one value
        if fits:
            return feed_forward_scan(
                current,
                decay_syn.expand(n),
                _parameters(decay_mem, adaptation, n),
                state,
                settings,
                normalisation,
                keep_membranes,
            )
    late = None
    if recurrent_delays is not None:
        taps, late = recurrent_delays.taps(taps[0])
    none = taps.new_empty(0, 0, 0)
    if isinstance(current, torch.Tensor):
        given, n_steps, cells = current, current.shape[1], _no_cells(taps)
    else:
        given, n_steps, cells = none, steps_of(current), _cells(current)
    parameters = _parameters(decay_mem, adaptation, n)
    layer = Layer(weights, decay_syn.expand(n), parameters, taps, late)
    learns = torch.is_grad_enabled()
    decays_learn = learns and (decay_syn.requires_grad or parameters.requires_grad)
    needs = learns and any(tensor.requires_grad for tensor in (given, *layer[:4]))
    in_reset = needs and neuron.reset_in_graph
    has_near = needs and settings.surrogate in COMPACT and _device(taps) is cpu
    suffices = has_near and adaptation is None and late is None and not (decays_learn or in_reset)
    handle, offsets, bins, fired, membranes, _, _, end, near, _, near_handle = _scan(
        given,
        *cells,
        *layer,
        state,
        n_steps,
        *settings,
        (needs and not suffices) or keep_membranes,
        decays_learn or (in_reset and neuron.reset == "zero"),
        needs and adaptation is not None,
        has_near,
    )
    listed = (near, near_handle) if has_near else (None, None)
    return Scan(
        Spikes(
            offsets, bins, fired, handle, is_checked=True, near=listed[0], near_handle=listed[1]
        ),
        membranes if keep_membranes else None,
        end,
    )


def leaky_readout(
    spikes: Spikes,
    weight: torch.Tensor,
    decay: torch.Tensor,
    reduction: Reduction = "max",
    lengths: torch.Tensor | None = None,
    start: torch.Tensor | None = None,
) -> torch.Tensor:
    """Integrate spikes and reduce; see :func:`spikebench.kernels.reference.leaky_readout`."""
    lengths, start = check_readout(spikes, weight, decay, reduction, lengths, start)
    given = (*_cells(spikes), *spikes.handles())
    decays = decay.expand(weight.shape[1])
    scores, trace, _ = _readout(
        *given,
        weight,
        decays,
        lengths,
        start,
        REDUCTIONS[reduction],
        spikes.shape[1],
        torch.is_grad_enabled() and decays.requires_grad,
    )
    answer: torch.Tensor = trace if reduction == "trace" else scores
    return answer


def softmax_sum(trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Add up the probabilities at each step; see :func:`spikebench.kernels.reference.softmax_sum`."""
    if trace.device.type != "cpu":
        return reference.softmax_sum(trace, bias, inside)
    return sums.softmax_sum(trace, bias, inside)


def _parameters(decay_mem: torch.Tensor, adaptation: Parameters | None, n: int) -> torch.Tensor:
    rows = [decay_mem] if adaptation is None else [decay_mem, *vars(adaptation).values()]
    return torch.stack([row.expand(n) for row in rows])


def _device(tensor: torch.Tensor) -> ModuleType:
    if tensor.device.type == "cpu":
        if tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"the kernels for cpu accept float32 and float64, not {tensor.dtype}; the reference "
                "kernels accept any"
            )
        return cpu
    if tensor.device.type == "cuda":
        return import_module(
            "spikebench.kernels.triton.launch"
        )  # required only on machines with a GPU
    raise ValueError(f"no kernels for device {tensor.device.type}: use cpu or cuda")


def _no_cells(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    offsets = torch.zeros(1, dtype=torch.int64, device=like.device)
    bins, units = (torch.empty(0, dtype=torch.int32, device=like.device) for _ in range(2))
    return offsets, bins, units


def _cells(events: EventBatch | Spikes) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Check the events of an input; keep one per cell if it is binary. Spikes of a kernel are returned unchanged."""
    cells = events.offsets, events.bins, events.units
    is_binary = False
    if isinstance(events, Spikes):
        if events.is_checked:
            return cells
        batch, n_steps, n_units = events.shape
    else:
        batch, n_steps, n_units = len(events), events.n_steps, events.n_units
        is_binary = events.mode == "binary"
    if torch.compiler.is_compiling():
        return _checked_cells(*cells, batch, n_steps, n_units, is_binary)  # type: ignore[no-any-return]
    return _valid_cells(*cells, batch, n_steps, n_units, is_binary)


def _valid_cells(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    batch: int,
    n_steps: int,
    n_units: int,
    is_binary: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Check events, and keep one per cell if the input is binary."""
    _refuse_outside(offsets, bins, units, batch, n_steps, n_units)
    if is_binary:
        return _device(bins).first_in_cell(offsets, bins, units, n_units)  # type: ignore[no-any-return]
    return offsets, bins, units


@torch.library.custom_op("spikebench::checked_cells", mutates_args=())
def _checked_cells(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    batch: int,
    n_steps: int,
    n_units: int,
    is_binary: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Check the events of a traced network each time that it runs: its kernels use the result."""
    found = _valid_cells(offsets, bins, units, batch, n_steps, n_units, is_binary)
    if found[0] is offsets:  # the result of an operator must not be its input
        return offsets.clone(), bins.clone(), units.clone()
    return found


def _refuse_outside(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    batch: int,
    n_steps: int,
    n_units: int,
) -> None:
    """Refuse events that would access memory out of bounds."""
    kinds = (offsets.dtype, bins.dtype, units.dtype)
    if kinds != (torch.int64, torch.int32, torch.int32):
        raise ValueError(f"offsets, bins and units must be int64, int32, int32; got {kinds}")
    if offsets.numel() != batch + 1:
        raise ValueError(_WRONG[1])
    if wrong := _device(bins).check_events(offsets, bins, units, n_steps, n_units):
        raise ValueError(_WRONG[wrong].format(bins=n_steps - 1, units=n_units - 1))


@torch.library.custom_op("spikebench::event_linear", mutates_args=())
def _event_linear(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    handle: torch.Tensor | None,
    near: torch.Tensor | None,
    near_handle: torch.Tensor | None,
    n_steps: int,
) -> torch.Tensor:
    current: torch.Tensor = _device(weight).event_linear(offsets, bins, units, weight, n_steps)
    return current


@torch.library.custom_op("spikebench::event_linear_backward", mutates_args=())
def _event_linear_backward(
    grad: torch.Tensor,
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    near: torch.Tensor | None,
    near_handle: torch.Tensor | None,
    to_weight: bool,
    to_spikes: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    kernels = _device(weight)
    n_taps, n_units, _ = weight.shape
    weights, spikes = weight.new_empty(0), weight.new_empty(0)
    if to_weight:
        weights = kernels.event_linear_backward(offsets, bins, units, grad, n_taps, n_units, 0)
    if to_spikes and near is not None and near_handle is not None:
        spikes = kernels.near_spikes_gradient(grad, weight, near)
    elif to_spikes:
        spikes = kernels.spikes_gradient(grad, weight, near)
    return weights, spikes


def _event_linear_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
    ctx.save_for_backward(*inputs[:4], *inputs[5:7])


def _event_linear_gradients(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:  # noqa: ANN401
    _, _, _, to_weight, to_all, _, to_near, _ = ctx.needs_input_grad
    weights, spikes = _event_linear_backward(grad, *ctx.saved_tensors, to_weight, to_all or to_near)
    found = weights if to_weight else None, spikes if to_all else None
    return None, None, None, *found, None, spikes if to_near else None, None


@torch.library.custom_op("spikebench::delayed_linear", mutates_args=())
def _delayed_linear(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    delay: torch.Tensor,
    handle: torch.Tensor | None,
    n_taps: int,
    n_steps: int,
) -> torch.Tensor:
    current: torch.Tensor = _device(weight).delayed_linear(
        offsets, bins, units, weight, delay, n_taps, n_steps
    )
    return current


@torch.library.custom_op("spikebench::delayed_linear_backward", mutates_args=())
def _delayed_linear_backward(
    grad: torch.Tensor,
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    delay: torch.Tensor,
    n_taps: int,
    to_weight: bool,
    to_spikes: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    found = _device(weight).delayed_linear_backward(
        offsets, bins, units, weight, delay, n_taps, grad, (to_weight, to_spikes)
    )
    return found


def _delayed_linear_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
    ctx.save_for_backward(*inputs[:5])
    ctx.n_taps = inputs[6]


def _delayed_linear_gradients(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:  # noqa: ANN401
    to_weight, to_delay, to_spikes = ctx.needs_input_grad[3:6]
    weights, delays, spikes = _delayed_linear_backward(
        grad, *ctx.saved_tensors, ctx.n_taps, to_weight or to_delay, to_spikes
    )
    return (
        *(None, None, None, weights if to_weight else None, delays if to_delay else None),
        *(spikes if to_spikes else None, None, None),
    )


@torch.library.custom_op("spikebench::lif_scan", mutates_args=())
def _scan(
    current: torch.Tensor,
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    recurrent: torch.Tensor,
    late: torch.Tensor | None,
    state: torch.Tensor,
    n_steps: int,
    equations: int,
    threshold: float,
    slope: float,
    reset: int,
    reset_in_graph: bool,
    surrogate: int,
    keep_membranes: bool,
    keep_synapses: bool,
    keep_adaptation: bool,
    keep_near: bool,
) -> tuple[
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
]:
    none = state.new_empty((0, 0, 0), dtype=torch.int32), state.new_empty(0)
    given = (
        current,
        (offsets, bins, units),
        Layer(weight, decay_syn, parameters, recurrent, late),
        state,
        n_steps,
        Settings(equations, threshold, slope, reset, reset_in_graph, surrogate),
        (keep_membranes, keep_synapses, keep_adaptation),
    )
    found: Any = cpu.scan_near(*given) if keep_near else (*_device(state).scan(*given), *none)
    shape = (state.shape[0], n_steps, state.shape[2])
    handle, near_handle = (state.new_zeros(1) for _ in range(2))
    slopes = found[-1]
    return (
        handle.as_strided(shape, (0, 0, 0)),
        *found,
        near_handle.as_strided(slopes.shape, (0,)),
    )


@torch.library.custom_op("spikebench::lif_scan_backward", mutates_args=())
def _scan_backward(
    grad_spikes: torch.Tensor,
    grad_membranes: torch.Tensor,
    grad_near: torch.Tensor,
    membranes: torch.Tensor,
    synapses: torch.Tensor,
    adapted: torch.Tensor,
    near: torch.Tensor,
    slopes: torch.Tensor,
    spike_offsets: torch.Tensor,
    spike_bins: torch.Tensor,
    spike_units: torch.Tensor,
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    recurrent: torch.Tensor,
    late: torch.Tensor | None,
    state: torch.Tensor,
    n_steps: int,
    equations: int,
    threshold: float,
    slope: float,
    reset: int,
    reset_in_graph: bool,
    surrogate: int,
    to_current: bool,
    to_weight: bool,
    to_recurrent: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    spikes = (spike_offsets, spike_bins, spike_units)
    # With delays, spikes before the first step are among the arrivals that the kernels list.
    before_start = to_recurrent and late is None
    # On a GPU, a state of zeros is used like any other, since looking at it would wait for all kernels before.
    starts = before_start and (state.is_cuda or bool(state.any()))
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
    lists = spikes, (offsets, bins, units)
    layer = Layer(weight, decay_syn, parameters, recurrent, late)
    settings = Settings(equations, threshold, slope, reset, reset_in_graph, surrogate)
    kept, wanted = (membranes, synapses, adapted), (to_current or starts, to_weight, to_recurrent)
    if near.shape[1]:
        grads = (grad_spikes, grad_membranes, grad_near)
        found = cpu.scan_backward_near(
            grads, kept, (near, slopes), *lists, layer, state, n_steps, settings, wanted
        )
    else:
        found = _device(state).scan_backward(
            (grad_spikes, grad_membranes), kept, *lists, layer, state, settings, wanted
        )
    if before_start and found[0].numel():  # spikes before the first step
        for s in range(len(recurrent)):
            for t in range(min(s + 1, found[0].shape[1])):
                found[2][s] += state[:, STATE_ROWS + s - t].T @ found[0][:, t]
    if not to_current:  # so that the shape does not depend on the state
        return found[0].new_empty(0, 0, 0), *found[1:]
    return found


def _scan_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
    _, *spikes, membranes, synapses, adapted, end, near, slopes, _ = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*spikes, synapses, adapted, end, near, slopes)
    ctx.save_for_backward(membranes, synapses, adapted, near, slopes, *spikes, *inputs[1:10])
    ctx.settings = inputs[10:17]


def _scan_gradients(ctx: Any, *gradients: torch.Tensor | None) -> tuple[Any, ...]:  # noqa: ANN401
    membranes, *rest = ctx.saved_tensors
    none = membranes.new_empty(0, 0, 0)
    grad_spikes, grad_membranes = (none if g is None else g for g in (gradients[0], gradients[4]))
    grad_near = none.flatten() if gradients[-1] is None else gradients[-1]
    needs = ctx.needs_input_grad
    current, weight, recurrent, decays = _scan_backward(
        grad_spikes,
        grad_membranes,
        grad_near,
        membranes,
        *rest,
        *ctx.settings,
        needs[0],
        needs[4],
        needs[7],
    )
    return (
        *(current if needs[0] else None, None, None, None, weight if needs[4] else None),
        *(decays[0] if needs[5] else None, decays[1:] if needs[6] else None),
        recurrent if needs[7] else None,
        *(None,) * 13,
    )


@torch.library.custom_op("spikebench::gather_near", mutates_args=())
def _gather_near(
    values: torch.Tensor, near: torch.Tensor, near_handle: torch.Tensor
) -> torch.Tensor:
    """List the values of the cells near their threshold, see :attr:`Spikes.near`; one step stands for all."""
    return cpu.gather_near(values, near)


@torch.library.custom_op("spikebench::leaky_readout", mutates_args=())
def _readout(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    handle: torch.Tensor | None,
    near: torch.Tensor | None,
    near_handle: torch.Tensor | None,
    weight: torch.Tensor,
    decay: torch.Tensor,
    lengths: torch.Tensor,
    start: torch.Tensor,
    reduction: int,
    n_steps: int,
    keep_trace: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    is_trace = reduction == REDUCTIONS["trace"]
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = _device(weight).readout(
        offsets,
        bins=bins,
        units=units,
        weight=weight,
        decay=decay,
        lengths=lengths,
        start=start,
        reduction=reduction,
        n_trace=n_steps if is_trace or keep_trace else 0,
    )
    return found


@torch.library.custom_op("spikebench::leaky_readout_backward", mutates_args=())
def _readout_backward(
    grad: torch.Tensor,
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    decay: torch.Tensor,
    lengths: torch.Tensor,
    start: torch.Tensor,
    trace: torch.Tensor,
    peaks: torch.Tensor,
    near: torch.Tensor | None,
    near_handle: torch.Tensor | None,
    reduction: int,
    n_steps: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = _device(weight).readout_backward(
        offsets,
        bins=bins,
        units=units,
        weight=weight,
        decay=decay,
        lengths=lengths,
        start=start,
        reduction=reduction,
        grad=grad,
        trace=trace,
        peaks=peaks,
        n_steps=n_steps,
        **({} if near_handle is None else {"near": near}),
    )
    return found


def _readout_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
    _, trace, peaks = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(peaks)
    ctx.save_for_backward(*inputs[:3], *inputs[6:10], trace, peaks, *inputs[4:6])
    ctx.reduction, ctx.n_steps = inputs[10:12]


def _readout_gradients(ctx: Any, *gradients: torch.Tensor | None) -> tuple[Any, ...]:  # noqa: ANN401
    grad = gradients[1] if ctx.reduction == REDUCTIONS["trace"] else gradients[0]
    if grad is None:
        return (None,) * 13
    *given, trace, peaks, near, near_handle = ctx.saved_tensors
    if not ctx.needs_input_grad[7]:
        trace = trace.new_empty(0, 0, 0)  # needed for the gradient of the decay only
    spikes, weights, decays = _readout_backward(
        grad, *given, trace, peaks, near, near_handle, ctx.reduction, ctx.n_steps
    )
    handles = (spikes, None, None) if ctx.saved_tensors[-1] is None else (None, None, spikes)
    return None, None, None, *handles, weights, decays, *(None,) * 5


def _once(ctx: Any, *gradients: Any) -> None:  # noqa: ANN401
    raise RuntimeError(ONCE)


for _operator, _gradients, _context in (
    (_event_linear, _event_linear_gradients, _event_linear_context),
    (_delayed_linear, _delayed_linear_gradients, _delayed_linear_context),
    (_scan, _scan_gradients, _scan_context),
    (_readout, _readout_gradients, _readout_context),
    (_event_linear_backward, _once, None),
    (_delayed_linear_backward, _once, None),
    (_scan_backward, _once, None),
    (_readout_backward, _once, None),
    (_gather_near, _once, None),
):
    _operator.register_autograd(_gradients, setup_context=_context)
for _name, _fake in FAKES.items():
    torch.library.register_fake(f"spikebench::{_name}", _fake)
