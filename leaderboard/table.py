"""The rows of the leaderboard, flat: what the page, the terminal and the downloads all show."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from leaderboard.entry import printable
from leaderboard.literature import Report
from leaderboard.ranking import Board, RankedEntry

EXPORT_VERSION = 1


@dataclass(frozen=True)
class Row:
    """One measured entry; accuracies are fractions, means over the seeds, null where not known."""

    dataset: str
    synthetic: bool
    protocol: str
    data_sha256: str
    rank: int | None
    tied: bool
    unranked_reason: str
    name: str
    authors: str
    model: str
    spiking: bool
    test_accuracy: float
    test_low: float
    test_high: float
    interval_method: str
    test_std: float | None
    validation_accuracy: float | None
    seen_accuracy: float | None
    unseen_accuracy: float | None
    parameters: int
    spikes_per_sample: float | None
    seeds: int
    selected_on: str
    test_samples: int
    created: str
    software: str
    id: str
    note: str


def measured_row(ranked: RankedEntry) -> Row:
    """Flatten an entry.

    Parameters
    ----------
    ranked
        The entry with its rank.

    Returns
    -------
    Row
        What the tables show.
    """
    entry, result = ranked.stored.entry, ranked.stored.result
    data, summary, seeds = result.dataset, result.summary, result.seeds
    return Row(
        dataset=printable(data.name),
        synthetic=data.synthetic,
        protocol=printable(data.split.protocol),
        data_sha256=data.sha256,
        rank=ranked.rank,
        tied=ranked.tied,
        unranked_reason=ranked.reason,
        name=entry.name,
        authors=entry.authors,
        model=printable(result.model.name),
        spiking=result.model.spiking,
        test_accuracy=summary.test_mean,
        test_low=summary.test_interval.low,
        test_high=summary.test_interval.high,
        interval_method=summary.test_interval.method,
        test_std=summary.test_std,
        validation_accuracy=summary.validation_mean,
        seen_accuracy=_mean(seed.seen_accuracy for seed in seeds),
        unseen_accuracy=_mean(seed.unseen_accuracy for seed in seeds),
        parameters=result.model.parameters,
        spikes_per_sample=_mean(seed.spikes_per_sample for seed in seeds),
        seeds=len(seeds),
        selected_on=", ".join(sorted({seed.selected_on for seed in seeds})),
        test_samples=data.split.test_samples,
        created=result.created,
        software=printable(result.software),
        id=entry.id,
        note=entry.note,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if len(known) == len(found) else None


def to_json(boards: Sequence[Board], reports: Sequence[Report]) -> str:
    """Write measured entries and literature as one JSON text.

    Parameters
    ----------
    boards
        The ranked entries.
    reports
        The literature.

    Returns
    -------
    str
        An object with ``measured`` (rows, each with the whole result) and ``literature``.
    """
    measured = [
        asdict(measured_row(ranked)) | {"result": ranked.stored.result.model_dump(mode="json")}
        for board in boards
        for ranked in board.entries
    ]
    content = {
        "schema_version": EXPORT_VERSION,
        "measured": measured,
        "literature": [report.model_dump(mode="json") for report in reports],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def measured_csv(boards: Sequence[Board]) -> str:
    """Write measured entries as CSV that a spreadsheet opens without running anything.

    Parameters
    ----------
    boards
        The ranked entries.

    Returns
    -------
    str
        A header and one line per entry.
    """
    rows = [asdict(measured_row(ranked)) for board in boards for ranked in board.entries]
    return _to_csv([field.name for field in fields(Row)], rows)


def literature_csv(reports: Sequence[Report]) -> str:
    """Write the literature as CSV that a spreadsheet opens without running anything.

    Parameters
    ----------
    reports
        The literature.

    Returns
    -------
    str
        A header and one line per reported number.
    """
    return _to_csv(list(Report.model_fields), [report.model_dump() for report in reports])


def _to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([safe_cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def safe_cell(value: object) -> object:
    """Keep a spreadsheet from taking text for a formula.

    Parameters
    ----------
    value
        A cell.

    Returns
    -------
    object
        Text that begins like a formula gets an apostrophe in front; booleans become yes and no;
        None becomes empty; numbers stay.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return "" if value is None else value
