"""Plot of a study of noise: accuracy against the ratio of signal to noise, and under every other condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from spikebench.degradation.conditions import NOISES, parse_condition
from spikebench.noise.report import NoiseReport, NoiseRow
from spikebench.plots.sample import GRID, INK, plain, style

__all__ = ["draw_study"]

_COLOURS = ("#0b6e8f", "#c2571a", "#4b8b3b", "#7b4ea3", "#a3324b", "#7a8594")
_MUTED = "#7a8594"
_LONGEST_NAME = 36
_COLUMNS = 3
_TITLES = {
    "white": "white noise",
    "pink": "pink noise",
    "babble": "babble of six speakers",
    "recorded": "recorded noise",
}
_Line = Literal["-", "--", ":", "-."]
# Training, place of the damage → line, marker, whether the marker is full, words.
_WAYS: dict[tuple[str, str], tuple[_Line, str, bool, str]] = {
    ("clean", "sound"): ("-", "o", True, "sound degraded before the conversion"),
    ("clean", "spikes"): ("--", "o", False, "spikes damaged after it"),
    ("noise", "sound"): (":", "s", True, "sound degraded, trained with noise"),
    ("noise", "spikes"): ("-.", "s", False, "spikes damaged, trained with noise"),
}


def draw_study(report: NoiseReport) -> Figure:
    """Draw a study.

    Parameters
    ----------
    report
        The study to draw.

    Returns
    -------
    Figure
        One panel per kind of noise, with curves over the ratio of signal to noise, and below them one panel with the
        other conditions. Bands and bars are 95 % intervals.
    """
    kinds = [kind for kind in NOISES if any(_finite(row, kind) for row in report.rows)]
    others = [name for name in report.conditions if parse_condition(name).kind not in NOISES]
    columns = max(min(len(kinds), _COLUMNS), 1)
    rows = -(-len(kinds) // columns)
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.1)
    figure = Figure(figsize=(4.2 * columns + 0.4, 3.0 * (rows + 1) + 1.0), layout=layout)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows + 1, columns)
    for place, kind in enumerate(kinds):
        panel = figure.add_subplot(grid[place // columns, place % columns])
        _draw_curves(panel, report, kind)
        _finish(panel, report)
    last = figure.add_subplot(grid[rows, :])
    _draw_others(last, report, others)
    _finish(last, report)
    data = report.dataset
    encoder = f", {plain(report.encoder)}" if report.encoder else ""
    synthetic = " (synthetic)" if data.synthetic else ""
    figure.suptitle(
        f"{plain(data.name)}{synthetic}{encoder}: {report.samples:,} {report.tested} samples, 95 % intervals",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    figure.legend(
        handles=_handles(report),
        loc="outside lower left",
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return figure


def _finite(row: NoiseRow, kind: str) -> bool:
    return row.kind == kind and row.strength is not None


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _rows(report: NoiseReport, model: str, way: tuple[str, str]) -> list[NoiseRow]:
    return [row for row in report.rows if (row.model, row.trained_on, row.place) == (model, *way)]


def _draw_curves(panel: Axes, report: NoiseReport, kind: str) -> None:
    for number, model in enumerate(report.models):
        for way, (line, marker, is_full, _) in _WAYS.items():
            rows = [row for row in _rows(report, model.name, way) if _finite(row, kind)]
            if not rows:
                continue
            ratios = [row.strength or 0.0 for row in rows]
            colour = _colour(number)
            panel.plot(
                ratios,
                [100 * row.accuracy for row in rows],
                line,
                marker=marker,
                markersize=4,
                color=colour,
                markerfacecolor=colour if is_full else "white",
                linewidth=1.4,
                zorder=3,
            )
            if all(row.low is not None for row in rows):
                low = [100 * (row.low or 0.0) for row in rows]
                high = [100 * (row.high or 0.0) for row in rows]
                panel.fill_between(ratios, low, high, color=colour, alpha=0.1, linewidth=0)
        clean = [
            row for row in _rows(report, model.name, ("clean", "sound")) if row.kind == "clean"
        ]
        for row in clean:
            panel.axhline(100 * row.accuracy, color=_colour(number), linewidth=0.6, alpha=0.6)
    panel.set_title(_TITLES[kind], loc="left", fontsize=9, color=INK)
    panel.set_xlabel("ratio of signal to noise [dB]", fontsize=9)
    ratios = sorted(
        {row.strength for row in report.rows if _finite(row, kind) and row.strength is not None}
    )
    panel.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])


def _draw_others(panel: Axes, report: NoiseReport, conditions: Sequence[str]) -> None:
    ways = [way for way in _WAYS if any((row.trained_on, row.place) == way for row in report.rows)]
    places = [(number, way) for number in range(len(report.models)) for way in ways]
    width = 0.8 / len(places) if places else 0.8
    for slot, (number, way) in enumerate(places):
        _, marker, is_full, _ = _WAYS[way]
        colour = _colour(number)
        for row in _rows(report, report.models[number].name, way):
            if row.condition not in conditions:
                continue
            at = conditions.index(row.condition) - 0.4 + width * (slot + 0.5)
            accuracy = 100 * row.accuracy
            spread = None
            if row.low is not None and row.high is not None:
                # Rounding may put an end on the wrong side by the last digit.
                ends = np.maximum([[accuracy - 100 * row.low], [100 * row.high - accuracy]], 0.0)
                spread = ends
            panel.errorbar(
                [at],
                [accuracy],
                spread,
                fmt=marker,
                markersize=4,
                color=colour,
                markerfacecolor=colour if is_full else "white",
                linewidth=1.0,
                zorder=3,
            )
    panel.set_xticks(range(len(conditions)), conditions, fontsize=8)
    panel.set_xlim(-0.6, len(conditions) - 0.4)


def _finish(panel: Axes, report: NoiseReport) -> None:
    style(panel)
    panel.set_ylim(0, 103)
    panel.set_ylabel(f"{report.tested} accuracy [%]", fontsize=9)
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    if report.chance is not None:
        panel.axhline(100 * report.chance, color=_MUTED, linewidth=0.8, linestyle=":", zorder=1)


def _handles(report: NoiseReport) -> list[Line2D]:
    handles = [
        Line2D([], [], color=_colour(place), linewidth=2, label=plain(model.name[:_LONGEST_NAME]))
        for place, model in enumerate(report.models)
    ]
    for way, (line, marker, is_full, words) in _WAYS.items():
        if any((row.trained_on, row.place) == way for row in report.rows):
            face = INK if is_full else "white"
            handles.append(
                Line2D(
                    [],
                    [],
                    color=INK,
                    linestyle=line,
                    marker=marker,
                    markersize=4,
                    markerfacecolor=face,
                    label=words,
                )
            )
    if report.chance is not None:
        handles.append(Line2D([], [], color=_MUTED, linestyle=":", label="chance level"))
    return handles
