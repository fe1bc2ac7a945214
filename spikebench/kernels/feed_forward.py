"""Feed-forward layers with given currents on a CPU, as PyTorch operators with gradients.

:func:`spikebench.kernels.operators.lif_scan` calls them. They normalise currents within the scan, and store no step:
the backward pass runs the neurons again.
"""

from __future__ import annotations

from typing import Any

import torch

from spikebench.kernels.cpu import launch_feed_forward as cpu
from spikebench.kernels.neuron import Settings
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.scan import Scan
from spikebench.kernels.spikes import Spikes

ONCE = (
    "these kernels have first derivatives only; for second derivatives use the reference kernels "
    '(spikebench.choose_kernels(device, "reference"))'
)


def feed_forward_scan(
    current: torch.Tensor,
    decay_syn: torch.Tensor,
    parameters: torch.Tensor,
    state: torch.Tensor,
    settings: Settings,
    normalisation: Normalisation | None,
    keep_membranes: bool,
) -> Scan:
    """Run a layer of neurons.

    Parameters
    ----------
    current
        Float (batch, time, unit), before normalisation.
    decay_syn, parameters
        α, float (unit,); β and the parameters of the equations, float (parameter, unit).
    state
        Initial state, from :func:`spikebench.kernels.scan.check_scan`.
    settings, normalisation, keep_membranes
        As in :func:`spikebench.kernels.reference.lif_scan`.

    Returns
    -------
    Scan
        Spikes, membranes, state.
    """
    of_batch = normalisation is not None and normalisation.of_batch
    norm = parameters.new_empty(0, parameters.shape[1])
    if normalisation is not None:
        norm = _rows(normalisation, current)
    handle, offsets, bins, fired, membranes, near, end = _scan(
        current, decay_syn, parameters, norm, state, *settings, of_batch, keep_membranes
    )
    close = near if near.numel() else None
    spikes = Spikes(offsets, bins, fired, handle, is_checked=True, near=close)
    return Scan(spikes, membranes if keep_membranes else None, end)


def _rows(normalisation: Normalisation, current: torch.Tensor) -> torch.Tensor:
    """Return γ, β, the mean and 1/the deviation; the running averages follow the batch."""
    if normalisation.of_batch:
        moments: torch.Tensor = _moments(current.detach())
        normalisation.follow(moments, current.shape[0] * current.shape[1])
    else:
        moments = torch.stack([normalisation.running_mean, normalisation.running_var]).double()
    scale = torch.rsqrt(moments[1] + normalisation.epsilon)
    fixed = (moments[0].to(current.dtype), scale.to(current.dtype))
    return torch.stack([normalisation.weight, normalisation.bias, *fixed])


@torch.library.custom_op("spikebench::current_moments", mutates_args=())
def _moments(current: torch.Tensor) -> torch.Tensor:
    return cpu.moments(current)


@torch.library.custom_op("spikebench::feed_forward_scan", mutates_args=())
def _scan(
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
) -> tuple[
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
    torch.Tensor,
]:
    settings = Settings(equations, threshold, slope, reset, reset_in_graph, surrogate)
    layer = cpu.Layer(decay_syn, parameters, norm)
    found = cpu.scan(current, layer, state, settings, keep_membranes)
    handle = torch.zeros(1, dtype=current.dtype)
    return (handle.as_strided(current.shape, (0, 0, 0)), *found)  # type: ignore[return-value]


@torch.library.custom_op("spikebench::feed_forward_scan_backward", mutates_args=())
def _scan_backward(
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
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return cpu.scan_backward(
        (grad_spikes, grad_membranes),
        current,
        cpu.Layer(decay_syn, parameters, norm),
        state,
        Settings(equations, threshold, slope, reset, reset_in_graph, surrogate),
        of_batch,
        (to_current, to_parameters),
    )


def _context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
    _, *spikes, _, near, end = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*spikes, near, end)
    ctx.save_for_backward(*inputs[:5])
    ctx.settings = inputs[5:12]


def _gradients(ctx: Any, *gradients: torch.Tensor | None) -> tuple[Any, ...]:  # noqa: ANN401
    current = ctx.saved_tensors[0]
    none = current.new_empty(0, 0, 0)
    asked = (none if g is None else g for g in (gradients[0], gradients[4]))
    needs = ctx.needs_input_grad
    to_parameters = needs[1] or needs[2]
    found, rows, norm = _scan_backward(
        *asked, *ctx.saved_tensors, *ctx.settings, needs[0], to_parameters
    )
    return (
        found if needs[0] else None,
        rows[0] if needs[1] else None,
        rows[1:] if needs[2] else None,
        norm if needs[3] else None,
        *(None,) * 9,
    )


def _once(ctx: Any, *gradients: Any) -> None:  # noqa: ANN401
    raise RuntimeError(ONCE)


for _operator, _back, _keep in (
    (_scan, _gradients, _context),
    (_scan_backward, _once, None),
    (_moments, _once, None),
):
    _operator.register_autograd(_back, setup_context=_keep)
