"""Areas under curves of accuracies, by hand and by the trapezoidal rule."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spikebench.degradation.conditions import Condition, select_conditions
from spikebench.metrics.areas import area_scores, area_weights, kinds_with_area
from spikebench.metrics.significance import compare_predictions, compare_scores


def test_weights_by_hand() -> None:
    assert area_weights([0, 10]).tolist() == [0.5, 0.5]
    assert_allclose(area_weights([-5, 5, 15, 35]), [10 / 80, 20 / 80, 30 / 80, 20 / 80], rtol=1e-12)


def test_areas_are_those_of_the_trapezoidal_rule(rng: np.random.Generator) -> None:
    conditions = select_conditions(
        ["white:-5dB,white:3dB,white:20dB,pink:0dB,pink:7dB,white:infdB,loss,babble:5dB"]
    )
    kinds = kinds_with_area(conditions)
    assert {kind: [one.strength for one in those] for kind, those in kinds.items()} == {
        "white": [-5, 3, 20],
        "pink": [0, 7],
    }
    right = {one: rng.random((3, 40)) < 0.6 for one in conditions}
    scores = area_scores(kinds, right)
    assert scores.shape == (3, 40)
    expected = []
    for those in kinds.values():
        ratios = [one.strength for one in those]
        accuracies = [right[one].mean() for one in those]
        expected.append(np.trapezoid(accuracies, ratios) / (ratios[-1] - ratios[0]))
    assert scores.mean() == pytest.approx(np.mean(expected), rel=1e-12)
    always = {one: np.ones((1, 2), dtype=bool) for one in conditions}
    assert_allclose(area_scores(kinds, always), 1.0, rtol=1e-12)


def test_single_ratios_have_no_area() -> None:
    assert (
        kinds_with_area(
            [Condition("white", 5.0), Condition("white", np.inf), Condition("loss", 5.0)]
        )
        == {}
    )


def test_scores_of_0_and_1_have_the_intervals_of_predictions(rng: np.random.Generator) -> None:
    speaker = np.repeat(np.arange(5), 8)
    right = [rng.random((3, 40)) < share for share in (0.8, 0.5)]
    one = compare_predictions(right, speaker)
    other = compare_scores([part.astype(float) for part in right], speaker)
    assert other.method == one.method
    assert other.mcnemar == ()
    for a, b in zip(
        (*one.accuracies, *one.differences), (*other.accuracies, *other.differences), strict=True
    ):
        assert a.low is not None
        assert a.high is not None
        assert_allclose([b.value, b.low, b.high], [a.value, a.low, a.high], rtol=1e-9)


def test_equal_scores_have_no_spread() -> None:
    scores = np.full((2, 12), 0.1) * 3
    found = compare_scores([scores, scores + 1e-17], np.repeat(np.arange(3), 4))
    assert found.accuracies[0].low is None
    assert found.differences[0].low is None
    with pytest.raises(ValueError, match="at least one seed"):
        compare_scores([], np.arange(3))
