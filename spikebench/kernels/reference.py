"""The reference implementation of every kernel: PyTorch on dense rasters, step by step, any float type, any derivative.

It is slow and stores every step. Use the same functions of :mod:`spikebench.kernels.operators` for training; the tests
compare the two. Equations: :mod:`spikebench.kernels.neuron`.
"""

from __future__ import annotations

import math

import torch

from spikebench.events.batches import EventBatch
from spikebench.kernels.delays import check_delays, split_delays
from spikebench.kernels.neuron import (
    GAUSSIAN_H,
    GAUSSIAN_PEAK,
    GAUSSIAN_S,
    Adaptation,
    Neuron,
    Parameters,
    Rotation,
)
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import (
    Reduction,
    Scan,
    check_readout,
    check_scan,
    check_weight,
    n_neurons,
)
from spikebench.kernels.spikes import Spikes

__all__ = [
    "delayed_linear",
    "event_linear",
    "leaky_readout",
    "lif_scan",
    "recurrent_lif_scan",
    "surrogate_slope",
]


def event_linear(events: EventBatch | Spikes, weight: torch.Tensor) -> torch.Tensor:
    """Multiply events by weights to get currents: x[t] = Σ_s W_s·S[t−s].

    Parameters
    ----------
    events
        Spikes of an input or of a layer.
    weight
        Float (input, output); or (tap, input, output), where tap s arrives s steps later.

    Returns
    -------
    Tensor of float, shape (batch, time, output)
        Currents.

    Raises
    ------
    ValueError
        If shapes do not fit or an event is outside the raster.
    """
    taps = check_weight(events, weight)
    raster = events.dense().to(weight.dtype)
    current = raster @ taps[0]
    for s in range(1, min(len(taps), current.shape[1])):
        later = torch.nn.functional.pad(raster[:, :-s] @ taps[s], (0, 0, s, 0))
        current = current + later
    return current


def delayed_linear(
    events: EventBatch | Spikes, weight: torch.Tensor, delay: torch.Tensor, n_taps: int
) -> torch.Tensor:
    """Multiply events by weights with delays: w·(1 − f) arrives ⌊d⌋ steps later, w·f one step after that; f = d − ⌊d⌋.

    The currents are those of :func:`event_linear` with :func:`spikebench.kernels.delays.delay_taps`, whose spread is 0.

    Parameters
    ----------
    events
        Spikes of an input or of a layer.
    weight
        Float (input, output).
    delay
        In steps, float, of a shape that broadcasts to ``weight``. Clamped to 0 … n_taps − 1; a delay outside gets no
        gradient.
    n_taps
        Number of steps at which a spike can arrive.

    Returns
    -------
    Tensor of float, shape (batch, time, output)
        Currents. At a whole delay d < n_taps − 1, its gradient is that of a longer delay.

    Raises
    ------
    ValueError
        If shapes or types do not fit, there are no taps, or an event is outside the raster.
    """
    check_weight(events, weight, has_taps=False)
    check_delays(weight, delay, n_taps)
    whole, part = split_delays(delay.clamp(0, n_taps - 1), n_taps)
    raster = events.dense().to(weight.dtype)
    n_steps = raster.shape[1]
    current = raster.new_zeros(*raster.shape[:2], weight.shape[1])
    near, far = weight * (1 - part), weight * part
    for s in range(min(n_taps + 1, n_steps)):
        tap = near * (whole == s) + far * (whole == s - 1)
        later = torch.nn.functional.pad(raster[:, : n_steps - s] @ tap, (0, 0, s, 0))
        current = current + later
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
    """Run a layer of neurons without recurrent weights.

    Parameters
    ----------
    current
        x, float (batch, time, unit); or events, or spikes of another layer, from which x is computed with ``weight``.
    decay_syn, decay_mem
        α and β, float, a number or one per unit.
    neuron
        Settings of the neurons.
    adaptation
        ρ, a and b; another class of parameters selects other equations.
    state
        State of an earlier scan to continue from; by default at rest. It gets no gradient.
    keep_membranes
        Return the membranes as well.
    weight
        Weights of the events, as in :func:`event_linear`.
    normalisation
        Batch normalisation of x, from which running averages follow; by default none.

    Returns
    -------
    Scan
        Spikes, membranes, state.

    Raises
    ------
    ValueError
        If shapes or types do not fit.
    """
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
    """Run a layer of neurons with recurrent connections.

    Parameters
    ----------
    current, decay_syn, decay_mem, neuron, adaptation, state, keep_membranes, weight, normalisation
        As in :func:`lif_scan`.
    recurrent
        V, float (from, to); or (tap, from, to), where tap s arrives s + 1 steps after the spike.
    recurrent_delays
        Delays of every sending neuron, for weights of one tap; by default none.

    Returns
    -------
    Scan
        Spikes, membranes, state.

    Raises
    ------
    ValueError
        If shapes or types do not fit.
    """
    taps, weights, state = check_scan(
        current, weight, recurrent, decay_syn, decay_mem, adaptation, state, recurrent_delays
    )
    neuron.settings(adaptation)  # raises if there are no such equations
    if not isinstance(current, torch.Tensor):
        current = event_linear(current, weights)
    if normalisation is not None:
        current = normalisation.apply(current)
    # Weights of the spikes of the last steps: with delays, all are the same, and a part of the spikes arrives.
    kernel = None if recurrent_delays is None else recurrent_delays.kernel()
    syn, mem, adapted, *past = state.unbind(1)
    spikes, membranes = [], []
    for step in current.unbind(1):
        syn = decay_syn * syn + step
        if kernel is None:
            for tap, before in zip(taps, past, strict=False):
                syn = syn + before @ tap
        else:
            syn = syn + (torch.stack(past) * kernel[:, None]).sum(0) @ taps[0]
        mem, spk, adapted = _step(syn, mem, adapted, past[0], decay_mem, neuron, adaptation)
        past = [spk, *past[:-1]]
        spikes.append(spk)
        membranes.append(mem)
    end = torch.stack([syn, mem, adapted, *past], 1).detach()
    kept = torch.stack(membranes, 1) if keep_membranes else None
    return Scan(Spikes.from_dense(torch.stack(spikes, 1)), kept, end)


