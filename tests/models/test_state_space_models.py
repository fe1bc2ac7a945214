"""Networks of state-space neurons against their equations, one neuron and one step at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.kernel_cases import counts_of, random_events

from spikebench.kernels.choice import choose_kernels
from spikebench.kernels.neuron import Neuron
from spikebench.models.base import DataShape, model_class
from spikebench.models.c_silif import ComplexLIF
from spikebench.models.configs.state_space import StateSpaceConfig
from spikebench.models.silif import StateSpaceLIF

SHAPE = DataShape(n_units=6, n_classes=3, n_steps=25, time_step=0.01, input_rate=0.3)


def normalised(x: np.ndarray, weights: torch.nn.Module) -> np.ndarray:
    """Normalise by the running averages."""
    norm = weights.norm
    mean, var = norm.running_mean.numpy(), norm.running_var.numpy()
    scale, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    return (x - mean) / np.sqrt(var + norm.eps) * scale + shift


def complex_layer(layer: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    """Run u[t] = λ·(u[t−1] − S[t−1]/2) + b·x[t] with complex numbers."""
    rho, omega, kappa, b = (
        getattr(layer, name).detach().numpy()
        for name in ("log_decay", "frequency", "log_step", "gain")
    )
    lam = np.exp((-np.exp(rho) + 1j * omega) * np.exp(kappa))
    u, fired, spikes = np.zeros_like(x[:, 0], complex), np.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        u = lam * (u - fired / 2) + b * x[:, t]
        fired = (2 * u.real >= 1).astype(x.dtype)
        spikes.append(fired)
    return np.stack(spikes, 1)


def adaptive_layer(layer: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    """Run U[t] = α·(U[t−1] − S[t−1]) + (1 − α)·(x[t] − A[t]), A[t] = β·A[t−1] + a·U[t−1] + b·S[t−1]."""
    rho, sigma, a, b = (
        getattr(layer, name).detach().numpy()
        for name in ("log_rate", "log_adaptation_rate", "to_membrane", "to_spikes")
    )
    alpha, beta = np.exp(-np.exp(rho) * 0.01), np.exp(-np.exp(sigma) * 0.01)
    U, A, S = (np.zeros_like(x[:, 0]) for _ in range(3))
    spikes = []
    for t in range(x.shape[1]):
        A = beta * A + a * U + b * S
        U = alpha * (U - S) + (1 - alpha) * (x[:, t] - A)
        S = (U >= 1).astype(x.dtype)
        spikes.append(S)
    return np.stack(spikes, 1)


@pytest.mark.parametrize(
    ("model", "config", "run"),
    [
        (ComplexLIF, StateSpaceConfig, complex_layer),
        (StateSpaceLIF, StateSpaceConfig, adaptive_layer),
    ],
)
def test_the_network_is_its_equations(
    model: type, config: type, run: object, rng: np.random.Generator
) -> None:
    torch.manual_seed(0)
    network = model(config(hidden_units=(7, 5)), SHAPE).double()
    batch = random_events(rng, 9, SHAPE.n_steps, SHAPE.n_units)
    network.train()
    for _ in range(3):
        network(batch)  # running averages
    for layer in network.layers:  # so that many neurons fire
        layer.input.norm.weight.data *= 5
        layer.input.norm.bias.data += 1.0
    network.eval()
    x = counts_of(batch)
    spikes = []
    for layer in network.layers:
        weights = layer.input.weight.detach().numpy()
        x = run(layer, normalised(x @ weights, layer.input))  # type: ignore[operator]
        spikes.append(x)
    with torch.no_grad():
        output = network(batch)
    for found, expected in zip(output.spikes, spikes, strict=True):
        assert 0.02 < expected.mean() < 0.9
        np.testing.assert_array_equal(found.dense().numpy(), expected)
    trace, out = [], np.zeros((9, 3))
    for t in range(SHAPE.n_steps):
        current = spikes[-1][:, t] @ network.readout.weight.detach().numpy()
        out = network.readout.decay * out + (1 - network.readout.decay) * current
        trace.append(out + network.readout.bias.detach().numpy())
    each = np.exp(np.stack(trace, 1))
    each /= each.sum(2, keepdims=True)
    inside = np.arange(SHAPE.n_steps) < batch.lengths.numpy()[:, None]
    np.testing.assert_allclose(output.scores, (each * inside[..., None]).sum(1), rtol=1e-10)


@pytest.mark.parametrize(
    ("model", "config"), [(ComplexLIF, StateSpaceConfig), (StateSpaceLIF, StateSpaceConfig)]
)
def test_currents_are_normalised_over_samples_and_steps(
    model: type, config: type, rng: np.random.Generator
) -> None:
    network = model(config(hidden_units=(4,)), SHAPE)
    layer = network.hidden_layers()[0]
    assert layer.normalisation is not None
    current = torch.from_numpy(rng.normal(3, 2, (8, 25, 4))).float()
    found = layer.normalisation.apply(current)
    torch.testing.assert_close(found.mean((0, 1)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(found.var((0, 1), correction=0), torch.ones(4), rtol=1e-3, atol=0)
    network.eval()
    layer = network.hidden_layers()[0]
    assert layer.normalisation is not None
    again = layer.normalisation.apply(current)
    assert not torch.allclose(found, again)  # running averages, of one batch


@pytest.mark.parametrize("kernels", ["events", "reference"])
def test_dropped_spikes_have_neither_values_nor_gradients(kernels: str) -> None:
    current = torch.full((4, 30, 16), 3.0, dtype=torch.float64, requires_grad=True)
    decay = torch.tensor(0.5, dtype=torch.float64)
    scan = choose_kernels("cpu", kernels).lif_scan(current, 0 * decay, decay, Neuron())  # type: ignore[arg-type]
    torch.manual_seed(3)
    rest = scan.spikes.drop(0.4)
    torch.manual_seed(3)
    keep = torch.rand(4, 30, 16) >= 0.4
    before = scan.spikes.dense().detach()
    assert before.sum() > 500
    assert torch.equal(rest.dense().detach(), before * keep)
    assert torch.equal(rest.offsets.diff(), (before * keep).sum((1, 2)).long())
    assert 0.5 < rest.units.numel() / scan.spikes.units.numel() < 0.7
    factors = torch.randn(4, 30, 16, dtype=torch.float64)
    (found,) = torch.autograd.grad((rest.dense() * factors).sum(), current, retain_graph=True)
    (expected,) = torch.autograd.grad((scan.spikes.dense() * keep * factors).sum(), current)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("model", ["c_silif", "silif"])
def test_dropout_is_for_training_and_keeps_the_mean(model: str, rng: np.random.Generator) -> None:
    torch.manual_seed(1)
    kind = model_class(model)
    config = kind.Config.model_validate({"hidden_units": [64], "dropout": 0.5})
    network = kind(config, SHAPE)
    batch = random_events(rng, 40, SHAPE.n_steps, SHAPE.n_units)
    network.train()
    torch.manual_seed(2)
    one = network(batch)
    other = network(batch)
    assert not torch.equal(one.scores, other.scores)
    assert torch.equal(one.spikes[0].dense(), other.spikes[0].dense())  # of one layer, before
    last, gain = network._dropped(one.spikes[0])  # type: ignore[operator]
    whole = one.spikes[0].units.numel()
    assert gain * last.units.numel() == pytest.approx(whole, rel=4 / np.sqrt(whole))
    network.eval()
    assert torch.equal(network(batch).scores, network(batch).scores)
