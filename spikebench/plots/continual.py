"""Plot of learning task after task: the accuracy on every task after every task, and its mean over the tasks so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from spikebench.continual.report import ContinualReport, ContinualRow
from spikebench.metrics.forgetting import interval
from spikebench.plots.sample import GRID, INK, plain, style

__all__ = ["draw_continual"]

_COLOURS = ("#7a8594", "#0b6e8f", "#c2571a", "#4b8b3b", "#7b4ea3", "#a3324b", "#b58900", "#2f4b7c")
_COLUMNS = 4


def draw_continual(report: ContinualReport, tasks: str, model: str) -> Figure:
    """Draw a sequence of tasks with a model.

    Parameters
    ----------
    report
        The study.
    tasks, model
        The sequence and the model.

    Returns
    -------
    Figure
        A heat map per method (row: after the training of this task; column: accuracy on this task; means over seeds),
        and one panel of lines with 95 % intervals: mean accuracy on the tasks so far. Joint training is a dashed line.
    """
    rows = [row for row in report.rows_of(tasks, model) if row.done]
    mapped = [row for row in rows if row.kind != "joint"]
    columns = min(max(len(mapped), 1), _COLUMNS)
    n_maps = -(-len(mapped) // columns)
    figure = Figure(figsize=(2.5 * columns + 1.2, 2.5 * n_maps + 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(n_maps + 1, columns, height_ratios=[*[1.0] * n_maps, 1.25])
    panels = []
    for k, row in enumerate(mapped):
        panels.append(figure.add_subplot(grid[k // columns, k % columns]))
        image = _draw_map(panels[-1], row, k % columns == 0, k // columns == n_maps - 1)
    if panels:
        bar = figure.colorbar(image, ax=panels, fraction=0.03, pad=0.01)
        bar.set_label("accuracy [%]", fontsize=8, color=INK)
        bar.ax.tick_params(labelsize=7, colors=INK)
    _draw_lines(figure.add_subplot(grid[n_maps, :]), report, tasks, rows)
    data = report.dataset
    synthetic = " (synthetic)" if data.synthetic else ""
    tested = "held-out" if tasks in ("speakers", "permutations") else report.tested
    figure.suptitle(
        f"{plain(data.name)}{synthetic}, {tasks}, {plain(model)}: {report.seeds} seed{'s' * (report.seeds > 1)}, "
        f"{tested} samples",
        x=0.01,
        ha="left",
        fontsize=10,
        color=INK,
    )
    return figure


def _matrices(row: ContinualRow) -> NDArray[np.float64]:
    """Return R in %, shape (seeds, trainings, tasks)."""
    return 100 * np.stack([seed.matrix for seed in row.done])


def _draw_map(panel: Axes, row: ContinualRow, is_left: bool, is_lowest: bool) -> AxesImage:
    mean = _matrices(row).mean(0)
    n = mean.shape[1]
    image = panel.imshow(mean, vmin=0, vmax=100, cmap="viridis", aspect="equal")
    ticks = np.arange(n) if n <= 12 else np.arange(0, n, 5)
    panel.set_xticks(ticks, [str(k + 1) for k in ticks], fontsize=6)
    panel.set_yticks(ticks, [str(k + 1) for k in ticks], fontsize=6)
    panel.set_title(row.method, loc="left", fontsize=9, color=INK)
    if is_left:
        panel.set_ylabel("after task", fontsize=8)
    if is_lowest:
        panel.set_xlabel("accuracy on task", fontsize=8)
    panel.tick_params(colors=INK, color=GRID)
    return image


def _draw_lines(
    panel: Axes, report: ContinualReport, tasks: str, rows: Sequence[ContinualRow]
) -> None:
    for k, row in enumerate(rows):
        found, colour = _matrices(row), _COLOURS[k % len(_COLOURS)]
        n = found.shape[2]
        if row.kind == "joint":
            level = float(found[:, -1].mean())
            panel.plot([1, n], [level, level], "--", color=INK, linewidth=1.2, label=row.method)
            continue
        # The mean over the tasks so far, shape (seeds, tasks).
        so_far = np.stack([found[:, i, : i + 1].mean(1) for i in range(n)], axis=1)
        at = np.arange(1, n + 1)
        panel.plot(at, so_far.mean(0), marker="o", markersize=3, color=colour, label=row.method)
        both = [interval(so_far[:, i] / 100) for i in range(n)]
        mean = so_far.mean(0)
        low = [100 * one[0] if one else mean[i] for i, one in enumerate(both)]
        high = [100 * one[1] if one else mean[i] for i, one in enumerate(both)]
        panel.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    style(panel)
    chance = next(one.chance for one in report.tasks if one.name == tasks)
    panel.axhline(100 * chance, color=_COLOURS[0], linewidth=0.8, linestyle=":", label="chance")
    panel.set_ylim(0, 103)
    panel.set_xlabel("number of tasks learned", fontsize=8)
    panel.set_ylabel("mean accuracy on them [%]", fontsize=8)
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    panel.legend(
        frameon=False,
        fontsize=7,
        ncols=8,
        labelcolor=INK,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
    )