def leaky_readout(
    spikes: Spikes,
    weight: torch.Tensor,
    decay: torch.Tensor,
    reduction: Reduction = "max",
    lengths: torch.Tensor | None = None,
    start: torch.Tensor | None = None,
) -> torch.Tensor:
    """Integrate spikes with a leak, O[t] = γ·O[t−1] + (1 − γ)·W·S[t], and reduce over time.

    Parameters
    ----------
    spikes
        Spikes of the last layer.
    weight
        W, float (unit, class).
    decay
        γ, float, a number or one per class.
    reduction
        ``max``, ``mean``, ``sum``, ``last``, or ``trace``: O itself.
    lengths
        Number of steps of each sample that count, int64 (batch,); by default all.
    start
        O before the first step, float (batch, class), to continue a stream; by default 0. It gets no gradient.

    Returns
    -------
    Tensor of float, shape (batch, class); with ``trace`` (batch, time, class)
        Scores. With ``max``, the first of equal maxima gets the gradient.

    Raises
    ------
    ValueError
        If shapes do not fit or a length is not in 1 … time.
    """
    lengths, out = check_readout(spikes, weight, decay, reduction, lengths, start)
    current = spikes.dense() @ weight
    trace = []
    for step in current.unbind(1):
        out = decay * out + (1 - decay) * step
        trace.append(out)
    traces = torch.stack(trace, 1)
    if reduction == "trace":
        return traces
    if reduction == "last":
        return traces[torch.arange(len(traces), device=traces.device), lengths - 1]
    inside = torch.arange(traces.shape[1], device=traces.device) < lengths[:, None]
    if reduction == "max":
        masked = traces.masked_fill(~inside[..., None], -math.inf)
        return masked.max(1).values
    total = (traces * inside[..., None]).sum(1)
    return total / lengths[:, None] if reduction == "mean" else total


