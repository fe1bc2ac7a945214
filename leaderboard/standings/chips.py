"""The measurements on chips as flat rows, for the page, the terminal and the downloads.

They are kept apart from the rows of :mod:`leaderboard.standings.table`, whose costs are counted in software.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

from leaderboard.claims.hardware import FIGURES, HARDWARE, Figure
from leaderboard.standings.ranking import Board, RankedEntry
from leaderboard.standings.table import Row, measured_row, to_csv

__all__ = ["ChipRow", "ChipTable", "chip_rows", "chip_tables", "chips_csv", "in_si", "split_boards"]

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


@dataclass(frozen=True)
class ChipRow:
    """One measurement: a figure is None if there is none; ``…_uncertainty`` is half its 95 % interval.

    ``rank`` is by energy per sample among rows of the same data, protocol, tier, scope, pace and batch size.
    """

    dataset: str
    synthetic: bool
    protocol: str
    data_sha256: str
    data_fingerprint: str
    tier: str
    rank: int | None
    tied: bool
    unranked_reason: str
    name: str
    authors: str
    device: str
    kind: str
    technology_nm: float | None
    chips: int
    scope: str
    pace: str
    batch_size: int
    supply: str
    includes: tuple[str, ...]
    test_accuracy: float
    test_low: float
    test_high: float
    seeds: int
    energy_per_sample_j: float | None
    energy_per_sample_uncertainty_j: float | None
    energy_per_sample_basis: str
    dynamic_energy_per_sample_j: float | None
    dynamic_energy_per_sample_uncertainty_j: float | None
    dynamic_energy_per_sample_basis: str
    idle_power_w: float | None
    idle_power_uncertainty_w: float | None
    idle_power_basis: str
    active_power_w: float | None
    active_power_uncertainty_w: float | None
    active_power_basis: str
    latency_s: float | None
    latency_uncertainty_s: float | None
    latency_basis: str
    latency_from: str
    throughput_per_s: float | None
    throughput_uncertainty_per_s: float | None
    throughput_basis: str
    samples: int
    test_samples: int
    repetitions: int
    ambient_celsius: float | None
    instrument: str
    method: str
    measured_by: str
    measured_on: str
    software: str
    withdrawn: str
    id: str
    page: str

    def figure(self, name: str) -> tuple[float, float, str] | None:
        """Return value, uncertainty and basis of one of ``FIGURES``; None if there is none."""
        stem, unit = _parts(name)
        value = getattr(self, name)
        if value is None:
            return None
        return value, getattr(self, f"{stem}_uncertainty_{unit}"), getattr(self, f"{stem}_basis")


@dataclass(frozen=True)
class ChipTable:
    """Rows that are compared: the same data, protocol, tier, scope, pace and batch size."""

    first: ChipRow
    rows: tuple[ChipRow, ...]


def split_boards(boards: Sequence[Board]) -> tuple[list[Board], list[Board]]:
    """Separate the boards of the track ``hardware`` from the others.

    Parameters
    ----------
    boards
        All boards.

    Returns
    -------
    software, chips : list of Board
        In their order.
    """
    chips = [board for board in boards if board.track == HARDWARE]
    return [board for board in boards if board.track != HARDWARE], chips


def chip_rows(boards: Iterable[Board]) -> list[ChipRow]:
    """Convert all measurements on chips to rows.

    Parameters
    ----------
    boards
        All boards; only those of the track ``hardware`` contain such rows.

    Returns
    -------
    list of ChipRow
        In the order of the boards.
    """
    return [
        _chip_row(measured_row(board, ranked), ranked)
        for board in boards
        if board.track == HARDWARE
        for ranked in board.entries
    ]


def chip_tables(rows: Iterable[ChipRow]) -> list[ChipTable]:
    """Group rows that are compared with each other.

    Parameters
    ----------
    rows
        From :func:`chip_rows`.

    Returns
    -------
    list of ChipTable
        In the same order.
    """
    groups = (tuple(same) for _, same in groupby(rows, key=_compared))
    return [ChipTable(rows[0], rows) for rows in groups]


def chips_csv(rows: Sequence[ChipRow]) -> str:
    """Write the measurements as CSV that a spreadsheet opens without executing anything.

    Parameters
    ----------
    rows
        From :func:`chip_rows`.

    Returns
    -------
    str
        A header and one line per measurement.
    """
    return to_csv([field.name for field in fields(ChipRow)], [vars(row) for row in rows])


def in_si(value: float, unit: str) -> str:
    """Write a value with three digits and a prefix of its unit.

    Parameters
    ----------
    value
        At least 0.
    unit
        J, W, s or 1/s; the last gets no prefix.

    Returns
    -------
    str
        For example ``1.25 mJ``.
    """
    size, prefix = (1.0, "")
    if unit != "1/s":
        size, prefix = next((one for one in _PREFIXES if value >= one[0]), (1e-12, "p"))
    scaled = value / size
    return f"{scaled:,.0f} {prefix}{unit}" if scaled >= 100 else f"{scaled:.3g} {prefix}{unit}"


def _compared(row: ChipRow) -> tuple[object, ...]:
    data = row.data_fingerprint or row.data_sha256
    return (row.dataset, data, row.protocol, row.tier, row.scope, row.pace, row.batch_size)


def _parts(name: str) -> tuple[str, str]:
    """Split the name of a figure into stem and unit: ``throughput_per_s`` has the unit ``per_s``."""
    if name.endswith("_per_s"):
        return name.removesuffix("_per_s"), "per_s"
    stem, _, unit = name.rpartition("_")
    return stem, unit


def _chip_row(row: Row, ranked: RankedEntry) -> ChipRow:
    measured = ranked.stored.entry.hardware
    assert measured is not None
    cells: dict[str, Any] = {name: getattr(row, name) for name in _SHARED}
    cells |= measured.model_dump(exclude={*FIGURES})
    for name in FIGURES:
        stem, unit = _parts(name)
        figure: Figure | None = getattr(measured, name)
        cells[name] = figure.value if figure else None
        cells[f"{stem}_uncertainty_{unit}"] = figure.uncertainty if figure else None
        cells[f"{stem}_basis"] = figure.basis if figure else ""
    cells |= {"latency_from": measured.latency_from or "", "includes": tuple(measured.includes)}
    return ChipRow(**cells)


_SHARED = {one.name for one in fields(ChipRow)} & {one.name for one in fields(Row)}
