"""Gradients of spikes near their threshold on a CPU; :mod:`spikebench.kernels.operators` calls these functions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import spike_gradients
from spikebench.kernels.cpu.arrays import array, arrays, bits_of
from spikebench.kernels.cpu.memory import empty
from spikebench.kernels.cpu.threads import pieces, run_in_threads


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
        given = arrays(grad, weight, out)
        run_in_threads(
            lambda first, last: spike_gradients.propagate_to_near(*given, bits, first, last),
            pieces(batch),
        )
        return out
    transposed = [np.ascontiguousarray(array(weight[s]).T) for s in range(taps)]
    gradient, to_spikes = arrays(grad, out)

    def multiply(first: int, last: int) -> None:
        for k in range(first, last):
            np.matmul(gradient[k], transposed[0], out=to_spikes[k])
            for s in range(1, taps):
                to_spikes[k, : n_steps - s] += gradient[k, s:] @ transposed[s]

    run_in_threads(multiply, pieces(batch))
    return out


def near_spikes_gradient(
    grad: torch.Tensor, weight: torch.Tensor, near: torch.Tensor
) -> torch.Tensor:
    """Compute what :func:`spikes_gradient` computes for the units near their threshold, as a list."""
    places, bits = places_of(near), bits_of(near)
    out = empty((int(places[-1]),), grad)
    given, listed = arrays(grad, weight), array(out)
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
            dense = array(spikes_gradient(grad[k : k + 1], weight, None))
            spike_gradients.gather_near(dense, bits[k : k + 1], places[k : k + 1], listed, 0, 1)

    run_in_threads(gather, pieces(len(grad)))
    return out


def gather_near(values: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    """List the values (batch, time or 1, unit) of the units near their threshold."""
    places, given, bits = places_of(near), array(values), bits_of(near)
    out = empty((int(places[-1]),), values)
    listed = array(out)
    run_in_threads(
        lambda first, last: spike_gradients.gather_near(given, bits, places, listed, first, last),
        pieces(len(given)),
    )
    return out


def everywhere(
    listed: torch.Tensor, near: torch.Tensor, others: torch.Tensor, shape: tuple[int, ...]
) -> torch.Tensor:
    """Add the gradients of near spikes to those of all spikes, if there are any: (batch, time, unit)."""
    values = empty(shape, listed)
    if others.numel():
        values.copy_(others)
    else:
        values.zero_()
    given = array(listed), bits_of(near), places_of(near), array(values)
    run_in_threads(
        lambda first, last: spike_gradients.scatter_near(*given, first, last), pieces(len(values))
    )
    return values


def _few_near(near: torch.Tensor | None, spikes: torch.Tensor) -> NDArray[np.uint32] | None:
    """Return the bits of ``near`` if so few are set that products unit by unit are faster for these spikes."""
    if near is None:
        return None
    bits = bits_of(near)
    few = int(np.bitwise_count(bits).sum()) < spike_gradients.SPARSE_STEPS * spikes.numel()
    return bits if few else None


def places_of(near: torch.Tensor) -> NDArray[np.int64]:
    """Return where the units of every sample near their threshold begin in a list, and where it ends."""
    return spike_gradients.places_of(bits_of(near))
