"""Plot of compared results: accuracies with their intervals, below them the differences of all pairs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from spikebench.evaluation.comparison import ResultComparison
from spikebench.metrics.significance import Estimate
from spikebench.plots.sample import GRID, INK, plain, style

__all__ = ["draw_results"]

_ACCENT, _MUTED = "#0b6e8f", "#7a8594"
_ROW = 0.27  # inches
_LONGEST_NAME = 36
_MARKERS = {True: "o", False: "s"}  # spiking, conventional


def draw_results(comparison: ResultComparison) -> Figure:
    """Draw compared results.

    Parameters
    ----------
    comparison
        The comparison to draw.

    Returns
    -------
    Figure
        One row per result above, one row per pair below.
    """
    heights = [_ROW * (len(rows) + 1) for rows in (comparison.results, comparison.pairs)]
    layout = ConstrainedLayoutEngine(h_pad=0.08)
    figure = Figure(figsize=(8.0, 1.9 + sum(heights)), layout=layout)
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, gridspec_kw={"height_ratios": heights})
    data = comparison.results[0].result.dataset
    synthetic = " (synthetic)" if data.synthetic else ""
    figure.suptitle(
        f"{_plain(data.name)}{synthetic}, {_plain(data.split.protocol)}: "
        f"{comparison.samples:,} test samples",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    _draw_accuracies(above, comparison)
    _draw_differences(below, comparison)
    return figure


def _draw_accuracies(panel: Axes, comparison: ResultComparison) -> None:
    for row, one in enumerate(comparison.results):
        seeds = [100 * record.test_accuracy for record in one.result.seeds]
        if len(seeds) > 1:
            panel.plot(
                seeds, np.full(len(seeds), row + 0.28), "|", color=_MUTED, markersize=5, zorder=2
            )
        _draw_estimate(panel, row, one.accuracy, one.result.model.spiking, significant=True)
    names = [_plain(one.name) for one in comparison.results]
    _finish(panel, names, "test accuracy [%]")
    spiking = {one.result.model.spiking for one in comparison.results}
    handles = [
        _handle(_MARKERS[kind], _ACCENT, _ACCENT, name)
        for kind, name in ((True, "spiking"), (False, "conventional"))
        if kind in spiking
    ]
    seeds_too = ""
    if any(len(one.result.seeds) > 1 for one in comparison.results):
        handles.append(_handle("|", _MUTED, _MUTED, "one seed"))
        seeds_too = ", and the seeds"
    _legend(panel, handles, f"mean and 95 % interval ({comparison.method}{seeds_too})")


def _draw_differences(panel: Axes, comparison: ResultComparison) -> None:
    panel.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for row, pair in enumerate(comparison.pairs):
        _draw_estimate(panel, row, pair.difference, True, significant=pair.differs)
    names = [_plain(one.name) for one in comparison.results]
    pairs = [f"{names[pair.first]} − {names[pair.second]}" for pair in comparison.pairs]
    _finish(panel, pairs, "difference of test accuracy [percentage points]")
    present = {pair.differs for pair in comparison.pairs}
    handles = [
        _handle("o", edge, face, name)
        for kind, edge, face, name in (
            (True, _ACCENT, _ACCENT, "significant"),
            (False, _MUTED, "white", "not significant"),
        )
        if kind in present
    ]
    several = f", adjusted for {len(comparison.pairs)} pairs" if len(comparison.pairs) > 1 else ""
    _legend(panel, handles, f"difference and 95 % interval; significant: p < 0.05{several}")


def _draw_estimate(
    panel: Axes, row: int, estimate: Estimate, spiking: bool, *, significant: bool
) -> None:
    colour = _ACCENT if significant else _MUTED
    if estimate.low is not None and estimate.high is not None:
        panel.plot(
            [100 * estimate.low, 100 * estimate.high],
            [row, row],
            color=colour,
            linewidth=2.2,
            solid_capstyle="butt",
            zorder=2,
        )
    panel.plot(
        100 * estimate.value,
        row,
        _MARKERS[spiking],
        markersize=6.5,
        markerfacecolor=colour if significant else "white",
        markeredgecolor=colour,
        markeredgewidth=1.5,
        zorder=3,
    )


def _finish(panel: Axes, names: list[str], label: str) -> None:
    style(panel)
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0, labelsize=9)
    panel.grid(axis="x", color=GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines["left"].set_visible(False)
    panel.set_xlabel(label, fontsize=9)


def _plain(name: str) -> str:
    """Shorten a name, and escape it so that it is not parsed as mathematics."""
    return plain(name[:_LONGEST_NAME])


def _handle(marker: str, edge: str, face: str, name: str) -> Line2D:
    return Line2D(
        [],
        [],
        linestyle="",
        marker=marker,
        markeredgecolor=edge,
        markerfacecolor=face,
        markersize=6.5,
        label=name,
    )


def _legend(panel: Axes, handles: list[Line2D], title: str) -> None:
    panel.set_title(title, loc="left", fontsize=8.5, color=INK, pad=20)
    panel.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        borderaxespad=0.2,
        handletextpad=0.2,
        borderpad=0.0,
    )
