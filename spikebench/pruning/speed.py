"""Time of a layer with dense and with masked weights, in the event kernels.

A feed-forward layer gets the spikes of a batch; a recurrent layer gets a constant current under which its neurons fire
regularly. Weights are scaled down so far that they cause and prevent no spike, so both layers do the same work except
for the zeros among their weights. Times are those of the processor, on one thread, per time step of the batch: forward,
and forward with the gradients; dense and masked in turn, the median of the repetitions after the first ones.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from spikebench.errors import ResultError
from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.neuron import Neuron
from spikebench.learning.pruning_masks import keep_largest
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.strict_json import read_record
from spikebench.records.whole_files import write_text
from spikebench.training.inference import one_thread

__all__ = ["LayerTime", "measured_times"]

_FIRST, _REPEATED = 3, 21
_TINY = 1e-6  # scale of weights without effect on spikes
_DECAY_SYN, _DECAY_MEM, _CURRENT = 0.3, 0.6, 3.0


class LayerTime(Record):
    """Seconds per time step of a batch."""

    layer: Name
    density: Fraction
    inputs: Count
    units: Count
    batch_size: Count
    forward_seconds: NonNegative
    training_seconds: NonNegative


class _Kept(Record):
    identity: str
    times: list[LayerTime]


def measured_times(
    path: Path, identity: str, batch: EventBatch, n_units: int, densities: Sequence[float]
) -> list[LayerTime]:
    """Measure the times of a feed-forward and a recurrent layer, or read them if they were measured before.

    Parameters
    ----------
    path
        File in which they are kept.
    identity
        What must be equal in the file.
    batch
        Input of the feed-forward layer.
    n_units
        Neurons of both layers.
    densities
        Densities below 1; the dense layer is always measured.

    Returns
    -------
    list of LayerTime
        Both layers at every density, from the highest.
    """
    try:
        kept = read_record(path, _Kept)
        if kept.identity == identity:
            return kept.times
    except ResultError:
        pass
    with one_thread():
        times = [
            one
            for layer, n_in in (("feed-forward", batch.n_units), ("recurrent", n_units))
            for one in _measure(layer, n_in, n_units, batch, [1.0, *densities])
        ]
    write_text(path, _Kept(identity=identity, times=times).model_dump_json(indent=2) + "\n")
    return times


def _measure(
    layer: str, n_in: int, n_units: int, batch: EventBatch, densities: Sequence[float]
) -> list[LayerTime]:
    generator = torch.Generator().manual_seed(0)
    dense = _TINY * torch.randn(n_in, n_units, generator=generator)
    weights = []
    for density in densities:
        drawn = torch.rand(n_in, n_units, generator=generator)
        mask = keep_largest({"weight": drawn}, density, "layer")["weight"]
        weights.append((dense * mask).requires_grad_())
    taken: list[tuple[list[float], list[float]]] = [([], []) for _ in densities]
    for _ in range(_FIRST + _REPEATED):
        for weight, (forward, training) in zip(weights, taken, strict=True):
            began = time.process_time()
            spikes = _run(layer, weight, batch)
            between = time.process_time()
            spikes.sum().backward()  # type: ignore[no-untyped-call]
            forward.append(between - began)
            training.append(time.process_time() - began)
    steps = batch.n_steps
    return [
        LayerTime(
            layer=layer,
            density=density,
            inputs=n_in,
            units=n_units,
            batch_size=len(batch),
            forward_seconds=statistics.median(forward[_FIRST:]) / steps,
            training_seconds=statistics.median(training[_FIRST:]) / steps,
        )
        for density, (forward, training) in zip(densities, taken, strict=True)
    ]


def _run(layer: str, weight: torch.Tensor, batch: EventBatch) -> torch.Tensor:
    kernels = choose_kernels("cpu")
    syn, mem = torch.tensor(_DECAY_SYN), torch.tensor(_DECAY_MEM)
    if layer == "feed-forward":
        return kernels.lif_scan(batch, syn, mem, Neuron(), weight=weight).spikes.dense()
    # Neurons differ in their current, so that they do not all fire in the same steps.
    currents = _CURRENT * torch.from_numpy(np.linspace(0.5, 1.0, len(weight), dtype=np.float32))
    drive = currents.expand(len(batch), batch.n_steps, -1).contiguous()
    return kernels.recurrent_lif_scan(drive, weight, syn, mem, Neuron()).spikes.dense()
