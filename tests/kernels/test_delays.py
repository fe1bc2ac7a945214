"""Delays: taps of weights, whose gradients reach the delays, weights with delays, and whole shifts per axon."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.batches import batch_of
from helpers.kernel_cases import KERNELS, event_batch, random_events
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spikebench.events.batches import EventBatch
from spikebench.kernels import operators, reference
from spikebench.kernels.cpu import delayed
from spikebench.kernels.delays import delay_axons, delay_taps
from spikebench.kernels.spikes import Spikes


def test_taps_by_hand() -> None:
    weight = torch.tensor([[2.0, 4.0, 8.0]])
    delay = torch.tensor([[0.0, 1.25, 9.0]])  # the last is held at the longest
    taps = delay_taps(weight, delay, 3)
    assert taps[:, 0].T.tolist() == [[2, 0, 0], [0, 3, 1], [0, 0, 8]]
    wide = delay_taps(weight, delay, 3, spread=0.5)
    assert_allclose(wide.sum(0), weight, rtol=1e-6)
    assert_allclose(wide[1, 0, 0] / wide[0, 0, 0], np.exp(-2), rtol=1e-6)


@pytest.mark.parametrize("spread", [0.0, 0.7])
def test_gradients_of_delays_are_finite_differences(spread: float) -> None:
    torch.manual_seed(0)
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    # Away from whole steps, where the triangle has its corners.
    delay = (torch.randint(0, 4, (3, 4)) + 0.2 + 0.6 * torch.rand(3, 4)).double().requires_grad_()
    raster = (torch.rand(2, 9, 3, dtype=torch.float64) < 0.4).double()
    batch = batch_of(raster)

    def currents(w: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        return operators.event_linear(batch, delay_taps(w, d, 6, spread))

    assert torch.autograd.gradcheck(currents, (weight, delay), rtol=1e-5)


def test_a_delay_per_axon_is_the_same_delay_for_all_its_connections() -> None:
    weight, delay = torch.randn(3, 4), torch.tensor([[0.5], [2.0], [3.3]])
    assert torch.equal(delay_taps(weight, delay, 5), delay_taps(weight, delay.expand(3, 4), 5))


@given(seed=st.integers(0, 2**32), batch=st.integers(0, 4), n_steps=st.integers(1, 12))
def test_shifted_events_weigh_as_taps_do(seed: int, batch: int, n_steps: int) -> None:
    rng = np.random.default_rng(seed)
    raster = torch.from_numpy(rng.poisson(0.4, (batch, n_steps, 5)).astype(np.float64))
    delay = torch.from_numpy(rng.integers(0, 15, 5))
    weight = torch.from_numpy(rng.standard_normal((5, 3)))
    events = batch_of(raster)
    shifted = delay_axons(events, delay)
    assert torch.equal(shifted.lengths <= n_steps, torch.ones(batch, dtype=torch.bool))
    expected = reference.event_linear(events, delay_taps(weight, delay[:, None].double(), 15))
    assert_allclose(operators.event_linear(shifted, weight), expected, rtol=1e-12, atol=1e-12)


Linear = Callable[[EventBatch | Spikes, torch.Tensor, torch.Tensor, int], torch.Tensor]


def by_taps(
    events: EventBatch | Spikes, weight: torch.Tensor, delay: torch.Tensor, n_taps: int
) -> torch.Tensor:
    """The same currents from a weight per tap."""
    return reference.event_linear(events, delay_taps(weight, delay, n_taps))


def everything(
    linear: Linear, events: EventBatch | Spikes, *given: torch.Tensor, n_taps: int
) -> list[torch.Tensor]:
    """Currents, and the gradients of the given weights and delays, and of spikes."""
    leaves = [tensor.clone().requires_grad_() for tensor in given]
    if isinstance(events, Spikes):
        leaves.append(events.dense().detach().requires_grad_())
        events = Spikes.from_dense(leaves[-1])
    current = linear(events, leaves[0], leaves[1], n_taps)
    asked = torch.linspace(-1, 2, current.numel(), dtype=current.dtype).view_as(current)
    gradients = torch.autograd.grad(current, leaves, asked, allow_unused=True)
    return [current.detach(), *(torch.zeros(()) if g is None else g for g in gradients)]


def connections(
    rng: np.random.Generator, n_inputs: int, n: int, n_taps: int, outside: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and delays, some of them out of bounds."""
    weight = torch.from_numpy(rng.standard_normal((n_inputs, n)))
    delay = rng.uniform(-outside, n_taps - 1 + outside, (n_inputs, n))
    return weight, torch.from_numpy(delay)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.tuples(*(st.integers(1, most) for most in (18, 12, 4, 37))),
    n_taps=st.integers(1, 15),
    from_layer=st.booleans(),
)
def test_an_event_arrives_as_through_taps(
    seed: int, sizes: tuple[int, int, int, int], n_taps: int, from_layer: bool
) -> None:
    rng = np.random.default_rng(seed)
    batch, n_steps, n_inputs, n = sizes
    events: EventBatch | Spikes = random_events(rng, batch, n_steps, n_inputs)
    if from_layer:
        events = Spikes.from_dense(
            torch.from_numpy(rng.integers(0, 2, sizes[:3]).astype(np.float64))
        )
    given = connections(rng, n_inputs, n, n_taps)
    expected = everything(by_taps, events, *given, n_taps=n_taps)
    for kernels in KERNELS.values():
        found = everything(kernels.delayed_linear, events, *given, n_taps=n_taps)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-11)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), n_taps=st.integers(1, 4))
