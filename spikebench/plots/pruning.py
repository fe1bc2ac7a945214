"""Plot of a study of pruning: accuracy against density, and accuracy of every epoch at one density."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator

from spikebench.plots.sample import GRID, INK, plain, style
from spikebench.pruning.methods import DENSE, METHODS
from spikebench.pruning.report import PruningReport, PruningRow

__all__ = ["draw_pruning"]

_COLOURS = dict(
    zip(METHODS, ("#0b6e8f", "#c2571a", "#4b8b3b", "#7b4ea3", "#a3324b"), strict=True)
) | {DENSE: INK}
_DECADE = 10.0
_SHOWN = 0.03  # the density of the paper; the curves show that which is nearest


def draw_pruning(report: PruningReport, model: str) -> Figure:
    """Draw the results of a model.

    Parameters
    ----------
    report
        The study.
    model
        The model.

    Returns
    -------
    Figure
        Left: accuracy against density, with 95 % intervals. Middle: accuracy against effective operations. Right:
        validation accuracy of every epoch at the density that is nearest to 3 %.
    """
    rows = [row for row in report.rows_of(model) if row.done]
    figure = Figure(figsize=(12.6, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    densities, operations, epochs = figure.subplots(1, 3)
    below = [row for row in rows if row.method != DENSE]
    methods = [name for name in METHODS if any(row.method == name for row in below)]
    dense = next((row for row in rows if row.method == DENSE), None)
    for k, method in enumerate(methods):
        own = [row for row in below if row.method == method]
        # Moved a little to the side, so that intervals do not hide each other.
        aside = 1.06 ** (k - (len(methods) - 1) / 2)
        _draw_line(densities, own, [100 * row.density * aside for row in own])
        _draw_line(operations, own, [max(row.effective_operations, 1.0) for row in own])
    for panel in (densities, operations):
        if dense and dense.accuracy:
            panel.axhline(100 * dense.accuracy.value, color=INK, linestyle="--", linewidth=1.0)
        panel.set_xscale("log")
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_ylabel(f"{report.tested} accuracy [%]", fontsize=9)
    ticks = sorted({100 * row.density for row in below})
    densities.xaxis.set_major_locator(FixedLocator(ticks))
    densities.xaxis.set_minor_locator(NullLocator())
    densities.set_xticklabels([f"{tick:g}" for tick in ticks])
    counts = [row.effective_operations for row in below]
    if counts and max(counts) < _DECADE * min(counts):  # a logarithmic axis would have no label
        operations.set_xscale("linear")
        operations.xaxis.set_major_locator(MaxNLocator(5))
    densities.set_xlabel("weights that are kept [%]", fontsize=9)
    operations.set_xlabel("effective operations per sample", fontsize=9)
    _draw_epochs(epochs, below, dense)
    for panel in (densities, operations, epochs):
        style(panel)
        panel.axhline(100 * report.chance, color="#7a8594", linewidth=0.8, linestyle=":")
        panel.grid(axis="y", color=GRID, linewidth=0.6)
        panel.set_ylim(0, 103)
    data = report.dataset
    synthetic = " (synthetic)" if data.synthetic else ""
    figure.suptitle(
        f"{plain(data.name)}{synthetic}, {plain(model)}: {report.seeds} seed{'s' * (report.seeds > 1)}, "
        f"{report.tested_samples:,} {report.tested} samples, 95 % intervals; dashed: dense network, dotted: chance",
        x=0.01,
        ha="left",
        fontsize=10,
        color=INK,
    )
    handles, labels = densities.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=len(METHODS),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return figure


def _draw_line(panel: Axes, rows: list[PruningRow], at: list[float]) -> None:
    points = [(x, row.accuracy) for x, row in zip(at, rows, strict=True) if row.accuracy]
    value = np.array([one.value for _, one in points])
    low = np.array([one.value if one.low is None else one.low for _, one in points])
    high = np.array([one.value if one.high is None else one.high for _, one in points])
    panel.errorbar(
        [x for x, _ in points],
        100 * value,
        100 * np.array([value - low, high - value]).clip(min=0),
        marker="o",
        markersize=3.5,
        linewidth=1.2,
        elinewidth=0.8,
        color=_COLOURS[rows[0].method],
        label=rows[0].method,
    )


def _draw_epochs(panel: Axes, rows: list[PruningRow], dense: PruningRow | None) -> None:
    shown = min((row.density for row in rows), key=lambda one: abs(one - _SHOWN), default=1.0)
    for row in [*([dense] if dense else []), *(row for row in rows if row.density == shown)]:
        curves = 100 * np.array([seed.accuracies for seed in row.done])
        line = "--" if row.method == DENSE else "-"
        panel.plot(curves.mean(0), line, color=_COLOURS[row.method], linewidth=1.3)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_xlabel("epoch", fontsize=9)
    panel.set_ylabel("validation accuracy [%]", fontsize=9)
    panel.set_title(f"{100 * shown:g} % of the weights", loc="left", fontsize=9, color=INK)
