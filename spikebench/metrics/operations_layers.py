"""Operations of standard layers of PyTorch, from their inputs: linear, convolution, RNN, LSTM, GRU and their cells.

Inputs are spikes if all of them are counts (whole numbers, none negative). A bundle of weights keeps the operations of
both cases until all samples are seen. Places outside the borders of a convolution are not counted, nor the products of
a recurrent layer with the silence before its first step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from spikebench.metrics.operations import Bundle

_CONVOLUTIONS: dict[type[nn.Module], tuple[int, Callable[..., torch.Tensor]]] = {
    nn.Conv1d: (3, nn.functional.conv1d),
    nn.Conv2d: (4, nn.functional.conv2d),
    nn.Conv3d: (5, nn.functional.conv3d),
}
_STANDARD: tuple[type[nn.Module], ...] = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.RNNBase, nn.RNNCellBase),
)


class NotCountedError(Exception):
    """A call of a layer that cannot be counted; the text is the reason."""


@dataclass(frozen=True)
class Product:
    """Values that passed through weights in one call.

    ``of_counts``, ``of_values`` and ``dense`` are sums over all inputs: their numbers, those that are not 0, and 1;
    each times its outgoing weights, which are not 0 except in ``dense``. ``outputs`` are the numbers of outputs of a
    layer of RNN, LSTM or GRU, and of those that are not 0; one product of each layer and direction has them.
    """

    parameter: str
    are_counts: bool
    of_counts: int
    of_values: int
    dense: int
    outputs: tuple[int, int] | None = None


def is_standard(module: nn.Module) -> bool:
    """Return whether the operations of a module can be counted from its inputs.

    Parameters
    ----------
    module
        Any module.

    Returns
    -------
    bool
        False for other layers, and for subclasses with another ``forward``, which may change weights or inputs.
        Those of SpikingJelly are known to add an axis of time only.
    """
    base = next((kind for kind in _STANDARD if isinstance(module, kind)), None)
    if base is None:
        return False
    for kind in type(module).__mro__:
        if "forward" in vars(kind):
            return kind.__module__.startswith(("torch.nn.modules", "spikingjelly."))
    return False


def weights_of(module: nn.Module) -> list[str]:
    """List the parameters of a standard layer that are connections.

    Parameters
    ----------
    module
        A layer for which :func:`is_standard` is true.

    Returns
    -------
    list of str
        Names of its parameters with two or more axes.
    """
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return [name for name, one in module.named_parameters() if one.dim() > 1]
    return ["weight"]


def products_of(module: nn.Module, arguments: tuple[Any, ...]) -> Iterator[Product]:
    """Count the operations of one call of a standard layer.

    Parameters
    ----------
    module
        The layer.
    arguments
        Positional and named arguments of the call, in order.

    Yields
    ------
    Product
        One per parameter that values passed through.

    Raises
    ------
    NotCountedError
        If this kind of call is not supported.
    """
    values = arguments[0] if arguments else None
    if not isinstance(values, torch.Tensor):
        raise NotCountedError(f"its input is a {type(values).__name__}, not a tensor")
    state = arguments[1] if len(arguments) > 1 else None
    if isinstance(module, nn.Linear):
        yield _matrix("weight", values, module.weight)
    elif isinstance(module, nn.RNNCellBase):
        yield _matrix("weight_ih", values, module.weight_ih)
        hidden = state[0] if isinstance(state, tuple) else state
        if hidden is not None:
            yield _matrix("weight_hh", hidden, module.weight_hh)
    elif isinstance(module, nn.RNNBase):
        yield from _recurrent(module, values, state)
    else:
        yield _convolution(module, values)


def bundle_of(name: str, weight: torch.Tensor, products: list[Product]) -> Bundle:
    """Add up the calls of a layer on one batch.

    Parameters
    ----------
    name
        Name of the weights.
    weight
        Any shape.
    products
        Of all calls.

    Returns
    -------
    Bundle
        Additions, if all inputs are counts.
    """
    spikes = all(one.are_counts for one in products)
    values = sum(one.of_values for one in products)
    kind: Literal["AC", "MAC"] = "AC" if spikes else "MAC"
    return Bundle(
        name=name,
        kind=kind,
        effective=sum(one.of_counts for one in products) if spikes else values,
        dense=sum(one.dense for one in products),
        weights=weight.numel(),
        zero_weights=weight.numel() - int(torch.count_nonzero(weight)),
        as_values=values,
    )


def _are_counts(values: torch.Tensor) -> bool:
    return bool(((values >= 0) & (values == values.round())).all())


def _matrix(name: str, values: torch.Tensor, weight: torch.Tensor) -> Product:
    """Count values, shape (…, input), through weights, shape (output, input)."""
    others = tuple(range(values.dim() - 1))
    outgoing = torch.count_nonzero(weight, 0)
    there = (values != 0).sum(others, dtype=torch.int64) if others else (values != 0).long()
    counts = values.double().sum(others) if others else values.double()
    are_counts = _are_counts(values)
    return Product(
        name,
        are_counts,
        of_counts=int((counts * outgoing).sum()) if are_counts else 0,
        of_values=int((there * outgoing).sum()),
        dense=values.numel() * len(weight),
    )


def _convolution(module: nn.Module, values: torch.Tensor) -> Product:
    """Count by the same convolution of ones: a place is the number of its products."""
    axes, convolve = next(
        found for kind, found in _CONVOLUTIONS.items() if isinstance(module, kind)
    )
    mode: Any = getattr(module, "padding_mode", "zeros")
    if mode != "zeros":
        raise NotCountedError(f"its padding_mode is {mode}")
    if values.dim() > axes:  # SpikingJelly: (time, batch, channel, …)
        values = values.flatten(0, values.dim() - axes)
    layer: Any = module
    there = (layer.weight != 0).double()

    def total(inputs: torch.Tensor, weight: torch.Tensor) -> int:
        return int(
            convolve(
                *(inputs.double(), weight, None),
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                groups=layer.groups,
            ).sum()
        )

    are_counts = _are_counts(values)
    one = values[:1] if values.dim() == axes else values
    repeats = len(values) if values.dim() == axes else 1
    return Product(
        "weight",
        are_counts,
        of_counts=total(values, there) if are_counts else 0,
        of_values=total(values != 0, there),
        dense=repeats * total(torch.ones_like(one), torch.ones_like(there)),
    )


def _recurrent(module: nn.RNNBase, values: torch.Tensor, state: Any) -> Iterator[Product]:  # noqa: ANN401
    """Run the layers and directions one by one; the input of one is the output of those before it."""
    if module.proj_size:
        raise NotCountedError("its proj_size is not 0")
    if values.dim() != 3:
        raise NotCountedError("its input has no axis of the batch")
    values = values if module.batch_first else values.transpose(0, 1)
    states = state if isinstance(state, tuple) or state is None else (state,)
    directions = ("", "_reverse") if module.bidirectional else ("",)
    for layer in range(module.num_layers):
        outputs = []
        for k, direction in enumerate(directions):
            ends = f"_l{layer}{direction}"
            given = values.flip(1) if direction else values
            number = layer * len(directions) + k
            start = None if states is None else tuple(one[number : number + 1] for one in states)
            weight_hh = getattr(module, f"weight_hh{ends}")
            yield _matrix(f"weight_ih{ends}", given, getattr(module, f"weight_ih{ends}"))
            hidden = _one_layer(module, ends, given, start)
            before = hidden[:, :-1]
            if start is not None:
                before = torch.cat([start[0].transpose(0, 1), before], 1)
            numbers = (hidden.numel(), int(torch.count_nonzero(hidden)))
            yield replace(_matrix(f"weight_hh{ends}", before, weight_hh), outputs=numbers)
            outputs.append(hidden.flip(1) if direction else hidden)
        values = torch.cat(outputs, 2)


def _one_layer(
    module: nn.RNNBase, ends: str, values: torch.Tensor, start: tuple[torch.Tensor, ...] | None
) -> torch.Tensor:
    """Compute the output of one layer in one direction, shape (batch, time, unit)."""
    extra = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
    kind: Any = nn.RNN if isinstance(module, nn.RNN) else type(module)
    with torch.random.fork_rng(devices=[]):  # its initial weights are not used
        layer = kind(
            values.shape[2], module.hidden_size, bias=module.bias, batch_first=True, **extra
        )
    layer.to(values)
    layer.load_state_dict(
        {name: getattr(module, name.replace("_l0", ends)) for name, _ in layer.named_parameters()}
    )
    first: Any = start
    if start is not None and len(start) == 1:
        (first,) = start
    hidden: torch.Tensor = layer(values, first)[0]
    return hidden
