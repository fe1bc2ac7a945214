"""The tangent kernel against explicit Jacobians, the estimate against all signs, and a transfer without labels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from helpers.batches import batch_of
from helpers.toy import write_toy
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from spikebench.errors import TrainingError
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.kernels.choice import choose_kernels
from spikebench.learning.few_bits import connections
from spikebench.learning.tangent_kernel import (
    check_tangents,
    exact_kernel,
    kernels_between,
    scores_and_tangents,
)
from spikebench.learning.tangent_transfer import TangentTransfer, TransferSettings
from spikebench.learning.unlabelled import UnlabelledSamples
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.mlp_counts import CountMLP
from spikebench.protocol.opening import open_selection

QUICK = TransferSettings(steps=4, batch_size=8, mask_every=2, learning_rate=0.05)


def network(name: str, hidden: int, shape: DataShape, **more: object) -> Classifier:
    kind = model_class(name)
    units = hidden if name == "rlif" else (hidden, hidden)
    model = kind(kind.Config(hidden_units=units, **more), shape)  # type: ignore[call-arg, arg-type]
    model.kernels = choose_kernels("cpu", "reference")
    return model.eval()


def small(name: str, seed: int, hidden: int = 3, **more: object) -> tuple[Classifier, EventBatch]:
    torch.manual_seed(seed)
    shape = DataShape(n_units=4, n_classes=2, n_steps=5, time_step=0.01, input_rate=0.5)
    model = network(name, hidden, shape, **more).double()
    if isinstance(model, CountMLP):  # rasters are float32
        model.layers.register_forward_pre_hook(lambda _, given: (given[0].double(),))
    raster = torch.poisson(torch.full((3, shape.n_steps, shape.n_units), 1.0))
    return model, batch_of(raster)


def weights_of(model: Classifier) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def jacobian(model: Classifier, batch: EventBatch) -> torch.Tensor:
    """∂f/∂θ by one backward pass per sample and class, shape (sample, class, parameters)."""
    weights = {name: w.clone().requires_grad_() for name, w in weights_of(model).items()}
    scores = functional_call(model, weights, (batch,)).scores
    rows = [
        torch.cat(
            [
                one.flatten()
                for one in torch.autograd.grad(score, list(weights.values()), retain_graph=True)
            ]
        )
        for score in scores.flatten()
    ]
    return torch.stack(rows).view(*scores.shape, -1)


@settings(max_examples=12)
@given(
    st.sampled_from(["lif", "rlif", "mlp_counts"]),
    st.sampled_from(["max", "softmax", "sum", "last", "mean"]),
    st.integers(1, 4),
    st.integers(0, 999),
)
def test_the_kernel_is_the_product_of_jacobians(
    name: str, readout: str, hidden: int, seed: int
) -> None:
    more: dict[str, object] = {} if name == "mlp_counts" else {"readout": readout}
    model, batch = small(name, seed, hidden, **more)
    rows = jacobian(model, batch)
    expected = torch.einsum("ian,jbn->iajb", rows, rows)
    found = exact_kernel(model, weights_of(model), batch)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_projected_gradients_can_be_differentiated() -> None:
    """The derivative of a kernel by the weights, against finite differences (a perceptron, which is smooth here)."""
    model, batch = small("mlp_counts", 5)
    weights = {name: w.clone().requires_grad_() for name, w in weights_of(model).items()}
    signs = torch.ones(1, 3, 2, dtype=torch.float64)

    def total(given: dict[str, torch.Tensor]) -> torch.Tensor:
        _, tangents = scores_and_tangents(model, given, batch, signs, create_graph=True)
        return kernels_between(tangents, tangents).sum()

    gradients = torch.autograd.grad(total(weights), list(weights.values()), allow_unused=True)
    for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
        values = []
        for sign in (1, -1):
            moved = {one: w.detach().clone() for one, w in weights.items()}
            moved[name].view(-1)[0] += sign * 1e-6
            values.append(total({k: w.requires_grad_() for k, w in moved.items()}).item())
        first = 0.0 if gradient is None else gradient.flatten()[0].item()
        assert first == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-5), (
            weight.shape
        )


def test_the_estimate_has_no_bias_and_its_bound_holds() -> None:
    """Over all signs of two samples of two classes, the mean is the exact distance, the deviation within √8 of it."""
    model, batch = small("lif", 3, readout="sum", init_fluctuation=2.0)
    other, _ = small("lif", 4, readout="sum", init_fluctuation=2.0)
    kernels = [exact_kernel(one, weights_of(one), batch) for one in (model, other)]
    difference = (kernels[0] - kernels[1])[:1, :, 1:]  # between the first and the other samples
    exact = float(difference.square().sum())
    assert exact > 0
    signs = [
        torch.tensor(s, dtype=torch.float64).view(3, 2)
        for s in itertools.product((-1, 1), repeat=6)
    ]
    found = []
    for one in (model, other):
        _, tangents = scores_and_tangents(one, weights_of(one), batch, torch.stack(signs))
        first = {name: rows[:, :1] for name, rows in tangents.items()}
        rest = {name: rows[:, 1:] for name, rows in tangents.items()}
        found.append(kernels_between(first, rest))
    estimates = (found[0] - found[1]).square().sum((1, 2))
    assert float(estimates.mean()) == pytest.approx(exact, rel=1e-9)
    assert float(estimates.std(correction=0)) <= 8**0.5 * exact


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> BinnedSamples:
    path = write_toy(tmp_path_factory.mktemp("toy") / "toy.h5", takes=2)
    train = open_selection(str(path)).train
    return BinnedSamples(train, time_step=0.04, n_steps=8, mode="counts")


def teacher(name: str, samples: BinnedSamples, hidden: int = 10) -> Classifier:
    torch.manual_seed(0)
    shape = DataShape(samples.n_units, 3, samples.n_steps, 0.04, 0.4)
    return network(name, hidden, shape)


class Forbidden:
    """Labels that must not be read."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError("a label was read")

    def __getitem__(self, key: object) -> object:
        raise AssertionError("a label was read")

    def __len__(self) -> int:
        raise AssertionError("a label was read")


