"""Plot of a study of few-shot learning: accuracy against inner steps, one panel per kind of task."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spikebench.fewshot.report import FewShotReport, FewShotRow
from spikebench.fewshot.study import kind_title
from spikebench.plots.sample import GRID, INK, plain, style
from spikebench.protocol.few_shot import KINDS

__all__ = ["draw_fewshot"]

_COLOURS = {"maml": "#0b6e8f", "fomaml": "#4b8b3b", "anil": "#7b4ea3", "finetune": "#c2571a"}
_LINES = ("-", "--", "-.", ":")
_MARKS = {0: "o", 8: "s", 4: "^"}


def draw_fewshot(report: FewShotReport) -> Figure:
    """Draw a study.

    Parameters
    ----------
    report
        The study to draw.

    Returns
    -------
    Figure
        One panel per kind of task. Colours are methods, lines are networks, marks are bits; bars are the 95 % intervals
        over tasks after the selected number of steps (the most frequent one, if seeds differ).
    """
    kinds = [kind for kind in KINDS if report.of_kind(kind)]
    figure = Figure(figsize=(1.5 + 3.4 * len(kinds), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    models = list(dict.fromkeys(row.model for row in report.rows))
    handles: dict[str, Line2D] = {}
    for place, kind in enumerate(kinds):
        panel = figure.add_subplot(1, len(kinds), place + 1)
        for row in report.of_kind(kind):
            if row.curve:
                label = plain(f"{row.model}: {row.name}")
                handles[label] = _draw(panel, row, _LINES[models.index(row.model) % len(_LINES)])
        chances = {row.chance for row in report.of_kind(kind) if row.chance is not None}
        for chance in chances:
            panel.axhline(100 * chance, color="#7a8594", linewidth=0.8, linestyle=":", zorder=1)
        style(panel)
        panel.set_title(kind_title(kind), loc="left", fontsize=9, color=INK)
        panel.set_xlabel("inner steps", fontsize=9)
        panel.set_ylabel(f"{report.tested} accuracy in queries [%]", fontsize=9)
        panel.set_ylim(0, 103)
        panel.set_xticks(range(report.settings.evaluation.steps + 1))
        panel.grid(axis="y", color=GRID, linewidth=0.6)
    if handles:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside right center",
            fontsize=8,
            frameon=False,
        )
    return figure


def _draw(panel: Axes, row: FewShotRow, line: str) -> Line2D:
    colour = _COLOURS[row.method]
    (drawn,) = panel.plot(
        range(len(row.curve)),
        [100 * value for value in row.curve],
        line,
        marker=_MARKS.get(row.bits, "D"),
        markersize=4,
        color=colour,
        alpha=0.6 if row.bits else 1.0,
        linewidth=1.4,
    )
    if row.low is not None and row.high is not None and row.accuracy is not None:
        steps = [seed.steps for seed in row.seeds if not seed.failed]
        at = max(sorted(set(steps)), key=steps.count)
        half = [[100 * (row.accuracy - row.low)], [100 * (row.high - row.accuracy)]]
        panel.errorbar([at], [100 * row.accuracy], half, color=colour, linewidth=1.0, capsize=2)
    return drawn
