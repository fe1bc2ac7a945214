"""A study of pruning in a terminal: one table per model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from spikebench.pruning.report import Estimate, PruningReport


def print_pruning(report: PruningReport, console: Console | None = None) -> None:
    """Print a study.

    Parameters
    ----------
    report
        The study.
    console
        Where to print; standard output by default.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from spikebench.pruning.report import epochs_text
    from spikebench.records.text import printable

    console = console or Console(highlight=False)
    synthetic = " (synthetic voices)" if report.dataset.synthetic else ""
    console.print(Text(f"{printable(report.dataset.name)}{synthetic}", style="bold"))
    for model in report.models:
        line = (
            f"{model.model}: {report.train_samples:,} training samples, {report.tested_samples:,} {report.tested} "
            f"samples, chance {report.chance:.1%}; %, 95 % intervals over {report.seeds} seed{'s' * (report.seeds > 1)}"
        )
        console.print(Text(line, style="dim"))
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("density", no_wrap=True, justify="right")
        table.add_column("method", no_wrap=True)
        for head in ("kept", "accuracy", "vs random", "epochs to 90 %", "operations"):
            table.add_column(head, justify="right", no_wrap=True)
        for row in report.rows_of(model.model):
            failed = len(row.seeds) - len(row.done)
            table.add_row(
                f"{100 * row.density:g} %",
                row.method + (f" ({failed} failed)" if failed else ""),
                f"{sum(one.kept for one in row.kept):,}",
                Text(_cell(row.accuracy)),
                Text(_cell(row.gain)),
                epochs_text(row),
                f"{row.effective_operations:,.0f}",
            )
        console.print(table)


def _cell(found: Estimate | None) -> str:
    """Write a mean, with half the width of its interval."""
    if found is None:
        return "–"
    text = f"{100 * found.value:.1f}"
    if found.low is not None and found.high is not None:
        text += f" ± {50 * (found.high - found.low):.1f}"
    return text
