"""A study of timing in a terminal: the accuracy of every model under every condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from spikebench.timing.report import TimingReport, TimingRow


def print_study(report: TimingReport, console: Console | None = None) -> None:
    """Print a study as one table.

    Parameters
    ----------
    report
        The study.
    console
        Where to print; standard output by default.
    """
    from rich.console import Console
    from rich.text import Text

    from spikebench.records.text import printable

    console = console or Console(highlight=False)
    data = report.dataset
    synthetic = " (synthetic voices)" if data.synthetic else ""
    seeds = sorted({len(model.seeds) for model in report.models})
    console.print(Text(f"{printable(data.name)}{synthetic}", style="bold"))
    chance = "" if report.chance is None else f", chance level {report.chance:.1%}"
    console.print(
        Text(
            f"accuracy on {report.samples:,} {report.tested} samples in %, {_range(seeds)} per model{chance}",
            style="dim",
        )
    )
    console.print(_table(report))
    for note in _notes(report):
        console.print(Text(note, style="dim"))


def _range(seeds: list[int]) -> str:
    counts = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} … {seeds[-1]}"
    return f"{counts} seed{'s' * (seeds[-1] > 1)}"


def _table(report: TimingReport) -> Table:
    from rich.table import Table
    from rich.text import Text

    from spikebench.records.text import printable

    trains = any(row.trained_on == "changed" for row in report.rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("condition", no_wrap=True)
    table.add_column("model", overflow="fold")
    heads = ["spikes", "trained clean", "95 % interval"]
    heads += ["trained changed", "95 % interval"] if trains else []
    for head in heads:
        table.add_column(head, justify="right")
    found = {(row.condition, row.model, row.trained_on): row for row in report.rows}
    for condition in report.conditions:
        for place, model in enumerate(report.models):
            clean = found.get((condition, model.name, "clean"))
            cells = [_spikes(clean), *_cells(clean)]
            if trains:
                cells += _cells(found.get((condition, model.name, "changed")))
            first = condition if place == 0 else ""
            table.add_row(Text(first), Text(printable(model.name)), *map(Text, cells))
    return table


def _spikes(row: TimingRow | None) -> str:
    return "–" if row is None or row.input_spikes is None else f"{row.input_spikes:,.0f}"


def _cells(row: TimingRow | None) -> list[str]:
    """Return accuracy and interval; blank for a row that there is not, a dash for one that failed."""
    if row is None:
        return ["", ""]
    if row.accuracy is None:
        return ["failed", ""]
    failed = f" ({len(row.failed)} failed)" if row.failed else ""
    interval = "–"
    if row.low is not None and row.high is not None:
        interval = f"{100 * row.low:.1f} … {100 * row.high:.1f}"
    spread = "" if row.std is None else f" ± {100 * row.std:.1f}"
    return [f"{100 * row.accuracy:.1f}{spread}{failed}", interval]


def _notes(report: TimingReport) -> list[str]:
    notes = [f"Intervals: {report.interval}."] if report.interval else []
    if any(row.std is not None for row in report.rows):
        notes.append("±: standard deviation over seeds.")
    few = {
        f"{row.condition}: {row.few_spikes:.1%}"
        for row in report.rows
        if row.few_spikes and row.trained_on == "clean"
    }
    if few:
        notes.append(
            f"Units with fewer spikes than they are thinned to, whose counts remain: {', '.join(sorted(few))}."
        )
    if report.tested == "validation":
        notes.append(
            "The runs were selected on these samples, so accuracies are slightly optimistic; --test uses others."
        )
    return notes
