"""Shapes and types of the results of the operators, from which ``torch.compile`` and ``torch.export`` trace a network.

One function per operator of :mod:`spikebench.kernels.operators`, with its arguments; no value is computed. How many
spikes a layer has, or how many events stay when one per cell is kept, depends on data: these are new symbolic sizes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from spikebench.kernels.neuron import COMPACT
from spikebench.kernels.scan import REDUCTIONS
from spikebench.kernels.spikes import BITS, near_shape

Tensors3 = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Tensors4 = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _checked_cells(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    batch: int,
    n_steps: int,
    n_units: int,
    is_binary: bool,
) -> Tensors3:
    n = torch.library.get_ctx().new_dynamic_size() if is_binary else bins.shape[0]
    return offsets.new_empty(batch + 1), bins.new_empty(n), units.new_empty(n)


def _checked_lengths(lengths: torch.Tensor, n_steps: int) -> torch.Tensor:
    return torch.empty_like(lengths)


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
    return weight.new_empty(offsets.shape[0] - 1, n_steps, weight.shape[2])


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
    inputs: tuple[int, ...] = (grad.shape[0], grad.shape[1], weight.shape[1])
    if near_handle is not None:
        inputs = (near_handle.shape[0],)
    return (
        weight.new_empty(weight.shape if to_weight else (0,)),
        weight.new_empty(inputs if to_spikes else (0,)),
    )


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
    return weight.new_empty(offsets.shape[0] - 1, n_steps, weight.shape[1])


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
) -> Tensors3:
    connections = weight.shape if to_weight else (0,)
    inputs = (grad.shape[0], grad.shape[1], weight.shape[0]) if to_spikes else (0, 0, 0)
    return (
        weight.new_empty(connections),
        weight.new_empty(connections),
        weight.new_empty(inputs),
    )


def _lif_scan(
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
) -> tuple[torch.Tensor, ...]:
    batch, _, n = state.shape
    n_spikes = torch.library.get_ctx().new_dynamic_size()
    n_near = torch.library.get_ctx().new_dynamic_size() if keep_near else 0
    near = near_shape((batch, n_steps, n)) if keep_near else (0, 0, 0)
    kept = (
        state.new_empty((batch, n_steps, n) if wanted else (0, 0, 0))
        for wanted in (keep_membranes, keep_synapses, keep_adaptation)
    )
    return (
        state.new_empty_strided((batch, n_steps, n), (0, 0, 0)),
        state.new_empty(batch + 1, dtype=torch.int64),
        state.new_empty(n_spikes, dtype=torch.int32),
        state.new_empty(n_spikes, dtype=torch.int32),
        *kept,
        state.new_empty(state.shape),
        state.new_empty(near, dtype=torch.int32),
        state.new_empty(n_near),
        state.new_empty_strided((n_near,), (0,)),
    )


def _lif_scan_backward(
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
) -> Tensors4:
    none, shape = (0, 0, 0), (state.shape[0], n_steps, state.shape[2])
    return (
        state.new_empty(shape if to_current else none),
        weight.new_empty(weight.shape if to_weight else none),
        recurrent.new_empty(recurrent.shape if to_recurrent else none),
        parameters.new_empty(1 + parameters.shape[0], parameters.shape[1]),
    )


def _gather_near(
    values: torch.Tensor, near: torch.Tensor, near_handle: torch.Tensor
) -> torch.Tensor:
    return values.new_empty(near_handle.shape)


def _current_moments(current: torch.Tensor) -> torch.Tensor:
    return current.new_empty(2, current.shape[2], dtype=torch.float64)


def _feed_forward_scan(
    current: torch.Tensor,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    norm: torch.Tensor,
    state: torch.Tensor,
    equations: int,
    threshold: float,
    slope: float,
    reset: int,
    reset_in_graph: bool,
    surrogate: int,
    of_batch: bool,
    keep_membranes: bool,
) -> tuple[torch.Tensor, ...]:
    n_spikes = torch.library.get_ctx().new_dynamic_size()
    near = near_shape(current.shape) if surrogate in COMPACT else (0, 0, 0)
    return (
        current.new_empty_strided(current.shape, (0, 0, 0)),
        current.new_empty(current.shape[0] + 1, dtype=torch.int64),
        current.new_empty(n_spikes, dtype=torch.int32),
        current.new_empty(n_spikes, dtype=torch.int32),
        current.new_empty(current.shape if keep_membranes else (0, 0, 0)),
        current.new_empty(near, dtype=torch.int32),
        state.new_empty(state.shape),
    )


def _feed_forward_scan_backward(
    grad_spikes: torch.Tensor,
    grad_membranes: torch.Tensor,
    current: torch.Tensor,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    norm: torch.Tensor,
    state: torch.Tensor,
    equations: int,
    threshold: float,
    slope: float,
    reset: int,
    reset_in_graph: bool,
    surrogate: int,
    of_batch: bool,
    to_current: bool,
    to_parameters: bool,
) -> Tensors3:
    return (
        current.new_empty(current.shape if to_current else (0, 0, 0)),
        parameters.new_empty(1 + parameters.shape[0], parameters.shape[1]),
        norm.new_empty(norm.shape),
    )


def _normalised_layer(
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    handle: torch.Tensor | None,
    near: torch.Tensor | None,
    near_handle: torch.Tensor | None,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    affine: torch.Tensor,
    averages: torch.Tensor,
    state: torch.Tensor,
    n_steps: int,
    equations: int,
    threshold: float,
    slope: float,
    reset: int,
    reset_in_graph: bool,
    surrogate: int,
    epsilon: float,
    keep_membranes: bool,
) -> tuple[torch.Tensor, ...]:
    shape = state.shape[0], n_steps, state.shape[2]
    n_spikes = torch.library.get_ctx().new_dynamic_size()
    n_near = torch.library.get_ctx().new_dynamic_size() if surrogate in COMPACT else 0
    tiled = shape[0], near_shape(torch.Size(shape))[2], n_steps, BITS
    close = near_shape(torch.Size(shape)) if surrogate in COMPACT else (0, 0, 0)
    return (
        state.new_empty_strided(shape, (0, 0, 0)),
        state.new_empty(state.shape[0] + 1, dtype=torch.int64),
        state.new_empty(n_spikes, dtype=torch.int32),
        state.new_empty(n_spikes, dtype=torch.int32),
        state.new_empty(shape if keep_membranes else (0, 0, 0)),
        state.new_empty(close, dtype=torch.int32),
        state.new_empty(state.shape),
        state.new_empty_strided((n_near,), (0,)),
        state.new_empty(tiled),
        affine.new_empty(4, affine.shape[1]),
        affine.new_empty(0 if len(averages) else 2, affine.shape[1], dtype=torch.float64),
    )


def _normalised_layer_backward(
    grad_spikes: torch.Tensor,
    grad_near: torch.Tensor,
    grad_membranes: torch.Tensor,
    current: torch.Tensor,
    norm: torch.Tensor,
    near: torch.Tensor,
    offsets: torch.Tensor,
    bins: torch.Tensor,
    units: torch.Tensor,
    weight: torch.Tensor,
    near_input: torch.Tensor | None,
    near_handle: torch.Tensor | None,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    state: torch.Tensor,
    equations: int,
    threshold: float,
    slope: float,
    reset: int,
    reset_in_graph: bool,
    surrogate: int,
    of_batch: bool,
    to_weight: bool,
    to_spikes: bool,
    to_parameters: bool,
) -> Tensors4:
    inputs: tuple[int, ...] = (current.shape[0], current.shape[2], weight.shape[0])
    if near_handle is not None:
        inputs = tuple(near_handle.shape)
    return (
        weight.new_empty(weight.shape if to_weight else (0, 0)),
        weight.new_empty(inputs if to_spikes else (0, 0, 0)),
        parameters.new_empty(1 + parameters.shape[0], parameters.shape[1]),
        norm.new_empty(norm.shape),
    )


def _leaky_readout(
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
) -> Tensors3:
    batch, n = lengths.shape[0], weight.shape[1]
    has_trace = keep_trace or reduction == REDUCTIONS["trace"]
    return (
        weight.new_empty(batch, n),
        weight.new_empty(batch, n_steps if has_trace else 0, n),
        weight.new_empty(batch, n, dtype=torch.int32),
    )


def _leaky_readout_backward(
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
) -> Tensors3:
    n_units, n = weight.shape
    spikes = (lengths.shape[0], n_steps, n_units)
    return (
        weight.new_empty(spikes if near_handle is None else near_handle.shape),
        weight.new_empty(n_units, n),
        weight.new_empty(n),
    )


def _softmax_sum(trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    return trace.new_empty(trace.shape[0], trace.shape[2])


def _softmax_sum_backward(
    grad: torch.Tensor, trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    return trace.new_empty(trace.shape), bias.new_empty(bias.shape)


FAKES: dict[str, Callable[..., torch.Tensor | tuple[torch.Tensor, ...]]] = {
    "checked_cells": _checked_cells,
    "checked_lengths": _checked_lengths,
    "current_moments": _current_moments,
    "delayed_linear": _delayed_linear,
    "delayed_linear_backward": _delayed_linear_backward,
    "event_linear": _event_linear,
    "event_linear_backward": _event_linear_backward,
    "feed_forward_scan": _feed_forward_scan,
    "feed_forward_scan_backward": _feed_forward_scan_backward,
    "gather_near": _gather_near,
    "leaky_readout": _leaky_readout,
    "leaky_readout_backward": _leaky_readout_backward,
    "lif_scan": _lif_scan,
    "lif_scan_backward": _lif_scan_backward,
    "normalised_layer": _normalised_layer,
    "normalised_layer_backward": _normalised_layer_backward,
    "softmax_sum": _softmax_sum,
    "softmax_sum_backward": _softmax_sum_backward,
}
