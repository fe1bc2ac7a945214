"""The results of a study as Markdown, in a page of the documentation.

A page has one generated part per study, between the lines ``<!-- NAME -->`` and ``<!-- /NAME -->``, with NAME the name
of the folder of the study. Text outside these lines is written by hand and kept.
"""

from __future__ import annotations

from pathlib import Path

from spikebench.errors import OutputError
from spikebench.fewshot.report import FewShotReport, FewShotRow
from spikebench.fewshot.study import kind_title
from spikebench.protocol.few_shot import KINDS
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import write_text

__all__ = ["markdown", "write_page"]


def markdown(report: FewShotReport, command: str, picture: str) -> str:
    """Write the results of a study as Markdown.

    Parameters
    ----------
    report
        The study.
    command
        The command that made it.
    picture
        Address of the picture from the page.

    Returns
    -------
    str
        A table per kind of task, and the picture.
    """
    data, settings = report.dataset, report.settings
    voices = " (synthetic voices)" if data.synthetic else ""
    lines = [
        f"Data: `{data.name}`{voices}, tasks of {report.tested} samples; test split opened {report.test_opened} times.",
        "",
        "```",
        command,
        "```",
        "",
    ]
    for kind in KINDS:
        rows = report.of_kind(kind)
        if not rows:
            continue
        tasks = getattr(settings, kind)
        done = [row for row in rows if row.chance is not None]
        ways = round(1 / done[0].chance) if done and done[0].chance else tasks.ways
        lines += [
            f"**{kind_title(kind).capitalize()}**: {ways}-way {tasks.shots}-shot, at most {tasks.queries} queries per "
            "class, "
            + (f"chance {100 * done[0].chance:.1f} %." if done and done[0].chance else "."),
            "",
            "| network | method | accuracy | 95 % over tasks | 95 % over seeds | before | 1 step | steps to "
            f"{_percent(done[0].target) if done else '–'} | s per meta-batch | MB per task |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(_line(row) for row in rows),
            "",
        ]
    lines += [f"![Accuracy against inner steps]({picture})", ""]
    return "\n".join(lines)


def _line(row: FewShotRow) -> str:
    if row.accuracy is None:
        return f"| {row.model} | {row.name} | failed | | | | | | | |"
    steps = ", ".join(sorted({str(seed.steps) for seed in row.seeds if not seed.failed}))
    cells = [
        row.model,
        row.name,
        f"**{_percent(row.accuracy)}** after {steps} steps",
        f"{_percent(row.low)} … {_percent(row.high)} ({row.tasks} tasks)",
        "–" if row.seed_low is None else f"{_percent(row.seed_low)} … {_percent(row.seed_high)}",
        _percent(row.curve[0]),
        _percent(row.curve[1]),
        "not reached" if row.steps_to_target is None else str(row.steps_to_target),
        f"{row.seconds:.3f}",
        f"{row.graph_bytes / 1e6:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def write_page(path: Path, name: str, text: str) -> None:
    """Replace the part of a study in a page, or append it.

    Parameters
    ----------
    path
        The page; a new one is made if there is none.
    name
        Name of the part.
    text
        Its new contents.

    Raises
    ------
    OutputError
        If the page cannot be read, or has only one of the lines of the part.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    try:
        page = path.read_text(encoding="utf-8") if path.exists() else "# Few-shot learning\n"
    except (OSError, ValueError) as error:
        why = os_error_text(error) if isinstance(error, OSError) else "not UTF-8"
        raise OutputError(f"{path}: not readable: {why}; choose another --page") from None
    if (begin in page) != (end in page):
        raise OutputError(f"{path}: has only one of the lines {begin.strip()} and {end.strip()}")
    if begin not in page:
        page = f"{page.rstrip()}\n\n{begin}{end}"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f"{before}{begin}\n{text}\n{end}{after}")
