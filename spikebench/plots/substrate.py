"""Plot of a study with a substrate in the loop: accuracy per condition, spikes, and accuracy against time."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from spikebench.plots.sample import GRID, INK, plain, style
from spikebench.substrate.answers import CONDITIONS
from spikebench.substrate.report import SubstrateReport

__all__ = ["draw_substrate"]

_COLOURS = dict(
    zip(CONDITIONS, ("#7a8594", "#a3324b", "#0b6e8f", "#4b8b3b", "#c2571a"), strict=True)
)
_PLAIN, _SPARSE = "free activity", "activity regularised"


def draw_substrate(report: SubstrateReport) -> Figure:
    """Draw a study.

    Parameters
    ----------
    report
        The study to draw.

    Returns
    -------
    Figure
        Left: accuracy of every condition with its 95 % interval; middle: accuracy against spikes per sample; right:
        accuracy after each time. Full and solid: without activity regularisation; hollow and dashed: with it.
    """
    figure = Figure(figsize=(12.6, 3.9), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1))
    FigureCanvasAgg(figure)
    bars, spikes, times = figure.subplots(1, 3)
    conditions = list(dict.fromkeys(row.condition for row in report.rows))
    step = report.settings.preset.input.time_step_ms
    for row in report.rows:
        colour, is_plain = _COLOURS[row.condition], row.activity == "plain"
        value = 100 * row.accuracy
        error = 100 * np.array([[row.accuracy - row.low], [row.high - row.accuracy]])
        face = colour if is_plain else "white"
        at = conditions.index(row.condition) + (-0.2 if is_plain else 0.2)
        bars.bar(at, value, 0.36, color=face, edgecolor=colour, zorder=2)
        bars.errorbar([at], [value], error.clip(min=0), color=INK, linewidth=0.9, zorder=3)
        spikes.errorbar(
            [row.spikes],
            [value],
            error.clip(min=0),
            marker="o",
            color=colour,
            markerfacecolor=face,
            linewidth=0.9,
        )
        after = step * np.arange(1, len(row.accuracy_at) + 1)
        times.plot(
            after,
            100 * np.array(row.accuracy_at),
            "-" if is_plain else "--",
            color=colour,
            linewidth=1.3,
        )
    bars.set_xticks(
        range(len(conditions)), [name.replace(" ", "\n", 1) for name in conditions], fontsize=8
    )
    spikes.set_xlabel("hidden spikes per sample", fontsize=9)
    spikes.set_xlim(left=0)
    times.set_xlabel("time since the start of the recording [ms]", fontsize=9)
    for panel in (bars, spikes, times):
        _finish(panel, report)
    data = report.dataset
    synthetic = " (synthetic)" if data.synthetic else ""
    figure.suptitle(
        f"{plain(data.name)}{synthetic}, {report.model} on the {report.substrate} substrate: {report.samples:,} "
        f"{report.tested} samples, {report.seeds} seed{'s' * (report.seeds > 1)}, 95 % intervals",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    handles = [Line2D([], [], color=_COLOURS[name], linewidth=2, label=name) for name in conditions]
    handles += [
        Line2D([], [], color=INK, marker="o", markersize=4, label=_PLAIN),
        Line2D([], [], color=INK, ls="--", marker="o", markersize=4, mfc="white", label=_SPARSE),
    ]
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=7,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return figure


def _finish(panel: Axes, report: SubstrateReport) -> None:
    style(panel)
    panel.set_ylim(0, 103)
    panel.set_ylabel(f"{report.tested} accuracy [%]", fontsize=9)
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.axhline(100 * report.chance, color="#7a8594", linewidth=0.8, linestyle=":", zorder=1)
