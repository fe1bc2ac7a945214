"""Ranks of accuracies with intervals; overlapping intervals share a rank."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["rank_intervals"]


def rank_intervals(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """Return the rank of the tie group of each interval.

    Parameters
    ----------
    intervals
        (low, high) of each entry, in the order of descending means.

    Returns
    -------
    list of int
        Ranks from 1; after a group of n the next rank is n higher. Touching intervals overlap.
    """
    ranks: list[int] = []
    leader = 0
    for position, (_, high) in enumerate(intervals):
        if high < intervals[leader][0]:
            leader = position
        ranks.append(leader + 1)
    return ranks
