"""Scans that normalise their currents: the reference and PyTorch's normalisation, forward and backward."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.kernel_cases import KERNELS, random_events

from spikebench.kernels import operators, reference
from spikebench.kernels.cpu import launch_feed_forward
from spikebench.kernels.neuron import RESETS, Adaptation, Neuron, Parameters, Rotation
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.scan import STATE_ROWS, Scan

N_STEPS, N = 9, 70  # two tiles of units, one of them not full
KINDS: dict[str, type[Parameters] | None] = {
    "leaky": None,
    "adaptive": Adaptation,
    "rotating": Rotation,
}


def fresh(
    weight: torch.Tensor, bias: torch.Tensor, of_batch: bool, momentum: float = 0.3
) -> Normalisation:
    """Make a normalisation of 0.25, …, and variances of 2, …; each call has its own averages."""
    rows = torch.linspace(0, 1, len(weight), dtype=weight.dtype)
    return Normalisation(
        weight,
        bias,
        running_mean=rows + 0.25,
        running_var=rows + 2,
        n_batches=torch.tensor(3),
        of_batch=of_batch,
        momentum=momentum,
        epsilon=1e-5,
    )


def tensors(rng: np.random.Generator, kind: str, batch: int) -> dict[str, torch.Tensor]:
    arrays = {
        "current": rng.normal(0.5, 2, (batch, N_STEPS, N)),
        "weight": rng.normal(1, 0.5, N),
        "bias": rng.normal(0.3, 0.5, N),
        "decay_syn": rng.uniform(0, 0.8, N),
        "decay_mem": rng.uniform(0.3, 0.9, N),
    }
    sizes = {"leaky": 0, "adaptive": 3, "rotating": 2}
    arrays |= {f"p{k}": rng.uniform(0.2, 0.9, N) for k in range(sizes[kind])}
    return {name: torch.from_numpy(array).requires_grad_() for name, array in arrays.items()}


def run(
    kernels: ModuleType,
    given: dict[str, torch.Tensor],
    kind: str,
    neuron: Neuron,
    norm: Normalisation,
    state: torch.Tensor | None = None,
) -> Scan:
    parameters = [tensor for name, tensor in given.items() if name[0] == "p"]
    make = KINDS[kind]
    decays = (given["decay_syn"], given["decay_mem"])
    return kernels.lif_scan(
        given["current"],
        *decays,
        neuron,
        make(*parameters) if make else None,
        state,
        keep_membranes=True,
        normalisation=norm,
    )


@pytest.mark.parametrize("of_batch", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reset", RESETS)
def test_scans_normalise_as_the_reference_does(
    of_batch: bool, kind: str, reset: str, rng: np.random.Generator
) -> None:
    given = tensors(rng, kind, 20)  # more than one group of samples
    state = torch.from_numpy(rng.normal(0, 0.5, (20, STATE_ROWS + 1, N)))
    state[:, STATE_ROWS] = (state[:, STATE_ROWS] > 0.4) * 1.0
    neuron = Neuron(reset=reset, reset_in_graph=True, surrogate="boxcar", slope=1.0)
    factors = torch.from_numpy(rng.normal(size=(2, 20, N_STEPS, N)))
    found = []
    for kernels in (operators, reference):
        norm = fresh(given["weight"], given["bias"], of_batch)
        scan = run(kernels, given, kind, neuron, norm, state)
        assert scan.membranes is not None
        loss = (scan.spikes.dense() * factors[0] + scan.membranes * factors[1]).sum()
        grads = torch.autograd.grad(loss, list(given.values()))
        averages = [norm.running_mean, norm.running_var, norm.n_batches]
        found.append([scan.spikes.units, scan.state, scan.membranes, *averages, *grads])
    assert len(found[0][0]) > 500
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9)
    assert int(found[0][5]) == 3 + of_batch


@pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
def test_normalised_scans_have_the_gradients_of_finite_differences(
    kernels: ModuleType, rng: np.random.Generator
) -> None:
    neuron = Neuron(threshold=50.0, reset="subtract", surrogate="triangle")  # no spikes
    numbers = [torch.from_numpy(rng.normal(1, 1, size)) for size in ((2, 3, 2), (2,), (2,))]
    decay = torch.tensor(0.5, dtype=torch.float64)

    def membranes(*leaves: torch.Tensor) -> torch.Tensor:
        norm = fresh(*leaves[1:], of_batch=True)
        scan = kernels.lif_scan(leaves[0], decay, decay, neuron, None, None, True, None, norm)
        return scan.membranes

    leaves = [number.requires_grad_() for number in numbers]
    assert torch.autograd.gradcheck(membranes, leaves, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("taps", [0, 1])
def test_weighted_events_and_recurrent_layers_are_normalised_too(
    taps: int, rng: np.random.Generator
) -> None:
    events = random_events(rng, 4, N_STEPS, 6)
    weight = torch.from_numpy(rng.normal(0.5, 1, (6, 5))).requires_grad_()
    recurrent = torch.from_numpy(rng.normal(0, 1, (taps, 5, 5)))
    decay, ones = torch.tensor(0.5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    found = []
    for kernels in (operators, reference):
        norm = fresh(3 * ones, ones, of_batch=True)
        scan = kernels.recurrent_lif_scan(
            *(events, recurrent, decay, decay, Neuron(), None, None, True, weight),
            normalisation=norm,
        )
        (grad,) = torch.autograd.grad(scan.membranes.square().sum(), weight)
        found.append([scan.spikes.units, scan.membranes, grad, norm.running_var])
    assert len(found[0][0]) > 10
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-9)


def test_moments_of_float32_currents_are_sums_in_float64(rng: np.random.Generator) -> None:
    current = torch.from_numpy(rng.normal(1000, 0.1, (3, 40, 5))).float()
    found = launch_feed_forward.moments(current)
    exact = current.double().flatten(0, 1)
    torch.testing.assert_close(found[0], exact.mean(0), rtol=1e-13, atol=0)
    torch.testing.assert_close(found[1], exact.var(0, correction=0), rtol=1e-6, atol=0)
    same = launch_feed_forward.moments(torch.full((3, 40, 5), 0.1))
    assert float(same[1].min()) >= 0


@pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
def test_one_value_has_no_variance(kernels: ModuleType) -> None:
    norm = fresh(torch.ones(2), torch.zeros(2), of_batch=True)
    with pytest.raises(ValueError, match="more than 1 value"):
        kernels.lif_scan(
            *(torch.ones(1, 1, 2), torch.tensor(0.5), torch.tensor(0.5), Neuron()),
            normalisation=norm,
        )
