"""Ranks as tie groups: entries that do not differ significantly share a rank.

Entries are compared only on the same data (by fingerprint) under the same protocol with the same split, in the same
tier and track, and studies only with the same task. In the order of their mean test accuracy, an entry joins the group
above it while its 95 % interval overlaps that of the group's first entry; otherwise it opens the next group. All
entries of a group have the rank of its first. Comparison with the first entry, not with the neighbour, prevents a chain
of small steps from tying the whole list together. An entry has no rank if it has fewer than five seeds, lacks a
validation accuracy, is withdrawn, repeats predictions of an entry that had been withdrawn before, or if its labels were
not compared with the data set while those of others were. The track ``hardware`` is ranked by energy instead, see
:mod:`leaderboard.standings.energy`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leaderboard.checks.registered import board_identity, is_published
from leaderboard.claims.declaration import TRACKS
from leaderboard.claims.entry import Entry, StoredEntry
from leaderboard.claims.hardware import HARDWARE
from leaderboard.claims.tier import TIERS
from leaderboard.standings.energy import (
    comparable,
    energy_order,
    energy_ranks,
    why_no_energy_rank,
)
from spikebench.metrics.ranks import rank_intervals
from spikebench.protocol.results import Result, Split
from spikebench.protocol.splits import PROTOCOLS
from spikebench.protocol.studies import ContinualStudy, FewShotStudy

MIN_SEEDS = 5
MIN_TASKS = 600  # few-shot tasks of all seeds


@dataclass(frozen=True)
class RankedEntry:
    """An entry with its rank, or with the reason why it has none; ``tied`` if it shares the rank."""

    stored: StoredEntry
    rank: int | None
    tied: bool
    reason: str


@dataclass(frozen=True)
class Board:
    """Entries of one tier and track with the same data, protocol and split, the best mean first.

    ``is_current`` is false for a version of a protocol that has been replaced. ``task`` is what studies on it have in
    common, empty for classifiers.
    """

    dataset: str
    identity: str
    split: Split
    tier: str
    track: str
    entries: tuple[RankedEntry, ...]
    task: str = ""

    @property
    def protocol(self) -> str:
        """The protocol of its split."""
        return self.split.protocol

    @property
    def heading(self) -> tuple[str, str, str]:
        """Data set, fingerprint of the data and split as JSON: boards for which these are equal share a heading."""
        return self.dataset, self.identity, self.split.model_dump_json()

    @property
    def is_current(self) -> bool:
        """Whether its protocol is still used for new entries."""
        return self.protocol in PROTOCOLS


def why_unranked(result: Result, entry: Entry | None = None) -> str:
    """Return the reason why a result has no rank.

    Parameters
    ----------
    result
        A verified result.
    entry
        Its entry, if it has one.

    Returns
    -------
    str
        The reason; empty if it can be ranked.
    """
    if entry is not None and entry.withdrawn is not None:
        return f"withdrawn on {entry.withdrawn.date}: {entry.withdrawn.reason}"
    if entry is not None and entry.hardware is not None:
        return why_no_energy_rank(entry.hardware, result)
    count = len(result.seeds)
    if count < MIN_SEEDS:
        return f"{count} seed{'s' if count > 1 else ''}; a rank needs {MIN_SEEDS}"
    if any(record.validation_accuracy is None for record in result.seeds):
        return "no validation accuracy; a rank needs one for every seed"
    study = result.study
    if isinstance(study, ContinualStudy) and study.is_joint:
        return "all tasks at once: an upper bound, not learning task after task"
    if isinstance(study, FewShotStudy) and count * study.tested_tasks < MIN_TASKS:
        return f"{count * study.tested_tasks} few-shot tasks; a rank needs {MIN_TASKS}"
    return ""


def build_boards(entries: Iterable[StoredEntry]) -> list[Board]:
    """Group entries by data, protocol, split, tier and track, and rank each group.

    Parameters
    ----------
    entries
        Verified entries.

    Returns
    -------
    list of Board
        Sorted by name of the data set, SHA-256, protocol (those in use first), split, tier (the best checked first)
        and track. An entry that belongs to several tracks is on each of their boards.
    """
    groups: dict[tuple[str, str, bool, str, str, int, int, str], list[StoredEntry]] = {}
    withdrawn: dict[str, StoredEntry] = {}  # SHA-256 of predictions → entry
    for stored in entries:
        for predictions in stored.breakdown.fingerprints if stored.entry.withdrawn else ():
            withdrawn[predictions] = _earlier(stored, withdrawn.get(predictions, stored))
        data = stored.result.dataset
        protocol = data.split.protocol
        # Other samples or speakers make another board; the split of published files is that of their protocol.
        split = "" if is_published(data) else data.split.model_dump_json()
        tier = list(TIERS).index(stored.tier)
        study = stored.result.study
        task = study.compared_as if study else ""
        for track in stored.tracks:
            place = (data.name, board_identity(data), protocol not in PROTOCOLS, protocol, split)
            groups.setdefault((*place, tier, list(TRACKS).index(track), task), []).append(stored)
    return [
        Board(
            dataset=key[0],
            identity=key[1],
            split=groups[key][0].result.dataset.split,
            tier=list(TIERS)[key[5]],
            track=list(TRACKS)[key[6]],
            entries=_rank(groups[key], withdrawn),
            task=key[7],
        )
        for key in sorted(groups)
    ]


def _rank(
    group: list[StoredEntry], withdrawn: Mapping[str, StoredEntry]
) -> tuple[RankedEntry, ...]:
    is_hardware = group[0].entry.track == HARDWARE
    by_accuracy = sorted(group, key=lambda s: (-s.result.summary.test_mean, s.entry.id))
    ordered = sorted(group, key=energy_order) if is_hardware else by_accuracy
    compared = any(stored.labels_compared for stored in ordered)
    reasons = {stored.entry.id: _why_unranked(stored, compared, withdrawn) for stored in ordered}
    ranked = [stored for stored in ordered if not reasons[stored.entry.id]]
    intervals = [stored.result.summary.test_interval for stored in ranked]
    by_interval = [(interval.low, interval.high) for interval in intervals]
    ranks = energy_ranks(ranked) if is_hardware else rank_intervals(by_interval)
    by_id = {stored.entry.id: rank for stored, rank in zip(ranked, ranks, strict=True)}
    shared = Counter((_place(stored), by_id[stored.entry.id]) for stored in ranked)
    return tuple(
        RankedEntry(
            stored,
            rank := by_id.get(stored.entry.id),
            tied=rank is not None and shared[_place(stored), rank] > 1,
            reason=reasons[stored.entry.id],
        )
        for stored in ordered
    )


def _place(stored: StoredEntry) -> object:
    """Return what the entries of a board that share ranks have in common."""
    return stored.entry.hardware and comparable(stored.entry.hardware)


def _why_unranked(
    stored: StoredEntry, labels_of_others: bool, withdrawn: Mapping[str, StoredEntry]
) -> str:
    """Return the reason why an entry has no rank on a board; empty if it has one.

    ``labels_of_others`` says whether the labels of any entry of the board were compared with the data set.
    """
    if reason := why_unranked(stored.result, stored.entry):
        return reason
    if labels_of_others and not stored.labels_compared:
        return "its labels were not compared with the data set, those of other entries were"
    for predictions in stored.breakdown.fingerprints:
        if (twin := withdrawn.get(predictions)) and _was_withdrawn_before(twin.entry, stored.entry):
            return f"the same predictions as {twin.entry.id}, which was withdrawn before"
    return ""


def _earlier(one: StoredEntry, other: StoredEntry) -> StoredEntry:
    """Return the entry that was withdrawn first."""
    return min((other, one), key=lambda stored: getattr(stored.entry.withdrawn, "date", ""))


def _was_withdrawn_before(twin: Entry, entry: Entry) -> bool:
    """Whether a withdrawal came first: otherwise a copy, handed in and withdrawn, would cost the original its rank."""
    return twin.withdrawn is not None and twin.withdrawn.date < entry.submitted
