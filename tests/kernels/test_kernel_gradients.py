"""The event-driven kernels backward: derivatives that run forward, finite differences, the reference, and bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers import kernel_cases
from helpers.kernel_cases import (
    KERNELS,
    Case,
    Dual,
    Tensors,
    assert_same,
    cases,
    counts_of,
    random_events,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from spikebench.kernels import operators, reference
from spikebench.kernels.neuron import RESETS, SURROGATES, Neuron
from spikebench.kernels.scan import REDUCTIONS, STATE_ROWS, Adaptation, Rotation
from spikebench.kernels.spikes import Spikes

both = pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)


def gradients(
    case: Case,
    kernels: ModuleType,
    loss: Callable[[object], torch.Tensor],
    from_currents: bool = False,
    without: tuple[str, ...] = (),
) -> Tensors:
    """Differentiate a loss of a scan by all tensors of a case but some."""
    leaves = {name: tensor.clone() for name, tensor in case.tensors.items()}
    learned = {name: leaf.requires_grad_() for name, leaf in leaves.items() if name not in without}
    nothing = sum(0 * leaf.sum() for leaf in learned.values())  # one step hears no adaptation
    value = loss(case.scan(kernels, leaves, from_currents)) + nothing
    found = torch.autograd.grad(value, list(learned.values()))
    return dict(zip(learned, found, strict=True))


def losses(case: Case, seed: int, what: str) -> Callable[[object], torch.Tensor]:
    """Weigh membranes, spikes or counts at random."""
    rng = np.random.default_rng(seed)
    n = case.tensors["weight"].shape[2]
    cells = torch.from_numpy(rng.normal(size=(len(case.events), case.events.n_steps, n)))

    def loss(scan: object) -> torch.Tensor:
        parts = {
            "membranes": lambda: (scan.membranes * cells).sum(),
            "spikes": lambda: (scan.spikes.dense() * cells).sum(),
            "counts": lambda: (scan.spikes.counts() * cells[:, 0]).sum(),
        }
        return sum(parts[part]() for part in what.split("+"))

    return loss


whats = st.sampled_from(["membranes", "spikes", "counts", "membranes+spikes"])
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60)
@given(case=cases(st.integers(1, 3), begins=False), seed=seeds)
def test_the_reference_differentiates_the_equations(case: Case, seed: int) -> None:
    assume(bool(((case.scan(reference).membranes - case.neuron.threshold).abs() > 1e-9).all()))
    rng = np.random.default_rng(seed)
    directions = {name: rng.normal(size=tensor.shape) for name, tensor in case.tensors.items()}
    found = gradients(case, reference, losses(case, seed, "membranes+spikes"))
    terms = [(found[name].numpy() * along).ravel() for name, along in directions.items()]
    spikes, membranes = case.oracle(directions)
    cells = np.random.default_rng(seed).normal(
        size=(len(case.events), case.events.n_steps, case.tensors["weight"].shape[2])
    )
    slopes = np.stack([s.slope + u.slope for s, u in zip(spikes, membranes, strict=True)], 1)
    there = np.concatenate([*terms, (slopes * cells).ravel()])
    tolerance = 1e-9 * max(1.0, float(np.abs(there).sum()))
    expected = float((slopes * cells).sum())
    np.testing.assert_allclose(np.concatenate(terms).sum(), expected, rtol=1e-8, atol=tolerance)


@settings(max_examples=80)
@given(case=cases(), seed=seeds, what=whats, from_currents=st.booleans())
def test_the_kernels_have_the_gradients_of_the_reference(
    case: Case, seed: int, what: str, from_currents: bool
) -> None:
    expected_scan = case.scan(reference)
    assume(bool(((expected_scan.membranes - case.neuron.threshold).abs() > 1e-9).all()))
    loss = losses(case, seed, what)
    expected = gradients(case, reference, loss)
    assert_same(gradients(case, operators, loss, from_currents), expected)


@settings(max_examples=40)
@given(case=cases(), seed=seeds, data=st.data())
def test_what_learns_changes_no_gradient_of_the_rest(
    case: Case, seed: int, data: st.DataObject
) -> None:
    assume(bool(((case.scan(reference).membranes - case.neuron.threshold).abs() > 1e-9).all()))
    names = list(case.tensors)
    learned = data.draw(st.sets(st.sampled_from(names), min_size=1))
    fixed = tuple(name for name in names if name not in learned)
    loss = losses(case, seed, "spikes+membranes")
    expected = gradients(case, reference, loss, without=fixed)
    assert_same(gradients(case, operators, loss, without=fixed), expected)


@both
@pytest.mark.parametrize("batch", [1, 40])
def test_currents_get_their_gradient(
    kernels: ModuleType, batch: int, rng: np.random.Generator
) -> None:
    base = torch.from_numpy(rng.normal(0.3, 1.5, (batch, 17, 7)))
    current = base.transpose(0, 2).contiguous().transpose(0, 2).requires_grad_()
    weight = torch.from_numpy(rng.normal(0, 0.5, (2, 17, 17)))
    half = torch.tensor(0.5, dtype=torch.float64)
    cells = torch.from_numpy(rng.normal(size=(batch, 17, 7)))
    found = []
    for module in (kernels, reference):
        scan = module.recurrent_lif_scan(current.mT, weight, half, half, Neuron(reset="subtract"))
        loss = (scan.spikes.dense() * cells.mT).sum()
        found.append(torch.autograd.grad(loss, current)[0])
    torch.testing.assert_close(found[0], found[1], rtol=1e-8, atol=1e-10)
    assert (found[0] != 0).float().mean() > 0.9


@settings(max_examples=40)
@given(seed=seeds, data=st.data(), reduction=st.sampled_from(sorted(REDUCTIONS)))
def test_the_readout_differentiates_the_equations(
    seed: int, data: st.DataObject, reduction: str
) -> None:
    rng = np.random.default_rng(seed)
    batch, n_steps, n, n_classes = (data.draw(st.integers(1, most)) for most in (20, 12, 20, 20))
    raster = (rng.random((batch, n_steps, n)) < 0.3).astype(float)
    numbers = (raster, rng.normal(size=(n, n_classes)), rng.uniform(0, 1, n_classes))
    lengths = rng.integers(1, n_steps + 1, batch)
    along = [rng.normal(size=array.shape) for array in numbers]
    duals = (Dual(array, direction) for array, direction in zip(numbers, along, strict=True))
    answer = kernel_cases.read_out(*duals, reduction, lengths)
    cells = rng.normal(size=answer.value.shape)
    expected = float((answer.slope * cells).sum())
    for kernels in KERNELS.values():
        leaves = [torch.from_numpy(array.copy()).requires_grad_() for array in numbers]
        args = (Spikes.from_dense(leaves[0]), *leaves[1:], reduction, torch.from_numpy(lengths))
        loss = (kernels.leaky_readout(*args) * torch.from_numpy(cells)).sum()
        found = torch.autograd.grad(loss, leaves)
        total = sum(float((g.numpy() * a).sum()) for g, a in zip(found, along, strict=True))
        np.testing.assert_allclose(total, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("size", [(), (3,)])
def test_readouts_have_the_gradients_of_finite_differences(
    reduction: str, size: tuple[int, ...], rng: np.random.Generator
) -> None:
    spikes = Spikes.from_dense(torch.from_numpy((rng.random((3, 6, 4)) < 0.4).astype(float)))
    weight = torch.from_numpy(rng.normal(size=(4, 3))).requires_grad_()
    decay = torch.as_tensor(rng.uniform(0.3, 0.9, size), dtype=torch.float64).requires_grad_()
    start, lengths = torch.from_numpy(rng.normal(size=(3, 3))), torch.tensor([6, 1, 4])

    def scores(weight: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
        return operators.leaky_readout(spikes, weight, decay, reduction, lengths, start)

    assert torch.autograd.gradcheck(scores, (weight, decay), rtol=1e-6, atol=1e-8)


def test_the_first_of_equal_maxima_gets_the_gradient() -> None:
    for kernels in KERNELS.values():
        raster = torch.tensor([[[1.0], [1.0], [1.0]]], requires_grad=True)
        weight = torch.tensor([[2.0]])
        scores = kernels.leaky_readout(Spikes.from_dense(raster), weight, torch.tensor(0.0), "max")
        scores.sum().backward()
        assert raster.grad is not None
        assert raster.grad.flatten().tolist() == [2, 0, 0]


@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_weighed_events_have_the_gradients_of_finite_differences(
    mode: str, rng: np.random.Generator
) -> None:
    events = random_events(rng, 3, 6, 4, mode)
    weight = torch.from_numpy(rng.normal(size=(3, 4, 2))).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: operators.event_linear(events, w), weight)
    (gradient,) = torch.autograd.grad(operators.event_linear(events, weight[0]).sum(), weight)
    counted = counts_of(events).sum((0, 1))
    assert torch.equal(gradient[0], torch.from_numpy(counted)[:, None].expand(4, 2))


@both
@pytest.mark.parametrize(
    ("kind", "n_parameters", "reset"),
    [
        (None, 0, "restart"),
        (Adaptation, 3, "restart"),
        *((Rotation, 2, reset) for reset in RESETS),
    ],
)
@pytest.mark.parametrize("n_taps", [0, 2])
def test_silent_membranes_have_the_gradients_of_finite_differences(
    kernels: ModuleType,
    kind: type | None,
    n_parameters: int,
    reset: str,
    n_taps: int,
    rng: np.random.Generator,
) -> None:
    # The surrogate is 0 so far from the threshold, so what would come back through spikes is not there.
    settings_ = {"surrogate": "triangle", "reset": reset, "reset_in_graph": True}
    neuron = Neuron(threshold=20.0, **settings_)
    state = torch.zeros(2, STATE_ROWS + max(n_taps, 1), 3, dtype=torch.float64)
    state[:, :3] = torch.from_numpy(rng.normal(size=(2, 3, 3)))
    state[:, STATE_ROWS:] = torch.from_numpy((rng.random((2, max(n_taps, 1), 3)) < 0.5) * 1.0)
    numbers = [
        torch.from_numpy(array).requires_grad_()
        for array in (
            rng.normal(size=(2, 4, 3)),
            *(rng.uniform(0.2, 0.9, 3) for _ in range(2 + n_parameters)),
            *(rng.normal(size=(3, 3)) for _ in range(n_taps)),
        )
    ]

    def membranes(*given: torch.Tensor) -> torch.Tensor:
        current, alpha, beta, *rest = given
        adaptation = kind(*rest[:n_parameters]) if kind else None
        recurrent = torch.stack(given[-n_taps:]) if n_taps else current.new_zeros(0, 3, 3)
        scan = kernels.recurrent_lif_scan(
            *(current, recurrent, alpha, beta, neuron, adaptation, state, True)
        )
        assert scan.spikes.bins.numel() == 0
        return scan.membranes

    assert torch.autograd.gradcheck(membranes, numbers, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("surrogate", ["triangle", "boxcar"])
@pytest.mark.parametrize(("slope", "least", "most"), [(30.0, 0.01, 0.2), (0.3, 0.5, 1.0)])
@pytest.mark.parametrize("n_taps", [1, 2])
def test_gradients_are_exact_with_few_and_with_many_units_near_the_threshold(
    surrogate: str, slope: float, least: float, most: float, n_taps: int, rng: np.random.Generator
) -> None:
    # 20 samples are two groups; few units: one product per unit near the threshold, many: one product per layer.
    n = 70
    neuron = Neuron(surrogate=surrogate, slope=slope, reset="restart")
    tensors = {
        "weight": torch.from_numpy(rng.normal(0.5, 1, (1, 8, n))),
        "recurrent": torch.from_numpy(rng.normal(0, 0.5, (n_taps, n, n))),
        "decay_syn": torch.tensor(0.6, dtype=torch.float64),
        "decay_mem": torch.from_numpy(rng.uniform(0.5, 0.9, n)),
    }
    case = Case(random_events(rng, 20, 12, 8, "counts"), neuron, tensors)
    membranes = case.scan(reference).membranes
    active = (reference.surrogate_slope(membranes - neuron.threshold, neuron) > 0).double().mean()
    assert least < float(active) < most
    loss = losses(case, 5, "membranes+spikes")
    assert_same(gradients(case, operators, loss), gradients(case, reference, loss))


@pytest.mark.parametrize("name", SURROGATES)
@pytest.mark.parametrize("slope", [1.0, 5.0])
def test_surrogates_are_one_at_the_threshold_and_the_slope_of_their_integral(
    name: str, slope: float
) -> None:
    def integral(x: np.ndarray) -> np.ndarray:
        def gaussian(x: np.ndarray, width: float) -> np.ndarray:
            return math.sqrt(2 * math.pi) * width / slope * ndtr(slope * x / width)

        inside = np.clip(x, -1 / slope, 1 / slope)
        h, s = 0.15, 6.0
        sides = gaussian(x - 1 / slope, s) + gaussian(x + 1 / slope, s)
        peak = 1 + h - 2 * h / s * math.exp(-1 / (2 * s**2))
        return {
            "fast_sigmoid": lambda: x / (slope * np.abs(x) + 1),
            "logistic": lambda: 4 / slope / (1 + np.exp(-slope * x)),
            "arctan": lambda: np.arctan(slope * x) / slope,
            "triangle": lambda: inside - slope * inside * np.abs(inside) / 2,
            "multi_gaussian": lambda: ((1 + h) * gaussian(x, 1) - h / s * sides) / peak,
            "boxcar": lambda: inside,
        }[name]()

    neuron = Neuron(surrogate=name, slope=slope)
    x = np.linspace(-2.013, 2.0, 201)
    found = reference.surrogate_slope(torch.from_numpy(x), neuron)
    step = 1e-5
    expected = (integral(x + step) - integral(x - step)) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)
    peak = reference.surrogate_slope(torch.zeros(1, dtype=torch.float64), neuron)
    assert float(peak) == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(found, kernel_cases.surrogate(x, neuron), rtol=1e-12, atol=1e-15)


def test_gradients_of_a_binary_input_are_those_of_its_cells(rng: np.random.Generator) -> None:
    events = random_events(rng, 3, 4, 2)
    weight = torch.from_numpy(rng.normal(1, 1, (2, 2, 18))).requires_grad_()
    decay = torch.tensor(0.5, dtype=torch.float64)
    rasters = replace(events, mode="binary")
    given = (decay, decay, Neuron())
    found, expected = (
        torch.autograd.grad(scan.spikes.counts().sum(), weight)[0]
        for scan in (
            operators.lif_scan(rasters, *given, weight=weight),
            operators.lif_scan(reference.event_linear(rasters, weight), *given),
        )
    )
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
