"""Meta-gradients against finite differences, inner steps of few bits, and what cannot be meta-trained."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels import reference
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.neuron import Neuron
from spikebench.learning.few_bits import n_values, rounded
from spikebench.learning.maml import (
    Method,
    adapted_names,
    check_class,
    check_model,
    inner_step,
    query_loss,
    readout_names,
    start,
)
from spikebench.learning.task_batches import Weights, runs_at_once, stacked, task_scores
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.configs.lif import LIFConfig
from spikebench.models.lif import LIF
from spikebench.models.spiking_layer import SpikingLayer

SHAPE = DataShape(n_units=3, n_classes=2, n_steps=5, time_step=0.01, input_rate=0.3)


class GradedLIF(LIF):
    """A network whose resets are differentiated too."""

    def hidden_layers(self) -> list[SpikingLayer]:
        neuron = Neuron(surrogate="logistic", slope=2.0, reset_in_graph=True)
        return [
            SpikingLayer(weight=weight, neuron=neuron, tau_syn_ms=10.0, tau_mem_ms=20.0)
            for weight in self.hidden
        ]


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> Classifier:
    """A network of graded spikes, whose derivative is the surrogate, so that finite differences exist."""
    monkeypatch.setattr(
        reference, "_spike", lambda d, neuron: 4 / neuron.slope * torch.sigmoid(neuron.slope * d)
    )
    torch.manual_seed(0)
    return _in_double(GradedLIF(LIFConfig(hidden_units=(2,), readout="sum"), SHAPE))


def _in_double(model: Classifier) -> Classifier:
    model.kernels = choose_kernels("cpu", "reference")
    return model.double().eval()


def events(labels: list[int], seed: int) -> EventBatch:
    """Four events of every sample."""
    rng = torch.Generator().manual_seed(seed)
    n = len(labels)
    bins = torch.randint(0, SHAPE.n_steps, (n, 4), generator=rng).sort(1).values
    units = torch.randint(0, SHAPE.n_units, (n * 4,), generator=rng)
    return EventBatch(
        offsets=torch.arange(0, 4 * n + 1, 4),
        bins=bins.flatten().int(),
        units=units.int(),
        lengths=torch.full((n,), SHAPE.n_steps),
        labels=torch.tensor(labels),
        n_steps=SHAPE.n_steps,
        n_units=SHAPE.n_units,
        time_step=SHAPE.time_step,
        mode="counts",
    )


SUPPORT, QUERY = events([0, 1], 1), events([0, 1, 1], 2)


def weights_of(model: Classifier) -> Weights:
    return dict(model.named_parameters())


def meta_gradient(
    model: Classifier, weights: Weights, method: Method, steps: int = 1
) -> torch.Tensor:
    loss = query_loss(model, weights, SUPPORT, QUERY, 1, method, 0.7, steps)
    return flat(torch.autograd.grad(loss, list(weights.values())))


def flat(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.cat([one.flatten() for one in tensors])


def loss_of(model: Classifier, weights: Weights, batch: EventBatch) -> torch.Tensor:
    return cross_entropy(functional_call(model, weights, (batch,)).scores, batch.labels)


def finite_differences(
    model: Classifier, weights: Weights, method: Method, steps: int
) -> torch.Tensor:
    found, width = [], 1e-5
    for name, weight in weights.items():
        for k in range(weight.numel()):
            losses = []
            for sign in (1, -1):
                moved = weight.detach().clone()
                moved.view(-1)[k] += sign * width
                changed = {n: w.detach().requires_grad_() for n, w in weights.items()}
                changed[name] = moved.requires_grad_()
                losses.append(
                    query_loss(model, changed, SUPPORT, QUERY, 1, method, 0.7, steps).item()
                )
            found.append((losses[0] - losses[1]) / (2 * width))
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize(("method", "steps"), [("maml", 1), ("maml", 2), ("anil", 2)])
def test_the_second_order_is_that_of_finite_differences(
    graded: Classifier, method: Method, steps: int
) -> None:
    weights = weights_of(graded)
    found = meta_gradient(graded, weights, method, steps)
    expected = finite_differences(graded, weights, method, steps)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    # The first order is not the gradient of anything that is measured here.
    first = meta_gradient(graded, weights, "fomaml", steps)
    assert float((first - expected).abs().max()) > 1e-2 * float(expected.abs().max())


def test_the_first_order_is_the_gradient_after_the_steps(graded: Classifier) -> None:
    weights = weights_of(graded)
    gradients = torch.autograd.grad(loss_of(graded, weights, SUPPORT), list(weights.values()))
    after = {
        name: (w - 0.7 * g).detach().requires_grad_()
        for (name, w), g in zip(weights.items(), gradients, strict=True)
    }
    expected = flat(torch.autograd.grad(loss_of(graded, after, QUERY), list(after.values())))
    found = meta_gradient(graded, weights, "fomaml")
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


def test_spikes_have_the_second_derivatives_of_their_surrogate() -> None:
    """(1 − a·H)·v of a network of real spikes, H·v from the gradient of g·v."""
    torch.manual_seed(3)
    config = LIFConfig(hidden_units=(4,), init_fluctuation=2.0, readout="sum")
    model = _in_double(LIF(config, SHAPE))
    weights = weights_of(model)
    values = list(weights.values())
    assert sum(spikes.units.numel() for spikes in model(SUPPORT).spikes) > 0
    gradient = torch.autograd.grad(loss_of(model, weights, SUPPORT), values, create_graph=True)
    moved = {
        name: (w - 0.7 * g).detach().requires_grad_()
        for (name, w), g in zip(weights.items(), gradient, strict=True)
    }
    v = torch.autograd.grad(loss_of(model, moved, QUERY), list(moved.values()))
    product = (flat(gradient) * flat(v)).sum()
    curved = torch.autograd.grad(product, values)
    assert float(curved[0].abs().max()) > 0  # through the spikes
    expected = flat(v) - 0.7 * flat(curved)
    found = meta_gradient(model, weights, "maml")
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reduction", ["max", "mean", "sum", "last"])
def test_tasks_at_once_are_tasks_one_by_one(reduction: str) -> None:
    torch.manual_seed(3)
    config = LIFConfig.model_validate(
        {"hidden_units": (4, 3), "init_fluctuation": 3.0, "readout": reduction}
    )
    model = _in_double(LIF(config, SHAPE))
    assert runs_at_once(model)
    weights = weights_of(model)
    support, query = events([0, 1, 1, 0, 1, 0], 5), events([0, 1, 1, 1, 0, -100], 6)
    found = {}
    for at_once in (True, False):
        loss = query_loss(model, weights, support, query, 3, "maml", 0.7, 2, 0, at_once)
        found[at_once] = [loss, *torch.autograd.grad(loss, list(weights.values()))]
    torch.testing.assert_close(found[True], found[False], rtol=1e-9, atol=1e-12)
    # The mean of the tasks alone.
    alone = [
        query_loss(
            model, weights, support.part(2 * m, 2 * m + 2), query.part(2 * m, 2 * m + 2 - (m == 2)),
            1, "maml", 0.7, 2,
        )
        for m in range(3)
    ]  # fmt: skip
    torch.testing.assert_close(found[True][0], torch.stack(alone).mean(), rtol=1e-9, atol=0)


def test_only_plain_networks_run_at_once() -> None:
    for name, plain in (("lif", True), ("rlif", False), ("gru", False), ("adlif", False)):
        kind = model_class(name)
        assert runs_at_once(kind(kind.Config(), SHAPE)) is plain, name
    skipping = LIF(LIFConfig(hidden_units=(2,), readout="softmax"), SHAPE)
    assert not runs_at_once(skipping)


@pytest.mark.parametrize(
    ("name", "config", "readout"),
    [
        ("lif", {"hidden_units": [4]}, {"readout.weight", "readout.bias"}),
        ("gru", {"hidden_units": 4, "layers": 1}, {"readout.weight", "readout.bias"}),
        ("mlp_counts", {"hidden_units": [4]}, {"layers.3.weight", "layers.3.bias"}),
    ],
)
def test_given_weights_are_used_and_anil_changes_the_readout(
    name: str, config: dict[str, object], readout: set[str]
) -> None:
    kind = model_class(name)
    torch.manual_seed(1)
    one, other = (kind(kind.Config.model_validate(config), SHAPE).eval() for _ in range(2))
    given = stacked(weights_of(other), 1)
    scores = task_scores(one, given, QUERY, at_once=False)[0]
    torch.testing.assert_close(scores, other(QUERY).scores, rtol=1e-6, atol=1e-7)
    assert not torch.allclose(scores, one(QUERY).scores, rtol=1e-3)
    assert readout_names(one) == readout
    after = inner_step(one, given, SUPPORT, adapted_names(one, "anil"), 0.5)
    assert {n for n in given if not torch.equal(after[n], given[n])} == readout


def test_fast_kernels_take_the_steps_of_the_reference() -> None:
    torch.manual_seed(3)
    config = LIFConfig(hidden_units=(8,), init_fluctuation=2.0, readout="sum")
    model = LIF(config, SHAPE).eval()
    weights, found = stacked(weights_of(model), 1), []
    for at_once in (False, True):  # event-driven kernels, reference
        after = inner_step(
            model, weights, SUPPORT, adapted_names(model, "maml"), 0.5, at_once=at_once
        )
        found.append(after)
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounded_steps_have_few_values_and_the_derivative_1(graded: Classifier, bits: int) -> None:
    weights = weights_of(graded)
    hidden = weights["hidden.0"]
    begun = start(weights, 2, bits)
    assert torch.equal(begun["hidden.0"][1], rounded(hidden, bits))
    assert torch.equal(begun["readout.bias"][0], weights["readout.bias"])  # one axis
    (slope,) = torch.autograd.grad(begun["hidden.0"].sum(), hidden)
    assert torch.equal(slope, torch.full_like(slope, 2.0))  # 1 in each of two tasks
    once = {name: weight[0] for name, weight in begun.items()}
    (g,) = torch.autograd.grad(loss_of(graded, once, SUPPORT), [once["hidden.0"]])
    one = {name: weight[:1] for name, weight in begun.items()}
    after = inner_step(graded, one, SUPPORT, adapted_names(graded, "maml"), 0.7, bits)["hidden.0"]
    expected = rounded(once["hidden.0"] - 0.7 * rounded(g, bits), bits)
    torch.testing.assert_close(after[0], expected, rtol=1e-12, atol=0)
    assert n_values(after) <= 2**bits - 1


def test_what_cannot_be_meta_trained_is_refused_with_a_remedy() -> None:
    for name, why in (
        ("svm", "model svm is not trained by gradients, .* choose a network such as lif"),
        ("linear_bins", "not trained by gradients"),
        ("mel_cnn", "model mel_cnn works on audio"),
    ):
        with pytest.raises(TrainingError, match=why):
            check_class(name, model_class(name))
    lif = LIF(LIFConfig(hidden_units=(2,)), SHAPE)
    with pytest.raises(
        TrainingError, match=r"set meta\.kernels=reference, or choose the method fomaml"
    ):
        check_model("lif", lif, "maml", "events")
    check_model("lif", lif, "fomaml", "events")
    kinked = LIF(LIFConfig(hidden_units=(2,), surrogate="boxcar"), SHAPE)
    with pytest.raises(TrainingError, match=r"set lif\.surrogate=fast_sigmoid"):
        check_model("lif", kinked, "anil", "reference")
    kind = model_class("c_silif")
    normalised = kind(kind.Config.model_validate({"hidden_units": [4]}), SHAPE)
    with pytest.raises(TrainingError, match="choose a network without normalisation"):
        check_model("c_silif", normalised, "finetune", "reference")
