"""The rows of the leaderboard, flat, for the page, the terminal and the downloads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean

from leaderboard.claims.entry import StoredEntry, printable
from leaderboard.claims.literature import Report
from leaderboard.standings.ranking import Board, RankedEntry
from spikebench.metrics.record import Latency, Metrics, NotApplicable
from spikebench.protocol.results import Result, SeedRecord
from spikebench.protocol.studies import ContinualStudy, FewShotStudy
from spikebench.records.csv_text import csv_text

EXPORT_VERSION = 2


@dataclass(frozen=True)
class Verified:
    """One passed verification of an entry: ``training`` or ``inference``, verifier, date, and program.

    ``trusted`` is the name of the signer, or ``this machine`` if it was made where the page was built; empty if neither
    is the case, and the verification does not count.
    """

    kind: str
    by: str
    when: str
    software: str
    trusted: str


@dataclass(frozen=True)
class Row:
    """One measured entry on one board; an entry that belongs to two tracks has two rows.

    Accuracies are fractions, costs are per sample; all are means over the seeds, and null if unknown or not applicable
    for any of the seeds. ``energy_picojoules`` is keyed by the name of the cost table, ``language_accuracy`` by that of
    the language, and empty for data of one language. ``task`` and ``method`` are those of a study, empty for
    classifiers; ``average_accuracy`` (mean over tasks), ``forgetting`` and ``backward_transfer`` of learning task after
    task. ``chance`` is the accuracy of a guess among the classes that are offered.
    """

    dataset: str
    synthetic: bool
    protocol: str
    protocol_in_use: bool
    data_sha256: str
    data_fingerprint: str
    tier: str
    track: str
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
    language_accuracy: dict[str, float]
    parameters: int
    parameters_counted: bool
    labels_compared: bool
    footprint_bytes: float | None
    effective_ac: float | None
    effective_mac: float | None
    spikes_per_sample: float | None
    spikes_per_inference: float | None
    latency_to_95_percent_s: float | None
    energy_picojoules: dict[str, float | None]
    train_seconds_per_epoch: float | None
    seeds: int
    selected_on: str
    refitted: bool
    test_samples: int
    augmentation: str
    extra_data: str
    ensemble: int
    look_ahead: bool | None
    input: str
    time_step_ms: float | None
    time_steps: int | None
    verified: tuple[Verified, ...]
    flags: tuple[str, ...]
    withdrawn: str
    created: str
    submitted: str
    software: str
    id: str
    page: str
    note: str
    link: str
    citation: str
    task: str
    method: str
    chance: float
    average_accuracy: float | None
    forgetting: float | None
    backward_transfer: float | None


def measured_row(board: Board, ranked: RankedEntry) -> Row:
    """Convert an entry to a row.

    Parameters
    ----------
    board
        Board of the entry.
    ranked
        The entry with its rank.

    Returns
    -------
    Row
        The row of the tables.
    """
    stored = ranked.stored
    entry, result, declared = stored.entry, stored.result, stored.entry.declared
    data, summary, seeds = result.dataset, result.summary, result.seeds
    metrics = [seed.metrics or Metrics() for seed in seeds]
    scores = [seed.stages.scores if seed.stages else None for seed in seeds]
    return Row(
        dataset=printable(data.name),
        synthetic=data.synthetic,
        protocol=printable(data.split.protocol),
        protocol_in_use=board.is_current,
        data_sha256=data.sha256,
        data_fingerprint=data.fingerprint or "",
        tier=board.tier,
        track=board.track,
        task=board.task,
        method=result.study.name if result.study else "",
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
        interval_method=printable(summary.test_interval.method),
        test_std=summary.test_std,
        validation_accuracy=summary.validation_mean,
        seen_accuracy=_mean(seed.seen_accuracy for seed in seeds),
        unseen_accuracy=_mean(seed.unseen_accuracy for seed in seeds),
        language_accuracy={one.name: one.accuracy for one in stored.breakdown.languages},
        chance=_chance(result),
        average_accuracy=_mean(one.average if one else None for one in scores),
        forgetting=_mean(one.forgetting if one else None for one in scores),
        backward_transfer=_mean(one.backward_transfer if one else None for one in scores),
        parameters=result.model.parameters,
        parameters_counted=stored.parameters_known,
        labels_compared=stored.labels_compared,
        footprint_bytes=_mean(one.footprint_bytes for one in metrics),
        effective_ac=_mean(one.effective_ac for one in metrics),
        effective_mac=_mean(one.effective_mac for one in metrics),
        spikes_per_sample=_mean(seed.spikes_per_sample for seed in seeds),
        spikes_per_inference=_mean(one.spikes_per_inference for one in metrics),
        latency_to_95_percent_s=_mean(
            one.latency.to_95_percent_s if isinstance(one.latency, Latency) else None
            for one in metrics
        ),
        energy_picojoules=_energies(metrics),
        train_seconds_per_epoch=_mean(_seconds_per_epoch(seed) for seed in seeds),
        seeds=len(seeds),
        selected_on=", ".join(sorted({seed.selected_on for seed in seeds})),
        refitted=result.is_refitted,
        test_samples=data.split.test_samples,
        **declared.model_dump(),
        verified=tuple(
            Verified(one.kind, one.by, one.when, one.software, why)
            for one, why in zip(stored.verifications, stored.trusted, strict=True)
        ),
        flags=tuple(printable(flag) for flag in stored.flags),
        withdrawn="" if entry.withdrawn is None else ranked.reason,
        created=result.created,
        submitted=entry.submitted,
        software=printable(result.software),
        id=entry.id,
        page=page_of(stored),
        note=entry.note,
        link=entry.link or "",
        citation=entry.citation,
    )


def _chance(result: Result) -> float:
    """Return the accuracy of a guess; where a task is told, the mean over tasks."""
    study = result.study
    if isinstance(study, FewShotStudy):
        return 1 / study.ways
    if isinstance(study, ContinualStudy) and study.is_told:
        return fmean(1 / len(group) for group in study.tasks)
    return 1 / len(result.dataset.classes)


def page_of(stored: StoredEntry) -> str:
    """Return the path of the page of an entry.

    Parameters
    ----------
    stored
        The entry.

    Returns
    -------
    str
        Path relative to the index; letters, digits, hyphens, dots and slashes only.
    """
    return f"entries/{stored.entry.dataset}/{stored.entry.id}.html"


def _mean(values: Iterable[float | NotApplicable | None]) -> float | None:
    """Compute the mean over the seeds, if all of them have a number."""
    found = list(values)
    known = [float(value) for value in found if isinstance(value, int | float)]
    return fmean(known) if len(known) == len(found) else None


def _seconds_per_epoch(seed: SeedRecord) -> float | None:
    """Divide the time of a training by its epochs, those of a refit included; None for a model without epochs."""
    epochs = seed.epochs + (seed.refit_epochs or 0)
    seconds = seed.train_seconds
    return seconds / epochs if epochs and seconds is not None else None


def _energies(metrics: Sequence[Metrics]) -> dict[str, float | None]:
    """Compute the mean energy for each cost table used by any seed."""
    seeds = [
        {one.table: one.picojoules for one in seed.energy} if isinstance(seed.energy, list) else {}
        for seed in metrics
    ]
    tables = dict.fromkeys(table for seed in seeds for table in seed)
    return {printable(table): _mean(seed.get(table) for seed in seeds) for table in tables}


def measured_rows(boards: Iterable[Board]) -> list[Row]:
    """Convert all entries of all boards to rows.

    Parameters
    ----------
    boards
        The ranked entries.

    Returns
    -------
    list of Row
        In the order of the boards.
    """
    return [measured_row(board, ranked) for board in boards for ranked in board.entries]


def to_json(
    rows: Sequence[Row], reports: Sequence[Report], chips: Sequence[Mapping[str, object]] = ()
) -> str:
    """Write measured entries and literature as one JSON text.

    Parameters
    ----------
    rows
        The measured entries.
    reports
        The literature.
    chips
        Rows of measurements on chips.

    Returns
    -------
    str
        An object with ``measured`` (rows), ``literature`` and, if there are any, ``hardware``. The full data of an
        entry are in the file beside its page, see :func:`entry_json`.
    """
    measured = _json_lines(_columns(row) for row in rows)
    literature = _json_lines(report.model_dump(mode="json") for report in reports)
    hardware = f',\n"hardware": {_json_lines(chips)}' if chips else ""
    parts = f'"measured": {measured},\n"literature": {literature}{hardware}'
    return f'{{"schema_version": {EXPORT_VERSION},\n{parts}}}\n'


def _json_lines(items: Iterable[Mapping[str, object]]) -> str:
    """Write a list with one item per line."""
    lines = (json.dumps(item, ensure_ascii=False, allow_nan=False) for item in items)
    return "[\n" + ",\n".join(lines) + "\n]"


def entry_json(stored: StoredEntry) -> str:
    """Write all data of an entry, without its predictions.

    Parameters
    ----------
    stored
        The entry.

    Returns
    -------
    str
        An object with ``entry``, ``result``, ``verifications`` and ``flags``.
    """
    verifications = ", ".join(one.model_dump_json() for one in stored.verifications)
    return (
        f'{{"schema_version": {EXPORT_VERSION},\n"entry": {stored.entry.model_dump_json()},\n'
        f'"result": {stored.result.model_dump_json()},\n"verifications": [{verifications}],\n'
        f'"flags": {json.dumps(list(stored.flags), ensure_ascii=False)}}}\n'
    )


def measured_csv(rows: Sequence[Row]) -> str:
    """Write measured entries as CSV that a spreadsheet opens without executing anything.

    Parameters
    ----------
    rows
        The measured entries.

    Returns
    -------
    str
        A header and one line per entry.
    """
    return to_csv([field.name for field in fields(Row)], map(_columns, rows))


def _columns(row: Row) -> dict[str, object]:
    return vars(row) | {"verified": tuple(vars(one) for one in row.verified)}


def literature_csv(reports: Sequence[Report]) -> str:
    """Write the literature as CSV that a spreadsheet opens without executing anything.

    Parameters
    ----------
    reports
        The literature.

    Returns
    -------
    str
        A header and one line per reported number.
    """
    return to_csv(list(Report.model_fields), [report.model_dump() for report in reports])


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Write a table as CSV that a spreadsheet opens without executing anything.

    Parameters
    ----------
    columns
        Names of the columns.
    rows
        Cells by name.

    Returns
    -------
    str
        A header and one line per row.
    """
    lines = ([_flat(row[column]) for column in columns] for row in rows)
    return csv_text([columns, *lines], line_end="\r\n")


def _flat(value: object) -> object:
    """Convert lists and tables to text: parts are separated by semicolons."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {'' if inner is None else inner}" for key, inner in value.items())
    if isinstance(value, tuple):
        return "; ".join(
            " ".join(one.values()) if isinstance(one, dict) else str(one) for one in value
        )
    return value
