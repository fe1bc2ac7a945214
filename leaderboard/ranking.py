"""Ranks as tie groups: who cannot be told apart shares a rank.

Entries are compared only on the same data (SHA-256) under the same protocol. In the order of their
mean test accuracy, an entry joins the group above it while its 95 % interval overlaps that of the
group's first entry; otherwise it opens the next group. All of a group have the rank of its first.
Comparing with the first, not with the neighbour, keeps a chain of small steps from tying the whole
list together. An entry with fewer than five seeds is shown without a rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leaderboard.entry import StoredEntry
from spikebench.results import Result

MIN_SEEDS = 5


@dataclass(frozen=True)
class RankedEntry:
    """An entry with its rank, or with the reason why it has none; ``tied`` if it shares the rank."""

    stored: StoredEntry
    rank: int | None
    tied: bool
    reason: str


@dataclass(frozen=True)
class Board:
    """All entries on one data file under one protocol, the best mean first."""

    dataset: str
    sha256: str
    protocol: str
    entries: tuple[RankedEntry, ...]


def rank_intervals(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """Give each interval the rank of its tie group.

    Parameters
    ----------
    intervals
        (low, high) of each entry, in the order of falling means.

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


def why_unranked(result: Result) -> str:
    """Say why a result has no rank.

    Parameters
    ----------
    result
        A verified result.

    Returns
    -------
    str
        The reason; empty if it is ranked.
    """
    count = len(result.seeds)
    if count >= MIN_SEEDS:
        return ""
    return f"{count} seed{'s' if count > 1 else ''}; a rank needs {MIN_SEEDS}"


def build_boards(entries: Iterable[StoredEntry]) -> list[Board]:
    """Group entries by data and protocol and rank each group.

    Parameters
    ----------
    entries
        Verified entries.

    Returns
    -------
    list of Board
        By name of the data set, SHA-256, protocol and split.
    """
    groups: dict[tuple[str, str, str, str], list[StoredEntry]] = {}
    for stored in entries:
        data = stored.result.dataset
        split = data.split.model_dump_json()  # other samples, other speakers: another board
        key = (data.name, data.sha256, data.split.protocol, split)
        groups.setdefault(key, []).append(stored)
    return [Board(*key[:3], entries=_rank(groups[key])) for key in sorted(groups)]


def _rank(group: list[StoredEntry]) -> tuple[RankedEntry, ...]:
    ordered = sorted(group, key=lambda s: (-s.result.summary.test_mean, s.entry.id))
    ranked = [stored for stored in ordered if not why_unranked(stored.result)]
    intervals = [stored.result.summary.test_interval for stored in ranked]
    ranks = rank_intervals([(interval.low, interval.high) for interval in intervals])
    by_id = {stored.entry.id: rank for stored, rank in zip(ranked, ranks, strict=True)}
    shared = Counter(ranks)
    return tuple(
        RankedEntry(
            stored,
            rank := by_id.get(stored.entry.id),
            tied=rank is not None and shared[rank] > 1,
            reason=why_unranked(stored.result),
        )
        for stored in ordered
    )
