"""Masks before training: exact numbers of weights, SNIP against its formula, SynFlow without layer collapse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from helpers.batches import batch_of
from hypothesis import given
from hypothesis import strategies as st

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.learning.few_bits import connections
from spikebench.learning.pruning_masks import (
    Masks,
    keep_largest,
    magnitude_masks,
    masked,
    random_masks,
)
from spikebench.learning.snip import snip_masks, snip_scores
from spikebench.learning.synflow import flow_scores, layers_of, synflow_masks
from spikebench.models.base import Classifier, DataShape, model_class

SHAPE = DataShape(n_units=40, n_classes=4, n_steps=6, time_step=0.01, input_rate=0.5)


def network(name: str, hidden: Sequence[int] = (30, 20)) -> Classifier:
    torch.manual_seed(0)
    kind = model_class(name)
    units = hidden[0] if name == "rlif" else tuple(hidden)
    return kind(kind.Config(hidden_units=units), SHAPE)  # type: ignore[call-arg]


def counts(masks: Masks) -> list[int]:
    return [int(mask.sum()) for mask in masks.values()]


def samples(n: int = 6) -> EventBatch:
    torch.manual_seed(1)
    batch = batch_of(torch.poisson(torch.full((n, SHAPE.n_steps, SHAPE.n_units), 0.8)))
    return replace(batch, labels=torch.arange(n) % 4)


@pytest.mark.parametrize("name", ["lif", "rlif", "mlp_counts"])
@pytest.mark.parametrize("density", [1.0, 0.2, 0.03, 0.01, 1e-6])
def test_the_number_of_kept_weights_is_exact(name: str, density: float) -> None:
    model = network(name)
    sizes = [weight.numel() for weight in connections(model).values()]
    of_each = [max(1, round(density * size)) for size in sizes]
    assert counts(magnitude_masks(model, density)) == of_each
    assert counts(random_masks(model, density, 3)) == of_each
    together = max(1, round(density * sum(sizes)))
    assert sum(counts(synflow_masks(name, model, density, rounds=5))) == together


def test_magnitude_keeps_the_largest_and_random_does_not() -> None:
    model = network("lif")
    masks = magnitude_masks(model, 0.1)
    for name, weight in connections(model).items():
        size = weight.detach().abs()
        assert float(size[masks[name]].min()) >= float(size[~masks[name]].max())
    first, again, other = (random_masks(model, 0.1, seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_equal_scores_are_kept_in_their_order() -> None:
    scores = {"a": torch.ones(3), "b": torch.ones(2, 2)}
    assert counts(keep_largest(scores, 3 / 7, "global")) == [3, 0]
    masks = keep_largest(scores, 0.5, "layer")
    assert masks["b"].tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1, float("nan")])
def test_a_density_out_of_range_is_refused(density: float) -> None:
    with pytest.raises(TrainingError, match="must be above 0 and at most 1"):
        keep_largest({"a": torch.ones(3)}, density, "layer")


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(TrainingError, match="scores of a are not numbers"):
        keep_largest({"a": torch.tensor([torch.nan, 1.0])}, 0.5, "global")


@pytest.mark.parametrize("name", ["mlp_counts", "lif"])
def test_snip_reads_the_loss_of_the_labels(name: str) -> None:
    """|θ·∂L/∂θ| is the change of the loss if all weights of a tensor are scaled: Euler's sum of its signed scores."""
    model, batch = network(name, (8,)).eval(), samples()
    scores = snip_scores(model, batch)
    weights = connections(model)
    loss = torch.nn.functional.cross_entropy(model(batch).scores, batch.labels)
    for weight, gradient in zip(
        weights.items(), torch.autograd.grad(loss, list(weights.values())), strict=True
    ):
        torch.testing.assert_close(scores[weight[0]], (weight[1] * gradient).abs())
    others = snip_scores(model, replace(batch, labels=batch.labels.flip(0)))
    assert not all(torch.equal(scores[one], others[one]) for one in scores)
    kept = sum(counts(snip_masks(model, batch, 0.1)))
    assert kept == round(0.1 * sum(weight.numel() for weight in weights.values()))


def test_snip_without_a_spike_is_refused() -> None:
    model = network("lif")
    silent = batch_of(torch.zeros(2, SHAPE.n_steps, SHAPE.n_units))
    with pytest.raises(TrainingError, match=r"no weight has a gradient.*model\.init_fluctuation"):
        snip_masks(model, replace(silent, labels=torch.zeros(2, dtype=torch.int64)), 0.5)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_the_flow_is_the_sum_over_all_paths(n_in: int, n: int, n_out: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(n_in, n, generator=generator, dtype=torch.float64)
    v = torch.randn(n, n, generator=generator, dtype=torch.float64)
    o = torch.randn(n, n_out, generator=generator, dtype=torch.float64)
    scores = flow_scores({"w": w, "v": v, "o": o}, [("w", True, "v"), ("o", True, None)])
    paths = {"w": torch.zeros_like(w), "v": torch.zeros_like(v), "o": torch.zeros_like(o)}
    for i in range(n_in):
        for a in range(n):
            for k in range(n_out):
                direct = float((w[i, a] * o[a, k]).abs())
                paths["w"][i, a] += direct
                paths["o"][a, k] += direct
                for b in range(n):
                    through = float((w[i, a] * v[a, b] * o[b, k]).abs())
                    paths["w"][i, a] += through
                    paths["v"][a, b] += through
                    paths["o"][b, k] += through
    for name, path in paths.items():
        torch.testing.assert_close(scores[name], path)


@pytest.mark.parametrize("name", ["lif", "rlif", "mlp_counts"])
def test_synflow_leaves_weights_in_every_layer(name: str) -> None:
    """At 1 % and in one round, all weights can be in one layer; in 100 rounds none is empty, and flow remains."""
    model = network(name, (100, 50, 50, 10))
    weights = dict(model.named_parameters())
    with torch.no_grad():
        weights[next(iter(connections(model)))].mul_(1e-3)
    masks = synflow_masks(name, model, 0.01)
    chain = {one for layer in layers_of(name, model) for one in (layer[0],)}
    assert all(masks[one].any() for one in chain)
    left = masked(weights, masks)
    assert float(flow_scores(left, layers_of(name, model))[sorted(chain)[0]].sum()) > 0


def test_one_round_collapses_where_many_do_not() -> None:
    """The iteration is what the method is about: with a single round, a layer loses all of its weights."""
    model = network("mlp_counts", (100, 3, 100))
    once, often = (synflow_masks("mlp_counts", model, 0.002, rounds) for rounds in (1, 100))
    assert min(counts(often)) > 0
    assert counts(once) != counts(often)


def test_a_network_without_layers_of_weights_is_refused() -> None:
    kind = model_class("gru")
    with pytest.raises(TrainingError, match="leave synflow out of --methods"):
        layers_of("gru", kind(kind.Config(), SHAPE))
