"""Ranks by hand: who cannot be told apart shares one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikebench.metrics.ranks import rank_intervals


@pytest.mark.parametrize(
    ("intervals", "ranks"),
    [
        ([], []),
        ([(0.8, 0.9)], [1]),
        ([(0.8, 0.9), (0.7, 0.79)], [1, 2]),
        ([(0.8, 0.9), (0.7, 0.80)], [1, 1]),
        # The third overlaps the second but not the first: a chain does not tie all.
        ([(0.8, 0.9), (0.7, 0.82), (0.65, 0.75)], [1, 1, 3]),
        ([(0.8, 0.9), (0.7, 0.82), (0.65, 0.75), (0.6, 0.66), (0.1, 0.2)], [1, 1, 3, 3, 5]),
    ],
)
def test_ranks_by_hand(intervals: list[tuple[float, float]], ranks: list[int]) -> None:
    assert rank_intervals(intervals) == ranks


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=30))
def test_ranks_never_fall_and_ties_overlap_their_leader(pairs: list[tuple[int, int]]) -> None:
    intervals = [(m - half, m + half) for m, half in sorted(pairs, key=lambda pair: -pair[0])]
    ranks = rank_intervals([(float(low), float(high)) for low, high in intervals])
    assert ranks == sorted(ranks)
    for position, rank in enumerate(ranks):
        assert intervals[position][1] >= intervals[rank - 1][0] or rank == position + 1
        assert ranks[rank - 1] == rank
