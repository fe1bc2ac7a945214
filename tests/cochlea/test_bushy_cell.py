"""Bushy cells: the count/hazard method against one Bernoulli draw per train and sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from cochlea import BushyCellParams, bushy_cell, design_bushy_cell, release_hazard, run_bushy_cell
from cochlea.bushy_cell import (
    BushyCellCoeffs,
    _bushy_cell_kernel,
    _hazard_kernel,
    _hazards_of_block,
)
from cochlea.waiting_times import philox_key, waiting_times


def oracle(
    p_fire: NDArray[np.float64], coeffs: BushyCellCoeffs, generator: np.random.Generator
) -> list[int]:
    """One channel: 40 trains, each tested at every sample; the cell word for word."""
    last = np.full(coeffs.n_trains, -(10**9))
    v = i = 0.0
    ready, spikes = 0, []
    for s, p in enumerate(p_fire):
        kept = (generator.random(coeffs.n_trains) < p) & (s - last >= coeffs.n_dead)
        last[kept] = s
        if s >= ready:
            if v >= 1:
                spikes.append(s - 1)
                v, ready = 0.0, s + coeffs.n_ref
            else:
                v *= coeffs.decay_mem
        i = i * coeffs.decay_syn + kept.sum()
        if s >= ready:
            v = min(v + coeffs.gain * i, 1)
    return spikes


@pytest.mark.parametrize("strength", [1.0, 6.0, 150.0])  # the last passes p = 1 at its peaks
def test_spike_counts_equal_the_per_train_oracle(strength: float) -> None:
    n, runs = 600, 120
    p = strength * 0.01 * (0.6 + 0.5 * np.sin(np.arange(n) / 20))
    coeffs = design_bushy_cell(24000)
    fast = np.array(
        [
            np.bincount(run_bushy_cell(p[None], coeffs, seed=r)[0] // 60, minlength=10)
            for r in range(runs)
        ]
    )
    generator = np.random.default_rng(1)
    slow = np.array(
        [
            np.bincount(np.array(oracle(p, coeffs, generator), int) // 60, minlength=10)
            for _ in range(runs)
        ]
    )
    error = np.sqrt((fast.var(0, ddof=1) + slow.var(0, ddof=1)) / runs)
    # Where no spike count varies, the means must be equal; elsewhere |z| of the largest of ten.
    z = np.divide(fast.mean(0) - slow.mean(0), error, out=np.zeros(10), where=error > 0)
    assert np.abs(z).max() < 3.9
    assert np.array_equal(fast.mean(0)[error == 0], slow.mean(0)[error == 0])
    total = (fast.sum(1).mean() - slow.sum(1).mean()) / np.sqrt(
        (fast.sum(1).var(ddof=1) + slow.sum(1).var(ddof=1)) / runs
    )
    assert abs(total) < 3.5
    assert fast.sum() > 0


def test_release_counts_are_binomial() -> None:
    """With a cell that fires at every event and no refractory time, spikes show the releases."""
    p, n = 0.03, 40000
    coeffs = replace(
        design_bushy_cell(24000), n_trains=1, n_dead=1, n_ref=1, decay_syn=0.0, gain=1.0
    )
    samples, _ = run_bushy_cell(np.full((1, n), p), coeffs, seed=3)
    # One train without dead time: an event in each sample with probability p. A spike empties the cell
    # for one sample, so events are seen at rate p/(1+p).
    expected = n * p / (1 + p)
    assert abs(samples.size - expected) < 4 * np.sqrt(n * p * (1 - p))


def test_dead_time_is_kept() -> None:
    """One certain train: an event at once, then one every n_dead samples."""
    coeffs = replace(
        design_bushy_cell(24000), n_trains=1, n_dead=7, n_ref=1, decay_syn=0.0, gain=1.0
    )
    samples, _ = run_bushy_cell(np.ones((1, 50)), coeffs)
    assert samples.tolist() == list(range(0, 49, 7))


def test_cell_by_hand() -> None:
    """Events in every sample: threshold at once, spike one sample later at the previous index."""
    coeffs = replace(
        design_bushy_cell(24000), n_trains=1, n_dead=1, n_ref=3, decay_syn=0.0, gain=1.0
    )
    # s=0: v=1; s=1: spike at 0, refractory for s=1,2,3; s=4: v decays from 0, then 1; s=5: spike at 4
    samples, channels = run_bushy_cell(np.ones((1, 10)), coeffs, first_channel=9)
    assert samples.tolist() == [0, 4, 8]
    assert channels.tolist() == [9, 9, 9]


def one_cell(p_fire: NDArray[np.float64], c: BushyCellCoeffs, seed: int, channel: int) -> list[int]:
    """Slow twin of the loop over sixteen cells: one cell, one waiting time at a time, if by if."""
    waits = iter(waiting_times(philox_key(seed), channel, 20_000).tolist())
    available, to_next = c.n_trains, next(waits)
    back_at: dict[int, int] = {}
    v = i = 0.0
    ready, spikes = 0, []
    for s, hazard in enumerate(release_hazard(p_fire)):
        available += back_at.pop(s, 0)
        events = 0
        while available > 0 and available * hazard >= to_next:
            hazard -= to_next / available
            available -= 1
            events += 1
            to_next = next(waits)
        if available > 0:
            to_next -= available * hazard
        back_at[s + c.n_dead] = events
        if s >= ready:
            if v >= 1.0:
                spikes.append(s - 1)
                v, ready = 0.0, s + c.n_ref
            else:
                v *= c.decay_mem
        i = i * c.decay_syn + events
        if s >= ready:
            v = min(v + c.gain * i, 1.0)
    return spikes


# The last three: p beyond 1/4, beyond 1, and seldom anything else than 1.
@pytest.mark.parametrize("strength", [0.01, 0.1, 0.4, 1.5, 300.0])
def test_sixteen_cells_are_sixteen_times_one(strength: float, rng: np.random.Generator) -> None:
    p = strength * rng.random((19, 1500))
    p[3] = 0.0
    coeffs = design_bushy_cell(24000)
    samples, channels = run_bushy_cell(p, coeffs, seed=5, first_channel=2)
    for row in range(19):
        assert samples[channels == row + 2].tolist() == one_cell(p[row], coeffs, 5, row + 2)
    assert samples.size > 0


@pytest.mark.parametrize("strength", [0.05, 2.0])
@pytest.mark.parametrize("drawn", [1, 2, 3, 40, 700])
def test_waiting_times_that_run_out_are_drawn_again(
    strength: float, drawn: int, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    p = strength * rng.random((3, 2000))
    coeffs = design_bushy_cell(24000)
    whole = run_bushy_cell(p, coeffs, seed=1)
    assert whole[0].size > 0
    monkeypatch.setattr(bushy_cell, "_draws_needed", lambda *_: drawn)
    short = run_bushy_cell(p, coeffs, seed=1)
    assert np.array_equal(whole[0], short[0])
    assert np.array_equal(whole[1], short[1])


def test_the_kernel_says_exactly_when_waiting_times_run_out(rng: np.random.Generator) -> None:
    """As many as a cell needs are enough; one fewer is not."""
    coeffs = design_bushy_cell(24000)
    hazard = np.full((200, 16), 0.01)
    drawn = rng.standard_exponential((16, 600))

    def enough(count: int) -> bool:
        waits = np.full((16, count + 2), np.inf)
        waits[5, :count] = drawn[5, :count]
        spikes, counts = np.zeros((16, 200), np.int64), np.empty(16, np.int64)
        return bool(_bushy_cell_kernel(hazard, *vars(coeffs).values(), waits, spikes, counts))

    def used() -> int:
        """Count the waiting times that one cell draws, train by train as in :func:`one_cell`."""
        available, back_at, count = coeffs.n_trains, np.zeros(400, int), 1
        to_next = drawn[5, 0]
        for s in range(200):
            available += back_at[s]
            left = 0.01
            while available > 0 and available * left >= to_next:
                left -= to_next / available
                available -= 1
                back_at[s + coeffs.n_dead] += 1
                to_next = drawn[5, count]
                count += 1
            if available > 0:
                to_next -= available * left
        return count

    need = used()
    assert need > 20
    assert [enough(count) for count in (need - 1, need, need + 1)] == [False, True, True]


@pytest.mark.parametrize("hazard", [1e-4, 0.01, 0.3])
def test_waiting_times_are_rarely_drawn_twice(hazard: float) -> None:
    coeffs = design_bushy_cell(24000)
    n, expected = 2000, np.empty(16)
    p = -np.expm1(-hazard)
    _hazards_of_block(np.full((n, 16), p), coeffs.n_dead, expected)
    drawn = bushy_cell._draws_needed(float(expected[0]), n, coeffs)
    rng, most = np.random.default_rng(0), 0
    for _ in range(100):  # train by train: a dead time, then a geometric number of samples
        gaps = coeffs.n_dead - 1 + rng.geometric(p, (40, n // coeffs.n_dead + 2))
        ends = np.cumsum(gaps, axis=1) - coeffs.n_dead + 1  # no dead time before the first
        most = max(most, int((ends <= n).sum()))
    assert most < drawn < 1.5 * most + 150


def test_compiled_equals_uncompiled_bit_for_bit(rng: np.random.Generator) -> None:
    coeffs = design_bushy_cell(24000)
    p = 0.05 * rng.random((16, 800))
    p[:, 400] = 1.0  # all free trains at once, and an infinite hazard
    block, expected = p.T.copy(), np.empty(16)
    waits = rng.standard_exponential((16, 3000))
    waits[:, -2:] = np.inf
    results = []
    for compiled in (True, False):
        hazard = block.copy()
        spikes, counts = np.zeros((16, 800), np.int64), np.empty(16, np.int64)
        for kernel, arguments in (
            (_hazards_of_block, (hazard, coeffs.n_dead, expected)),
            (_bushy_cell_kernel, (hazard, *vars(coeffs).values(), waits, spikes, counts)),
        ):
            with np.errstate(divide="ignore", invalid="ignore"):  # discarded where no train is free
                done = (kernel if compiled else kernel.py_func)(*arguments)  # type: ignore[attr-defined]
        assert done
        results.append([hazard, expected.copy(), spikes, counts])
    for fast, slow in zip(*results, strict=True):
        assert np.array_equal(fast, slow)
    assert results[0][3].sum() > 0
    wide = rng.random(2000) * 1.2
    slow_hazard = wide.copy()
    _hazard_kernel.py_func(slow_hazard)  # type: ignore[attr-defined]
    assert np.array_equal(release_hazard(wide), slow_hazard)


@given(st.floats(0, 1, exclude_max=True))
def test_hazard_is_minus_log_one_minus_p(p: float) -> None:
    assert_allclose(release_hazard(np.array([p])), -np.log1p(-p), rtol=2e-15, atol=1e-307)


def test_hazard_of_certainty_is_infinite() -> None:
    assert np.isinf(release_hazard(np.array([1.0, 2.5]))).all()


def test_channels_draw_on_their_own() -> None:
    p = np.full((5, 3000), 0.02)
    coeffs = design_bushy_cell(24000)
    samples, channels = run_bushy_cell(p, coeffs, seed=2)
    alone, _ = run_bushy_cell(p[:1], coeffs, seed=2, first_channel=3)
    assert samples[channels == 3].tolist() == alone.tolist()
    assert samples[channels == 2].tolist() != alone.tolist()


def test_design_by_hand() -> None:
    coeffs = design_bushy_cell(24000, BushyCellParams())
    assert (coeffs.n_dead, coeffs.n_ref, coeffs.n_trains) == (24, 24, 40)
    assert_allclose(coeffs.gain, 13000 / 40 / 24000, rtol=1e-12)
    assert_allclose(coeffs.decay_syn, 0.920044414629323, rtol=1e-12)  # exp(−1/12)


def test_one_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        run_bushy_cell(np.zeros(5), design_bushy_cell(24000))
