"""A study of noise in a terminal: areas, and the accuracy of every model under every condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from spikebench.noise.report import NoiseReport, NoiseRow

_WAYS = {
    ("clean", "sound"): "sound",
    ("clean", "spikes"): "spikes",
    ("noise", "sound"): "sound, trained with noise",
    ("noise", "spikes"): "spikes, trained with noise",
}


def print_study(report: NoiseReport, console: Console | None = None) -> None:
    """Print a study as two tables.

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
    encoder = f", encoder {report.encoder}" if report.encoder else ""
    console.print(Text(f"{printable(data.name)}{synthetic}{encoder}", style="bold"))
    chance = "" if report.chance is None else f", chance level {report.chance:.1%}"
    seeds = sorted({len(model.seeds) for model in report.models})
    counts = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} … {seeds[-1]}"
    console.print(
        Text(
            f"accuracy on {report.samples:,} {report.tested} samples in %, with 95 % intervals, {counts} "
            f"seed{'s' * (seeds[-1] > 1)} per model{chance}",
            style="dim",
        )
    )
    console.print(_conditions(report))
    if report.areas:
        console.print(
            Text("area under the curve over the ratio of signal to noise, in %", style="bold")
        )
        console.print(_areas(report))
    for note in _notes(report):
        console.print(Text(note, style="dim"))


def _ways(report: NoiseReport) -> list[tuple[str, str]]:
    return [way for way in _WAYS if any((row.trained_on, row.place) == way for row in report.rows)]


def _conditions(report: NoiseReport) -> Table:
    from rich.table import Table
    from rich.text import Text

    from spikebench.records.text import printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("condition", no_wrap=True)
    table.add_column("model", overflow="fold")
    ways = _ways(report)
    for way in ways:
        table.add_column(_WAYS[way], justify="right")
    found: dict[tuple[str, str, str, str], NoiseRow] = {
        (row.condition, row.model, row.trained_on, row.place): row for row in report.rows
    }
    for condition in report.conditions:
        for place, model in enumerate(report.models):
            cells = [_cell(found.get((condition, model.name, *way))) for way in ways]
            first = condition if place == 0 else ""
            table.add_row(Text(first), Text(printable(model.name)), *map(Text, cells))
    return table


def _cell(row: NoiseRow | None) -> str:
    return "–" if row is None else interval_text(row.accuracy, row.low, row.high)


def interval_text(
    value: float, low: float | None, high: float | None, *, signed: bool = False
) -> str:
    """Write a fraction and its interval in %.

    Parameters
    ----------
    value, low, high
        Fractions; None without an interval.
    signed
        Whether it is a difference.

    Returns
    -------
    str
        For example ``71.3 (65.0 … 77.6)``.
    """
    form = "{:+.1f}" if signed else "{:.1f}"
    text = form.format(100 * value)
    if low is not None and high is not None:
        text += f" ({form.format(100 * low)} … {form.format(100 * high)})"
    return text.replace("-", "−")


def _areas(report: NoiseReport) -> Table:
    from rich.table import Table
    from rich.text import Text

    from spikebench.records.text import printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("noise", no_wrap=True)
    table.add_column("model", overflow="fold")
    ways = _ways(report)
    for way in ways:
        table.add_column(_WAYS[way], justify="right")
    for kind in dict.fromkeys(one.kind for one in report.areas):
        for place, model in enumerate(report.models):
            cells = []
            for way in ways:
                one = report.area(model.name, *way, kind)
                cells.append("–" if one is None else interval_text(one.area, one.low, one.high))
            first = kind if place == 0 else ""
            table.add_row(Text(first), Text(printable(model.name)), *map(Text, cells))
    return table


def _notes(report: NoiseReport) -> list[str]:
    notes = [f"Intervals: {report.interval}."] if report.interval else []
    notes += [
        f"{one.model}: {one.what}, area over {', '.join(one.kinds)}: "
        f"{interval_text(one.difference, one.low, one.high, signed=True)} points."
        for one in report.differences
    ]
    if report.tested == "validation":
        notes.append(
            "The runs were selected on these samples, so accuracies are slightly optimistic; --test uses others."
        )
    return notes
