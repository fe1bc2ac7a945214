"""Paired tests: counted by hand, at their edges, and how often they are wrong where nothing differs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import stats

from spikebench.metrics.significance import combine, compare_predictions, holm, mcnemar

T_1 = 12.706204736174705  # Student t at 97.5 % with 1 degree of freedom, from a table


def bools(*rows: str) -> NDArray[np.bool_]:
    """One row per seed, x where a sample was right."""
    return np.array([[char == "x" for char in row] for row in rows])


def counts(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def test_mcnemar_by_hand() -> None:
    # 1 against 6: 2 · (1 + 7) / 2**7. 0 against 5: 2 / 2**5. 2 against 3: more than half, so 1. Never: 1.
    found = mcnemar(counts(1, 6, 0, 2, 0), counts(6, 1, 5, 3, 0))
    assert_allclose(found, [0.125, 0.125, 0.0625, 1.0, 1.0], rtol=1e-12)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert_allclose(mcnemar(counts(first), counts(second)), [expected], rtol=1e-9)


def test_mcnemar_of_large_counts_is_close_to_chi_square() -> None:
    # With Edwards' correction of continuity: (|b - c| - 1)² / (b + c).
    expected = stats.chi2.sf((300 - 1) ** 2 / 10_300, 1)
    assert_allclose(mcnemar(counts(5300), counts(5000)), [expected], rtol=0.01)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="cannot be negative"):
        mcnemar(counts(-1), counts(3))


def test_combined_p_values_by_hand() -> None:
    assert combine(np.array([0.03])) == 0.03
    # 2 values: the smaller, doubled. 5 values: the third, times 5/3.
    assert_allclose(combine(np.array([0.2, 0.01])), 0.02, rtol=1e-12)
    assert_allclose(combine(np.array([0.9, 0.01, 0.03, 0.2, 0.06])), 0.06 * 5 / 3, rtol=1e-12)
    assert combine(np.array([0.9, 0.8, 0.7])) == 1.0
    with pytest.raises(ValueError, match="no p-value"):
        combine(np.array([]))


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03 of 4 (one has none): × 4, × 3, then 0.03 · 2 = 0.06, never less than before.
    found = holm([0.03, None, 0.01, 0.02])
    assert found[1] is None
    assert_allclose([one for one in found if one is not None], [0.06, 0.04, 0.06], rtol=1e-12)
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def test_two_speakers_by_hand() -> None:
    # Of two speakers one is drawn: accuracies 3/4 and 1/4, so a variance of (1/2)² · share · (1 - share).
    first, second = bools("xxx.x..."), bools("........")
    found = compare_predictions([first, second], counts(1, 1, 1, 1, 7, 7, 7, 7))
    share = np.random.default_rng(0).integers(0, 2, (10_000, 1)).mean()
    error = 0.5 * math.sqrt(share * (1 - share))
    assert found.method == "bootstrap over 2 test speakers"
    (one,) = found.differences
    assert_allclose(one.value, 0.5, rtol=1e-12)
    assert_allclose([one.low, one.high], [-1.0, 1.0], rtol=1e-12)  # 0.5 ± 12.7 · 0.25, clipped
    # With 1 degree of freedom t is Cauchy's distribution.
    assert_allclose(one.p, 1 - 2 / math.pi * math.atan(0.5 / error), rtol=1e-12)
    assert (found.accuracies[0].low, found.accuracies[0].high) == (0.0, 1.0)


def test_interval_over_speakers_is_that_of_their_means() -> None:
    # Equal numbers of samples: the bootstrap comes to the standard error of the five means.
    right = bools("xxxxxxx.xxxxxx..xxx.")
    found = compare_predictions([right], np.repeat(np.arange(5), 4))
    means = np.array([1, 0.75, 1, 0.5, 0.75])
    half = stats.t.ppf(0.975, 4) * means.std(ddof=1) / math.sqrt(5)
    one = found.accuracies[0]
    assert one.low is not None
    assert_allclose(one.value, 0.8, rtol=1e-12)
    assert_allclose(one.value - one.low, half, rtol=0.03)  # 10,000 draws
    assert one.high == 1.0
    assert (one.p, found.differences) == (None, ())


def test_seeds_by_hand() -> None:
    # Both speakers alike, so only seeds spread: 1/2 and 1, variance 1/8, of the mean 1/16, its root 1/4.
    first, second = bools("x.x.", "xxxx"), bools("....", "....")
    (one,) = compare_predictions([first, second], counts(0, 0, 1, 1)).differences
    assert_allclose(one.value, 0.75, rtol=1e-12)
    assert_allclose(one.p, 1 - 2 / math.pi * math.atan(3), rtol=1e-12)


def test_degrees_of_freedom_by_hand() -> None:
    # Seeds 50 % and 51 % of the first; 40, 41 and 42 % of the second; ten speakers who are all alike.
    def made(*right: int) -> NDArray[np.bool_]:
        return np.stack([np.tile(np.arange(100) < one, 10) for one in right])

    (one,) = compare_predictions(
        [made(50, 51), made(40, 41, 42)], np.repeat(np.arange(10), 100)
    ).differences
    a, b = 0.5e-4 / 2, 1e-4 / 3
    freedom = (a + b) ** 2 / (a**2 / 1 + b**2 / 2)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(a + b)
    assert_allclose(one.value, 0.505 - 0.41, rtol=1e-12)
    assert_allclose([one.low, one.high], [0.095 - half, 0.095 + half], rtol=1e-10)
    assert_allclose(one.p, 2 * stats.t.sf(0.095 / math.sqrt(a + b), freedom), rtol=1e-10)


def test_mcnemar_meets_every_network_of_the_other() -> None:
    # Seeds of the second: only the first right on 3 and 1, only the second on 0 and 1 samples.
    first, second = bools("xxxx."), bools("x....", "xx.xx")
    one = compare_predictions([first, second], counts(0, 0, 1, 1, 2)).mcnemar[0]
    assert (one.only_first, one.only_second, one.pairs) == (2.0, 0.5, 2)
    assert_allclose(one.p, 2 * 0.25, rtol=1e-12)  # 2 / 2**3, the smaller of two, doubled


def test_pairs_come_in_order_and_turn_round(rng: np.random.Generator) -> None:
    speaker = rng.integers(0, 6, 90)
    a, b, c = (rng.random((k, 90)) < 0.6 for k in (1, 2, 3))
    found = compare_predictions([a, b, c], speaker)
    assert [
        compare_predictions([x, y], speaker).differences[0] for x, y in ((a, b), (a, c), (b, c))
    ] == list(found.differences)
    turned = compare_predictions([c, a], speaker).differences[0]
    there = found.differences[1]
    assert (turned.value, turned.p) == (-there.value, there.p)
    assert there.low is not None
    assert_allclose(turned.high, -there.low, rtol=1e-12)


@pytest.mark.parametrize("speaker", [[0, 0, 1, 1], [-1, 0, 1, 2], [5, 5, 5, 5]])
def test_identical_answers_differ_in_nothing(speaker: list[int]) -> None:
    one = bools("xx.x")
    found = compare_predictions([one, one], np.array(speaker))
    (difference,) = found.differences
    assert (difference.value, difference.low, difference.high) == (0.0, None, None)
    assert (difference.p, found.mcnemar[0].p) == (1.0, 1.0)


def test_a_difference_without_any_spread_has_no_interval() -> None:
    found = compare_predictions([bools("xxxx"), bools("....")], counts(0, 0, 1, 1))
    (one,) = found.differences
    assert (one.value, one.low, one.high, one.p) == (1.0, None, None, None)
    assert_allclose(found.mcnemar[0].p, 2 / 2**4, rtol=1e-12)
    all_wrong = found.accuracies[1]
    assert (all_wrong.value, all_wrong.low, all_wrong.p) == (0.0, None, None)


def test_one_sample_has_no_spread() -> None:
    found = compare_predictions([bools("x"), bools(".")], counts(3))
    assert found.differences[0].low is None
    assert (found.mcnemar[0].p, found.method) == (1.0, "bootstrap over test samples")


def test_an_unknown_speaker_turns_to_samples() -> None:
    right = np.arange(400)[None] % 2 == 0
    found = compare_predictions([right], np.where(np.arange(400) < 399, np.arange(400) % 3, -1))
    assert found.method == "bootstrap over test samples"
    one = found.accuracies[0]
    assert one.low is not None
    assert_allclose(0.5 - one.low, stats.t.ppf(0.975, 399) * 0.5 / math.sqrt(399), rtol=0.03)


@pytest.mark.parametrize(
    ("right", "speaker", "message"),
    [
        ([], [0], "at least one seed"),
        ([np.zeros((0, 2), bool)], [0, 1], "at least one seed"),
        ([np.zeros((1, 0), bool)], [], "at least one seed"),
        ([np.zeros(2, bool)], [0, 1], "at least one seed"),
        ([np.zeros((1, 3), bool)], [0, 1], "prediction for every sample"),
    ],
)
def test_what_cannot_be_compared(
    right: list[NDArray[np.bool_]], speaker: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compare_predictions(right, np.array(speaker, dtype=np.int64))


def test_false_alarms_where_nothing_differs() -> None:
    # Two models that are equally good on average: some speakers suit one better, and seeds differ.
    rng = np.random.default_rng(11)
    trials, speakers, seeds = 400, 12, 5
    ours = percentiles = single = 0
    for _ in range(trials):
        speaker = np.repeat(np.arange(speakers), rng.integers(30, 90, speakers))
        base = 0.75 + rng.normal(0, 0.08, speakers)
        right = []
        for _ in range(2):
            skill = base + rng.normal(0, 0.05, speakers) + rng.normal(0, 0.03, (seeds, 1))
            right.append(rng.random((seeds, speaker.size)) < skill[:, speaker])
        found = compare_predictions(right, speaker)
        p = found.differences[0].p
        assert p is not None
        ours += p < 0.05
        # What one would do at first: percentiles over speakers; McNemar on one seed each.
        score = np.bincount(speaker, weights=right[0].mean(0) - right[1].mean(0))
        drawn = rng.integers(0, speakers, (1000, speakers))
        means = score[drawn].sum(1) / np.bincount(speaker)[drawn].sum(1)
        low, high = np.quantile(means, [0.025, 0.975])
        percentiles += low > 0 or high < 0
        single += compare_predictions([one[:1] for one in right], speaker).mcnemar[0].p < 0.05
    # 4.3, 18.8 and 41.5 % with these numbers.
    assert 0.02 * trials <= ours <= 0.07 * trials
    assert percentiles > 0.1 * trials
    assert single > 0.1 * trials
