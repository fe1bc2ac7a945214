"""Operations of any network, counted by hooks on its layers while it runs once.

Counted are standard layers (:mod:`spikebench.metrics.operations_layers`), and the activity of neurons of known
libraries (:mod:`spikebench.metrics.operations_neurons`), of ``RNN``, ``LSTM``, ``GRU`` and of the activations of
``torch.nn``.
What cannot be counted makes the metric "not applicable", with the name of the layer:

* a parameter with two or more axes that is not the weight of a standard layer, or of one that was not called;
* a product of matrices, a convolution or an activation outside of the layers above. The operations that PyTorch
  executes are watched for them, so that a network written with functions instead of layers is not counted as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account, Layer
from spikebench.metrics.operations_layers import (
    NotCountedError,
    Product,
    bundle_of,
    is_standard,
    products_of,
    weights_of,
)
from spikebench.metrics.operations_neurons import emits_spikes, spikes_of, takes_all_steps

_PRODUCTS = frozenset(
    (
        *(
            "mm",
            "addmm",
            "bmm",
            "baddbmm",
            "addbmm",
            "mv",
            "addmv",
            "dot",
            "vdot",
            "addr",
            "linear",
        ),
        *("matmul", "_addmm_activation", "mkldnn_linear", "convolution", "_convolution", "conv1d"),
        *("conv2d", "conv3d", "mkldnn_convolution", "lstm", "gru", "rnn_tanh", "rnn_relu"),
        *("_scaled_dot_product_attention_math", "scaled_dot_product_attention", "_trilinear"),
        *("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention"),
        *("_scaled_dot_product_efficient_attention", "_native_multi_head_attention", "_sparse_mm"),
    )
)
_ACTIVATIONS = frozenset(
    (
        *("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "softplus"),
        *(
            "hardsigmoid",
            "hardswish",
            "mish",
            "threshold",
            "log_sigmoid_forward",
            "rrelu_with_noise",
        ),
    )
)
# Modules of torch.nn.modules.activation that are no units: probabilities, and products.
_NO_UNITS = (nn.Softmax, nn.Softmin, nn.Softmax2d, nn.LogSoftmax, nn.MultiheadAttention)
_NORMALISATIONS = (
    *(nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm),
    *(nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)
_MOST_BUNDLES, _LONGEST_NAME = 1000, 200  # in a result
_OF_WEIGHTS = ("effective_ac", "effective_mac", "dense_operations", "operations", "energy")
_OF_UNITS = ("activation_sparsity", "neuron_updates")
_OF_SPIKES = ("spikes_per_inference", "spikes_per_neuron")


def account_of(
    module: nn.Module, run: Callable[[], object], batch: EventBatch, spiking: bool
) -> Account:
    """Run a network once and count its operations.

    Parameters
    ----------
    module
        The network.
    run
        Runs it on the batch.
    batch
        The input.
    spiking
        Whether its hidden units spike.

    Returns
    -------
    Account
        With the reasons for what is not counted.
    """
    hooks = _Hooks(module, batch)
    try:
        with hooks:
            run()
    finally:
        hooks.remove()
    account = Account.of(batch)
    hooks.fill(account, spiking)
    return account


class _Hooks(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hooks on all layers of a network, and a watch on the operations that are executed outside of them."""

    def __init__(self, module: nn.Module, batch: EventBatch) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parts = dict(module.named_modules())
        self.batch = batch
        self.names = {id(part): name for name, part in self.parts.items()}
        self.standard = {name for name, part in self.parts.items() if is_standard(part)}
        self.products: dict[str, list[Product]] = {}  # by the name of the weights
        self.activity: dict[str, _Activity] = {
            name: _Activity(part) for name, part in self.parts.items() if _has_units(part)
        }
        self.uncounted: list[str] = []  # reasons
        self.unseen_units: list[str] = []
        self.running: list[str] = [""]
        self.handles = [
            handle
            for part in self.parts.values()
            if not isinstance(part, torch.jit.ScriptModule)
            for handle in (
                part.register_forward_pre_hook(self._enter),
                part.register_forward_hook(self._leave, with_kwargs=True),
            )
        ]

    def remove(self) -> None:
        """Remove all hooks."""
        for handle in self.handles:
            handle.remove()

    def _enter(self, part: nn.Module, arguments: tuple[Any, ...]) -> None:
        self.running.append(self.names[id(part)])

    def _leave(
        self,
        part: nn.Module,
        arguments: tuple[Any, ...],
        named: dict[str, Any],
        output: Any,  # noqa: ANN401
    ) -> None:
        name = self.running[-1]
        if name in self.standard:  # and still running: what counting computes is not counted
            self._count(name, part, (*arguments, *named.values()))
        self.running.pop()
        inside = any(outer in self.activity for outer in self.running)
        if name not in self.activity or inside or isinstance(part, nn.RNNBase):
            return
        if (found := spikes_of(output)) is not None:
            self.activity[name].add(found, self.batch)

    def _count(self, name: str, part: nn.Module, arguments: tuple[Any, ...]) -> None:
        try:
            for product in products_of(part, arguments):
                self.products.setdefault(_join(name, product.parameter), []).append(product)
                if product.outputs and not any(one in self.activity for one in self.running[:-1]):
                    self.activity[name].add_numbers(*product.outputs)
        except NotCountedError as reason:
            said = f"{self._said(name)}: {reason}"
            self.uncounted.append(said)
            if name in self.activity:
                self.unseen_units.append(said)

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Execute an operation, and note a product or an activation outside of the layers that are counted."""
        what = func.overloadpacket.__name__.removesuffix("_")
        if what in _PRODUCTS or (what in _ACTIVATIONS and self._is_activity(args)):
            place = self.running[-1]
            counted = any(one in self.standard for one in self.running)
            if what in _PRODUCTS and not counted:
                self.uncounted.append(
                    f"{self._said(place)}: {what} outside of the layers that are counted"
                )
            if what in _ACTIVATIONS and not (
                counted or any(one in self.activity for one in self.running)
            ):
                self.unseen_units.append(
                    f"{self._said(place)}: {what} outside of the layers that are counted"
                )
        return func(*args, **(kwargs or {}))

    def _is_activity(self, args: tuple[Any, ...]) -> bool:
        """Return whether an activation is one of samples, and not of parameters such as time constants."""
        shape = args[0].shape if args and isinstance(args[0], torch.Tensor) else ()
        return len(shape) > 1 and len(self.batch) in shape[:2]

    def _said(self, name: str) -> str:
        return f"{name or 'the network'} ({type(self.parts[name]).__name__})"

    def fill(self, account: Account, spiking: bool) -> None:
        """Add what was counted to an account, and the reasons for what was not."""
        owned: set[int] = set()
        for name in sorted(self.standard):
            part = self.parts[name]
            called = False
            for parameter in weights_of(part):
                weight, whole = getattr(part, parameter), _join(name, parameter)
                found = self.products.get(whole, [])
                called |= bool(found)
                owned.add(id(weight))
                account.bundles.append(bundle_of(whole[-_LONGEST_NAME:], weight, found))
            if not called:
                self.uncounted.append(f"{self._said(name)}: its forward was not called")
        for name, part in self.parts.items():
            if isinstance(part, _NORMALISATIONS) or name in self.standard:
                continue
            for parameter, weight in part.named_parameters(recurse=False):
                if weight.dim() > 1 and id(weight) not in owned and not self._is_inside(name):
                    self.uncounted.append(f"{self._said(name)}: {parameter} is not in a layer")
        account.layers += [one.layer() for one in self.activity.values() if one.updates]
        if len(account.bundles) > _MOST_BUNDLES:
            account.not_counted["operations"] = f"more than {_MOST_BUNDLES} layers; see the sums"
        if self.uncounted:
            reason = _reason(self.uncounted)
            account.not_counted |= dict.fromkeys((*_OF_WEIGHTS, "connection_sparsity"), reason)
        if self.unseen_units:
            reason = _reason(self.unseen_units)
            account.not_counted |= dict.fromkeys((*_OF_UNITS, "neuron_updates_event"), reason)
            account.not_counted.setdefault("energy", reason)
        elif any(one.spikes and one.updates for one in self.activity.values()):
            reason = "hooks on layers do not show which neurons a spike reaches"
            account.not_counted["neuron_updates_event"] = reason
        if spiking and not any(one.spikes and one.updates for one in self.activity.values()):
            reason = "the network has no layer of a known library that spikes, nor one with emits_spikes = True"
            account.not_counted |= dict.fromkeys(_OF_SPIKES, reason)

    def _is_inside(self, name: str) -> bool:
        """Return whether a module belongs to a standard layer, as the parts of a parametrisation do."""
        parts = name.split(".")
        return any(".".join(parts[:k]) in self.standard for k in range(len(parts)))


class _Activity:
    """Outputs of a layer of neurons or activations, over its calls with one batch."""

    def __init__(self, part: nn.Module) -> None:
        self.spikes, self.all_steps = emits_spikes(part), takes_all_steps(part)
        self.updates, self.nonzero, self.neurons = 0, 0, 0

    def add(self, outputs: torch.Tensor, batch: EventBatch) -> None:
        """Add the outputs of a call."""
        self.add_numbers(outputs.numel(), int(torch.count_nonzero(outputs)))
        shape, axes = outputs.shape, {len(batch), batch.n_steps}
        timed = self.all_steps or (len(shape) > 2 and set(shape[:2]) == axes)
        leading = shape[:2] if timed else shape[:1]
        self.neurons = outputs.numel() // max(leading.numel(), 1)

    def add_numbers(self, updates: int, nonzero: int) -> None:
        """Add the number of outputs of a call, and of those that are not 0."""
        self.updates += updates
        self.nonzero += nonzero

    def layer(self) -> Layer:
        """Return the sums; whether an input reached a neuron is not known."""
        return Layer(self.updates, None, self.nonzero, self.neurons, self.spikes)


def _has_units(part: nn.Module) -> bool:
    if emits_spikes(part) or isinstance(part, nn.RNNBase | nn.RNNCellBase):
        return True
    activation = type(part).__module__ == "torch.nn.modules.activation"
    return activation and not isinstance(part, _NO_UNITS)


def _join(module: str, parameter: str) -> str:
    return f"{module}.{parameter}" if module else parameter


def _reason(found: list[str]) -> str:
    more = len(set(found)) - 1
    return f"not counted: {found[0][:200]}" + (f", and {more} more" if more else "")
