"""The empirical neural tangent kernel of a network: products of the gradients of its scores.

::

    J(x) = ∂f(x)/∂θ                          f: scores, K of them; θ: all weights and biases, N of them
    Θ(x, y) = J(x)·J(y)ᵀ                     K × K for each pair of samples; unit: scores² / unit of θ²

J is computed for all samples of a batch at once. A product of inputs u and weights W gets an addend ε = 0 of its own in
every sample and step, y[t] = u[t]·W + ε[t]; then ∂f/∂W = Σ_t u[t]ᵀ · ∂f/∂ε[t] for each sample (a recurrent product
shares the ε of the input current, which enters the same sum), and one backward pass gives v·J(x) for all samples.

The exact kernel takes K backward passes. The squared distance of two kernels is estimated with P of them:

::

    ‖Θ_s − Θ_t‖²_F ≈ mean over p of Σ_ij (v_pi · (Θ_s − Θ_t)(x_i, x_j) · w_pj)²

with independent random signs v, w = ±1. The estimate is unbiased; its standard deviation is at most √(8/P) of its mean
(the fourth moment of a sum of independent signs is at most 3 times its squared variance, so that of the product of two
is at most 9 times). In a spiking network the derivative of a spike is its surrogate, in J too.

Source: Jacot, Gabriel, Hongler (2018), arXiv:1806.07572; signs: Hutchinson (1990), doi 10.1080/03610919008812866.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.func import functional_call

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels import reference
from spikebench.kernels.choice import Kernels
from spikebench.kernels.neuron import Neuron, Parameters
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import Reduction, Scan
from spikebench.kernels.spikes import Spikes
from spikebench.models.base import Classifier
from spikebench.models.mlp_counts import CountMLP
from spikebench.models.spiking_network import SpikingNetwork

__all__ = ["Tangents", "check_tangents", "exact_kernel", "kernels_between", "scores_and_tangents"]

Weights = dict[str, torch.Tensor]
Tangents = dict[str, torch.Tensor]  # (projection, sample, …) by the name of the parameter
_KINKED = ("triangle", "boxcar")  # surrogates without a derivative


class _Product(NamedTuple):
    """Inputs of weights and the addend of their product; without inputs, the addend is that of a bias."""

    weight: torch.Tensor | str
    inputs: torch.Tensor | None
    addend: torch.Tensor


class _Recorder:
    """The reference kernels, which record every product."""

    def __init__(self) -> None:
        self.products: list[_Product] = []

    def times(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Multiply inputs (batch, time, input) by weights, and add the addend."""
        product = inputs @ weight
        addend = torch.zeros_like(product).requires_grad_()
        self.products.append(_Product(weight, inputs, addend))
        return product + addend

    def event_linear(self, events: EventBatch | Spikes, weight: torch.Tensor) -> torch.Tensor:
        """Multiply events by weights; see :mod:`spikebench.kernels.reference`."""
        return self.times(events.dense().to(weight.dtype), weight)

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
        """Run a layer of neurons."""
        if weight is not None:
            current = self.event_linear(cast(EventBatch, current), weight)
        return reference.lif_scan(current, decay_syn, decay_mem, neuron, state=state)

    def recurrent_lif_scan(
        self,
        current: torch.Tensor | EventBatch,
        recurrent: torch.Tensor,
        decay_syn: torch.Tensor,
        decay_mem: torch.Tensor,
        neuron: Neuron,
        adaptation: Parameters | None = None,
        state: torch.Tensor | None = None,
        keep_membranes: bool = False,
        weight: torch.Tensor | None = None,
        recurrent_delays: RecurrentDelays | None = None,
        normalisation: Normalisation | None = None,
    ) -> Scan:
        """Run a layer of neurons with recurrent connections."""
        if weight is not None:
            current = self.event_linear(cast(EventBatch, current), weight)
        addend = self.products[-1].addend
        scan = reference.recurrent_lif_scan(
            cast(torch.Tensor, current), recurrent, decay_syn, decay_mem, neuron, state=state
        )
        before = nn.functional.pad(scan.spikes.dense()[:, :-1], (0, 0, 1, 0))
        self.products.append(_Product(recurrent, before, addend))
        return scan

    def leaky_readout(
        self,
        spikes: Spikes,
        weight: torch.Tensor,
        decay: torch.Tensor,
        reduction: Reduction = "max",
        lengths: torch.Tensor | None = None,
        start: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Integrate spikes and reduce over time; the addend of the result is that of the bias."""
        inputs = self.times(spikes.dense(), weight)
        carried = Spikes(spikes.offsets, spikes.bins, spikes.units, inputs, is_raster=True)
        unit = torch.eye(weight.shape[-1], dtype=weight.dtype)
        found = reference.leaky_readout(carried, unit, decay, reduction, lengths, start)
        shape = (len(found), *(1 for _ in found.shape[2:]), found.shape[-1])
        addend = found.new_zeros(shape).requires_grad_()
        self.products.append(_Product("readout.bias", None, addend))
        return found + addend

    def softmax_sum(
        self, trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor
    ) -> torch.Tensor:
        """Add up the probabilities at each step of a read-out."""
        return reference.softmax_sum(trace, bias, inside)


def check_tangents(name: str, model: Classifier, second_order: bool = True) -> None:
    """Refuse a model whose tangent kernel cannot be computed.

    Parameters
    ----------
    name, model
        The model.
    second_order
        Whether the kernel is to be differentiated.

    Raises
    ------
    TrainingError
        The message is one line with the remedy.
    """
    if isinstance(model, CountMLP):
        return
    known = "leave ntt out of --methods, or choose lif, rlif or mlp_counts"
    if not isinstance(model, SpikingNetwork):
        raise TrainingError(f"method ntt cannot be used with model {name}; {known}")
    layers = model.hidden_layers()
    covered = [one for layer in layers for one in (layer.weight, layer.recurrent)]
    own = {id(one) for one in (*covered, model.readout.weight, model.readout.bias)}
    if model.readout.skip or any(id(one) not in own for one in model.parameters()):
        raise TrainingError(
            f"method ntt covers weights and biases only, and model {name} has other parameters; {known}"
        )
    if second_order and any(layer.neuron.surrogate in _KINKED for layer in layers):
        raise TrainingError(
            "method ntt needs the derivative of the surrogate; set model.surrogate=fast_sigmoid"
        )


def scores_and_tangents(
    model: Classifier,
    weights: Weights,
    batch: EventBatch,
    projections: torch.Tensor,
    create_graph: bool = False,
) -> tuple[torch.Tensor, Tangents]:
    """Compute scores, and projections of their gradients.

    Parameters
    ----------
    model
        A model of :func:`check_tangents`, in evaluation; its own parameters are not used.
    weights
        All parameters by name.
    batch
        Samples; labels are not used.
    projections
        v, float, shape (projection, sample, class).
    create_graph
        Whether the results can be differentiated.

    Returns
    -------
    scores : Tensor of float, shape (sample, class)
        f.
    tangents : dict of Tensor
        v·J of every projection and sample, shape (projection, sample, …) of each parameter.
    """
    recorder = _Recorder()
    with _recorded(model, recorder):
        scores: torch.Tensor = functional_call(model, weights, (batch,)).scores
    addends = list({id(one.addend): one.addend for one in recorder.products}.values())
    names = {id(weight): name for name, weight in weights.items()}
    rows: dict[str, list[torch.Tensor]] = {}
    for k, v in enumerate(projections):
        gradients = torch.autograd.grad(
            (scores * v).sum(),
            addends,
            create_graph=create_graph,
            retain_graph=create_graph or k + 1 < len(projections),
        )
        by_addend = {id(one): found for one, found in zip(addends, gradients, strict=True)}
        for product in recorder.products:
            key = product.weight
            name = key if isinstance(key, str) else names[id(key)]
            tangent = _tangent(product, by_addend[id(product.addend)], weights[name])
            rows.setdefault(name, []).append(tangent)
    tangents = {name: torch.stack(found) for name, found in rows.items()}
    if create_graph:
        return scores, tangents
    return scores.detach(), {name: found.detach() for name, found in tangents.items()}


def _tangent(product: _Product, gradient: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return v·J of a parameter for every sample, shape (sample, …)."""
    if product.inputs is None:
        return gradient.reshape(len(gradient), *weight.shape)
    if product.inputs.dim() == 2:  # nn.Linear, whose weights are (output, input)
        return gradient[:, :, None] * product.inputs[:, None, :]
    return product.inputs.transpose(1, 2) @ gradient


@contextmanager
def _recorded(model: Classifier, recorder: _Recorder) -> Iterator[None]:
    """Give a model the kernels of a recorder, and record its linear layers."""

    def record(layer: nn.Module, given: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        assert isinstance(layer, nn.Linear)
        addend = torch.zeros_like(output).requires_grad_()
        recorder.products.append(_Product(layer.weight, given[0], addend))
        recorder.products.append(_Product(names[layer], None, addend))
        return output + addend

    names = {
        module: f"{name}.bias"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }
    hooks = [module.register_forward_hook(record) for module in names]
    before = model.kernels
    model.kernels = cast(Kernels, recorder)
    try:
        yield
    finally:
        model.kernels = before
        for hook in hooks:
            hook.remove()


def kernels_between(first: Tangents, second: Tangents) -> torch.Tensor:
    """Multiply the projected gradients of some samples with those of others.

    Parameters
    ----------
    first, second
        Of the same parameters, (projection, sample, …) each.

    Returns
    -------
    Tensor of float, shape (projection, sample of the first, sample of the second)
        v_i·Θ(x_i, x_j)·w_j.
    """
    products = [first[name].flatten(2) @ second[name].flatten(2).transpose(1, 2) for name in first]
    return torch.stack(products).sum(0)


def exact_kernel(model: Classifier, weights: Weights, batch: EventBatch) -> torch.Tensor:
    """Compute the kernel of all pairs of samples of a batch.

    Parameters
    ----------
    model
        A model of :func:`check_tangents`, in evaluation; its own parameters are not used.
    weights
        All parameters by name.
    batch
        Samples.

    Returns
    -------
    Tensor of float, shape (sample, class, sample, class)
        Θ.
    """
    like = next(iter(weights.values()))
    unit = torch.eye(model.shape.n_classes, dtype=like.dtype)
    projections = unit[:, None].expand(-1, len(batch), -1)
    _, tangents = scores_and_tangents(model, weights, batch, projections)
    flat = torch.cat([tangents[name].flatten(2) for name in tangents], 2)
    return torch.einsum("ain,bjn->iajb", flat, flat)
