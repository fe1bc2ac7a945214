"""Operators in traced graphs: ``torch.library.opcheck``, ``torch.compile`` and ``torch.export``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.kernel_cases import random_events
from torch.utils._python_dispatch import TorchDispatchMode

from spikebench.events.batches import EventBatch
from spikebench.kernels import feed_forward, normalised_layer, operators, softmax_sum
from spikebench.kernels.fake import FAKES
from spikebench.kernels.neuron import Adaptation, Neuron
from spikebench.kernels.normalisation import Normalisation
from spikebench.models.base import Classifier, DataShape, model_class

SHAPE = DataShape(n_units=6, n_classes=3, n_steps=12, time_step=0.01, input_rate=0.3)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
Call = tuple[torch._ops.OpOverload, tuple[Any, ...]]


class Recorder(TorchDispatchMode):
    """Record the last call of every operator of this project."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, Call] = {}

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if func.namespace == "spikebench":
            self.calls[func._opname] = (func, args)
        return func(*args, **(kwargs or {}))


@pytest.fixture(
    scope="module",
    params=[("cpu", 1), ("cpu", 17), pytest.param(("cuda", 17), marks=needs_gpu)],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def calls(request: pytest.FixtureRequest) -> dict[str, Call]:
    """Run and differentiate a layer of every kind with so many units, and record the operators."""
    torch.manual_seed(0)
    device, n = request.param
    batch = random_events(np.random.default_rng(0), 3, 5, 4, "binary").to(device)
    weight, recurrent, second, readout = (
        torch.randn(size, dtype=torch.float64).to(device).requires_grad_()
        for size in ((4, n), (n, n), (2, n, n), (n, 2))
    )
    decay = torch.full((n,), 0.5, dtype=torch.float64, device=device, requires_grad=True)
    lengths = torch.tensor([5, 3, 1], device=device)
    with Recorder() as recorder:
        scan = operators.recurrent_lif_scan(
            *(
                batch,
                recurrent,
                decay,
                decay,
                Neuron(reset="restart", reset_in_graph=True, surrogate="triangle"),
                Adaptation(decay, decay, decay),
            ),
            weight=3 * weight,
        )
        current = operators.event_linear(scan.spikes, second)
        current = current + operators.delayed_linear(scan.spikes, second[0], second[1].abs(), 3)
        spikes = operators.lif_scan(current, decay, decay, Neuron()).spikes
        norm = Normalisation(
            decay,
            decay,
            decay.detach() + 0,
            decay.detach() + 0,
            lengths.new_zeros(()),
            True,
            0.1,
            1e-5,
        )
        boxcar = Neuron(surrogate="boxcar")
        normed = operators.lif_scan(current, decay, decay, boxcar, normalisation=norm).spikes
        again = operators.lif_scan(
            normed, decay, decay, boxcar, weight=second[0], normalisation=norm
        ).spikes
        again.counts().sum().backward(retain_graph=True)
        counts = normed.counts().sum() + scan.spikes.counts().sum()
        (counts + normed.dense().sum()).backward(retain_graph=True)
        scores = operators.leaky_readout(spikes, readout, decay[:2], "mean", lengths)
        scores.sum().backward(retain_graph=True)
        trace = operators.leaky_readout(spikes, readout, decay[:2], "trace")
        operators.softmax_sum(
            trace, readout[0], torch.ones(3, 5, device=device) > 0
        ).sum().backward()
        operators._checked_cells(*operators._cells(batch), 3, 5, 4, True)
        torch.ops.spikebench.checked_lengths(lengths, 5)
    return recorder.calls


@pytest.mark.parametrize("name", FAKES)
def test_every_operator_passes_the_checks_of_pytorch(name: str, calls: dict[str, Call]) -> None:
    if name not in calls and torch.cuda.is_available():
        pytest.skip("this operator is for a CPU only")
    operator, args = calls[name]
    if not name.endswith("backward"):  # those have no derivatives of their own
        args = tuple(
            value.clone().requires_grad_()
            if isinstance(value, torch.Tensor) and value.is_floating_point()
            else value
            for value in args
        )
    torch.library.opcheck(
        operator, args, test_utils=("test_schema", "test_faketensor", "test_autograd_registration")
    )


def test_every_operator_has_a_fake() -> None:
    modules = (operators, feed_forward, normalised_layer, softmax_sum)
    named = [item for module in modules for item in vars(module).items()]
    kinds = [value for _, value in named if hasattr(value, "register_fake")]
    assert {kind._name for kind in kinds} == set(FAKES) - {"checked_lengths"}  # which is in scan.py


@pytest.fixture
def dynamic_sizes() -> Iterator[None]:
    """Let a graph contain sizes that depend on data, as the number of spikes does."""
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        yield
    torch._dynamo.reset()


def network(name: str, **config: object) -> Classifier:
    torch.manual_seed(0)
    kind = model_class(name)
    return kind(kind.Config.model_validate(config), SHAPE).double()


def clips(seed: int, mode: str = "binary") -> EventBatch:
    batch = random_events(np.random.default_rng(seed), 5, SHAPE.n_steps, SHAPE.n_units, mode)
    return replace(batch, labels=torch.arange(5) % 3)


def assert_same_steps(model: Classifier, other: Classifier, backend: str, exact: bool) -> Any:  # noqa: ANN401
    """Compare scores, spikes and gradients of two batches; return the compiled model."""
    compiled = torch.compile(other, backend=backend, fullgraph=True)
    for seed in (1, 2):  # with other numbers of events
        batch = clips(seed)
        torch.manual_seed(seed)
        found = compiled(batch)
        torch.manual_seed(seed)
        expected = model(batch)
        assert sum(layer.units.numel() for layer in expected.spikes) > 5
        pairs = [(found.scores, expected.scores)]
        for one, two in zip(found.spikes, expected.spikes, strict=True):
            assert torch.equal(one.units, two.units)
            pairs.append((one.counts(), two.counts()))
        losses = [
            torch.nn.functional.cross_entropy(scores, batch.labels)
            for scores in (found.scores, expected.scores)
        ]
        pairs += zip(
            torch.autograd.grad(losses[0], list(other.parameters())),
            torch.autograd.grad(losses[1], list(model.parameters())),
            strict=True,
        )
        for one, two in pairs:
            torch.testing.assert_close(
                one, two, rtol=0 if exact else 1e-9, atol=0 if exact else 1e-12
            )
    return compiled


@pytest.mark.usefixtures("dynamic_sizes")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("lif", {"hidden_units": [7], "init_fluctuation": 3}),
        pytest.param("adlif", {"hidden_units": [7], "init_fluctuation": 3}, marks=pytest.mark.slow),
        pytest.param("c_silif", {"hidden_units": [7, 7], "dropout": 0.3}, marks=pytest.mark.slow),
        pytest.param("rec_delay_lif", {"hidden_units": [7, 7]}, marks=pytest.mark.slow),
    ],
)
def test_a_compiled_network_takes_the_same_steps(name: str, config: dict[str, object]) -> None:
    model, other = network(name, **config), network(name, **config)
    compiled = assert_same_steps(model, other, "aot_eager", exact=True)
    batch = clips(1)
    for field, value, message in (
        ("bins", batch.bins + SHAPE.n_steps, "a bin lies outside 0 … 11"),
        ("units", batch.units - SHAPE.n_units, "a unit lies outside 0 … 5"),
        ("offsets", batch.offsets + 1, "the offsets do not fit the events"),
    ):
        with pytest.raises(ValueError, match=message):
            compiled(replace(batch, **{field: value}))


