"""SynFlow: the weights are kept that carry most of the flow from the inputs to the outputs; no data are read.

::

    R = 1ᵀ · Π_l |W_l|·(1 + |V_l|) · |W_out| · 1        V_l: recurrent weights of layer l, if it has any
    s_k = θ_k · ∂R/∂θ_k                                 the flow through weight k, without unit

Pruning is iterative: in round k = 1 … n, the largest s_k of all weights together are kept, as many as the density
d^(k/n), and R is computed anew without the others. Flow is conserved in every unit, so a layer does not lose all of
its weights while others have many ("layer collapse").

Source: Tanaka, Kunin, Yamins, Ganguli (2020), arXiv:2006.05467; n = 100 rounds. Departures: neurons are left out of R
(their gains are equal within a layer, so only ratios between layers could change); a recurrent layer is counted with
one pass through its recurrent weights. R is computed in float64, since products of sums over layers overflow easily.
"""

from __future__ import annotations

import torch
from torch import nn

from spikebench.errors import TrainingError
from spikebench.learning.pruning_masks import Masks, keep_largest
from spikebench.models.base import Classifier
from spikebench.models.mlp_counts import CountMLP
from spikebench.models.spiking_network import SpikingNetwork

__all__ = ["ROUNDS", "flow_scores", "layers_of", "synflow_masks"]

ROUNDS = 100
# Names of the weights of a layer, whether they are stored as (input, output), and the recurrent weights.
Layer = tuple[str, bool, str | None]


def layers_of(name: str, model: Classifier) -> list[Layer]:
    """List the layers of weights from the input to the output.

    Parameters
    ----------
    name, model
        A spiking network or a perceptron.

    Returns
    -------
    list of (str, bool, str or None)
        Parameter of the weights, whether its axes are (input, output), and the recurrent weights if there are any.

    Raises
    ------
    TrainingError
        If the model is no chain of layers whose weights are parameters.
    """
    names = {id(parameter): found for found, parameter in model.named_parameters()}
    if isinstance(model, CountMLP):
        linear = [found for found, one in model.named_modules() if isinstance(one, nn.Linear)]
        return [(f"{found}.weight", False, None) for found in linear]
    if isinstance(model, SpikingNetwork):
        tensors = [(one.weight, one.recurrent) for one in model.hidden_layers()]
        tensors.append((model.readout.weight, None))
        if all(id(one) in names for pair in tensors for one in pair if one is not None):
            return [
                (names[id(weight)], True, None if other is None else names[id(other)])
                for weight, other in tensors
            ]
    raise TrainingError(
        f"model {name} is no chain of layers of weights, which synflow needs; leave synflow out of --methods, "
        f"or choose "
        "a model such as lif, rlif or mlp_counts"
    )


def flow_scores(weights: dict[str, torch.Tensor], layers: list[Layer]) -> Masks:
    """Compute the flow through every weight.

    Parameters
    ----------
    weights
        Weights by name; masked ones are 0.
    layers
        From :func:`layers_of`.

    Returns
    -------
    dict of Tensor of float64
        s, at least 0.
    """
    sizes = {
        name: weights[name].detach().double().abs().requires_grad_()
        for weight, _, other in layers
        for name in (weight, other)
        if name is not None
    }
    flow: torch.Tensor | None = None
    for weight, is_in_out, other in layers:
        matrix = sizes[weight] if is_in_out else sizes[weight].T
        flow = matrix.sum(0) if flow is None else flow @ matrix
        if other is not None:
            flow = flow + flow @ sizes[other]
    assert flow is not None
    gradients = torch.autograd.grad(flow.sum(), list(sizes.values()))
    return {
        name: (size * gradient).detach()
        for (name, size), gradient in zip(sizes.items(), gradients, strict=True)
    }


def synflow_masks(name: str, model: Classifier, density: float, rounds: int = ROUNDS) -> Masks:
    """Choose the masks.

    Parameters
    ----------
    name, model
        The model, with its initial weights.
    density
        Part of the weights that is kept.
    rounds
        n, at least 1.

    Returns
    -------
    dict of Tensor of bool
        Masks.
    """
    layers = layers_of(name, model)
    weights = dict(model.named_parameters())
    masks: Masks = {}
    for k in range(1, rounds + 1):
        left = {
            one: weight.detach() * masks[one] if one in masks else weight.detach()
            for one, weight in weights.items()
        }
        masks = keep_largest(flow_scores(left, layers), density ** (k / rounds), "global")
    return masks
