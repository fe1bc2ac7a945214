"""Meta-learning of networks: initial weights from which a few gradient steps learn a new task.

::

    θ_0 = θ                    initial weights, the same for all tasks
    θ_{j+1} = θ_j − a·g_j      inner steps j = 0 … J − 1 on the k shots of every class of a task
    g_j = ∇L_support(θ_j)      L: mean cross-entropy over samples; a: step size
    θ ← Adam(θ, (1/M)·Σ ∇_θ L_query(θ_J))   over the M tasks of a meta-batch; queries are other samples of a task

``maml``
    The meta-gradient is that of L_query(θ_J) as a function of θ, so it contains second derivatives of L_support: for
    one step (1 − a·H)·∇L_query(θ_1) with H the second derivatives of L_support at θ. The derivative of a spike is the
    surrogate σ'(U), its second derivative is σ''(U); this needs the kernels ``reference`` and a surrogate with a
    derivative.
``fomaml``
    First order: H is taken to be 0, and the meta-gradient is that of L_query at θ_J.
``anil``
    As ``maml``, but only the weights of the read-out take inner steps; the others are the same in all tasks.
``finetune``
    The baseline: no meta-learning. The network is trained on the classes of the meta-training tasks as usual, and
    then takes the same steps.

With b bits, weights and gradients of the inner steps are rounded, as on a chip that learns with few bits, Q as in
:mod:`spikebench.learning.few_bits`: θ_{j+1} = Q(θ_j − a·Q(g_j)), θ_0 = Q(θ). θ itself keeps 32 bits. The derivative
of Q is taken to be 1. Tensors with one axis (biases) are not rounded.

θ, a, scores and losses have no unit.

Sources: Finn, Abbeel, Levine (2017), arXiv:1703.03400 (MAML, first order); Raghu et al. (2020), arXiv:1909.09157
(ANIL); Stewart and Neftci (2022), arXiv:2201.10777 (spiking networks: one step of size 1.0, Adam with 2e-3).
Departures from the latter: fully connected networks on spikes of a cochlea instead of convolutions on events of
cameras; the step size is a setting of the network, and meta-batches are smaller.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.learning.few_bits import rounded
from spikebench.learning.task_batches import Weights, stacked, task_scores
from spikebench.models.base import Classifier
from spikebench.models.spiking_network import SpikingNetwork

Method = Literal["maml", "fomaml", "anil", "finetune"]
IGNORED = -100  # label of samples that do not count
SECOND_ORDER = ("maml", "anil")
# Surrogates whose derivative is 0 almost everywhere or jumps.
_KINKED = ("triangle", "boxcar")


def check_class(name: str, kind: type[Classifier]) -> None:
    """Refuse a class of models that takes no gradient steps on spikes.

    Parameters
    ----------
    name, kind
        The model.

    Raises
    ------
    TrainingError
        The message is one line with the remedy.
    """
    if kind.learning != "bptt" or kind.on_audio:
        why = "works on audio" if kind.on_audio else "is not trained by gradients"
        raise TrainingError(
            f"model {name} {why}, so it cannot take inner steps on spikes; choose a network such as lif or gru"
        )


def check_model(name: str, model: Classifier, method: Method, kernels: str) -> None:
    """Refuse a model that cannot be trained by a method.

    Parameters
    ----------
    name, model
        The model.
    method
        The method.
    kernels
        Name of the kernels in meta-training of second order.

    Raises
    ------
    TrainingError
        The message is one line with the remedy.
    """
    if any(isinstance(module, _BatchNorm) for module in model.modules()) or any(
        "running" in buffer for buffer, _ in model.named_buffers()
    ):
        raise TrainingError(
            f"model {name} has running averages of all tasks, which inner steps do not change; "
            "choose a network without normalisation, such as lif, rlif or gru"
        )
    if method == "maml" and not model.second_derivatives:
        raise TrainingError(
            f"model {name} has no second derivatives, which method maml needs; choose the method fomaml or anil"
        )
    if method not in SECOND_ORDER or not isinstance(model, SpikingNetwork):
        return
    if kernels != "reference":
        raise TrainingError(
            f"method {method} needs second derivatives, which the kernels {kernels!r} do not have; "
            "set meta.kernels=reference, or choose the method fomaml"
        )
    for layer in model.hidden_layers():
        if layer.neuron.surrogate in _KINKED:
            raise TrainingError(
                f"method {method} needs the derivative of the surrogate, which {layer.neuron.surrogate!r} does not "
                f"have; set {name}.surrogate=fast_sigmoid, or choose the method fomaml"
            )


def readout_names(model: Classifier) -> frozenset[str]:
    """List the parameters of the read-out: those of the last module with parameters.

    Parameters
    ----------
    model
        Any model.

    Returns
    -------
    frozenset of str
        Names of the parameters.
    """
    names = [name for name, _ in model.named_parameters()]
    module = names[-1].rpartition(".")[0]
    return frozenset(name for name in names if name.rpartition(".")[0] == module)


def adapted_names(model: Classifier, method: Method) -> frozenset[str]:
    """List the parameters that take inner steps.

    Parameters
    ----------
    model
        Any model.
    method
        ``anil`` adapts the read-out, the others all parameters.

    Returns
    -------
    frozenset of str
        Names of the parameters.
    """
    if method == "anil":
        return readout_names(model)
    return frozenset(name for name, _ in model.named_parameters())


def task_losses(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute the mean cross-entropy of every task.

    Parameters
    ----------
    scores
        Float (task, sample, class).
    labels
        int64 (task · sample,), task by task; -100 for samples that do not count.

    Returns
    -------
    Tensor of float, shape (task,)
        Losses.
    """
    n_tasks, size, _ = scores.shape
    losses = cross_entropy(scores.flatten(0, 1), labels, reduction="none")
    counted = (labels != IGNORED).view(n_tasks, size).sum(1)
    return losses.view(n_tasks, size).sum(1) / counted


