"""Compiled augmentation: the changes of ``spikebench.augmentation``, given the same draws, and in distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.augmented_one_by_one import augmented_batch
from scipy.stats import ks_2samp

from spikebench.compiled import compiled
from spikebench.events import augmented
from spikebench.events.augmentation_loops import Plan
from spikebench.events.augmented import AugmentedSamples, Changes
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.events.random_words import fill_words, normal, random_bits

N_UNITS, N_SAMPLES = 40, 30
STRONG = Changes(
    blend_probability=0.7,
    max_unit_shift=9,
    max_time_shift=0.2,
    longest_warp=1.6,
    delete_probability=0.3,
    max_unit_mask=20,
    max_time_mask=0.3,
    time_jitter=0.05,
    unit_jitter=4.0,
)
NONE = Changes()
ALONE = [NONE._replace(**{name: getattr(STRONG, name)}) for name in Changes._fields]
ALL_ORDERED = [*ALONE, STRONG, STRONG._replace(blend_probability=0.0), NONE]


def made(rng: np.random.Generator, n_steps: int = 90, time_step: float = 0.01) -> BinnedSamples:
    """Samples of 0 … 300 spikes at 0 … 1 s, three classes."""
    sizes = rng.integers(64, 300, N_SAMPLES)
    sizes[:4] = (0, 1, 63, 64)
    low = rng.integers(0, 20, N_SAMPLES)
    words = [
        (rng.random(n), rng.integers(first, N_UNITS, n))
        for n, first in zip(sizes, low, strict=True)
    ]
    events = FlatEvents.from_samples(words, N_UNITS, labels=np.arange(N_SAMPLES) % 3)
    events = replace(events, durations=rng.uniform(1, 1.2, N_SAMPLES))
    events.durations[7] = -1
    return BinnedSamples(SpikeDataset(events), time_step, n_steps, "counts")


def cells(batch: EventBatch) -> list[tuple[int, int, int]]:
    rows = batch._rows()
    return sorted(zip(rows.tolist(), batch.bins.tolist(), batch.units.tolist(), strict=True))


@compiled
def draw_bits(bits: np.ndarray, state: np.uint64, probability: np.uint64) -> np.uint64:
    for k in range(bits.size):
        bits[k], state = random_bits(state, probability)
    return state


@compiled
def draw_normals(numbers: np.ndarray, state: np.uint64, words: np.ndarray) -> np.uint64:
    state = fill_words(words, state)
    for k in range(numbers.size):
        numbers[k], state = normal(words.view(np.uint32)[k], state)
    return state


def some_normals(n: int, state: np.uint64) -> tuple[np.ndarray, np.uint64]:
    numbers = np.zeros(n)
    state = draw_normals(numbers, state, np.zeros((n + 1) // 2, dtype=np.uint64))
    return numbers, np.uint64(state)


class Drawn:
    """A generator that returns the draws of a plan, in the order in which the functions on samples ask for them."""

    def __init__(self, samples: BinnedSamples, plan: Plan, row: int, changes: Changes) -> None:
        self.mate, events = int(plan.mate[row]), samples.samples.events
        shift, warp = plan.time_shift[row], plan.warp[row]
        span = plan.mask_start[row], plan.mask_end[row]
        band, state = (plan.first_masked[row], plan.end_masked[row]), plan.state[row]
        chances, times = [], []
        for k, sign in ((plan.first[row], 1), (self.mate, -1)):
            if k < 0:
                continue
            here = slice(events.offsets[k], events.offsets[k + 1])
            late = events.times[here] + sign * plan.late[row]
            aligned = events.units[here].astype(int) + sign * plan.across[row]
            moved, units = (late + shift) * warp, aligned + plan.unit_shift[row]
            before = (late < 0) | (moved < 0)
            masked = ~before & (moved >= span[0]) & (moved < span[1])
            kept = np.zeros(moved.size, dtype=bool)
            begin, first = int(before.sum()), int((moved < span[0]).sum())
            for start, end in (
                (begin, first),
                (begin + int((moved[begin:] < span[1]).sum()), moved.size),
            ):
                words = np.zeros(max(0, -(-(end - start) // 64)), dtype=np.uint64)
                state = np.uint64(draw_bits(words, state, plan.kept[row]))
                bits = np.unpackbits(words.view(np.uint8), bitorder="little")
                kept[start:end] = bits[: max(0, end - start)]
            inside = (aligned >= 0) & (aligned < N_UNITS) & (units >= 0) & (units < N_UNITS)
            # A blend draws for all spikes, a deletion for those that the shifts left inside.
            chances.append(kept if self.mate >= 0 else kept[inside & ~before])
            inside &= (units < band[0]) | (units >= band[1])
            times.append(moved[kept & inside & ~masked & ~before])
        self.kept, self.normals = np.concatenate(chances), []
        now = np.concatenate(times)
        order = np.argsort(now, kind="stable")
        if changes.time_jitter:
            numbers, state = some_normals(now.size, state)
            self.normals.append(numbers[order])
            now = now + changes.time_jitter * numbers
            order = order[now[order] >= 0]
            order = order[np.argsort(now[order], kind="stable")]
        if changes.unit_jitter:
            numbers, state = some_normals(now.size, state)
            self.normals.append(numbers[order])
        self.whole = [int(plan.unit_shift[row])] if changes.max_unit_shift else []
        self.whole += [int(band[1] - band[0]), int(band[0])] if changes.max_unit_mask else []
        self.numbers = [shift] if changes.max_time_shift else []
        self.numbers += [np.log(warp)] if changes.longest_warp > 1 else []
        self.numbers += [span[1] - span[0], span[0]] if changes.max_time_mask else []

    def random(self, size: int | None = None) -> float | np.ndarray:
        if size is None:
            return 0.0 if self.mate >= 0 else 1.0
        if (
            self.mate >= 0
        ):  # the blend decides, which is asked first, and then the deletion keeps the rest
            kept, self.kept = self.kept, np.zeros(0, dtype=bool)
            return np.where(kept, 0.0, 1.0) if kept.size else np.ones(size)
        return np.where(self.kept, 1.0, 0.0)

    def choice(self, mates: np.ndarray) -> int:
        assert self.mate in mates
        return self.mate

    def integers(self, low: int, high: int, *, endpoint: bool) -> int:
        assert endpoint
        assert low <= self.whole[0] <= high
        return self.whole.pop(0)

    def uniform(self, low: float, high: float) -> float:
        assert low - 1e-12 <= self.numbers[0] <= high + 1e-12
        return self.numbers.pop(0)

    def normal(self, mean: float, deviation: float, size: int) -> np.ndarray:
        numbers = self.normals.pop(0)
        assert (mean, size) == (0.0, numbers.size)
        return deviation * numbers


@pytest.mark.parametrize("changes", ALL_ORDERED)
def test_the_same_draws_give_the_same_batch(changes: Changes, rng: np.random.Generator) -> None:
    samples = made(rng)
    augmented, chosen = AugmentedSamples(samples, changes), rng.permutation(N_SAMPLES)
    for seed in range(3):
        plan = augmented.plan(chosen, (seed,))
        draws = [Drawn(samples, plan, row, changes) for row in range(chosen.size)]
        expected = augmented_batch(samples, chosen, changes, draws)
        batch = augmented.batch(chosen, (seed,))
        assert cells(batch) == cells(expected)
        assert torch.equal(batch.offsets, expected.offsets)
        assert torch.equal(batch.lengths, expected.lengths)
        assert torch.equal(batch.labels, expected.labels)
        for k in range(N_SAMPLES):
            part = batch.bins[batch.offsets[k] : batch.offsets[k + 1]]
            assert bool((part.diff() >= 0).all())


def statistics(batch: EventBatch) -> list[np.ndarray]:
    """Number of spikes, mean and spread of bins and units, and length of every sample."""
    found = []
    for k in range(len(batch)):
        here = slice(int(batch.offsets[k]), int(batch.offsets[k + 1]))
        bins, units = batch.bins[here].numpy(), batch.units[here].numpy()
        found.append(
            [bins.size, bins.mean(), bins.std(), units.mean(), units.std(), int(batch.lengths[k])]
        )
    return list(np.array(found).T)


@pytest.mark.parametrize("changes", [*ALONE, STRONG])
def test_the_distribution_is_that_of_the_functions(
    changes: Changes, rng: np.random.Generator
) -> None:
    samples, n = made(rng, n_steps=200), 250
    chosen = np.full(n, 11)
    augmented = AugmentedSamples(samples, changes)
    parts = [augmented.batch(chosen[:1], (1, k)) for k in range(n)]
    ours = [np.concatenate(column) for column in zip(*map(statistics, parts), strict=True)]
    generators = [np.random.default_rng([2, k]) for k in range(n)]
    theirs = statistics(augmented_batch(samples, chosen, changes, generators))
    for one, other in zip(ours, theirs, strict=True):
        # Exceeded by equal distributions in 1 of 10,000 comparisons.
        assert ks_2samp(one, other).statistic < 2.23 * np.sqrt(2 / n)


def test_a_sample_does_not_depend_on_its_batch(rng: np.random.Generator) -> None:
    augmented = AugmentedSamples(made(rng), STRONG)
    whole = augmented.batch(np.arange(N_SAMPLES), (5, 1))
    for k in (3, 11, 12):
        for chosen in ([k], [20, k], [k, 0, 9]):
            part, at = augmented.batch(np.array(chosen), (5, 1)), chosen.index(k)
            assert torch.equal(part.dense()[at], whole.dense()[k])
            assert part.lengths[at] == whole.lengths[k]


def test_a_change_that_is_off_leaves_the_draws_of_others(rng: np.random.Generator) -> None:
    samples, chosen = made(rng), np.arange(N_SAMPLES)
    one = AugmentedSamples(samples, STRONG).plan(chosen, (5, 1))
    other = AugmentedSamples(samples, STRONG._replace(max_unit_shift=0, time_jitter=0.0)).plan(
        chosen, (5, 1)
    )
    assert not np.array_equal(one.unit_shift, other.unit_shift)
    for name in set(Plan._fields) - {"unit_shift"}:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_seeds_epochs_and_samples_differ(rng: np.random.Generator) -> None:
    augmented = AugmentedSamples(made(rng), STRONG)
    chosen = np.full(4, 11)
    warps = [augmented.plan(np.arange(N_SAMPLES), seed).warp for seed in ((0, 1), (1, 0), (0, 2))]
    assert np.unique(warps).size == 3 * N_SAMPLES
    assert np.unique(augmented.plan(chosen, (0, 1)).warp).size == 1


@pytest.mark.parametrize("grid", [{"n_steps": 1}, {"n_steps": 3000, "time_step": 0.001}])
def test_few_and_many_bins(grid: dict[str, Any], rng: np.random.Generator) -> None:
    samples, chosen = made(rng, **grid), np.arange(N_SAMPLES)
    changes = STRONG._replace(max_time_mask=0.005)
    augmented = AugmentedSamples(samples, changes)
    plan = augmented.plan(chosen, (0,))
    draws = [Drawn(samples, plan, row, changes) for row in chosen]
    expected = augmented_batch(samples, chosen, changes, draws)
    assert cells(augmented.batch(chosen, (0,))) == cells(expected)


def test_all_spikes_removed(rng: np.random.Generator) -> None:
    samples, chosen = made(rng), np.arange(N_SAMPLES)
    batch = AugmentedSamples(samples, NONE._replace(delete_probability=1.0)).batch(chosen, (0,))
    assert batch.bins.numel() == 0
    assert batch.offsets.tolist() == [0] * (N_SAMPLES + 1)
    assert batch.lengths[7] == 0  # of unknown duration


def test_a_batch_with_more_spikes_than_expected_gets_more_room(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, chosen = AugmentedSamples(made(rng), STRONG), np.arange(N_SAMPLES)
    expected = samples.batch(chosen, (0, 1))
    rooms = augmented._rooms
    likely, most = rooms(np.full(N_SAMPLES, 300), samples.plan(chosen, (0, 1)))
    assert expected.bins.numel() < likely < most
    monkeypatch.setattr(
        augmented, "_rooms", lambda *given: (expected.bins.numel() // 2, rooms(*given)[1])
    )
    found = samples.batch(chosen, (0, 1))
    for name in ("offsets", "bins", "units", "lengths"):
        assert torch.equal(getattr(found, name), getattr(expected, name))
