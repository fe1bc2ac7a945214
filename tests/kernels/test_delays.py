"""Delays: taps of weights, whose gradients reach the delays, and whole shifts per axon."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.batches import batch_of
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from spikebench.kernels import operators, reference
from spikebench.kernels.delays import delay_axons, delay_taps


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
    for delay in (torch.ones(3), torch.tensor([1, -1, 0]), torch.tensor([1, 2])):
        with pytest.raises(ValueError, match="3 whole numbers that are not negative"):
            delay_axons(events, delay)