def inner_step(
    model: Classifier,
    weights: Weights,
    support: EventBatch,
    names: Collection[str],
    step_size: float,
    bits: int = 0,
    second_order: bool = False,
    at_once: bool = False,
) -> Weights:
    """Take one inner step in every task.

    Parameters
    ----------
    model
        The network.
    weights
        θ_j, all parameters by name, with a leading axis of tasks, in the graph of θ.
    support
        The shots of all tasks, task by task.
    names
        Parameters that are changed.
    step_size
        a.
    bits
        Bits of weights and gradients; 0: not rounded.
    second_order
        Whether g_j remains in the graph.
    at_once
        See :func:`spikebench.learning.task_batches.task_scores`.

    Returns
    -------
    dict of Tensor
        θ_{j+1}.
    """
    chosen = [name for name in weights if name in names]
    # The loss of a task depends on its own weights only, so the gradient of the sum has that of every task.
    loss = task_losses(task_scores(model, weights, support, at_once), support.labels).sum()
    gradients = torch.autograd.grad(
        loss, [weights[name] for name in chosen], create_graph=second_order
    )
    changed = {
        name: round_through(weights[name] - step_size * round_through(gradient, bits), bits)
        for name, gradient in zip(chosen, gradients, strict=True)
    }
    return weights | changed


def start(weights: Weights, n_tasks: int, bits: int = 0) -> Weights:
    """Return θ_0 of every task: the initial weights, rounded if there are few bits.

    Parameters
    ----------
    weights
        θ, all parameters by name.
    n_tasks
        Number of tasks.
    bits
        Bits of weights; 0: not rounded.

    Returns
    -------
    dict of Tensor
        With a leading axis of tasks, in the graph of θ.
    """
    once = {name: round_through(weight[None], bits)[0] for name, weight in weights.items()}
    return stacked(once, n_tasks)


def query_loss(
    model: Classifier,
    weights: Weights,
    support: EventBatch,
    query: EventBatch,
    n_tasks: int,
    method: Method,
    step_size: float,
    steps: int,
    bits: int = 0,
    at_once: bool = False,
) -> torch.Tensor:
    """Compute the mean of L_query over tasks after their inner steps, as a function of the initial weights.

    Parameters
    ----------
    model
        The network.
    weights
        θ, all parameters by name; they require gradients.
    support, query
        Samples of all tasks, task by task.
    n_tasks
        M.
    method
        ``maml``, ``fomaml`` or ``anil``.
    step_size, steps
        a and J.
    bits
        Bits of weights and gradients in the inner steps; 0: not rounded.
    at_once
        See :func:`spikebench.learning.task_batches.task_scores`.

    Returns
    -------
    Tensor of float, a number
        Its gradient by θ is the meta-gradient.
    """
    names = adapted_names(model, method)
    now = start(weights, n_tasks, bits)
    second = method in SECOND_ORDER
    for _ in range(steps):
        now = inner_step(model, now, support, names, step_size, bits, second, at_once)
    return task_losses(task_scores(model, now, query, at_once), query.labels).mean()


def round_through(tensor: torch.Tensor, bits: int) -> torch.Tensor:
    """Round the connections of every task, or their gradients, with the derivative 1.

    Parameters
    ----------
    tensor
        With a leading axis of tasks; with fewer than two others it is not rounded.
    bits
        At least 2; 0: not rounded.

    Returns
    -------
    Tensor
        Same shape and type, in the graph.
    """
    if not bits or tensor.dim() < 3:
        return tensor
    return _Rounded.apply(tensor, bits)  # type: ignore[no-untyped-call, no-any-return]


class _Rounded(torch.autograd.Function):
    """Round in the forward pass, pass gradients unchanged."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, tensor: torch.Tensor, bits: int
    ) -> torch.Tensor:
        return torch.stack([rounded(one, bits) for one in tensor])

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        return gradients[0], None
