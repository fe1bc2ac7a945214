"""The results of a study of spike patterns, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from spikebench.patterns.study import PatternRun
from spikebench.records.whole_files import write_text

JSON_FILE, PAGE_FILE, PICTURE_FILE = "patterns.json", "patterns.md", "patterns.png"


def rows(runs: Sequence[PatternRun]) -> list[dict[str, object]]:
    """Compute one row per task and kind of feedback.

    Parameters
    ----------
    runs
        From :func:`spikebench.patterns.study.run_study`.

    Returns
    -------
    list of dict
        ``task``, ``feedback``, ``seeds``, and ``distance`` with its 95 % t interval over seeds ``low``, ``high`` (null
        for one seed), as a fraction of that of a silent network.
    """
    grouped: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        grouped.setdefault((f"{run.kind}:{run.outputs}", run.feedback), []).append(run.final)
    made: list[dict[str, object]] = []
    for (task, feedback), finals in grouped.items():
        values = np.array(finals)
        mean, low, high = float(values.mean()), None, None
        if values.size > 1:
            deviation = values.std(ddof=1) / np.sqrt(values.size)
            half = float(stdtrit(values.size - 1, 0.975) * deviation)
            low, high = max(mean - half, 0.0), mean + half
        named = {"task": task, "feedback": feedback, "seeds": values.size}
        made.append({**named, "distance": mean, "low": low, "high": high})
    return made


def table(runs: Sequence[PatternRun]) -> str:
    """Write the rows as a Markdown table, one column per kind of feedback.

    Parameters
    ----------
    runs
        From :func:`spikebench.patterns.study.run_study`.

    Returns
    -------
    str
        Distances in percent of that of a silent network, with 95 % intervals.
    """
    found = rows(runs)
    kinds = list(dict.fromkeys(str(row["feedback"]) for row in found))
    lines = [f"| task | {' | '.join(kinds)} |", "|---|" + "---|" * len(kinds)]
    for task in dict.fromkeys(str(row["task"]) for row in found):
        of_task = {str(row["feedback"]): row for row in found if row["task"] == task}
        cells = [_cell(of_task[kind]) if kind in of_task else "" for kind in kinds]
        lines.append(f"| {task} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: dict[str, object]) -> str:
    value, low, high = (row[name] for name in ("distance", "low", "high"))
    assert isinstance(value, float)
    if not (isinstance(low, float) and isinstance(high, float)):
        return f"{100 * value:.1f}"
    return f"{100 * value:.1f} ({100 * low:.1f} – {100 * high:.1f})"


def write_report(folder: Path, runs: Sequence[PatternRun]) -> None:
    """Write ``patterns.json`` and ``patterns.md``.

    Parameters
    ----------
    folder
        Folder of the study.
    runs
        From :func:`spikebench.patterns.study.run_study`.
    """
    settings = runs[0].settings
    said = {"format_version": 1, "settings": settings.model_dump(mode="json"), "rows": rows(runs)}
    write_text(folder / JSON_FILE, json.dumps(said, indent=2, ensure_ascii=False) + "\n")
    page = [
        "# Spike patterns",
        f"Van Rossum distance after {settings.presentations:,} presentations of {settings.duration_ms:g} ms, in "
        f"percent of that of a silent network: mean over {len({run.seed for run in runs})} seeds and 95 % interval. "
        "Columns: kind of feedback to the hidden neurons.",
        table(runs),
        f"![Learning curves and output spikes]({PICTURE_FILE})",
    ]
    write_text(folder / PAGE_FILE, "\n\n".join(page) + "\n")
