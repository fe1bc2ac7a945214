"""The table of a comparison of encoders, as JSON, CSV and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from spikebench.codes.measures import CodeMeasures
from spikebench.records.csv_text import csv_text
from spikebench.records.fields import Count, Fraction, Name, NonNegative, Record
from spikebench.records.whole_files import write_text
from spikebench.sweeps.report import SweepReport

__all__ = ["CodeRow", "EncoderReport", "ModelAccuracy", "accuracies", "table", "write_report"]


class ModelAccuracy(Record):
    """Validation accuracy of a model on the spikes of a code: mean and sample deviation over trained seeds."""

    model: Name
    seeds: Count
    failed: Count
    validation_mean: Fraction | None
    validation_std: NonNegative | None


class CodeRow(Record):
    """A code: its spike file, the budget that was asked for, its measures, and accuracies."""

    file: str
    budget: Count | None
    measures: CodeMeasures
    accuracies: list[ModelAccuracy]


class EncoderReport(Record):
    """Contents of ``encoders.json``."""

    format_version: Literal[1] = 1
    software: str
    audio: str
    rows: list[CodeRow]


def accuracies(report: SweepReport) -> list[ModelAccuracy]:
    """Take the accuracies of a sweep over models.

    Parameters
    ----------
    report
        The sweep.

    Returns
    -------
    list of ModelAccuracy
        One per model, in the order of the specification.
    """
    found = {
        one.model: ModelAccuracy(
            model=one.model,
            seeds=sum(not run.failed for run in one.runs),
            failed=sum(bool(run.failed) for run in one.runs),
            validation_mean=one.validation_mean,
            validation_std=one.validation_std,
        )
        for one in report.configurations
    }
    return [found[model] for model in report.spec["model"]]


def table(rows: Sequence[CodeRow]) -> list[list[str]]:
    """Write the rows as cells, the first with the names of the columns.

    Parameters
    ----------
    rows
        The codes.

    Returns
    -------
    list of list of str
        Cells.
    """
    models = list(dict.fromkeys(one.model for row in rows for one in row.accuracies))
    head = ["encoder", "units", "setting", "spikes/word", "spikes/s", "link kbit/s"]
    head += ["times real time", "look-ahead ms", "correlation", *models]
    return [head, *(_cells(row, models) for row in rows)]


def _cells(row: CodeRow, models: Sequence[str]) -> list[str]:
    m = row.measures
    settings = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in m.settings.items()
    )
    return [
        m.encoder,
        str(m.units),
        settings or "preset",
        f"{m.spikes_per_word:,.0f}",
        f"{m.spikes_per_second:,.0f}",
        f"{m.link_bits_per_second / 1000:,.1f}",
        f"{m.times_real_time:,.0f}",
        "–" if m.look_ahead_ms is None else f"{m.look_ahead_ms:g}",
        "–" if m.correlation is None else f"{m.correlation:.2f}",
        *(_accuracy(row, model) for model in models),
    ]


def _accuracy(row: CodeRow, model: str) -> str:
    found = next((one for one in row.accuracies if one.model == model), None)
    if found is None or found.validation_mean is None:
        return "–"
    spread = "" if found.validation_std is None else f" ± {found.validation_std:.1%}"
    return f"{found.validation_mean:.1%}{spread}"


def write_report(folder: Path, report: EncoderReport) -> None:
    """Write ``encoders.json``, ``encoders.csv`` and ``encoders.md``, each whole or not at all.

    Parameters
    ----------
    folder
        Folder of the comparison.
    report
        The report.
    """
    write_text(folder / "encoders.json", report.model_dump_json(indent=2) + "\n")
    cells = table(report.rows)
    write_text(folder / "encoders.csv", csv_text(map(_numbers, cells)))
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    lines.insert(1, "|" + "---|" * len(cells[0]))
    write_text(folder / "encoders.md", "\n".join(lines) + "\n")


def _numbers(cells: list[str]) -> list[object]:
    """Return numbers among the cells, so that a negative one is not taken for the beginning of a formula."""
    found: list[object] = []
    for cell in cells:
        try:
            found.append(int(cell) if cell.isdecimal() else float(cell))
        except ValueError:
            found.append(cell)
    return found
