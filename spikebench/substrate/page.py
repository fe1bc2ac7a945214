"""The page of a study: a section for each data set and substrate, written by the command.

A section stands between the comments ``<!-- begin DATA MODEL SUBSTRATE -->`` and ``<!-- end … -->``. It is replaced if
the page has one, and else appended; the rest of the page is kept.
"""

from __future__ import annotations

from pathlib import Path

from spikebench.records.text import printable
from spikebench.records.whole_files import write_text
from spikebench.substrate.answers import CONDITIONS, Condition
from spikebench.substrate.report import Difference, SubstrateReport, markdown

__all__ = ["picture_of", "write_page"]

_TITLE = "# Hardware in the loop\n"


def picture_of(page: Path, report: SubstrateReport) -> Path:
    """Name the picture of a section.

    Parameters
    ----------
    page
        The page.
    report
        The report of the section.

    Returns
    -------
    Path
        In the folder of the page.
    """
    names = (page.stem, report.dataset.name, report.model, report.substrate)
    words = "-".join(printable(name).replace("/", "_") for name in names)
    return page.parent / f"{words}.png"


def write_page(page: Path, report: SubstrateReport, command: str) -> None:
    """Write the section of a report into a page, whole or not at all.

    Parameters
    ----------
    page
        The page; it is created if there is none.
    report
        The report.
    command
        The command that made it, as one line.
    """
    name = f"{printable(report.dataset.name)} {report.model} {report.substrate}"
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    text = page.read_text(encoding="utf-8") if page.is_file() else _TITLE
    section = begin + _section(page, report, command) + end
    before, found, rest = text.partition(begin)
    has_one = found and end in rest
    text = before + section + rest.partition(end)[2] if has_one else f"{text.rstrip()}\n\n{section}"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_text(page, text)


def _section(page: Path, report: SubstrateReport, command: str) -> str:
    """Write heading, command, table, findings and picture."""
    data = report.dataset
    synthetic = " (synthetic voices)" if data.synthetic else ""
    first = report.rows[0]
    settings = report.settings.preset
    recording = first.recorded_bytes / 1e6
    return "\n".join(
        [
            f"## {printable(data.name)}{synthetic}, `{report.model}`, {report.substrate}",
            "",
            "```",
            printable(command),
            "```",
            "",
            f"{report.train_samples:,} training samples, {report.samples:,} {report.tested} samples, chance level "
            f"{100 * report.chance:.1f} %, {report.seeds} seeds and devices, {settings.training.epochs} epochs in "
            f"batches of {settings.training.batch_size}. Accuracies in %; intervals: {report.interval}. A step is one "
            "batch, forward and backward, in processor time on a shared core; the recording of a batch takes "
            f"{recording:.1f} MB.",
            "",
            markdown(report),
            *_findings(report),
            "",
            f"![accuracy per condition, against spikes, against time]({picture_of(page, report).name})",
            "",
        ]
    )


def _findings(report: SubstrateReport) -> list[str]:
    """Say in figures what each condition loses, and what regularisation of activity costs."""
    lines = []
    for condition in CONDITIONS:
        row = report.row(condition, "plain")
        if row is not None and row.loss is not None:
            lines.append(
                f"- {condition} ({CONDITIONS[condition]}): {_points(row.loss)} against software."
            )
        sparse = report.row(condition, "sparse")
        if row is not None and sparse is not None and sparse.change is not None:
            lines += _of_activity(condition, row.spikes, sparse.spikes, sparse.change)
    return lines


def _of_activity(
    condition: Condition, spikes: float, sparse: float, change: Difference
) -> list[str]:
    if condition not in ("software", "in the loop"):
        return []
    return [
        f"- Activity regularisation, {condition}: {spikes:,.0f} → {sparse:,.0f} spikes per sample, {_points(change)}."
    ]


def _points(found: Difference) -> str:
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f" ({100 * found.low:+.1f} … {100 * found.high:+.1f})"
    return f"{100 * found.value:+.1f} points{interval}"
