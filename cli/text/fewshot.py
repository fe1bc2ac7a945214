"""A study of few-shot learning in a terminal: the accuracy of every network with every method."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from spikebench.fewshot.report import FewShotReport, FewShotRow


def print_study(report: FewShotReport, console: Console | None = None) -> None:
    """Print a study as one table.

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
    console.print(
        Text(f"accuracy in the queries of tasks of {report.tested} samples, in %", style="dim")
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("tasks", "network", "method"):
        table.add_column(head, no_wrap=True)
    for head in ("accuracy", "95 % interval", "before", "1 step", "steps", "chance"):
        table.add_column(head, justify="right")
    for row in report.rows:
        table.add_row(*map(Text, (row.kind, row.model, row.name, *_cells(row))))
    console.print(table)
    console.print(
        Text(
            "Intervals: bootstrap over the tasks of all seeds; speakers are not resampled. Steps and the step size of "
            "the baseline were selected in other tasks of the validation samples.",
            style="dim",
        )
    )


def _cells(row: FewShotRow) -> list[str]:
    if row.accuracy is None or row.low is None or row.high is None or row.chance is None:
        return ["failed"]
    failed = f" ({len(row.failed)} failed)" if row.failed else ""
    steps = sorted({seed.steps for seed in row.seeds if not seed.failed})
    return [
        f"{100 * row.accuracy:.1f}{failed}",
        f"{100 * row.low:.1f} … {100 * row.high:.1f}",
        f"{100 * row.curve[0]:.1f}",
        f"{100 * row.curve[1]:.1f}",
        ", ".join(map(str, steps)),
        f"{100 * row.chance:.1f}",
    ]
