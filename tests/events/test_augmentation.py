"""Augmentations: what holds for every sample, what holds on average, and some samples by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikebench.events import augmentation as augment

N_UNITS = 12
STRONG = {
    "jitter_units": partial(augment.jitter_units, n_units=N_UNITS, standard_deviation=4.0),
    "jitter_times": partial(augment.jitter_times, standard_deviation=0.3),
    "shift_units": partial(augment.shift_units, n_units=N_UNITS, max_shift=15),
    "shift_times": partial(augment.shift_times, max_shift=1.0),
    "warp_time": partial(augment.warp_time, shortest=0.2, longest=5.0),
    "delete_spikes": partial(augment.delete_spikes, probability=0.5),
    "blend": partial(
        augment.blend, other_times=[0.5, 0.1], other_units=[3, 9], n_units=N_UNITS, share=0.6
    ),
    "mask_units": partial(augment.mask_units, n_units=N_UNITS, max_fraction=0.8),
    "mask_time": partial(augment.mask_time, duration=2.0, max_fraction=0.8),
}
WEAK = {
    "jitter_units": partial(augment.jitter_units, n_units=N_UNITS, standard_deviation=0.0),
    "jitter_times": partial(augment.jitter_times, standard_deviation=0.0),
    "shift_units": partial(augment.shift_units, n_units=N_UNITS, max_shift=0),
    "shift_times": partial(augment.shift_times, max_shift=0.0),
    "warp_time": partial(augment.warp_time, shortest=1.0, longest=1.0),
    "delete_spikes": partial(augment.delete_spikes, probability=0.0),
    "blend": partial(augment.blend, other_times=[], other_units=[], n_units=N_UNITS, share=1.0),
    "mask_units": partial(augment.mask_units, n_units=N_UNITS, max_fraction=0.0),
    "mask_time": partial(augment.mask_time, duration=2.0, max_fraction=0.0),
}
NAMES = sorted(STRONG)
SAMPLES = st.integers(0, 60).flatmap(
    lambda n: st.tuples(
        st.sampled_from([np.float16, np.float32, np.float64]).flatmap(
            lambda kind: hnp.arrays(
                kind, n, elements=st.floats(0, 2, width=16, allow_subnormal=False)
            )
        ),
        st.sampled_from([np.uint8, np.uint16, np.int32, np.int64, np.uint64]).flatmap(
            lambda kind: hnp.arrays(kind, n, elements=st.integers(0, N_UNITS - 1))
        ),
    )
)
Events = tuple[np.ndarray, np.ndarray]


def run(augmentation: Callable[..., Events], sample: Events, seed: int) -> Events:
    return augmentation(sample[0], units=sample[1], generator=np.random.default_rng(seed))


def pairs(sample: Events) -> list[tuple[float, int]]:
    return sorted(zip(sample[0].tolist(), sample[1].tolist(), strict=True))


def many(rng: np.random.Generator, n: int = 100_000) -> Events:
    """Spikes far from every edge, at 1 … 2 s on units around 5,000 of 10,000."""
    return rng.uniform(1, 2, n), rng.integers(4000, 6000, n)


@pytest.mark.parametrize("name", NAMES)
@given(sample=SAMPLES, seed=st.integers(0, 2**32))
def test_what_holds_for_every_sample(name: str, sample: Events, seed: int) -> None:
    before = [array.copy() for array in sample]
    times, units = run(STRONG[name], sample, seed)
    assert [array.tobytes() for array in sample] == [array.tobytes() for array in before]
    assert times.shape == units.shape
    assert not np.shares_memory(times, sample[0])
    assert not np.shares_memory(units, sample[1])
    wide = sample[0].dtype if sample[0].dtype == np.float32 and name != "blend" else np.float64
    assert times.dtype == wide
    assert units.dtype == sample[1].dtype
    assert np.isfinite(times).all()
    assert (np.diff(times) >= 0).all()
    assert (times >= 0).all()
    assert ((units >= 0) & (units < N_UNITS)).all()
    assert units.size <= sample[1].size + (2 if name == "blend" else 0)
    if name == "warp_time":
        assert np.array_equal(units, sample[1][np.argsort(sample[0], kind="stable")])
    again = run(STRONG[name], sample, seed)
    assert times.tobytes() == again[0].tobytes()
    assert units.tobytes() == again[1].tobytes()


@pytest.mark.parametrize("name", NAMES)
@given(sample=SAMPLES, seed=st.integers(0, 2**32))
def test_no_strength_sorts_and_does_nothing_else(name: str, sample: Events, seed: int) -> None:
    times, units = run(WEAK[name], sample, seed)
    order = np.argsort(sample[0], kind="stable")
    assert np.array_equal(times, sample[0][order])
    assert np.array_equal(units, sample[1][order])


@pytest.mark.parametrize("name", ["delete_spikes", "mask_units", "mask_time"])
@given(sample=SAMPLES, seed=st.integers(0, 2**32))
def test_what_is_left_was_there(name: str, sample: Events, seed: int) -> None:
    left = pairs(run(STRONG[name], sample, seed))
    given_pairs = pairs(sample)
    for pair in left:
        given_pairs.remove(pair)


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_decides(name: str, rng: np.random.Generator) -> None:
    sample = rng.uniform(0, 2, 300), rng.integers(0, N_UNITS, 300)
    # Masks and shifts of whole units have few outcomes: of eight seeds some must differ.
    results = {run(STRONG[name], sample, seed)[1].tobytes() for seed in range(8)}
    times = {run(STRONG[name], sample, seed)[0].tobytes() for seed in range(8)}
    assert len(results) > 2 or len(times) > 2
    state = np.random.get_state()[1].tobytes()  # noqa: NPY002 (nothing draws from it)
    run(STRONG[name], sample, 1)
    assert np.random.get_state()[1].tobytes() == state  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_lists_empty_and_single(name: str) -> None:
    generator = np.random.default_rng(1)
    times, units = WEAK[name]([], units=[], generator=generator)
    assert times.size == units.size == 0
    assert (times.dtype, units.dtype.kind) == (np.float64, "i")
    times, units = WEAK[name]([0.5], units=[3], generator=generator)
    assert (times.tolist(), units.tolist()) == ([0.5], [3])


def test_spikes_at_the_same_time_keep_their_order(rng: np.random.Generator) -> None:
    units = rng.integers(0, 700, 200)
    moved = augment.shift_times(np.full(200, 0.5), units, generator=rng)[1]
    assert np.array_equal(moved, units)


def test_jitter_of_units_has_its_moments(rng: np.random.Generator) -> None:
    times, units = many(rng)
    order = np.argsort(times)
    moved = augment.jitter_units(times, units, 10_000, generator=rng)[1] - units[order]
    variance = 20.0**2 + 1 / 12  # rounding adds a twelfth
    n = moved.size
    assert n == units.size
    assert abs(moved.mean()) < 4.5 * np.sqrt(variance / n)
    assert abs(moved.var() / variance - 1) < 4.5 * np.sqrt(2 / n)


def test_jitter_of_times_has_its_moments(rng: np.random.Generator) -> None:
    n = 100_000
    spread = augment.jitter_times(np.full(n, 1.0), np.zeros(n, int), 0.01, generator=rng)[0] - 1
    assert spread.size == n
    assert abs(spread.mean()) < 4.5 * 0.01 / np.sqrt(n)
    assert abs(spread.var() / 0.01**2 - 1) < 4.5 * np.sqrt(2 / n)


def test_what_falls_before_the_start_is_removed_not_clipped(rng: np.random.Generator) -> None:
    n = 100_000
    times, _ = augment.jitter_times(np.zeros(n), np.zeros(n, int), 0.01, generator=rng)
    assert abs(times.size - n / 2) < 4.5 * np.sqrt(n / 4)
    assert np.sum(times == 0) == 0


def test_what_leaves_the_units_is_removed_not_clipped(rng: np.random.Generator) -> None:
    n = 100_000
    _, units = augment.jitter_units(np.zeros(n), np.zeros(n, int), 700, generator=rng)
    # from unit 0 a spike stays if its displacement is above -0.5: Φ(0.5 / 20)
    stays = 0.509973
    assert abs(units.size - n * stays) < 4.5 * np.sqrt(n * stays * (1 - stays))
    at_edge = 0.019945  # |displacement| < 0.5
    assert abs(np.sum(units == 0) - n * at_edge) < 4.5 * np.sqrt(n * at_edge)


def test_shift_of_units_is_uniform_and_common(rng: np.random.Generator) -> None:
    shifts = []
    for _ in range(7000):
        _, units = augment.shift_units([0.1, 0.2], [50, 60], 100, 3, generator=rng)
        assert units[1] - units[0] == 10
        shifts.append(units[0] - 50)
    values, counts = np.unique(shifts, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]  # both ends are drawn
    assert (abs(counts - 1000) < 4.5 * np.sqrt(7000 * 1 / 7 * 6 / 7)).all()


def test_shift_of_times_is_uniform_and_common(rng: np.random.Generator) -> None:
    shifts = []
    for _ in range(5000):
        times, _ = augment.shift_times([1.0, 1.5], [0, 0], generator=rng)
        np.testing.assert_allclose(times[1] - times[0], 0.5, rtol=1e-12)
        shifts.append(times[0] - 1)
    assert np.abs(shifts).max() <= 0.05 + 1e-12
    variance = 0.1**2 / 12
    assert abs(np.mean(shifts)) < 4.5 * np.sqrt(variance / 5000)
    # the fourth moment of a uniform number is 9/5 of the squared variance
    assert abs(np.var(shifts) / variance - 1) < 4.5 * np.sqrt(0.8 / 5000)


def test_warp_by_hand(rng: np.random.Generator) -> None:
    times, units = augment.warp_time([0.3, 0.1], [5, 6], 2.0, 2.0, generator=rng)
    np.testing.assert_allclose(times, [0.2, 0.6], rtol=1e-12)
    assert units.tolist() == [6, 5]


def test_the_logarithm_of_the_warp_is_uniform(rng: np.random.Generator) -> None:
    logs = np.log([augment.warp_time([1.0], [0], generator=rng)[0][0] for _ in range(5000)])
    low, high = np.log(0.9), np.log(1.1)
    assert low <= logs.min() <= logs.max() <= high
    variance = (high - low) ** 2 / 12
    assert abs(logs.mean() - (low + high) / 2) < 4.5 * np.sqrt(variance / 5000)
    assert abs(logs.var() / variance - 1) < 4.5 * np.sqrt(0.8 / 5000)


def test_deletion_is_binomial_and_blind(rng: np.random.Generator) -> None:
    times, units = many(rng)
    left = augment.delete_spikes(times, units, 0.3, generator=rng)[1]
    n = units.size
    assert abs(left.size - 0.7 * n) < 4.5 * np.sqrt(n * 0.3 * 0.7)
    low, all_low = np.sum(left < 5000), np.sum(units < 5000)
    assert abs(low - 0.7 * all_low) < 4.5 * np.sqrt(all_low * 0.3 * 0.7)
    assert augment.delete_spikes(times, units, 1.0, generator=rng)[0].size == 0


def test_blend_aligns_the_centres_by_hand(rng: np.random.Generator) -> None:
    # centres 0.2 s on unit 20 and 0.6 s on unit 30: both go to 0.4 s on unit 25
    first, second = ([0.1, 0.3], [10, 30]), ([0.5, 0.7], [29, 31])
    times, units = augment.blend(*first, *second, 100, 1.0, generator=rng)
    np.testing.assert_allclose(times, [0.3, 0.5], rtol=1e-12)
    assert units.tolist() == [15, 35]
    times, units = augment.blend(*first, *second, 100, 0.0, generator=rng)
    np.testing.assert_allclose(times, [0.3, 0.5], rtol=1e-12)
    assert units.tolist() == [24, 26]


def test_blend_takes_its_share_of_both(rng: np.random.Generator) -> None:
    n = 50_000
    times = rng.uniform(1, 2, 2 * n)
    first, second = (times[:n], np.full(n, 10)), (times[n:], np.full(n, 11))
    # centres 10 and 11 lie half a unit from their middle, and 0.5 rounds to 0: both stay
    for share in (0.5, 0.2):
        units = augment.blend(*first, *second, 100, share, generator=rng)[1]
        counts = np.bincount(units, minlength=12)[10:12]
        margin = 4.5 * np.sqrt(n * share * (1 - share))
        assert abs(counts[0] - n * share) < margin
        assert abs(counts[1] - n * (1 - share)) < margin


def test_blend_with_a_sample_without_spikes_leaves_the_other_in_place(
    rng: np.random.Generator,
) -> None:
    for share, samples in ((1.0, ([0.3], [4], [], [])), (0.0, ([], [], [0.3], [4]))):
        times, units = augment.blend(*samples, 9, share, generator=rng)
        assert (times.tolist(), units.tolist()) == ([0.3], [4])


def test_blend_removes_what_alignment_moves_outside(rng: np.random.Generator) -> None:
    # centres 0.5 s on unit 5 and 0.1 s on unit 1: the first goes 0.2 s and 2 units down
    first, second = ([0.1, 0.9], [1, 9]), ([0.1], [1])
    times, units = augment.blend(*first, *second, 10, 1.0, generator=rng)
    np.testing.assert_allclose(times, [0.7], rtol=1e-12)
    assert units.tolist() == [7]


def test_blend_takes_the_wider_times_and_the_first_units(rng: np.random.Generator) -> None:
    single, double = np.array([0.1], np.float32), np.array([0.1])
    small, large = np.array([1], np.uint8), np.array([1], np.int64)
    times, units = augment.blend(single, small, single, large, 9, generator=rng)
    assert (times.dtype, units.dtype) == (np.float32, np.uint8)
    times, units = augment.blend(single, large, double, small, 9, generator=rng)
    assert (times.dtype, units.dtype) == (np.float64, np.int64)


def test_the_mask_of_units_is_one_band_of_uniform_width(rng: np.random.Generator) -> None:
    widths = []
    for _ in range(3000):
        left = augment.mask_units(np.zeros(40), np.arange(40), 40, generator=rng)[1]
        gone = np.setdiff1d(np.arange(40), left)
        assert (np.diff(gone) == 1).all()
        widths.append(gone.size)
    assert (min(widths), max(widths)) == (0, 10)
    assert abs(np.mean(widths) - 5) < 4.5 * np.sqrt((11**2 - 1) / 12 / 3000)


def test_the_mask_of_units_reaches_both_ends(rng: np.random.Generator) -> None:
    edge = np.zeros(2)
    for _ in range(3000):
        left = augment.mask_units([0.0] * 4, np.arange(4), 4, 0.25, generator=rng)[1]
        edge += [0 not in left, 3 not in left]
    # width 1 in half the draws, then one place of four
    assert (abs(edge - 375) < 4.5 * np.sqrt(3000 * 1 / 8 * 7 / 8)).all()


def test_a_mask_of_small_units_reaches_the_last(rng: np.random.Generator) -> None:
    units = np.arange(256, dtype=np.uint8)
    sizes = {
        augment.mask_units(np.zeros(256), units, 256, 1.0, generator=rng)[1].size
        for _ in range(300)
    }
    assert min(sizes) < 20  # first + width may be 256, which uint8 does not hold


def test_the_mask_of_time_is_one_span_of_uniform_width(rng: np.random.Generator) -> None:
    grid = np.arange(2000) / 1000  # s
    widths, edges = [], np.zeros(2)
    for _ in range(3000):
        left = augment.mask_time(grid, np.zeros(2000, int), 2.0, generator=rng)[0]
        gone = np.setdiff1d(np.arange(2000), np.rint(left * 1000).astype(int))
        assert (np.diff(gone) == 1).all()
        widths.append(gone.size / 1000)
        edges += [np.any(gone < 50), np.any(gone >= 1950)]
    assert max(widths) <= 0.401
    assert abs(np.mean(widths) - 0.2) < 4.5 * 0.4 / np.sqrt(12 * 3000)
    assert abs(edges[0] - edges[1]) < 4.5 * np.sqrt(edges.sum())  # no end is preferred
    assert edges.min() > 0


def test_float16_times_do_not_lose_their_place(rng: np.random.Generator) -> None:
    # in float16 the neighbours of 1.25 s lie 1 ms away, and 40,000 s doubled would be infinite
    times = augment.jitter_times(
        np.full(1000, 1.25, np.float16), np.zeros(1000, int), 1e-4, generator=rng
    )[0]
    assert times.dtype == np.float64
    assert np.unique(times).size == 1000
    hours = np.array([40_000.0], np.float16)
    assert augment.warp_time(hours, [0], 2.0, 2.0, generator=rng)[0][0] == pytest.approx(80_000)
    shifted = augment.blend(hours, [0], hours, [0], 1, 1.0, generator=rng)[0]
    assert shifted.tolist() == [40_000.0]


def test_small_units_do_not_wrap_around(rng: np.random.Generator) -> None:
    units = np.full(10_000, 250, np.uint8)
    moved = augment.jitter_units(np.zeros(10_000), units, 256, generator=rng)[1]
    assert moved.min() > 100
    moved = augment.shift_units([0.0], np.array([0], np.uint8), 256, 200, generator=rng)[1]
    assert moved.size == 0 or moved[0] <= 200


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        ([-0.1], [0], "finite and not negative"),
        ([np.nan], [0], "finite and not negative"),
        ([np.inf], [0], "finite and not negative"),
        ([0.1, 0.2], [0], "2 times and 1 units"),
        ([[0.1]], [[0]], "1 times and 1 units"),
        ([0.1], [0.5], "integers, not float64"),
        ([0.1], [True], "integers, not bool"),
    ],
)
def test_a_bad_sample_is_named(name: str, times: list, units: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        STRONG[name](times, units=units, generator=np.random.default_rng(1))


@pytest.mark.parametrize("name", ["blend", "jitter_units", "mask_units", "shift_units"])
@pytest.mark.parametrize(
    ("units", "n_units", "message"),
    [
        ([N_UNITS], N_UNITS, r"outside 0 … 11"),
        ([-1], N_UNITS, r"outside 0 … 11"),
        ([0], 0, "n_units must be at least 1"),
        (np.array([0], np.uint8), 257, r"uint8 cannot represent the units 0 … 256"),
    ],
)
def test_a_unit_outside_is_named(name: str, units: list, n_units: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        STRONG[name]([0.1], units=units, n_units=n_units, generator=np.random.default_rng(1))


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("jitter_units", "standard_deviation"),
        ("jitter_times", "standard_deviation"),
        ("shift_units", "max_shift"),
        ("shift_times", "max_shift"),
        ("mask_time", "duration"),
    ],
)
@pytest.mark.parametrize("value", [-1, np.nan, np.inf])
def test_a_negative_strength_is_named(name: str, parameter: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{parameter} must be finite and not negative"):
        run(partial(STRONG[name], **{parameter: value}), ([0.1], [0]), 1)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("delete_spikes", "probability"),
        ("blend", "share"),
        ("mask_units", "max_fraction"),
        ("mask_time", "max_fraction"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_a_fraction_outside_is_named(name: str, parameter: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{parameter} must lie in 0 … 1"):
        run(partial(STRONG[name], **{parameter: value}), ([0.1], [0]), 1)


@pytest.mark.parametrize("factors", [(0.0, 1.0), (1.1, 0.9), (1.0, np.inf), (np.nan, 1.0)])
def test_a_warp_without_a_range_is_named(factors: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 < shortest ≤ longest"):
        augment.warp_time([0.1], [0], *factors, generator=np.random.default_rng(1))


def page() -> str:
    return (ROOT / "docs" / "augmentation.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    example = re.findall(r"```python\n(.*?)```", page(), re.DOTALL)
    assert len(example) == 1
    names: dict[str, np.ndarray] = {}
    exec(example[0], names)
    assert 3000 < names["times"].size < 5000  # half of two, 90 % of them, less what was shifted out
    assert names["units"].min() >= 0
    assert names["units"].max() < 700


def test_the_table_names_every_function_and_its_defaults() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", page(), re.MULTILINE))
    assert sorted(rows) == NAMES == sorted(set(augment.__all__) - {"Sample"})
    for name, row in rows.items():
        defaults = getattr(augment, name).__defaults__
        assert re.findall(r"(?<=[ ])\d[\d.]*", row.rpartition(":")[2]) == [
            f"{value:g}" for value in defaults
        ]
