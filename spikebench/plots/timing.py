"""Plot of a study of timing: accuracy against the strength of each kind of change, bars for kinds without strength."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from spikebench.events.conditions import CLEAN, KINDS
from spikebench.plots.sample import GRID, INK, plain, style
from spikebench.timing.report import TimingReport, TimingRow

__all__ = ["draw_study"]

_COLOURS = ("#0b6e8f", "#c2571a", "#4b8b3b", "#7b4ea3", "#a3324b", "#7a8594")
_MUTED = "#7a8594"
_LONGEST_NAME = 36
_COLUMNS = 3
_TITLES = {
    "equal-counts": ("equal counts", "quantile of the counts [%]"),
    "jitter": ("jitter of every spike", "standard deviation [ms]"),
    "unit-jitter": ("jitter of every unit", "standard deviation [ms]"),
    "delete": ("deletion", "probability [%]"),
    "round": ("rounded times", "width of the bins [ms]"),
    "units": ("fewer units", "one unit of"),
}


def draw_study(report: TimingReport) -> Figure:
    """Draw a study.

    Parameters
    ----------
    report
        The study to draw.

    Returns
    -------
    Figure
        One panel of bars for the conditions without strength, and one panel of lines per other kind. Solid and full:
        trained on unchanged spikes; dashed and hollow: trained under the condition. Bands and error bars are the
        standard deviation over seeds: an interval that covers other speakers too would be as wide as the panel where
        only two were tested.
    """
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in report.rows)]
    lines = [kind for kind in kinds if KINDS[kind].usual]
    n_panels = 1 + len(lines)
    rows = -(-n_panels // _COLUMNS)
    columns = min(n_panels, _COLUMNS)
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
    figure = Figure(figsize=(4.2 * columns + 0.4, 3.0 * rows + 1.0), layout=layout)
    FigureCanvasAgg(figure)
    panels = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    _draw_bars(panels[0], report, [kind for kind in kinds if kind not in lines])
    for panel, kind in zip(panels[1:], lines, strict=False):
        _draw_lines(panel, report, kind)
    for panel in panels[n_panels:]:
        panel.set_visible(False)
    for panel in panels[:n_panels]:
        _finish(panel, report)
    data = report.dataset
    synthetic = " (synthetic)" if data.synthetic else ""
    spread = any(row.std is not None for row in report.rows)
    figure.suptitle(
        f"{plain(data.name)}{synthetic}: {report.samples:,} {report.tested} samples"
        f"{', ± standard deviation over seeds' if spread else ''}",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    figure.legend(
        handles=_handles(report),
        loc="outside lower left",
        ncols=4,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return figure


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _draw_bars(panel: Axes, report: TimingReport, kinds: Sequence[str]) -> None:
    """Draw a group per condition, a pair of points per model."""
    width = 0.8 / len(report.models)
    for place, model in enumerate(report.models):
        for offset, trained_on in ((-0.2, "clean"), (0.2, "changed")):
            found = _chosen(report, model.name, trained_on)
            rows = [row for row in found if row.kind in kinds]
            for row in rows:
                alone = row.kind == CLEAN.kind
                at = kinds.index(row.kind) - 0.4 + width * (place + 0.5)
                _draw_bar(panel, at + (0 if alone else offset * width), row, place, width)
    panel.set_xticks(range(len(kinds)), kinds, fontsize=8)
    panel.set_xlim(-0.6, len(kinds) - 0.4)


def _draw_bar(panel: Axes, at: float, row: TimingRow, place: int, width: float) -> None:
    assert row.accuracy is not None
    colour, is_clean = _colour(place), row.trained_on == "clean"
    panel.bar(
        at,
        100 * row.accuracy,
        0.36 * width,
        color=colour if is_clean else "white",
        edgecolor=colour,
        linewidth=1.0,
        zorder=2,
    )
    if row.std is not None:
        panel.errorbar(
            [at], [100 * row.accuracy], [100 * row.std], color=INK, linewidth=0.9, zorder=3
        )


def _draw_lines(panel: Axes, report: TimingReport, kind: str) -> None:
    for place, model in enumerate(report.models):
        clean = [
            row
            for row in _chosen(report, model.name, "clean")
            if row.condition == str(CLEAN) and row.accuracy is not None
        ]
        for row in clean:
            panel.axhline(100 * (row.accuracy or 0), color=_colour(place), linewidth=0.6, alpha=0.6)
        for trained_on, line in (("clean", "-"), ("changed", "--")):
            rows = [row for row in _chosen(report, model.name, trained_on) if row.kind == kind]
            strengths = [row.strength for row in rows]
            values = np.array([100 * (row.accuracy or 0) for row in rows])
            face = _colour(place) if trained_on == "clean" else "white"
            panel.plot(
                strengths,
                values,
                line,
                marker="o",
                markersize=4,
                color=_colour(place),
                markerfacecolor=face,
                linewidth=1.4,
                zorder=3,
            )
            spread = np.array([100 * (row.std or 0) for row in rows])
            if any(row.std is not None for row in rows):
                panel.fill_between(
                    strengths,
                    values - spread,
                    values + spread,
                    color=_colour(place),
                    alpha=0.15,
                    linewidth=0,
                )
    title, label = _TITLES[kind]
    panel.set_title(title, loc="left", fontsize=9, color=INK)
    panel.set_xlabel(label, fontsize=9)
    if KINDS[kind].unit != "%":
        panel.set_xscale("log")
    strengths = sorted({row.strength for row in report.rows if row.kind == kind})
    panel.set_xticks(strengths, [f"{strength:g}" for strength in strengths])
    panel.minorticks_off()


def _chosen(report: TimingReport, model: str, trained_on: str) -> list[TimingRow]:
    return [
        row
        for row in report.rows
        if row.model == model and row.trained_on == trained_on and row.accuracy is not None
    ]


def _finish(panel: Axes, report: TimingReport) -> None:
    style(panel)
    panel.set_ylim(0, 103)
    panel.set_ylabel(f"{report.tested} accuracy [%]", fontsize=9)
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    if report.chance is not None:
        panel.axhline(100 * report.chance, color=_MUTED, linewidth=0.8, linestyle=":", zorder=1)


def _handles(report: TimingReport) -> list[Line2D]:
    names = [plain(model.name[:_LONGEST_NAME]) for model in report.models]
    handles = [
        Line2D([], [], color=_colour(place), linewidth=2, label=name)
        for place, name in enumerate(names)
    ]
    handles += [
        Line2D(
            [],
            [],
            color=INK,
            linestyle="-",
            marker="o",
            markersize=4,
            label="trained on unchanged spikes",
        ),
        Line2D(
            [],
            [],
            color=INK,
            linestyle="--",
            marker="o",
            markersize=4,
            markerfacecolor="white",
            label="trained under the condition",
        ),
    ]
    if report.chance is not None:
        handles.append(Line2D([], [], color=_MUTED, linestyle=":", label="chance level"))
    return handles
