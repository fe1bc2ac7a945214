"""The page of all entries: tables per data, split, tier and track, and results reported in papers.

Its rows are compact JSON that the script displays in pieces. Without a script, the first rows of every table are
displayed, and the downloads contain all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from markupsafe import Markup

from leaderboard.claims.entry import StoredEntry, printable
from leaderboard.claims.hardware import FIGURES
from leaderboard.claims.literature import Report
from leaderboard.pages.charts import strip_plots
from leaderboard.pages.templating import inert_json, render
from leaderboard.standings.chips import ChipTable
from leaderboard.standings.ranking import Board
from leaderboard.standings.table import Row

STATIC_ROWS_PER_BOARD, STATIC_ROWS = 10, 60
_STYLES, _SCRIPTS = ("base.css", "index.css"), ("pareto.js", "index.js")


@dataclass(frozen=True)
class Track:
    """One table: its rows, and the number of further rows that only the script displays; ``task`` of studies."""

    number: int
    name: str
    task: str
    rows: list[Row]
    hidden: int


@dataclass(frozen=True)
class TierTables:
    """The tables of one tier, one per track."""

    name: str
    tracks: list[Track]


@dataclass(frozen=True)
class Group:
    """All entries on the same data under the same protocol with the same split; ``rule`` is that of the split."""

    number: int
    first: Row
    n_classes: int
    rule: str
    tiers: list[TierTables]


def render_index(
    boards: Sequence[Board],
    rows: Sequence[Row],
    reports: Sequence[Report],
    chips: Sequence[ChipTable] = (),
) -> str:
    """Render the page of all entries.

    Parameters
    ----------
    boards
        The ranked entries, without those of the track ``hardware``.
    rows
        The same entries as flat rows, in the order of the boards.
    reports
        The literature.
    chips
        Measurements on chips.

    Returns
    -------
    str
        HTML including style, script and rows; it links to the pages of the entries beside it.
    """
    left = iter(rows)
    by_board = [list(islice(left, len(board.entries))) for board in boards]
    groups = _groups(boards, by_board)
    order = {name: index for index, name in enumerate(dict.fromkeys(r.dataset for r in reports))}
    return render(
        "index.html.j2",
        _STYLES,
        _SCRIPTS,
        source="",
        data=_compact(boards, by_board, groups),
        current=[group for group in groups if group.first.protocol_in_use],
        older=[group for group in groups if not group.first.protocol_in_use],
        chips=_first_chips(chips),
        figures=FIGURES,
        reports=sorted(reports, key=lambda r: (order[r.dataset], -r.accuracy_percent)),
        plots=strip_plots(reports),
        datasets=list(dict.fromkeys([*sorted({row.dataset for row in rows}), *order])),
        protocols=sorted({row.protocol for row in rows}),
        used_tracks={row.track for row in rows},
        used_tiers={row.tier for row in rows} | ({"reported"} if reports else set()),
    )


def _first_chips(tables: Sequence[ChipTable]) -> list[tuple[ChipTable, int]]:
    """Limit the rows of every table; the second number is that of the others, which the download contains."""
    shown = [replace(table, rows=table.rows[:STATIC_ROWS]) for table in tables]
    return [
        (table, len(whole.rows) - len(table.rows))
        for table, whole in zip(shown, tables, strict=True)
    ]


def _groups(boards: Sequence[Board], rows: Sequence[list[Row]]) -> list[Group]:
    found: list[Group] = []
    left = STATIC_ROWS
    for _, same_group in groupby(enumerate(boards), key=lambda one: one[1].heading):
        numbered = list(same_group)
        tiers = []
        for tier, same_tier in groupby(numbered, key=lambda one: one[1].tier):
            tracks = []
            for number, board in same_tier:
                shown = min(STATIC_ROWS_PER_BOARD, left, len(rows[number]))
                left -= shown
                tracks.append(
                    Track(
                        number,
                        board.track,
                        board.task,
                        rows[number][:shown],
                        len(rows[number]) - shown,
                    )
                )
            tiers.append(TierTables(tier, tracks))
        first = numbered[0][0]
        n_classes = len(boards[first].entries[0].stored.result.dataset.classes)
        rule = printable(boards[first].split.rule)
        found.append(Group(len(found), rows[first][0], n_classes, rule, tiers))
    return found


class _Texts:
    """Stores every text once and returns its number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def _compact(boards: Sequence[Board], rows: Sequence[list[Row]], groups: list[Group]) -> Markup:
    """Write the data of the script; ``pareto.js`` and ``index.js`` read it."""
    text = _Texts()
    tables = sorted({table for board in rows for row in board for table in row.energy_picojoules})
    entries: list[list[object]] = []
    numbers: dict[str, int] = {}
    of_group = {
        track.number: group.number
        for group in groups
        for tier in group.tiers
        for track in tier.tracks
    }
    placed = []
    for number, (board, own) in enumerate(zip(boards, rows, strict=True)):
        places: list[int] = []
        for row, ranked in zip(own, board.entries, strict=True):
            if row.page not in numbers:
                numbers[row.page] = len(entries)
                entries.append(_compact_entry(row, ranked.stored, text, tables))
            places += [numbers[row.page], row.rank or 0, int(row.tied)]
        shared = [own[0].chance, board.task]
        placed.append([of_group[number], board.tier, board.track, places, *shared])
    return inert_json(
        {
            "texts": list(text.numbers),
            "tables": tables,
            "groups": [
                [
                    group.first.dataset,
                    group.first.protocol,
                    (group.first.data_fingerprint or group.first.data_sha256)[:8],
                    group.n_classes,
                    int(group.first.synthetic),
                ]
                for group in groups
            ],
            "boards": placed,
            "entries": entries,
        }
    )


def _compact_entry(
    row: Row, stored: StoredEntry, text: _Texts, tables: Sequence[str]
) -> list[object]:
    known = row.effective_ac is not None and row.effective_mac is not None
    operations = (row.effective_ac or 0.0) + (row.effective_mac or 0.0) if known else None
    spikes = row.spikes_per_inference
    return [
        row.name,
        row.id,
        text(stored.entry.dataset),
        text(row.authors),
        text(row.model),
        int(row.spiking),
        _short(row.test_accuracy),
        _short(row.test_low),
        _short(row.test_high),
        text(row.interval_method),
        _short(row.unseen_accuracy),
        _short(row.validation_accuracy),
        row.parameters,
        _short(operations),
        _short(row.spikes_per_sample if spikes is None else spikes),
        _short(row.latency_to_95_percent_s),
        row.seeds,
        text(row.selected_on),
        int(row.refitted),
        int(not row.parameters_counted),
        int(not row.labels_compared),
        len(row.flags),
        text(row.unranked_reason),
        int(bool(row.withdrawn)),
        text(row.note[:200]),
        *[_short(row.energy_picojoules.get(table)) for table in tables],
    ]


def _short(value: float | None) -> float | None:
    """Round to five digits, more than any table or plot displays."""
    if value is None:
        return None
    short = float(f"{value:.5g}")
    return int(short) if short == int(short) else short