def test_whole_delays_have_the_gradients_of_the_reference(seed: int, n_taps: int) -> None:
    rng = np.random.default_rng(seed)
    events = random_events(rng, 3, 6, 2)
    weight, delay = connections(rng, 2, 5, n_taps)
    found, expected = (
        everything(kernels.delayed_linear, events, weight, delay.round(), n_taps=n_taps)
        for kernels in (operators, reference)
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
def test_arrivals_and_gradients_by_hand(kernels: Linear) -> None:
    events = event_batch([[(1, 0), (4, 0)], []], 6, 1)
    weight = torch.tensor([[8.0, 1.0, 2.0, 4.0]], requires_grad=True)
    delay = torch.tensor([[1.25, -3.0, 0.0, 9.0]], requires_grad=True)  # at most 3
    current = kernels.delayed_linear(events, weight, delay, 4)  # type: ignore[attr-defined]
    assert current[0].T.tolist() == [
        [0, 0, 6, 2, 0, 6],  # the last quarter is too late
        [0, 1, 0, 0, 1, 0],
        [0, 2, 0, 0, 2, 0],
        [0, 0, 0, 0, 4, 0],
    ]
    assert not current[1].any()
    asked = torch.zeros_like(current)
    asked[0] = torch.tensor([0.0, 1, 3, 7, 20, 50])[:, None]
    current.backward(asked)
    assert weight.grad.tolist() == [[0.75 * 3 + 0.25 * 7 + 0.75 * 50, 21, 21, 20]]
    # A delay of 1.25 moves from 3 to 7 and from 50 out; one that is held does not move.
    assert delay.grad.tolist() == [[8 * (7 - 3 - 50), 0, 2 * (3 - 1 + 50 - 20), 0]]


def test_gradients_of_delayed_weights_are_finite_differences() -> None:
    rng = np.random.default_rng(0)
    weight, delay = connections(rng, 3, 5, 6)
    delay = delay.floor() + 0.2 + 0.6 * (delay - delay.floor())  # not at the corners
    events = batch_of(torch.from_numpy(rng.poisson(0.5, (2, 9, 3)).astype(np.float64)))

    def currents(w: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        return operators.delayed_linear(events, w, d, 6)

    given = (weight.requires_grad_(), delay.requires_grad_())
    assert torch.autograd.gradcheck(currents, given, rtol=1e-5)
    first = torch.autograd.grad(currents(*given).square().sum(), given, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        first[0].sum().backward()


def test_delayed_weights_give_the_same_bits_on_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    monkeypatch.setattr(delayed, "_CACHE_BYTES", 1 << 12)  # two samples at a time
    sizes = (70, 40, 6)
    spikes = Spikes.from_dense(torch.from_numpy(rng.integers(0, 2, sizes).astype(np.float32)))
    given = [tensor.float() for tensor in connections(rng, 6, 9, 20)]
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        found.append(everything(operators.delayed_linear, spikes, *given, n_taps=20))
    for other in found[1:]:
        assert all(map(torch.equal, found[0], other))


def test_a_delay_per_axon_and_no_events() -> None:
    weight, delay = torch.randn(3, 4), torch.tensor([[0.5], [2.0], [3.3]], requires_grad=True)
    events = batch_of(torch.ones(2, 4, 3))
    current = operators.delayed_linear(events, weight, delay, 5)
    assert_close = torch.testing.assert_close
    assert_close(current, by_taps(events, weight, delay, 5))
    current.sum().backward()
    assert delay.grad is not None
    assert delay.grad.shape == (3, 1)
    for batch in (0, 2):
        silent = batch_of(torch.zeros(batch, 4, 3))
        current, to_weight, to_delay = everything(
            operators.delayed_linear, silent, weight, delay.detach(), n_taps=5
        )
        assert current.shape == (batch, 4, 4)
        assert not any(map(torch.any, (current, to_weight, to_delay)))


@pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
def test_spikes_have_gradients_if_weights_and_delays_are_not_learned(kernels: Linear) -> None:
    raster = torch.tensor([[[1.0], [0.0], [1.0]]], requires_grad=True)
    current = kernels.delayed_linear(  # type: ignore[attr-defined]
        Spikes.from_dense(raster), torch.tensor([[4.0]]), torch.tensor([[0.25]]), 3
    )
    (current * torch.tensor([1.0, 2.0, 5.0])[:, None]).sum().backward()
    assert raster.grad is not None
    assert raster.grad.flatten().tolist() == [3 * 1 + 1 * 2, 3 * 2 + 1 * 5, 3 * 5]


def test_a_delay_that_is_not_a_number_stays_inside_memory() -> None:
    weight, delay = torch.ones(1, 2), torch.tensor([[float("nan"), float("inf")]])
    current, to_weight, to_delay = everything(
        operators.delayed_linear, batch_of(torch.ones(1, 5, 1)), weight, delay, n_taps=3
    )
    assert current[0, :, 0].isnan().any()
    assert current[0, :, 1].tolist() == [0, 0, 1, 1, 1]
    assert bool(to_weight[0, 0].isnan())
    assert to_delay[0, 1] == 0


def test_what_does_not_fit_is_told() -> None:
    weight = torch.ones(2, 3)
    with pytest.raises(ValueError, match="n_taps"):
        delay_taps(weight, weight, 0)
    with pytest.raises(ValueError, match="spread"):
        delay_taps(weight, weight, 3, spread=float("nan"))
    for shape in ((3,), (3, 3), (2, 2), (1, 2, 3)):
        with pytest.raises(ValueError, match="delays of shape"):
            delay_taps(weight, torch.ones(shape), 3)
    events = batch_of(torch.ones(1, 2, 3))
    weight = torch.ones(3, 2)
    for kernels in KERNELS.values():
        with pytest.raises(ValueError, match=r"do not fit 3 inputs: \(input, output\)$"):
            kernels.delayed_linear(events, weight[None], weight, 3)
        with pytest.raises(ValueError, match="n_taps"):
            kernels.delayed_linear(events, weight, weight, 0)
        with pytest.raises(ValueError, match="delays of shape"):
            kernels.delayed_linear(events, weight, torch.ones(2, 3), 3)
        with pytest.raises(ValueError, match=r"delays are torch\.float64 on cpu"):
            kernels.delayed_linear(events, weight, weight.double(), 3)
    for delay in (torch.ones(3), torch.tensor([1, -1, 0]), torch.tensor([1, 2])):
        with pytest.raises(ValueError, match="3 whole numbers that are not negative"):
            delay_axons(events, delay)
