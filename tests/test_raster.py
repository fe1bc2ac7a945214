"""Binning, by hand and by property; every trap of the data sets' history has its test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikebench.raster import bin_spikes, spike_counts, time_bins


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


def test_bins_start_at_zero_not_at_the_first_spike() -> None:
    assert time_bins([0.5], 0.1, 10).tolist() == [5]


def test_float16_does_not_overflow() -> None:
    times = np.array([1.25], np.float16)
    assert time_bins(times, 1e-6, 10_000_000).tolist() == [1_250_001]  # 1 µs tolerance at 1 µs bins
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
    assert late <= np.sum(times.astype(np.float64) > time_step * n_steps - 2e-6)
    kept = units[time_bins(times, time_step, n_steps) < n_steps]
    assert raster.sum(0).tolist() == np.bincount(kept, minlength=10).tolist()


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
    ],
)
def test_bad_input_is_named(times: list, units: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bin_spikes(times, units, **({"time_step": 0.01, "n_steps": 3, "n_units": 3} | options))
