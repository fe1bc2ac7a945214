"""Changes of spikes: each by hand, what each keeps, and that seed and spikes alone decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spikebench.events.batches import BinnedSamples
from spikebench.events.cache import FlatEvents
from spikebench.events.changed import (
    Bins,
    change,
    count_limits,
    few_spikes,
    first_spikes,
    reflected,
    rounded,
    thinned,
)
from spikebench.events.conditions import CLEAN, KINDS, parse_condition, select_conditions
from spikebench.events.dataset import SpikeDataset

N_UNITS = 7
BINS = Bins(0.01, 100)
EVERY = [str(one) for one in select_conditions(["counts,equal-counts,jitter,unit-jitter"])[1:]]
EVERY += ["delete:30%", "reverse", "first-spike", "round:20ms", "round:1000ms", "units:2"]


def samples_of(
    *samples: tuple[list[float], list[int]], durations: list[float] | None = None
) -> SpikeDataset:
    pairs = [(np.array(times), np.array(units, dtype=int)) for times, units in samples]
    events = FlatEvents.from_samples(pairs, N_UNITS, labels=np.arange(len(pairs)))
    known = events.durations if durations is None else np.array(durations)
    return SpikeDataset(replace(events, durations=known))


def random_samples(n: int = 6, spikes: int = 80) -> SpikeDataset:
    """Samples of which the second is empty, the third has one spike, and some end after the last bin."""
    rng = np.random.default_rng(7)
    sizes = [spikes, 0, 1, *[spikes] * (n - 3)]
    times = [np.sort(rng.uniform(0, 1.2, size)).astype(np.float32) for size in sizes]
    data = samples_of(*((t.tolist(), rng.integers(0, N_UNITS, t.size).tolist()) for t in times))
    events = data.events
    durations = np.where(np.arange(n) % 2, 1.1, -1.0)
    return SpikeDataset(replace(events, times=events.times.astype(np.float32), durations=durations))


def changed(
    data: SpikeDataset,
    name: str,
    seed: int = 3,
    bins: Bins = BINS,
    train: SpikeDataset | None = None,
) -> SpikeDataset:
    return change(data, train or data, parse_condition(name), seed, bins)


def binned(data: SpikeDataset, bins: Bins = BINS) -> BinnedSamples:
    return BinnedSamples(data, *bins, "counts")


def test_times_are_reflected_at_both_ends() -> None:
    seconds = np.array([-0.1, 0.0, 0.3, 1.0, 1.2, 2.1, 3.3, -2.4])
    assert_allclose(reflected(seconds, 1.0), [0.1, 0, 0.3, 1, 0.8, 0.1, 0.7, 0.4], atol=1e-12)
    assert reflected(np.array([0.0, 5.0]), 0.0).tolist() == [0, 0]


def test_times_are_rounded_to_centres_and_the_last_bin_ends_with_the_recording() -> None:
    seconds = np.array([0.0, 0.0199, 0.02, 0.0599999, 0.085])
    # The bins of 20 ms: 0 … 20, 20 … 40, 60 … 80 (0.1 µs before an edge counts as on it), 80 … 90.
    assert_allclose(rounded(seconds, 0.02, 0.09), [0.01, 0.01, 0.03, 0.07, 0.085], rtol=1e-12)
    assert_allclose(rounded(seconds, 1.0, 0.09), np.full(5, 0.045), rtol=1e-12)


def test_the_first_spike_of_each_unit() -> None:
    units = np.array([3, 1, 3, 0, 1, 6], dtype=np.uint16)
    assert first_spikes(units).tolist() == [0, 1, 3, 5]
    assert first_spikes(units[:0]).tolist() == []


def test_spikes_with_the_lowest_draws_are_kept() -> None:
    units = np.array([0, 1, 0, 0, 2, 1], dtype=np.uint16)
    draws = np.array([0.9, 0.2, 0.1, 0.5, 0.3, 0.1])
    assert thinned(units, np.array([2, 1, 3]), draws).tolist() == [2, 3, 4, 5]
    assert thinned(units, np.array([0, 0, 0]), draws).tolist() == []
    assert thinned(units, np.array([9, 9, 9]), draws).tolist() == [0, 1, 2, 3, 4, 5]


def test_counts_to_thin_to_and_what_remains() -> None:
    counts = [[4, 0, 2], [1, 5, 2], [3, 5, 2], [2, 5, 2], [5, 5, 1]]
    data = samples_of(
        *(
            ([0.1 + 0.01 * k for k in range(sum(row))], np.repeat(np.arange(3), row).tolist())
            for row in counts
        )
    )
    # Sorted counts of unit 0: 1 2 3 4 5; of unit 1: 0 5 5 5 5; of unit 2: 1 2 2 2 2.
    assert count_limits(data, 0.0, BINS)[:3].tolist() == [1, 0, 1]
    assert count_limits(data, 0.45, BINS)[:3].tolist() == [2, 5, 2]
    assert count_limits(data, 1.0, BINS)[:3].tolist() == [5, 5, 2]
    assert few_spikes(data, data, parse_condition("equal-counts:0%"), BINS) == 0
    # One of five samples has too few spikes of each of three units.
    assert few_spikes(data, data, parse_condition("equal-counts:45%"), BINS) == 3 / 15
    assert few_spikes(data, data, CLEAN, BINS) is None
    equal = binned(changed(data, "equal-counts:45%")).counts()[:, :3]
    assert equal.tolist() == [[2, 0, 2], [1, 5, 2], [2, 5, 2], [2, 5, 2], [2, 5, 1]]
    assert binned(changed(data, "equal-counts:0%")).counts()[:, :3].tolist() == [[1, 0, 1]] * 5
    # The counts are those of the training samples, also for others.
    other = samples_of(([0.2, 0.3], [1, 2]), ([0.2] * 9, [0] * 9))
    thin = binned(changed(other, "equal-counts:0%", train=data)).counts()
    assert thin.tolist() == [[0, 0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]]
    silent = samples_of(([], []), ([0.1], [2]))
    assert few_spikes(silent, silent, parse_condition("equal-counts:0%"), BINS) == 0


def test_time_runs_backwards() -> None:
    data = samples_of(
        ([0.1, 0.25, 0.4], [0, 1, 2]),
        ([0.1, 0.25, 0.4], [0, 1, 2]),
        ([0.1, 0.25, 1.4], [0, 1, 2]),
        durations=[-1, 0.6, -1],
    )
    found = changed(data, "reverse")
    # From the last spike, from the end of the recording, and from the end of the last bin.
    for k, times in enumerate(([0, 0.15, 0.3], [0.2, 0.35, 0.5], [0.75, 0.9])):
        assert_allclose(found[k].times, times, atol=2e-6)
        assert found[k].units.tolist() == [2, 1, 0][-len(times) :]
    twice = changed(found, "reverse")
    assert_allclose(twice[1].times, data[1].times, atol=2e-6)


def test_every_second_unit_is_kept() -> None:
    data = samples_of(([0.1, 0.2, 0.3, 0.4], [0, 1, 2, 5]))
    assert changed(data, "units:2")[0].units.tolist() == [1, 5]
    assert changed(data, "units:5")[0].units.tolist() == [2]
    assert changed(data, "units:1")[0].units.tolist() == [0, 1, 2, 5]


@pytest.mark.parametrize("name", EVERY)
def test_seed_and_spikes_alone_decide(name: str) -> None:
    data = random_samples()
    train = data.subset([0, 3, 4])
    found, again = changed(data, name, train=train), changed(data, name, train=train)
    assert_array_equal(found.events.times, again.events.times)
    assert_array_equal(found.events.units, again.events.units)
    # Neither order nor other samples have an effect.
    some = changed(data.subset([5, 0]), name, train=train)
    assert some.index.tolist() == [5, 0]
    for place, k in enumerate((5, 0)):
        assert_array_equal(some[place].times, found[k].times)
        assert_array_equal(some[place].units, found[k].units)
    other = changed(data, name, seed=4, train=train)
    is_random = parse_condition(name).kind not in ("reverse", "first-spike", "round", "units")
    same = np.array_equal(found.events.times, other.events.times)
    assert same != is_random


@pytest.mark.parametrize("name", ["clean", *EVERY])
def test_what_every_change_keeps(name: str) -> None:
    data = random_samples()
    found = changed(data, name, train=data.subset([0, 3, 4]))
    assert found.events.times.dtype == np.float32
    for field in ("index", "labels", "speakers"):
        assert_array_equal(getattr(found, field), getattr(data, field))
    assert (found.keys, found.n_units) == (data.keys, data.n_units)
    everything = np.arange(len(data))
    before, after = (binned(one).batch(everything) for one in (data, found))
    assert before.lengths.tolist() == after.lengths.tolist()
    assert found.spike_counts[1] == 0
    for k in range(len(data)):
        assert (np.diff(found[k].times) >= 0).all()
    if name == "clean":
        assert found is data
        return
    assert binned(found).n_late == 0
    counts, kept = binned(data).counts(), binned(found).counts()
    if parse_condition(name).kind in ("counts", "jitter", "unit-jitter", "reverse", "round"):
        assert_array_equal(kept, counts)
    elif name == "first-spike":
        assert_array_equal(kept, np.minimum(counts, 1))
    else:
        assert (kept <= counts).all()


def test_the_table_of_tested_names_has_every_kind() -> None:
    assert {parse_condition(name).kind for name in EVERY} | {"clean"} == set(KINDS)


def test_random_times_are_uniform_in_the_recording() -> None:
    data = samples_of(([0.1] * 4000, [0] * 4000), durations=[0.8])
    (times,) = (sample.times for sample in changed(data, "counts"))
    # Largest distance of the distributions: above 2/√4000 with a probability below 0.001.
    assert np.abs(times / 0.8 - (np.arange(4000) + 0.5) / 4000).max() < 0.032


def test_jitter_has_its_deviation_and_one_of_a_unit_moves_all_its_spikes() -> None:
    rng = np.random.default_rng(1)
    units = rng.integers(0, N_UNITS, 4000)
    data = samples_of(([0.5] * 4000, units.tolist()), durations=[1.0])
    moved = changed(data, "jitter:10ms")[0]
    assert_allclose(moved.times.std(), 0.01, rtol=0.05)
    assert_allclose(moved.times.mean(), 0.5, atol=0.001)
    half = changed(data, "jitter:5ms")[0]
    assert_allclose(half.times - 0.5, (moved.times - 0.5) / 2, atol=1e-12)  # the same numbers
    together = changed(data, "unit-jitter:10ms")[0]
    shifts = [set(together.times[together.units == unit]) for unit in range(N_UNITS)]
    assert [len(one) for one in shifts] == [1] * N_UNITS
    assert len(set().union(*shifts)) == N_UNITS
    # Intervals within a unit remain.
    train = samples_of(([0.4, 0.41, 0.45], [2, 2, 2]), durations=[1.0])
    assert_allclose(np.diff(changed(train, "unit-jitter:20ms")[0].times), [0.01, 0.04], rtol=1e-6)


def test_deletions_are_independent_and_nested() -> None:
    times = np.linspace(0, 0.9, 5000)
    data = samples_of((times.tolist(), [0] * 5000))
    kept = [set(changed(data, f"delete:{p}%")[0].times) for p in (0, 30, 50, 100)]
    assert [len(one) for one in (kept[0], kept[3])] == [5000, 0]
    assert_allclose([len(kept[1]), len(kept[2])], [3500, 2500], rtol=0.05)
    assert kept[2] < kept[1] < kept[0]


def test_a_single_spike_at_the_start_or_the_end() -> None:
    data = samples_of(([0.0], [0]), ([0.9999999], [0]), ([0.3], [6]), durations=[-1, -1, 0.3])
    for name in EVERY:
        found = changed(data, name)
        assert binned(found).n_late == 0
        if parse_condition(name).kind in ("jitter", "unit-jitter", "counts", "reverse", "round"):
            # The second is so near to the end of the last bin that binning leaves it out.
            assert found.spike_counts.tolist() == [1, 0, 1]


def test_rounding_within_the_bins_of_the_model_changes_nothing() -> None:
    data = random_samples()
    everything = np.arange(len(data))
    raster = binned(data).batch(everything).dense()
    assert (binned(changed(data, "round:10ms")).batch(everything).dense() == raster).all()
    assert (binned(changed(data, "round:5ms")).batch(everything).dense() == raster).all()
    assert not (binned(changed(data, "round:20ms")).batch(everything).dense() == raster).all()
