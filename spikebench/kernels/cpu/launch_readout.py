"""The read-out on a CPU; :mod:`spikebench.kernels.operators` calls these functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.kernels.cpu import readouts
from spikebench.kernels.cpu.arrays import array, arrays, bits_of
from spikebench.kernels.cpu.launch_near import places_of
from spikebench.kernels.cpu.memory import empty
from spikebench.kernels.cpu.threads import pieces, run_in_threads
from spikebench.kernels.scan import REDUCTIONS

_SAMPLES = 8  # of a piece


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
    given = arrays(offsets, bins, units, weight, decay, lengths, start)
    outs, one = arrays(scores, trace, peaks), given[3].dtype.type(1)

    def run(first: int, last: int) -> None:
        readouts.readout_forward(*given, reduction, one, *outs, first, last)

    run_in_threads(run, pieces(batch, _SAMPLES))
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
        places = places_of(near)
        shape = (int(places[-1]),)
    grad_spikes = empty(shape, weight)
    given = arrays(offsets, bins, units, weight, decay, lengths, start)
    is_trace = reduction == REDUCTIONS["trace"]
    none = weight.new_zeros(0, 0)
    first_grad = array(none if is_trace else grad)
    whole_grad = array(grad if is_trace else none[None])
    rest, out, bits = arrays(trace, peaks), array(grad_spikes), bits_of(near)
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
    for one_weights, one_decays in run_in_threads(run, pieces(batch, _SAMPLES)):
        weights += one_weights
        decays += one_decays
    return grad_spikes, torch.from_numpy(weights), torch.from_numpy(decays)
