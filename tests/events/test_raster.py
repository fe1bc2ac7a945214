"""Binning, by hand and by property; every trap of the data sets' history has its test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikebench.events import raster_loops
from spikebench.events.raster import (
    Binned,
    bin_many,
    bin_spikes,
    clear_cells,
    count_inside,
    count_units,
    put_cells,
    spike_counts,
    time_bins,
)

EVENTS = st.integers(0, 200).flatmap(
    lambda n: st.tuples(
        st.sampled_from([np.float16, np.float32, np.float64]).flatmap(
            lambda kind: hnp.arrays(
                kind, n, elements=st.floats(0, 2, width=16, allow_subnormal=False)
            )
        ),
        hnp.arrays(np.uint16, n, elements=st.integers(0, 9)),
    )
)


def slow_raster(
    times: np.ndarray, units: np.ndarray, time_step: float, n_steps: int, mode: str
) -> np.ndarray:
    """The slow twin: the rule of :func:`time_bins`, one spike after the other."""
    raster = np.zeros((n_steps, 10), np.int64)
    for step, unit in zip(time_bins(times, time_step, n_steps), units, strict=True):
        if step < n_steps:
            raster[step, unit] = 1 if mode == "binary" else raster[step, unit] + 1
    return raster


def test_by_hand() -> None:
    # bins of 10 ms: 0 and 9.9 ms in the first, 10 ms in the second, 30 ms is after the last
    raster = bin_spikes([0.0, 0.0099, 0.010, 0.029, 0.030], [0, 2, 2, 1, 1], 0.01, 3, 3)
    assert raster.tolist() == [[1, 0, 1], [0, 0, 1], [0, 1, 0]]


def test_counts_and_binary() -> None:
    times, units = [0.001, 0.002, 0.003], [1, 1, 0]
    assert bin_spikes(times, units, 0.01, 1, 2).tolist() == [[1, 2]]
    assert bin_spikes(times, units, 0.01, 1, 2, "binary").tolist() == [[1, 1]]


@given(st.integers(0, 100))
def test_an_edge_belongs_to_the_bin_that_begins(k: int) -> None:
    for dtype in (np.float64, np.float32):  # float32(0.01) lies below 0.01
        assert time_bins(np.array([k * 240 / 24000], dtype), 0.01, 200).tolist() == [k]


def test_the_sample_before_an_edge_belongs_to_the_bin_that_ends() -> None:
    times = ((np.arange(1, 100) * 240 - 1) / 24000).astype(np.float32)
    assert time_bins(times, 0.01, 200).tolist() == list(range(99))


@pytest.mark.parametrize("time_step", [0.001, 0.004, 0.01])
def test_a_file_that_counts_microseconds_keeps_half_open_bins(time_step: float) -> None:
    edges = np.arange(1, 100) * round(time_step * 1e6)  # µs
    for dtype in (np.float64, np.float32):
        before, at = (((edges + d) / 1e6).astype(dtype) for d in (-1, 0))
        assert time_bins(before, time_step, 200).tolist() == list(range(99))
        assert time_bins(at, time_step, 200).tolist() == list(range(1, 100))


def test_bins_start_at_zero_not_at_the_first_spike() -> None:
    assert time_bins([0.5], 0.1, 10).tolist() == [5]


def test_float16_does_not_overflow() -> None:
    times = np.array([1.25], np.float16)
    assert time_bins(times, 1e-6, 10_000_000).tolist() == [1_250_000]
    assert time_bins(times, 1e-3, 2000).tolist() == [1250]


@given(
    st.integers(0, 200).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float32, n, elements=st.floats(0, 2, width=32)),
            hnp.arrays(np.int64, n, elements=st.integers(0, 9)),
        )
    ),
    st.floats(1e-3, 0.5),
    st.integers(1, 50),
)
def test_no_spike_is_lost_or_made(
    events: tuple[np.ndarray, np.ndarray], time_step: float, n_steps: int
) -> None:
    times, units = events
    raster = bin_spikes(times, units, time_step, n_steps, 10)
    late = int(np.sum(time_bins(times, time_step, n_steps) == n_steps))
    assert raster.sum() + late == times.size
    assert late <= np.sum(times.astype(np.float64) > time_step * n_steps - 1e-6)
    kept = units[time_bins(times, time_step, n_steps) < n_steps]
    assert raster.sum(0).tolist() == np.bincount(kept, minlength=10).tolist()


@given(EVENTS, st.floats(1e-3, 0.5), st.integers(1, 50), st.sampled_from(["counts", "binary"]))
def test_the_compiled_loop_agrees_with_its_slow_twin(
    events: tuple[np.ndarray, np.ndarray], time_step: float, n_steps: int, mode: str
) -> None:
    times, units = events
    slow = slow_raster(times, units, time_step, n_steps, mode)
    assert np.array_equal(bin_spikes(times, units, time_step, n_steps, 10, mode), slow)


@given(
    st.lists(EVENTS, min_size=1, max_size=4),
    st.floats(1e-3, 0.5),
    st.integers(1, 50),
    st.randoms(use_true_random=False),
)
def test_batches_agree_with_the_slow_twin(
    samples: list[tuple[np.ndarray, np.ndarray]], time_step: float, n_steps: int, random: object
) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(times) for times, _ in samples])])
    times = np.concatenate([times.astype(np.float32) for times, _ in samples])
    units = np.concatenate([units for _, units in samples])
    chosen = np.array([random.randrange(len(samples)) for _ in range(5)])
    binned = bin_many(offsets, times, units, chosen, time_step, n_steps)
    inside = count_inside(offsets, times, chosen, time_step, n_steps)
    counts = count_units(offsets, times, units, chosen, time_step, n_steps, 10)
    assert binned.offsets[-1] == binned.bins.size == binned.units.size
    for row, k in enumerate(chosen):
        here = slice(offsets[k], offsets[k + 1])
        slow = slow_raster(times[here], units[here], time_step, n_steps, "counts")
        there = slice(binned.offsets[row], binned.offsets[row + 1])
        raster = np.zeros_like(slow)
        np.add.at(raster, (binned.bins[there], binned.units[there]), 1)
        assert np.array_equal(raster, slow)
        assert np.array_equal(counts[row], slow.sum(0))
        assert inside[row] == slow.sum()
        last = time_bins(times[here], time_step, n_steps).max(initial=-1)
        assert binned.lengths[row] == min(last + 1, n_steps)


def test_the_loops_give_the_same_compiled_and_interpreted(rng: np.random.Generator) -> None:
    times = np.round(rng.uniform(0, 1.2, 500) * 24_000) / 24_000
    interpreted = [raster_loops.bin_of.py_func(t, 0.01, 100) for t in times]
    assert interpreted == time_bins(times, 0.01, 100).tolist()
    assert [raster_loops.bin_of(t, 0.01, 100) for t in times] == interpreted


def test_a_spike_at_the_very_end_is_left_out_and_the_one_before_kept() -> None:
    assert bin_spikes([0.999, 1.0], [0, 0], 0.01, 100, 1).sum() == 1
    assert bin_spikes([0.99], [0], 0.01, 100, 1)[99, 0] == 1


def test_units_count_from_zero_and_end_before_their_number() -> None:
    raster = bin_spikes([0.0, 0.0], [0, 699], 0.01, 1, 700)
    assert raster[0, 0] == raster[0, 699] == 1
    with pytest.raises(ValueError, match=r"outside 0 … 699"):
        bin_spikes([0.0], [700], 0.01, 1, 700)


@pytest.mark.parametrize(
    ("offsets", "times", "units", "message"),
    [
        ([0, 2], [0.1], [0], "offsets do not fit"),
        ([0, 1], [0.1], [0, 1], "offsets do not fit"),
        ([1, 0], [0.1], [0], "offsets do not fit"),
        ([-1, 1], [0.1], [0], "offsets do not fit"),
        ([0, 1], [-0.1], [0], "finite and not negative"),
        ([0, 1], [-1e-3], [0], "finite and not negative"),
        ([0, 1], [np.inf], [0], "finite and not negative"),
        ([0, 1], [np.nan], [0], "finite and not negative"),
        ([0, 1], [[0.1]], [[0]], "all arrays one-dimensional"),
        (np.array([0, 1], np.uint64), [0.1], [0], "offsets must be int64"),
    ],
)
def test_nothing_outside_the_arrays_is_read(
    offsets: list, times: list, units: list, message: str
) -> None:
    arrays = np.array(offsets), np.array(times), np.array(units)
    with pytest.raises(ValueError, match=message):
        bin_many(*arrays, np.array([0]), 0.01, 10)


@pytest.mark.parametrize(
    ("binned", "message"),
    [
        (Binned(np.array([0, 1]), np.array([2], "i4"), np.array([0], "i4"), np.array([3])), "bin"),
        (Binned(np.array([0, 1]), np.array([-1], "i4"), np.array([0], "i4"), np.array([3])), "bin"),
        (Binned(np.array([0, 1]), np.array([0], "i4"), np.array([3], "i4"), np.array([3])), "unit"),
        (Binned(np.array([0, 2]), np.array([0], "i4"), np.array([0], "i4"), np.array([3])), "fit"),
        (Binned(np.array([0]), np.array([0], "i4"), np.array([0], "i4"), np.array([3])), "fit"),
        (Binned(np.array([0, 1], "u8"), np.array([0], "i4"), np.array([0], "i4"), None), "fit"),
    ],
)
def test_nothing_outside_a_raster_is_written(binned: Binned, message: str) -> None:
    raster = np.zeros((1, 2, 3), np.float32)
    for change in (
        lambda: put_cells(binned, raster, "counts"),
        lambda: clear_cells(binned, raster),
    ):
        with pytest.raises(ValueError, match=message):
            change()
    assert not raster.any()


def test_a_sample_that_is_not_there_is_an_error() -> None:
    offsets, times, units = np.array([0, 1]), np.array([0.1]), np.array([0])
    for chosen in ([1], [-1]):
        with pytest.raises(IndexError, match=r"outside 0 … 0"):
            bin_many(offsets, times, units, np.array(chosen), 0.01, 10)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_the_type_of_the_raster_can_be_chosen(dtype: type) -> None:
    raster = bin_spikes([0.0, 0.0, 0.02], [1, 1, 0], 0.01, 3, 2, dtype=dtype)
    assert raster.dtype == dtype
    assert raster.tolist() == [[0, 2], [0, 0], [1, 0]]


def test_the_type_is_wide_enough_on_its_own() -> None:
    for size, dtype in ((32_767, np.int16), (32_768, np.int32), (70_000, np.int32)):
        raster = bin_spikes(np.zeros(size), np.zeros(size, dtype=int), 0.01, 1, 1)
        assert raster.dtype == dtype
        assert raster.tolist() == [[size]]


def test_a_type_that_could_overflow_is_refused() -> None:
    times, units = np.zeros(256), np.zeros(256, dtype=int)
    with pytest.raises(ValueError, match="256 spikes in one cell would exceed uint8"):
        bin_spikes(times, units, 0.01, 1, 1, dtype=np.uint8)
    assert bin_spikes(times, units, 0.01, 1, 1, "binary", np.uint8).tolist() == [[1]]
    assert bin_spikes(times[:255], units[:255], 0.01, 1, 1, dtype=np.uint8).tolist() == [[255]]


def test_counts_keep_unit_zero() -> None:
    assert spike_counts([0, 0, 3], 4).tolist() == [2, 0, 0, 1]
    assert spike_counts([], 2).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("times", "units", "options", "message"),
    [
        ([-0.1], [0], {}, "not negative"),
        ([np.nan], [0], {}, "finite"),
        ([0.1], [3], {}, r"outside 0 … 2"),
        ([0.1], [-1], {}, r"outside 0 … 2"),
        ([0.1, 0.2], [0], {}, "2 times and 1 units"),
        ([0.1], [0], {"time_step": 0.0}, "time_step > 0"),
        ([0.1], [0], {"n_steps": 0}, "n_steps"),
        ([0.1], [0], {"n_steps": 2**31}, "exceed the limit"),
        ([0.1], [0], {"time_step": np.nan}, "time_step > 0"),
        ([np.inf], [0], {}, "finite"),
        ([0.1], [0.5], {}, "integers"),
        ([0.1], [0], {"mode": "count"}, "counts or binary"),
    ],
)
def test_bad_input_is_named(times: list, units: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bin_spikes(times, units, **({"time_step": 0.01, "n_steps": 3, "n_units": 3} | options))