@pytest.mark.slow
@pytest.mark.usefixtures("dynamic_sizes")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's C++ backend needs a compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
@pytest.mark.parametrize("name", ["lif", "adlif", "c_silif"])
def test_inductor_takes_the_same_steps(name: str) -> None:
    assert_same_steps(network(name), network(name), "inductor", exact=False)


@pytest.mark.usefixtures("dynamic_sizes")
def test_lengths_of_a_compiled_readout_are_checked_when_it_runs() -> None:
    spikes = operators.lif_scan(
        torch.full((2, 4, 3), 2.0), torch.zeros(3), torch.full((3,), 0.5), Neuron()
    ).spikes
    weight, decay = torch.ones(3, 2), torch.tensor(0.5)

    def last(lengths: torch.Tensor) -> torch.Tensor:
        return operators.leaky_readout(spikes, weight, decay, "last", lengths)

    compiled = torch.compile(last, backend="aot_eager", fullgraph=True)
    right = torch.tensor([4, 1])
    assert torch.equal(compiled(right), last(right))
    for wrong in ([5, 1], [4, 0]):
        with pytest.raises(ValueError, match="lengths must be 2 whole numbers in 1 … 4"):
            compiled(torch.tensor(wrong))


@pytest.mark.parametrize("mode", ["binary", pytest.param("counts", marks=pytest.mark.slow)])
def test_an_exported_network_gives_the_same_scores(mode: str) -> None:
    model = network("lif", hidden_units=[7]).eval()
    n = torch.export.Dim("events", min=2)
    sizes = {"batch": [None, {0: n}, {0: n}, *[None] * 6]}  # any number of events
    exported = torch.export.export(model, (clips(1, mode),), dynamic_shapes=sizes).module()
    for seed in (1, 2):
        batch = clips(seed, mode)
        found, expected = exported(batch), model(batch)
        assert torch.equal(found.scores, expected.scores)
        assert torch.equal(found.spikes[0].bins, expected.spikes[0].bins)
    with pytest.raises(ValueError, match="a unit lies outside 0 … 5"):
        exported(replace(batch, units=batch.units + 6))
