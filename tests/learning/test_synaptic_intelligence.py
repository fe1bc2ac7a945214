"""Synaptic intelligence and elastic weights: the path integral, the penalty, and training without either."""

from __future__ import annotations

from typing import ClassVar

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from spikebench.events.batches import EventBatch
from spikebench.learning.bptt import BackPropagation
from spikebench.learning.elastic_weights import fisher_diagonal
from spikebench.learning.quadratic_penalty import QuadraticPenalty
from spikebench.learning.ranks import Ranks
from spikebench.learning.synaptic_intelligence import (
    SynapticIntelligence,
    add_to_path,
    importance_of_path,
)
from spikebench.models.base import Classifier, DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.presets.preset import Preset

N_UNITS, N_CLASSES = 5, 3
PRESET = Preset.model_validate(
    {
        "input": {"time_step_ms": 10, "duration_ms": 20, "mode": "counts"},
        "training": {"gradient_norm": 0.1, "learning_rate": 0.01},
    }
)


class Linear(Classifier):
    """Scores linear in the counts."""

    Config: ClassVar[type[ModelConfig]] = ModelConfig
    spiking = False

    def __init__(self, n_classes: int = N_CLASSES) -> None:
        super().__init__(ModelConfig(), DataShape(N_UNITS, n_classes, 2, 0.01, 0.1))
        torch.manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(N_UNITS, n_classes))
        self.unused = torch.nn.Parameter(torch.ones(2))

    def forward(self, batch: EventBatch) -> Output:
        return Output(batch.dense().sum(1) @ self.weight)


def batch_of(seed: int, n: int = 6) -> EventBatch:
    """Make samples of four events."""
    rng = np.random.default_rng(seed)
    units = rng.integers(0, N_UNITS, 4 * n).astype(np.int32)
    return EventBatch(
        offsets=torch.arange(0, 4 * n + 1, 4),
        bins=torch.zeros(4 * n, dtype=torch.int32),
        units=torch.from_numpy(units),
        lengths=torch.full((n,), 2),
        labels=torch.from_numpy(rng.integers(0, N_CLASSES, n)),
        n_steps=2,
        n_units=N_UNITS,
        time_step=0.01,
        mode="counts",
    )


def rule_of(strength: float) -> SynapticIntelligence:
    ones = torch.ones(N_CLASSES)
    return SynapticIntelligence(Linear(), PRESET, ones, Ranks(), 0, strength=strength, damping=0.1)


