"""Networks of event-driven kernels: layers upon layers, training to the bit, second derivatives, operators."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.kernel_cases import KERNELS, Tensors, assert_same, random_events

from spikebench.kernels import operators, reference
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.scan import Adaptation
from spikebench.kernels.spikes import Spikes


@pytest.mark.parametrize("neuron", [Neuron(), Neuron(reset="subtract", reset_in_graph=True)])
def test_gradients_go_through_layers_of_spikes(neuron: Neuron, rng: np.random.Generator) -> None:
    events = random_events(rng, 20, 11, 6)
    shapes = {"first": (6, 19), "second": (3, 19, 17), "back": (17, 17), "out": (17, 4)}
    weights = {name: torch.from_numpy(rng.normal(0.4, 1, shape)) for name, shape in shapes.items()}
    decay = torch.tensor([0.6], dtype=torch.float64)
    target = torch.from_numpy(rng.integers(0, 4, 20))

    def network(kernels: ModuleType) -> Tensors:
        leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
        first = kernels.lif_scan(events, decay, decay, neuron, weight=leaves["first"])
        current = kernels.event_linear(first.spikes, leaves["second"])
        second = kernels.recurrent_lif_scan(current, leaves["back"], decay, decay, neuron)
        scores = kernels.leaky_readout(second.spikes, leaves["out"], decay)
        rate = first.spikes.counts().square().mean() + second.spikes.dense().mean()
        loss = torch.nn.functional.cross_entropy(scores, target) + 1e-2 * rate
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    found, expected = network(operators), network(reference)
    assert all(gradient.abs().max() > 0 for gradient in expected.values())
    assert_same(found, expected)


def test_spikes_of_the_reference_go_into_the_kernels_and_back(rng: np.random.Generator) -> None:
    raster = torch.from_numpy((rng.random((3, 8, 5)) < 0.3).astype(float))
    weight = torch.from_numpy(rng.normal(size=(3, 5, 4)))
    cells = torch.from_numpy(rng.normal(size=(3, 8, 4)))
    found: list[tuple[torch.Tensor, ...]] = []
    for kernels in KERNELS.values():
        leaves = (raster.clone().requires_grad_(), weight.clone().requires_grad_())
        current = kernels.event_linear(Spikes.from_dense(leaves[0]), leaves[1])
        found.append((current.detach(), *torch.autograd.grad((current * cells).sum(), leaves)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def train(seed: int, batch: int = 40) -> Tensors:
    """Take 20 steps with a small recurrent network."""
    rng = np.random.default_rng(seed)
    events = random_events(rng, batch, 15, 8)
    target = torch.from_numpy(rng.integers(0, 3, batch))
    sizes = {"weight": (2, 8, 20), "recurrent": (2, 20, 20), "decay": (20,), "out": (20, 3)}
    leaves = {
        name: torch.from_numpy(rng.normal(0.2, 0.5, size)).float().requires_grad_()
        for name, size in sizes.items()
    }
    optimiser = torch.optim.Adam(leaves.values(), lr=0.01)
    neuron = Neuron(reset="subtract", reset_in_graph=True)
    for _ in range(20):
        decay = torch.sigmoid(leaves["decay"])
        adaptation = Adaptation(decay, decay * 0.1, decay)
        scan = operators.recurrent_lif_scan(
            *(events, leaves["recurrent"], decay, decay, neuron, adaptation),
            weight=leaves["weight"],
        )
        scores = operators.leaky_readout(scan.spikes, leaves["out"], decay[:3])
        loss = torch.nn.functional.cross_entropy(scores, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert scan.spikes.mean_count() > 5
    return {name: leaf.detach() for name, leaf in leaves.items()}


def test_training_gives_the_same_bits_again_and_on_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = []
    for threads in ("1", "1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        trained.append(train(3))
    for other in trained[1:]:
        for name, weight in trained[0].items():
            assert torch.equal(other[name], weight), name
    assert not torch.equal(train(4)["out"], trained[0]["out"])


def small_network(kernels: ModuleType, rng: np.random.Generator) -> tuple[Tensors, Callable]:
    """Make weights in float64 and what gives their gradients, differentiable if the kernels allow it."""
    events = random_events(rng, 6, 9, 5)
    target = torch.from_numpy(rng.integers(0, 3, 6))
    shapes = {"weight": (5, 7), "recurrent": (7, 7), "out": (7, 3)}
    weights = {
        name: torch.from_numpy(rng.normal(0.4, 1, shape)).requires_grad_()
        for name, shape in shapes.items()
    }
    decay = torch.tensor(0.7, dtype=torch.float64)
    neuron = Neuron(surrogate="logistic", reset="subtract", reset_in_graph=True)

    def gradient(**changes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        leaves = weights | changes
        scan = kernels.recurrent_lif_scan(
            *(events, leaves["recurrent"], decay, decay, neuron), weight=leaves["weight"]
        )
        assert scan.spikes.bins.numel() > 20
        scores = kernels.leaky_readout(scan.spikes, leaves["out"], decay, "mean")
        loss = torch.nn.functional.cross_entropy(scores, target)
        return torch.autograd.grad(loss, list(leaves.values()), create_graph=True)

    return weights, gradient


def test_the_reference_has_second_derivatives(rng: np.random.Generator) -> None:
    # All first gradients are smooth in the weights of the read-out, those through the surrogate as well.
    weights, gradient = small_network(reference, rng)
    along = [torch.from_numpy(rng.normal(size=weight.shape)) for weight in weights.values()]
    product = sum((g * a).sum() for g, a in zip(gradient(), along, strict=True))
    (found,) = torch.autograd.grad(product, weights["out"])
    expected, step = torch.zeros_like(found), 1e-5
    for index in np.ndindex(*found.shape):
        ends = []
        for sign in (1, -1):
            out = weights["out"].detach().clone()
            out[index] += sign * step
            moved = gradient(out=out.requires_grad_())
            ends.append(
                sum(float((g * a).sum().detach()) for g, a in zip(moved, along, strict=True))
            )
        expected[index] = (ends[0] - ends[1]) / (2 * step)
    assert expected.abs().min() > 1e-6
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_silent_membranes_of_the_reference_have_second_derivatives() -> None:
    current = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(2, 3, 2)
    decays = [torch.tensor(d, dtype=torch.float64).requires_grad_() for d in (0.6, 0.8)]
    neuron = Neuron(threshold=1e6, surrogate="triangle")

    def membranes(alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        scan = reference.lif_scan(current, alpha, beta, neuron, keep_membranes=True)
        assert scan.membranes is not None
        return scan.membranes

    assert torch.autograd.gradgradcheck(membranes, decays, rtol=1e-5, atol=1e-7)


def test_second_derivatives_of_the_kernels_name_the_reference(rng: np.random.Generator) -> None:
    weights, gradient = small_network(operators, rng)
    for first in gradient():
        with pytest.raises(RuntimeError, match=r'first derivatives only.*"reference"'):
            torch.autograd.grad(first.sum(), list(weights.values()), allow_unused=True)
    events = random_events(rng, 2, 4, 3)
    weight = torch.ones(3, 2, requires_grad=True)
    loss = operators.event_linear(events, weight).square().sum()
    (first,) = torch.autograd.grad(loss, weight, create_graph=True)
    with pytest.raises(RuntimeError, match=r'first derivatives only.*"reference"'):
        torch.autograd.grad(first.sum(), weight)
