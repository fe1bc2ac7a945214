"""Cost metrics of a model: computed on samples that the caller has opened, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.events.batches import BinnedSamples
from spikebench.events.moments import spread_moments, up_to
from spikebench.learning.few_bits import connections
from spikebench.metrics.cost import cost_metrics
from spikebench.metrics.cost_table import CostTable
from spikebench.metrics.latency import N_MOMENTS, latency_of
from spikebench.metrics.operations import Account, footprint_of
from spikebench.metrics.record import Latency, Metrics, NotApplicable
from spikebench.models.base import Classifier


@torch.no_grad()
def measure_cost(
    model: Classifier,
    name: str,
    samples: BinnedSamples,
    predicted: NDArray[np.int64],
    batch_size: int,
    groups: Collection[str],
    tables: Sequence[CostTable] = (),
    weight_bits: int = 0,
) -> Metrics:
    """Measure the cost metrics of a model.

    Parameters
    ----------
    model
        On any device.
    name
        Name of the model.
    samples
        At least one.
    predicted
        Its predictions for them, int64, shape (samples,).
    batch_size
        Samples at a time; does not affect the result.
    groups
        Metrics to measure, names of :data:`spikebench.metrics.cost.GROUPS`.
    tables
        Cost tables for the energy.
    weight_bits
        Bits of a weight, for the footprint; 0 if the weights are not rounded.

    Returns
    -------
    Metrics
        The requested metrics; all others are None.
    """
    model.eval()
    account = None
    if set(groups) - {"footprint", "latency"}:
        account = _account(model, samples, batch_size)
    made = cost_metrics(
        groups, name, model.spiking, _footprint(model, weight_bits), account, tables
    )
    if "latency" in groups:
        made["latency"] = _latency(model, samples, predicted, batch_size)
    return Metrics(**made)


def spikes_of_test(
    model: Classifier, samples: BinnedSamples, predicted: NDArray[np.int64], batch_size: int
) -> float | None:
    """Count the hidden spikes of a spiking network that does not show them with its scores.

    Parameters
    ----------
    model, samples, predicted, batch_size
        As for :func:`measure_cost`.

    Returns
    -------
    float or None
        Mean per sample; None if they cannot be counted.
    """
    found = measure_cost(model, "", samples, predicted, batch_size, ["spikes"])
    spikes = found.spikes_per_inference
    return spikes if isinstance(spikes, float) else None


def _footprint(model: Classifier, bits: int) -> int:
    """Count bytes; connections of few bits count as these bits, and 32 bits for the step of each tensor."""
    if not bits:
        return footprint_of(model)
    few = list(connections(model).values())
    others = footprint_of(model) - sum(one.numel() * one.element_size() for one in few)
    return others + math.ceil(sum(one.numel() * bits + 32 for one in few) / 8)


def _account(model: Classifier, samples: BinnedSamples, batch_size: int) -> Account | None:
    total: Account | None = None
    for first in range(0, len(samples), batch_size):
        chosen = np.arange(first, min(first + batch_size, len(samples)))
        account = model.account(samples.batch(chosen).to(_device(model)))
        if account is None:
            return None
        total = account if total is None else total + account
    return total


def _latency(
    model: Classifier, samples: BinnedSamples, predicted: NDArray[np.int64], batch_size: int
) -> Latency | NotApplicable:
    """Classify the input up to each moment; once a batch has ended, its predictions are final."""
    steps = spread_moments(samples.n_steps, N_MOMENTS)
    correct = np.zeros(steps.size, np.int64)
    for first in range(0, len(samples), batch_size):
        chosen = np.arange(first, min(first + batch_size, len(samples)))
        batch = samples.batch(chosen).to(_device(model))
        right = predicted[chosen] == samples.labels[chosen]
        for k, step in enumerate(steps):
            if int(batch.lengths.max()) > step:
                found = model(up_to(batch, int(step))).scores.argmax(1).cpu().numpy()
                correct[k] += (found == samples.labels[chosen]).sum()
            else:
                correct[k] += right.sum()
    times = [float(step * samples.time_step) for step in steps]
    return latency_of(times, correct.tolist(), len(samples))


def _device(model: Classifier) -> torch.device:
    return next((t.device for t in [*model.parameters(), *model.buffers()]), torch.device("cpu"))