def transferred(
    model: Classifier,
    samples: BinnedSamples,
    with_settings: TransferSettings = QUICK,
    density: float = 0.1,
) -> TangentTransfer:
    transfer = TangentTransfer(model, UnlabelledSamples(samples), density, with_settings, seed=0)
    while not transfer.is_done:
        transfer.step()
    return transfer


def same(first: TangentTransfer, second: TangentTransfer) -> bool:
    weights = zip(first.result().values(), second.result().values(), strict=True)
    masks = zip(first.masks.values(), second.masks.values(), strict=True)
    return all(torch.equal(a, b) for a, b in [*weights, *masks])


@pytest.mark.parametrize("name", ["lif", "mlp_counts"])
def test_no_label_is_read(name: str, toy: BinnedSamples) -> None:
    expected = transferred(teacher(name, toy), toy)
    for labels in (np.random.default_rng(0).permutation(toy.labels), Forbidden()):
        changed = BinnedSamples(toy.samples, 0.04, toy.n_steps, "counts")
        changed.labels = labels  # type: ignore[assignment]
        assert same(expected, transferred(teacher(name, toy), changed))
    with pytest.raises(AssertionError, match="a label was read"):
        changed.batch(np.arange(2))
    assert set(UnlabelledSamples(toy).batch(np.arange(3)).labels.tolist()) == {-1}


@pytest.mark.parametrize("kernel", ["kept", "all"])
def test_a_transfer_approaches_the_teacher_with_the_weights_it_keeps(
    kernel: Literal["kept", "all"], toy: BinnedSamples
) -> None:
    model = teacher("lif", toy, hidden=24)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    chosen = TransferSettings(
        steps=30,
        batch_size=16,
        mask_every=10,
        learning_rate=0.01,
        kernel=kernel,
        kernel_strength=10.0,
    )
    transfer = transferred(model, toy, chosen, density=0.3)
    steps, kernels, scores = zip(*transfer.distances, strict=True)
    assert steps == (0, 10, 20, 30)
    assert (kernels[0], scores[0]) == (1.0, 1.0)
    assert kernels[-1] < 0.7
    assert scores[-1] < 0.7
    result = transfer.result()
    for name in connections(model):
        mask = transfer.masks[name]
        assert int(mask.sum()) == round(0.3 * mask.numel())
        assert not result[name][~mask].any()
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_transfer_continues_from_its_state(toy: BinnedSamples) -> None:
    whole = transferred(teacher("lif", toy), toy)
    first = TangentTransfer(teacher("lif", toy), UnlabelledSamples(toy), 0.1, QUICK, seed=0)
    for _ in range(2):
        first.step()
    state = {name: tensor.clone() for name, tensor in first.state().items()}
    second = TangentTransfer(teacher("lif", toy), UnlabelledSamples(toy), 0.1, QUICK, seed=0)
    second.load_state(state, first.n_steps, first.distances)
    while not second.is_done:
        second.step()
    assert same(whole, second)
    assert second.distances == whole.distances


def test_what_cannot_be_transferred_is_refused(toy: BinnedSamples) -> None:
    model = teacher("lif", toy)
    with torch.no_grad():
        for weight in connections(model).values():
            weight.zero_()
    with pytest.raises(TrainingError, match=r"masking changes neither.*init_fluctuation"):
        TangentTransfer(model, UnlabelledSamples(toy), 0.1, QUICK, seed=0)
    with pytest.raises(TrainingError, match="density 0: must be"):
        TangentTransfer(teacher("lif", toy), UnlabelledSamples(toy), 0.0, QUICK, seed=0)
    for name in ("gru", "adlif"):
        kind = model_class(name)
        with pytest.raises(TrainingError, match=r"choose lif, rlif or mlp_counts"):
            check_tangents(name, kind(kind.Config(), replace(model.shape)))
    kinked = model_class("lif")
    with pytest.raises(TrainingError, match=r"set model\.surrogate=fast_sigmoid"):
        check_tangents("lif", kinked(kinked.Config(surrogate="boxcar"), model.shape))  # type: ignore[call-arg]
