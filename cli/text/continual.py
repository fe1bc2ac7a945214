"""A study of learning task after task in a terminal: one table per sequence of tasks and model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from spikebench.continual.report import ContinualReport, Estimate


def print_continual(report: ContinualReport, console: Console | None = None) -> None:
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

    from spikebench.records.text import printable

    console = console or Console(highlight=False)
    synthetic = " (synthetic voices)" if report.dataset.synthetic else ""
    console.print(Text(f"{printable(report.dataset.name)}{synthetic}", style="bold"))
    for tasks in report.tasks:
        heads = "masked heads" if tasks.masked else "single head"
        for model in report.models:
            line = (
                f"{tasks.name} with {model.model}: {len(tasks.tasks)} tasks, {heads}, {sum(tasks.tested_samples):,} "
                f"tested samples, chance {tasks.chance:.1%}; %, ± 95 % interval over {report.seeds} "
                f"seed{'s' * (report.seeds > 1)}"
            )
            console.print(Text(line, style="dim"))
            table = Table(box=None, pad_edge=False, header_style="bold")
            table.add_column("method", no_wrap=True)
            for head in ("average", "after own task", "forgetting", "transfer", "against none"):
                table.add_column(head, justify="right", no_wrap=True)
            for row in report.rows_of(tasks.name, model.model):
                failed = len(row.seeds) - len(row.done)
                name = row.method + (f" ({failed} failed)" if failed else "")
                found = (row.average, row.learned, row.forgetting, row.backward_transfer)
                table.add_row(Text(name), *map(Text, map(_cell, (*found, row.change))))
            console.print(table)


def _cell(found: Estimate | None) -> str:
    if found is None:
        return "–"
    text = f"{100 * found.value:.1f}"
    if found.low is not None and found.high is not None:
        text += f" ± {50 * (found.high - found.low):.1f}"
    return text
