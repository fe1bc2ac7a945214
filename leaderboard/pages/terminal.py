"""The leaderboard in a terminal of 80 columns; plain text where the output is not a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaderboard.claims.declaration import TRACKS
from leaderboard.claims.entry import printable
from leaderboard.claims.hardware import FIGURES, HARDWARE
from leaderboard.claims.literature import Report
from leaderboard.claims.tier import TIER_NAMES
from leaderboard.standings.chips import ChipRow, chip_rows, in_si
from leaderboard.standings.ranking import Board
from leaderboard.standings.table import Row, measured_row

_NOTES = (
    "test: mean and 95 % interval in percent; unseen: speakers without training data. "
    "Same rank: intervals overlap. ⚑: number of oddities, listed on the pages of `leaderboard build`."
)
_REFITTED = "Refitted: trained again with the validation speakers included."


def print_boards(boards: Sequence[Board], console: Console | None = None) -> None:
    """Print one table per tier and track, under one heading per data, protocol and split.

    Parameters
    ----------
    boards
        The ranked entries.
    console
        Console to print to; standard output by default.
    """
    console = console or Console(highlight=False)
    if not boards:
        console.print(Text("No entry yet: `spikebench submit RESULT_DIR` writes one."))
        return
    for _, same in groupby(boards, key=lambda board: board.heading):
        group = list(same)
        _print_heading(group[0], console)
        for board in group:
            rows = [measured_row(board, ranked) for ranked in board.entries]
            is_hardware = board.track == HARDWARE
            track = f"{TRACKS[board.track]}: {board.task}" if board.task else TRACKS[board.track]
            console.print(Text(f"{TIER_NAMES[board.tier]}: {track}", style="bold"))
            console.print(_chip_table(chip_rows([board])) if is_hardware else _board_table(rows))
            reasons = dict.fromkeys(
                f"{row.name}, {row.withdrawn}" if row.withdrawn else row.unranked_reason
                for row in rows
                if row.rank is None
            )
            if reasons:
                console.print(Text("No rank: " + ". ".join(reasons) + ".", style="dim"))
            console.print()
    if any(ranked.stored.result.is_refitted for board in boards for ranked in board.entries):
        console.print(Text(_REFITTED, style="dim"))
    console.print(Text(_NOTES, style="dim"))


def _print_heading(board: Board, console: Console) -> None:
    first = measured_row(board, board.entries[0])
    synthetic = " (synthetic voices)" if first.synthetic else ""
    older = "" if board.is_current else " (older)"
    facts = (
        f"protocol {first.protocol}{older}, {first.test_samples:,} test samples, "
        f"data {board.identity[:12]}"
    )
    console.print(Text(first.dataset + synthetic, style="bold underline"))
    console.print(Text(facts, style="dim"))
    split = board.split
    samples = f"{split.train_samples:,} training, {split.validation_samples:,} validation samples"
    console.print(Text(f"{samples}; {printable(split.rule)}", style="dim"))
    console.print()


def _board_table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rank", justify="right")
    table.add_column("model", overflow="fold", ratio=1)
    for name in ("test", "interval", "unseen", "params", "spikes", "seeds"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        rank = "–" if row.rank is None else f"{row.rank}{'=' if row.tied else ''}"
        named = row.track in ("spiking", "conventional-spikes", "conventional-audio")
        kind = "" if named or row.spiking else " (conventional)"
        kind += " (refitted)" if row.refitted else ""
        kind += "" if row.labels_compared else " (labels not compared)"
        odd = f" ⚑{len(row.flags)}" if row.flags else ""
        table.add_row(
            rank,
            Text(row.name + kind + odd),
            _percent(row.test_accuracy),
            f"{_percent(row.test_low)}–{_percent(row.test_high)}",
            _percent(row.unseen_accuracy),
            f"{row.parameters:,}{'' if row.parameters_counted else ' claimed'}",
            "–" if row.spikes_per_sample is None else f"{row.spikes_per_sample:,.0f}",
            str(row.seeds),
        )
    return table


def _chip_table(rows: Sequence[ChipRow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rank", justify="right")
    table.add_column("device", overflow="fold", ratio=1)
    for name in ("test", "energy", "idle", "active", "latency"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        rank = "–" if row.rank is None else f"{row.rank}{'=' if row.tied else ''}"
        how = f" ({row.scope}, {row.pace}, batch of {row.batch_size})"
        shown = ("energy_per_sample_j", "idle_power_w", "active_power_w", "latency_s")
        figures = [(row.figure(name), FIGURES[name][0]) for name in shown]
        table.add_row(
            rank,
            Text(row.device + how),
            _percent(row.test_accuracy),
            *("–" if figure is None else in_si(figure[0], unit) for figure, unit in figures),
        )
    return table


def print_literature(reports: Sequence[Report], console: Console | None = None) -> None:
    """Print results reported in papers, one table per data set, the highest number first.

    Parameters
    ----------
    reports
        The literature.
    console
        Console to print to; standard output by default.
    """
    console = console or Console(highlight=False)
    for dataset in dict.fromkeys(report.dataset for report in reports):
        own = [report for report in reports if report.dataset == dataset]
        console.print()
        console.print(Text(f"{dataset}, reported in the literature (not measured here)", "bold"))
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("accuracy", no_wrap=True)
        table.add_column("epoch by", no_wrap=True)
        table.add_column("method", overflow="fold", ratio=1)
        table.add_column("authors", overflow="fold", max_width=20)
        table.add_column("year")
        for report in sorted(own, key=lambda report: -report.accuracy_percent):
            spread = "" if report.spread_percent is None else f" ± {report.spread_percent:g}"
            about = "≈ " if report.approximate == "yes" else ""
            test_selected = report.selected_on == "test"
            table.add_row(
                f"{about}{report.accuracy_percent:g}{spread}",
                Text("test (!)" if test_selected else report.selected_on),
                Text(report.method),
                Text(report.authors),
                str(report.year),
                style="dim" if test_selected else None,
            )
        console.print(table)
    if reports:
        console.print(Text("test (!): the epoch was selected on the test data.", style="dim"))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"
