"""Feed-forward layers on a CPU whose currents come from events and are normalised, as a PyTorch operator.

:func:`spikebench.kernels.operators.lif_scan` calls it. The same as :func:`spikebench.kernels.operators.event_linear`
and :mod:`spikebench.kernels.feed_forward`, one after the other. In one operator, what is computed from the currents of
a sample is computed while they are in the cache: in the forward pass their moments, in the backward pass the gradients
of the weights and of the input spikes.
"""

from __future__ import annotations

from typing import Any

import torch

from spikebench.events.batches import EventBatch
from spikebench.kernels.cpu import launch_normalised as cpu
from spikebench.kernels.cpu.launch_feed_forward import Layer
from spikebench.kernels.feed_forward import ONCE
from spikebench.kernels.neuron import Settings
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.scan import Scan, steps_of
from spikebench.kernels.spikes import Spikes


def normalised_layer(
    events: EventBatch | Spikes,
    cells: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    weight: torch.Tensor,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    state: torch.Tensor,
    settings: Settings,
    normalisation: Normalisation,
    keep_membranes: bool,
) -> Scan:
    """Run a layer of neurons.

    Parameters
    ----------
    events
        Events of the input, or spikes of another layer.
    cells
        Their offsets, bins and units, checked.
    weight
        Float (input, unit).
    decay_syn, parameters, state, settings, normalisation, keep_membranes
        As in :func:`spikebench.kernels.feed_forward.feed_forward_scan`.

    Returns
    -------
    Scan
        Spikes, membranes, state.
    """
    of_batch, n_steps = normalisation.of_batch, steps_of(events)
    spikes = events if isinstance(events, Spikes) else None
    averages = torch.stack([normalisation.running_mean, normalisation.running_var])
    handle, offsets, bins, fired, membranes, near, end, near_handle, _, _, moments = _layer(
        *cells,
        weight,
        *((None, None, None) if spikes is None else spikes.handles()),
        decay_syn,
        parameters,
        torch.stack([normalisation.weight, normalisation.bias]),
        averages[:0] if of_batch else averages,
        state,
        n_steps,
        *settings,
        normalisation.epsilon,
        keep_membranes,
    )
    if of_batch:
        normalisation.follow(moments, len(state) * n_steps)
    listed = (near, near_handle) if near.numel() else (None, None)
    fired_now = Spikes(
        offsets, bins, fired, handle, is_checked=True, near=listed[0], near_handle=listed[1]
    )
    return Scan(fired_now, membranes if keep_membranes else None, end)


@torch.library.custom_op("spikebench::normalised_layer", mutates_args=())
def _layer(
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
    """Return the handle, offsets, bins and units of spikes, membranes, near, state, near handle, currents and more.

    These are tiled, (batch, tile, time, 32). The others are ``norm`` and the moments.
    """
    current, moments = cpu.currents((offsets, bins, units), weight, n_steps, not len(averages))
    mean, variance = averages.double() if len(averages) else moments
    scale = torch.rsqrt(variance + epsilon)
    norm = torch.cat([affine, torch.stack([mean, scale]).to(affine.dtype)])
    settings = Settings(equations, threshold, slope, reset, reset_in_graph, surrogate)
    layer = Layer(decay_syn, parameters, norm)
    found = cpu.scan(current, layer, state, settings, keep_membranes)
    count = int(cpu.places_of(found[4])[-1])
    shape = len(state), n_steps, state.shape[2]
    spikes, near_spikes = (torch.zeros(1, dtype=current.dtype) for _ in range(2))
    handles = spikes.as_strided(shape, (0, 0, 0)), near_spikes.as_strided((count,), (0,))
    return handles[0], *found, handles[1], current, norm, moments  # type: ignore[return-value]


@torch.library.custom_op("spikebench::normalised_layer_backward", mutates_args=())
def _layer_backward(
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
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    return cpu.backward(
        (grad_spikes, grad_near, grad_membranes),
        current=current,
        near=near,
        events=(offsets, bins, units),
        weight=weight,
        near_input=near_input,
        is_listed=near_handle is not None,
        layer=Layer(decay_syn, parameters, norm),
        state=state,
        settings=Settings(equations, threshold, slope, reset, reset_in_graph, surrogate),
        of_batch=of_batch,
        wanted=(to_weight, to_spikes, to_parameters),
    )


def _context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
    _, *spikes, _, near, end, _, current, norm, moments = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*spikes, near, end, current, norm, moments)
    *cells, weight, _, near_input, near_handle, decay_syn, parameters, _, averages, state = inputs[
        :12
    ]
    ctx.save_for_backward(
        *(current, norm, near, *cells, weight, near_input, near_handle),
        *(decay_syn, parameters, state),
    )
    ctx.settings = (*inputs[13:19], not len(averages))


def _gradients(ctx: Any, *gradients: torch.Tensor | None) -> tuple[Any, ...]:  # noqa: ANN401
    none = ctx.saved_tensors[0].new_empty(0, 0, 0)
    of_all, of_membranes, of_near = (gradients[k] for k in (0, 4, 7))
    needs = ctx.needs_input_grad
    weight, spikes, rows, norm = _layer_backward(
        none if of_all is None else of_all,
        none.flatten() if of_near is None else of_near,
        none if of_membranes is None else of_membranes,
        *(*ctx.saved_tensors, *ctx.settings),
        *(needs[3], needs[4] or needs[6], needs[7] or needs[8]),
    )
    return (
        *(None,) * 3,
        *(weight if needs[3] else None, spikes if needs[4] else None, None),
        spikes if needs[6] else None,
        *(rows[0] if needs[7] else None, rows[1:] if needs[8] else None),
        norm[:2] if needs[9] else None,
        *(None,) * 11,
    )


def _once(ctx: Any, *gradients: Any) -> None:  # noqa: ANN401
    raise RuntimeError(ONCE)


_layer.register_autograd(_gradients, setup_context=_context)
_layer_backward.register_autograd(_once)
