"""Plot of a study of spike patterns: learning curves of every task, and output spikes before and after learning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullFormatter, PercentFormatter

from spikebench.patterns.study import PatternRun, Spike
from spikebench.plots.sample import INK, plain, style

__all__ = ["draw_patterns"]

_COLOURS = {"symmetric": "#0b6e8f", "random": "#c2571a", "uniform": "#7a8594"}


def draw_patterns(runs: Sequence[PatternRun]) -> Figure:
    """Draw a study.

    Parameters
    ----------
    runs
        From :func:`spikebench.patterns.study.run_study`.

    Returns
    -------
    Figure
        Above, one panel per task: distance against presentations, mean and range over seeds. Below, the targets of the
        last task, and its outputs before and after learning with the first kind of feedback, seed 0.
    """
    tasks = list(dict.fromkeys((run.kind, run.outputs) for run in runs))
    columns = max(len(tasks), 3)
    figure = Figure(
        figsize=(3.4 * columns, 6.4), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
    )
    FigureCanvasAgg(figure)
    above, below = np.ravel(figure.subfigures(2, 1, squeeze=False))
    for number, (panel, task) in enumerate(
        zip(np.ravel(above.subplots(1, len(tasks), squeeze=False)), tasks, strict=True)
    ):
        _draw_curves(panel, [run for run in runs if (run.kind, run.outputs) == task])
        if number == 0:
            panel.set_ylabel("distance, of a silent network")
            panel.legend(frameon=False, fontsize=8)
    shown = next(run for run in runs if (run.kind, run.outputs) == tasks[-1])
    titles = ("targets", "before learning", f"after learning, {shown.feedback} feedback")
    panels = np.ravel(below.subplots(1, 3, squeeze=False))
    for panel, title, spikes in zip(
        panels, titles, (shown.targets, shown.before, shown.after), strict=True
    ):
        _draw_raster(panel, spikes, shown)
        panel.set_title(title, fontsize=9, color=INK, loc="left")
    panels[0].set_ylabel("output neuron")
    return figure


def _draw_curves(panel: Axes, runs: Sequence[PatternRun]) -> None:
    style(panel)
    for feedback in dict.fromkeys(run.feedback for run in runs):
        curves = np.array([run.distance for run in runs if run.feedback == feedback])
        x, colour = runs[0].presentation, _COLOURS[feedback]
        panel.plot(x, curves.mean(axis=0), color=colour, label=feedback, linewidth=1.5)
        panel.fill_between(
            x, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0
        )
    panel.set_yscale("log")
    panel.set_ylim(bottom=0.01)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel("presentation")
    panel.set_title(
        plain(f"{runs[0].kind}, {runs[0].outputs} outputs"), fontsize=9, color=INK, loc="left"
    )


def _draw_raster(panel: Axes, spikes: Sequence[Spike], run: PatternRun) -> None:
    style(panel)
    times = [step * run.settings.time_step_ms for step, _ in spikes]
    panel.scatter(times, [unit for _, unit in spikes], s=3, color=INK, linewidths=0)
    panel.set_xlim(0, run.settings.duration_ms)
    panel.set_ylim(-0.5, run.outputs - 0.5)
    panel.set_xlabel("time [ms]")
