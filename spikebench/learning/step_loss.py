"""A loss at every step, which learning online needs: the error is known before a clip ends.

::

    ℓ[t] = cross-entropy(O[t] + b, label)            O[t] the trace of the read-out, b its bias
    L = Σ_samples w/Σw · 1/T · Σ_t ℓ[t]              T the steps of the clip, w the weight of its class
    ∂L/∂O_k[t] = w/(T·Σw) · (softmax_k(O[t] + b) − target_k)

It is differentiated through time by :func:`step_loss`, the reference of the rules that learn online.
"""

from __future__ import annotations

import torch

from spikebench.events.batches import EventBatch
from spikebench.models.spiking_network import SpikingNetwork


def shares(batch: EventBatch, class_weights: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the share of every step in the loss.

    Parameters
    ----------
    batch
        The batch.
    class_weights
        Float (class,).
    dtype
        Type of the result.

    Returns
    -------
    Tensor, shape (batch, time)
        w/(T·Σw) inside a clip, 0 in its padding; the sum is 1.
    """
    weights = class_weights.to(dtype)[batch.labels]
    lasting = batch.lengths.clamp(min=1)
    steps = torch.arange(batch.n_steps, device=batch.labels.device)
    inside = steps < lasting[:, None]
    return inside * (weights / weights.sum() / lasting)[:, None]


def targets(labels: torch.Tensor, n_classes: int, smoothing: float) -> torch.Tensor:
    """Return the probabilities that the loss compares with.

    Parameters
    ----------
    labels
        Int64 (batch,).
    n_classes
        Number of classes.
    smoothing
        Part that is spread over all classes.

    Returns
    -------
    Tensor of float64, shape (batch, class)
        Each row sums to 1.
    """
    one_hot = torch.nn.functional.one_hot(labels, n_classes).double()
    return (1 - smoothing) * one_hot + smoothing / n_classes


def step_loss(
    model: SpikingNetwork,
    batch: EventBatch,
    class_weights: torch.Tensor,
    smoothing: float = 0.0,
    window: int = 0,
) -> torch.Tensor:
    """Compute L, with its graph.

    Parameters
    ----------
    model
        Layers and a leaky read-out.
    batch
        Its events.
    class_weights
        Float (class,).
    smoothing
        Label smoothing.
    window
        Steps after which the graph is cut (truncated back-propagation through time); 0: never.

    Returns
    -------
    Tensor of float, shape ()
        The loss. Its gradient is the sum of those of all windows.
    """
    readout = model.readout
    part = shares(batch, class_weights, readout.weight.dtype)
    target = targets(batch.labels, readout.bias.numel(), smoothing).to(readout.weight.dtype)
    total = readout.weight.new_zeros(())
    states: list[torch.Tensor | None] = [None] * len(model.hidden_layers())
    start: torch.Tensor | None = None
    length = window or batch.n_steps
    for first in range(0, batch.n_steps, length):
        last = min(first + length, batch.n_steps)
        piece = batch.window(first, last) if window else batch
        spikes = None
        for k, layer in enumerate(model.hidden_layers()):
            source = piece if spikes is None else spikes
            scan = layer.scan(model.kernels, source, model.shape.time_step, states[k])
            spikes, states[k] = scan.spikes, scan.state
        assert spikes is not None
        decay = readout.weight.new_tensor(readout.decay)
        trace = model.kernels.leaky_readout(
            spikes, readout.weight, decay=decay, reduction="trace", start=start
        )
        start = trace[:, -1].detach()
        logs = torch.log_softmax(trace + readout.bias, 2)
        total = total - (part[:, first:last, None] * target[:, None] * logs).sum()
    return total
