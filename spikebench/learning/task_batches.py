"""Several tasks in one pass, each with weights of its own: the time of a step in Python is shared by all of them.

::

    x_m[t] = W_m·S_m[t]         m: task; everything else is the scan of the reference for the samples of all tasks

Weights have a leading axis of tasks, and a batch holds the samples of all tasks, task by task, equally many of each.
Feed-forward spiking layers with a read-out by maximum, mean, sum or last value are computed at once; other networks
task by task (the slow twin, which gives the same scores).
"""

from __future__ import annotations

from typing import cast

import torch
from torch.func import functional_call

from spikebench.events.batches import EventBatch
from spikebench.kernels import reference
from spikebench.kernels.choice import Kernels
from spikebench.kernels.neuron import Neuron, Parameters
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.scan import Reduction, Scan
from spikebench.kernels.spikes import Spikes
from spikebench.models.base import Classifier
from spikebench.models.spiking_network import SpikingNetwork

Weights = dict[str, torch.Tensor]


class TaskKernels:
    """The reference kernels for weights with a leading axis of tasks.

    Parameters
    ----------
    n_tasks
        Tasks in a batch.
    """

    def __init__(self, n_tasks: int) -> None:
        self.n_tasks = n_tasks

    def event_linear(self, events: EventBatch | Spikes, weight: torch.Tensor) -> torch.Tensor:
        """Multiply the events of every task by its weights, float (task, input, output)."""
        return self._times(events.dense().to(weight.dtype), weight)

    def lif_scan(
        self,
        current: torch.Tensor | EventBatch,
        decay_syn: torch.Tensor,
        decay_mem: torch.Tensor,
        neuron: Neuron,
        adaptation: Parameters | None = None,
        state: torch.Tensor | None = None,
        keep_membranes: bool = False,
        weight: torch.Tensor | None = None,
        normalisation: Normalisation | None = None,
    ) -> Scan:
        """Run a layer of neurons for all tasks; see :func:`spikebench.kernels.reference.lif_scan`."""
        if weight is not None:
            current = self.event_linear(cast(EventBatch, current), weight)
        return reference.lif_scan(
            current,
            decay_syn=decay_syn,
            decay_mem=decay_mem,
            neuron=neuron,
            adaptation=adaptation,
            state=state,
            keep_membranes=keep_membranes,
            normalisation=normalisation,
        )

    def leaky_readout(
        self,
        spikes: Spikes,
        weight: torch.Tensor,
        decay: torch.Tensor,
        reduction: Reduction = "max",
        lengths: torch.Tensor | None = None,
        start: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Integrate the spikes of every task; float (sample of a task, task, class), to which a bias can be added."""
        inputs = self._times(spikes.dense(), weight)
        carried = Spikes(spikes.offsets, spikes.bins, spikes.units, inputs, is_raster=True)
        unit = torch.eye(weight.shape[-1], dtype=weight.dtype)
        found = reference.leaky_readout(carried, unit, decay, reduction, lengths, start)
        return found.reshape(self.n_tasks, -1, found.shape[-1]).transpose(0, 1)

    def _times(self, raster: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        batch, n_steps, n_in = raster.shape
        product = raster.reshape(self.n_tasks, -1, n_in) @ weight
        return product.reshape(batch, n_steps, -1)


def runs_at_once(model: Classifier) -> bool:
    """Return whether the tasks of a model can be computed in one pass.

    Parameters
    ----------
    model
        Any model.

    Returns
    -------
    bool
        True for feed-forward spiking layers without delays, adaptation and normalisation, and a plain read-out.
    """
    if not isinstance(model, SpikingNetwork):
        return False
    plain = all(
        layer.recurrent is None
        and layer.delays is None
        and layer.normalisation is None
        and layer.adaptation is None
        and not isinstance(layer.tau_mem_ms, torch.Tensor)
        and not isinstance(layer.tau_syn_ms, torch.Tensor)
        and layer.decay_mem is None
        for layer in model.hidden_layers()
    )
    return plain and model.readout.reduction != "softmax" and not model.readout.skip


def stacked(weights: Weights, n_tasks: int) -> Weights:
    """Give every task the same weights.

    Parameters
    ----------
    weights
        All parameters by name.
    n_tasks
        Number of tasks.

    Returns
    -------
    dict of Tensor
        With a leading axis of tasks; gradients are summed over it.
    """
    return {name: weight.expand(n_tasks, *weight.shape) for name, weight in weights.items()}


def task_scores(
    model: Classifier, weights: Weights, batch: EventBatch, at_once: bool
) -> torch.Tensor:
    """Compute the scores of all tasks.

    Parameters
    ----------
    model
        The network; its own parameters are not used.
    weights
        All parameters by name, with a leading axis of tasks.
    batch
        The samples of all tasks, task by task.
    at_once
        Whether to compute them in one pass, for models of :func:`runs_at_once`, by the reference kernels; else task by
        task, by the kernels of the model.

    Returns
    -------
    Tensor of float, shape (task, sample of a task, class)
        Scores; gradients propagate to the weights.
    """
    n_tasks = len(next(iter(weights.values())))
    if at_once:
        before = model.kernels
        model.kernels = cast(Kernels, TaskKernels(n_tasks))
        try:
            scores: torch.Tensor = functional_call(model, weights, (batch,)).scores
        finally:
            model.kernels = before
        return scores.transpose(0, 1)
    size = len(batch) // n_tasks
    return torch.stack(
        [
            functional_call(
                model,
                {name: weight[m] for name, weight in weights.items()},
                (batch.part(m * size, (m + 1) * size),),
            ).scores
            for m in range(n_tasks)
        ]
    )