@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(1e-8, 1e-6))
@settings(max_examples=15, deadline=None)
def test_the_path_integral_sums_to_the_fall_of_a_quadratic_loss(
    seed: int, n: int, rate: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(n, n, generator=generator, dtype=torch.float64)
    matrix = root @ root.T + torch.eye(n, dtype=torch.float64)
    matrix /= torch.linalg.matrix_norm(matrix, 2)
    theta = torch.randn(n, generator=generator, dtype=torch.float64)
    path, start = [torch.zeros_like(theta)], theta.clone()
    for _ in range(100):
        gradient = matrix @ theta
        step = -rate * gradient
        add_to_path(path, [gradient], [step])
        theta = theta + step
    # ½ θᵀAθ, as a difference without cancellation.
    fall = 0.5 * (start - theta) @ matrix @ (start + theta)
    assert fall > 0
    assert abs(path[0].sum() / fall - 1) <= 1e-6


@given(st.integers(0, 10_000), st.floats(0.01, 1.5))
@settings(max_examples=15, deadline=None)
def test_with_large_steps_the_rest_is_the_second_order(seed: int, rate: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    curvature = torch.rand(4, generator=generator, dtype=torch.float64)
    theta = torch.randn(4, generator=generator, dtype=torch.float64)
    path, start = [torch.zeros_like(theta)], theta.clone()
    second = torch.zeros_like(theta)
    for _ in range(20):
        step = -rate * curvature * theta
        add_to_path(path, [curvature * theta], [step])
        second += 0.5 * curvature * step**2
        theta = theta + step
    fall = 0.5 * curvature * (start**2 - theta**2)  # of every parameter: the loss is separable
    torch.testing.assert_close(path[0] - second, fall, rtol=1e-12, atol=1e-14)


def test_importance_by_hand() -> None:
    path = torch.tensor([0.5, -0.5, 0.2])
    change = torch.tensor([0.3, 0.3, 0.0])
    found = importance_of_path(path, change, damping=0.01)
    torch.testing.assert_close(found, torch.tensor([5.0, 0.0, 20.0]), rtol=1e-6, atol=0)


@given(st.integers(0, 10_000), st.floats(0.01, 100))
@settings(max_examples=10, deadline=None)
def test_the_gradient_of_the_penalty_is_that_of_autograd(seed: int, strength: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    theta = drawn[0].clone().requires_grad_()
    penalty = QuadraticPenalty([theta], strength)
    penalty.consolidate([drawn[1].square()])
    with torch.no_grad():
        theta.copy_(drawn[2])
    theta.grad = drawn[3].clone()
    penalty.add_gradient()
    other = drawn[2].clone().requires_grad_()
    value = strength * (drawn[1].square() * (other - drawn[0]).square()).sum()
    (expected,) = torch.autograd.grad(value, other)
    torch.testing.assert_close(theta.grad, drawn[3] + expected, rtol=1e-12, atol=1e-12)
    assert penalty.value() == pytest.approx(float(value.detach()), rel=1e-12)


def test_a_step_takes_the_gradient_without_penalty_and_the_step_with_it() -> None:
    rule = rule_of(strength=3.0)
    held = rule.penalty
    held.importance[0].fill_(2.0)
    held.anchor[0].zero_()
    batch = batch_of(1)
    model = Linear()
    loss = torch.nn.functional.cross_entropy(model(batch).scores, batch.labels)
    (gradient,) = torch.autograd.grad(loss, model.weight)
    before = rule.model.weight.detach().clone()  # type: ignore[union-attr,operator]
    rule.update(batch, 0.01)
    step = rule.model.weight.detach() - before  # type: ignore[union-attr,operator]
    torch.testing.assert_close(rule.path[0], -gradient * step, rtol=1e-5, atol=1e-8)
    # Adam's first step has the sign of its gradient: here the penalty decides.
    torch.testing.assert_close(step, -0.01 * before.sign(), rtol=1e-4, atol=0)
    # A parameter without a gradient of the loss is held, too, and has no path.
    assert not rule.path[1].any()


def test_strength_zero_is_plain_training_bit_for_bit() -> None:
    ones = torch.ones(N_CLASSES)
    rules: list[BackPropagation] = [
        *(rule_of(0.0), rule_of(1.0)),
        BackPropagation(Linear(), PRESET, ones, Ranks(), 0),
    ]
    for rule in rules:
        for step in range(8):
            rule.update(batch_of(step), 0.01)
            if step == 3 and isinstance(rule, SynapticIntelligence):
                rule.end_task(None)  # type: ignore[arg-type]
                assert rule.penalty.importance[0].sum() > 0
                assert not rule.path[0].any()
    without, held, plain = (rule.model.state_dict()["weight"] for rule in rules)
    assert torch.equal(without, plain)
    assert not torch.equal(held, plain)


def test_a_state_is_restored() -> None:
    rule, other = rule_of(1.0), rule_of(1.0)
    rule.update(batch_of(0), 0.01)
    rule.end_task(None)  # type: ignore[arg-type]
    rule.update(batch_of(1), 0.01)
    other.model.load_state_dict(rule.model.state_dict())
    other.load_state({name: tensor.clone() for name, tensor in rule.state().items()})
    for one in (rule, other):
        one.update(batch_of(2), 0.01)
    for name, tensor in rule.state().items():
        assert torch.equal(tensor, other.state()[name]), name


class _Samples:
    """Some samples, as the rule takes them."""

    def __init__(self, batch: EventBatch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch)

    def batch(self, chosen: np.ndarray) -> EventBatch:
        return self._batch.part(int(chosen[0]), int(chosen[0]) + 1)


def test_the_fisher_information_of_two_even_classes_by_hand() -> None:
    model = Linear(2)
    with torch.no_grad():
        model.weight.zero_()
    batch = batch_of(3)
    found = fisher_diagonal(model, _Samples(batch), 100, seed=0)  # type: ignore[arg-type]
    # p = ½ whatever the counts x, so ∂ log p(y)/∂W is ±x/2 whatever y.
    expected = (batch.dense().sum(1).square() / 4).mean(0)
    torch.testing.assert_close(found[0], expected[:, None].expand(-1, 2), rtol=1e-5, atol=1e-7)
    assert not found[1].any()
