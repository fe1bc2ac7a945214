"""Meta-learning of networks: initial weights from which a few gradient steps learn a new task.

::

    θ_0 = θ                    initial weights, the same for all tasks
    θ_{j+1} = θ_j − a·g_j      inner steps j = 0 … J − 1 on the k shots of every class of a task; a: step size
    g_j = ∇L_support(θ_j)      L: mean cross-entropy over samples
    θ ← Adam(θ, (1/M)·Σ ∇_θ L_query(θ_J))   over the M tasks of a meta-batch; the queries are other samples of the task

``maml``
    The meta-gradient is that of L_query(θ_J) as a function of θ, so it contains second derivatives of L_support: for one
    step (1 − a·H)·∇L_query(θ_1) with H the second derivatives of L_support at θ. The derivative of a spike is the surrogate
    σ'(U), its second derivative is σ''(U); this needs the kernels ``reference`` and a surrogate with a derivative.
``fomaml``
    First order: H is taken to be 0, and the meta-gradient is that of L_query at θ_J.
``anil``
    As ``maml``, but only the weights of the read-out take inner steps; the others are the same in all tasks.
``finetune``
    The baseline: no meta-learning. The network is trained on the classes of the meta-training tasks as usual, and then
    takes the same steps.

With b bits, weights and gradients of the inner steps are rounded, as on a chip that learns with few bits, Q as in
:mod:`spikebench.learning.few_bits`: θ_{j+1} = Q(θ_j − a·Q(g_j)), θ_0 = Q(θ). θ itself keeps 32 bits. The derivative of Q
is taken to be 1. Tensors with one axis (biases) are not rounded.

θ has no unit, nor has a; scores and losses have none.

Sources: Finn, Abbeel, Levine (2017), arXiv:1703.03400 (MAML, first order); Raghu et al. (2020), arXiv:1909.09157 (ANIL);
Stewart and Neftci (2022), arXiv:2201.10777 (spiking networks: one step of size 1.0, Adam with 2e-3). Departures from the
latter: fully connected networks on spikes of a cochlea instead of convolutions on events of cameras and digits; smaller
meta-batches.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.learning.few_bits import rounded
from spikebench.models.base import Classifier
from spikebench.models.spiking_network import SpikingNetwork

Method = Literal["maml", "fomaml", "anil", "finetune"]
Weights = dict[str, torch.Tensor]

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
            f"model {name} {why}, so it cannot take inner steps on spikes; choose a network such as lif, rlif or gru"
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
                f"method {method} needs the derivative of the surrogate, which {layer.neuron.surrogate!r} does not have; "
                f"set {name}.surrogate=fast_sigmoid, or choose the method fomaml"
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


def scores_of(model: Classifier, weights: Weights, batch: EventBatch) -> torch.Tensor:
    """Compute the scores of a network with given weights.

    Parameters
    ----------
    model
        The network; its own parameters are not used.
    weights
        All parameters by name.
    batch
        Samples.

    Returns
    -------
    Tensor of float, shape (batch, class)
        Scores; gradients propagate to the weights.
    """
    scores: torch.Tensor = functional_call(model, weights, (batch,)).scores
    return scores


def inner_step(
    model: Classifier,
    weights: Weights,
    support: EventBatch,
    names: Collection[str],
    step_size: float,
    bits: int = 0,
    second_order: bool = False,
) -> Weights:
    """Take one inner step.

    Parameters
    ----------
    model
        The network.
    weights
        θ_j, all parameters by name, in the graph of θ.
    support
        The shots of the task.
    names
        Parameters that are changed.
    step_size
        a.
    bits
        Bits of weights and gradients; 0: not rounded.
    second_order
        Whether g_j remains in the graph.

    Returns
    -------
    dict of Tensor
        θ_{j+1}.
    """
    chosen = [name for name in weights if name in names]
    loss = cross_entropy(scores_of(model, weights, support), support.labels)
    gradients = torch.autograd.grad(
        loss, [weights[name] for name in chosen], create_graph=second_order
    )
    changed = {
        name: round_through(
            weights[name] - step_size * round_through(gradient, bits), bits
        )
        for name, gradient in zip(chosen, gradients, strict=True)
    }
    return weights | changed


def start(weights: Mapping[str, torch.Tensor], bits: int = 0) -> Weights:
    """Return θ_0: the initial weights, rounded if there are few bits.

    Parameters
    ----------
    weights
        θ, all parameters by name.
    bits
        Bits of weights; 0: not rounded.

    Returns
    -------
    dict of Tensor
        In the graph of θ.
    """
    return {name: round_through(weight, bits) for name, weight in weights.items()}


def query_loss(
    model: Classifier,
    weights: Mapping[str, torch.Tensor],
    support: EventBatch,
    query: EventBatch,
    method: Method,
    step_size: float,
    steps: int,
    bits: int = 0,
) -> torch.Tensor:
    """Compute L_query after the inner steps of a task, as a function of the initial weights.

    Parameters
    ----------
    model
        The network.
    weights
        θ, all parameters by name; they require gradients.
    support, query
        Samples of the task.
    method
        ``maml``, ``fomaml`` or ``anil``.
    step_size, steps
        a and J.
    bits
        Bits of weights and gradients in the inner steps; 0: not rounded.

    Returns
    -------
    Tensor of float, a number
        Its gradient by θ is the meta-gradient of the task.
    """
    names = adapted_names(model, method)
    now = start(weights, bits)
    for _ in range(steps):
        now = inner_step(
            model, now, support, names, step_size, bits, second_order=method in SECOND_ORDER
        )
    return cross_entropy(scores_of(model, now, query), query.labels)


def round_through(tensor: torch.Tensor, bits: int) -> torch.Tensor:
    """Round connections or their gradients, with the derivative 1.

    Parameters
    ----------
    tensor
        Any shape; with fewer than two axes it is not rounded.
    bits
        At least 2; 0: not rounded.

    Returns
    -------
    Tensor
        Same shape and type, in the graph.
    """
    if not bits or tensor.dim() < 2:
        return tensor
    # Exact in value: (Q(w) − w) is added to w, which would round once more, so the value is set.
    return _Rounded.apply(tensor, bits)  # type: ignore[no-untyped-call, no-any-return]


class _Rounded(torch.autograd.Function):
    """Round in the forward pass, pass gradients unchanged."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, w: torch.Tensor, bits: int) -> torch.Tensor:
        return rounded(w, bits)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        return gradients[0], None
