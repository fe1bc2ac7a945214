"""Gradients with a substrate in the loop: those of the software on the ideal one, and refused models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.batches import batch_of
from hypothesis import given, settings
from hypothesis import strategies as st

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.neuron import SURROGATES
from spikebench.learning.in_the_loop import Recording, SubstrateModel, Weights, network_of
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.substrate.ideal import Ideal

SHAPE = DataShape(n_units=5, n_classes=3, n_steps=9, time_step=0.01, input_rate=0.3)


def model_of(name: str, seed: int, shape: DataShape = SHAPE, **config: object) -> Classifier:
    kind = model_class(name)
    hidden = 4 if name == "rlif" else (4,)
    torch.manual_seed(seed)
    model = kind(kind.Config.model_validate({"hidden_units": hidden, **config}), shape)
    model.kernels = choose_kernels("cpu", "reference")
    return model.double()


def gradients(
    model: Classifier, trained: Classifier, batch: EventBatch
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss with a term of the spikes, and its gradients by the parameters of the software model."""
    model.zero_grad()
    output = trained(batch)
    loss = torch.nn.functional.cross_entropy(output.scores, batch.labels)
    loss = loss + 0.1 * (output.spikes[0].counts().mean(1) ** 2).sum()
    loss.backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return loss.detach(), found


@settings(max_examples=25)
@given(
    name=st.sampled_from(["lif", "rlif"]),
    seed=st.integers(0, 10_000),
    surrogate=st.sampled_from(sorted(SURROGATES)),
    density=st.floats(0.05, 0.6),
)
def test_the_ideal_substrate_gives_the_gradients_of_the_software(
    name: str, seed: int, surrogate: str, density: float
) -> None:
    model = model_of(name, seed, surrogate=surrogate, init_fluctuation=2.0)
    looped = SubstrateModel(model, Ideal(network_of(model), model.kernels))
    looped.kernels = model.kernels
    rng = np.random.default_rng(seed)
    raster = torch.from_numpy(rng.random((6, SHAPE.n_steps, SHAPE.n_units)) < density)
    batch = replace(batch_of(raster.float()), labels=torch.arange(6) % 3)
    loss, expected = gradients(model, model, batch)
    same, found = gradients(model, looped, batch)
    assert same == loss
    assert found.keys() == expected.keys()
    for key, gradient in found.items():
        scale = float(expected[key].abs().max())
        np.testing.assert_allclose(gradient, expected[key], rtol=1e-10, atol=1e-12 * (1 + scale))


def test_recorded_values_replace_those_of_the_software() -> None:
    """Two steps, one neuron: every gradient is calculated by hand."""
    shape = DataShape(n_units=1, n_classes=1, n_steps=2, time_step=0.01, input_rate=0.3)
    model = model_of("rlif", 0, shape, hidden_units=1)

    class Fixed:
        def configure(self, weights: Weights) -> None:
            self.weights = weights

        def run(self, batch: EventBatch) -> Recording:
            cells = ([0.0, 1.0], [0.5, 1.25], [0.25, 2.0])
            return Recording(*(torch.tensor(c, dtype=torch.float64).view(1, 2, 1) for c in cells))

    looped = SubstrateModel(model, Fixed())
    looped.kernels = model.kernels
    batch = batch_of(torch.ones(1, 2, 1))
    output = looped(batch)
    assert output.scores.item() == 2.0  # the bias is 0
    output.scores.sum().backward()
    network = looped.network
    alpha, beta, gamma = network.decay_syn, network.decay_mem, network.decay_readout
    out, back = model.readout.weight.item(), model.recurrent.item()
    s1 = (1 - gamma) * out
    u1 = s1 / (4 * 0.25 + 1) ** 2
    i1 = (1 - beta) * u1
    u0 = ((1 - gamma) * gamma * out + back * i1) / (4 * 0.5 + 1) ** 2 + beta * u1
    i0 = (1 - beta) * u0 + alpha * i1
    assert float(model.readout.weight.grad) == pytest.approx(1 - gamma, rel=1e-12)
    assert float(model.recurrent.grad) == 0.0  # no spike before the last step
    assert float(model.input.grad) == pytest.approx(i0 + i1, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("cnn", {}, "CNN is no network of spiking layers; choose model lif or rlif"),
        ("lif", {"hidden_units": (4, 4)}, "has 2; set model.hidden_units to one number"),
        ("adlif", {}, "choose model lif or rlif"),
        ("rlif", {"readout": "mean"}, "set model.readout=max"),
    ],
)
def test_other_models_are_refused(name: str, config: dict[str, object], message: str) -> None:
    kind = model_class(name)
    with pytest.raises(TrainingError, match=message):
        network_of(kind(kind.Config.model_validate(config), SHAPE))