def surrogate_slope(distance: torch.Tensor, neuron: Neuron) -> torch.Tensor:
    """Compute the surrogate of dS/dU.

    Parameters
    ----------
    distance
        U − ϑ, float, any shape.
    neuron
        Its surrogate and slope are used.

    Returns
    -------
    Tensor of float, same shape
        1 at 0, decreasing on both sides.
    """
    scaled = neuron.slope * distance
    if neuron.surrogate == "fast_sigmoid":
        return 1 / (scaled.abs() + 1) ** 2
    if neuron.surrogate == "logistic":
        return 4 * torch.sigmoid(scaled) * torch.sigmoid(-scaled)
    if neuron.surrogate == "arctan":
        return 1 / (1 + scaled**2)
    if neuron.surrogate == "triangle":
        return (1 - scaled.abs()).clamp(min=0)
    if neuron.surrogate == "boxcar":
        return (scaled.abs() <= 1).to(scaled.dtype)
    middle = (1 + GAUSSIAN_H) * torch.exp(-(scaled**2) / 2)
    sides = sum(torch.exp(-(((scaled + d) / GAUSSIAN_S) ** 2) / 2) for d in (-1, 1))
    return (middle - GAUSSIAN_H / GAUSSIAN_S * sides) / GAUSSIAN_PEAK


def _step(
    current: torch.Tensor,
    mem: torch.Tensor,
    adapted: torch.Tensor,
    before: torch.Tensor,
    decay_mem: torch.Tensor,
    neuron: Neuron,
    adaptation: Parameters | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute U[t], S[t] and A[t] from I[t], U[t − 1], A[t − 1] and S[t − 1]."""
    undone = before if neuron.reset_in_graph else before.detach()
    carried = mem if neuron.reset == "zero" else _left(mem, undone, neuron)
    if isinstance(adaptation, Rotation):
        mem = decay_mem * carried - adaptation.turn * adapted + adaptation.gain * current
        adapted = adaptation.turn * carried + decay_mem * adapted
    elif adaptation is None or isinstance(adaptation, Adaptation):
        drive = current - adapted if isinstance(adaptation, Adaptation) else current
        mem = decay_mem * carried + (1 - decay_mem) * drive
    else:
        raise ValueError(f"no equations for parameters of {type(adaptation).__name__}")
    if neuron.reset == "zero":
        mem = mem * (1 - undone)
    spk = _spike(mem - neuron.threshold, neuron)
    if isinstance(adaptation, Adaptation):
        left = _left(mem, spk if neuron.reset_in_graph else spk.detach(), neuron)
        pulled = adaptation.to_membrane * left + adaptation.to_spikes * spk
        adapted = adaptation.decay * adapted + (1 - adaptation.decay) * pulled
    return mem, spk, adapted


def _left(mem: torch.Tensor, spikes: torch.Tensor, neuron: Neuron) -> torch.Tensor:
    """Compute the membrane potential after a spike."""
    if neuron.reset == "subtract":
        return mem - neuron.threshold * spikes
    return mem * (1 - spikes)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(distance: torch.Tensor, neuron: Neuron) -> torch.Tensor:
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def setup_context(
        ctx: torch.autograd.function.FunctionCtx,
        inputs: tuple[torch.Tensor, Neuron],
        output: torch.Tensor,
    ) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.neuron = inputs[1]  # type: ignore[attr-defined]

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        (distance,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0] * surrogate_slope(distance, ctx.neuron), None  # type: ignore[attr-defined]


def _spike(distance: torch.Tensor, neuron: Neuron) -> torch.Tensor:
    spikes: torch.Tensor = _Spike.apply(distance, neuron)  # type: ignore[no-untyped-call]
    return spikes


def softmax_sum(trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Add up the probabilities at each step of a read-out, Σ_t softmax(O[t] + bias).

    Parameters
    ----------
    trace
        O, float (batch, time, class).
    bias
        Float (class,).
    inside
        Which steps count, bool (batch, time).

    Returns
    -------
    Tensor of float, shape (batch, class)
        Their sums.
    """
    return (torch.softmax(trace + bias, 2) * inside[..., None]).sum(1)
