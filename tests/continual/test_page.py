"""The page says what the intervals allow, and no more."""

from __future__ import annotations

import pytest

from spikebench.continual.page import _finding
from spikebench.continual.report import ContinualRow, Estimate


def rows_with(low: float, high: float, forgotten: float = 0.2) -> list[ContinualRow]:
    change = Estimate(value=(low + high) / 2, std=0.01, low=low, high=high)
    forgetting = Estimate(value=forgotten, std=0.01, low=forgotten - 0.1, high=forgotten + 0.1)
    common = {"tasks": "pairs", "model": "lif", "seeds": [], "forgetting": forgetting}
    return [
        ContinualRow(method="none", kind="none", strength=None, **common),  # type: ignore[arg-type]
        ContinualRow(method="si:2", kind="si", strength=2, change=change, **common),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 0.2, "is above that of fine-tuning, by 15.0 points with `si:2`"),
        (-0.2, -0.1, "is below that of fine-tuning, by 15.0 points with `si:2`"),
        (-0.1, 0.2, "No difference between synaptic intelligence and fine-tuning"),
    ],
)
def test_the_finding_follows_the_interval(low: float, high: float, said: str) -> None:
    text = _finding(rows_with(low, high), 0.5)[0]
    assert said in text
    assert "No forgetting" not in text
    assert "No forgetting of fine-tuning" in _finding(rows_with(low, high, 0.05), 0.5)[0]
    rows = rows_with(low, high)
    for value, is_little in ((0.6, True), (0.9, False)):
        rows[0] = rows[0].model_copy(update={"learned": Estimate(value=value)})
        assert ("little is learned" in _finding(rows, 0.5)[0]) == is_little
