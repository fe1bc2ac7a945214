"""Geometry of the plots on the page; colours and strokes are defined in the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaderboard.claims.literature import Report
from spikebench.metrics.record import Latency

LEVELS = 5
SELECTED_ON = ("validation", "none", "unknown", "test")


@dataclass(frozen=True)
class StripPlot:
    """Reported accuracies of one data set, one line per ``selected_on``; lengths in SVG units.

    ``ticks`` are (x, label); ``lanes`` are (name, y, [(x, y, title), …]).
    """

    dataset: str
    ticks: list[tuple[float, str]]
    lanes: list[tuple[str, float, list[tuple[float, float, str]]]]


def strip_plots(reports: Sequence[Report]) -> list[StripPlot]:
    """Place every reported accuracy on a line of its data set.

    Parameters
    ----------
    reports
        The literature.

    Returns
    -------
    list of StripPlot
        One per data set, in the order of first appearance; 440 wide, x from 96 to 424.
    """
    plots = []
    for dataset in dict.fromkeys(report.dataset for report in reports):
        own = [report for report in reports if report.dataset == dataset]
        low = np.floor(min(report.accuracy_percent for report in own) / 10) * 10
        ticks = [(_strip_x(value, low), f"{value:.0f}") for value in np.arange(low, 101, 10)]
        lanes = []
        for number, name in enumerate(SELECTED_ON):
            y = 26.0 + 40 * number
            values = sorted(
                (report for report in own if report.selected_on == name),
                key=lambda report: report.accuracy_percent,
            )
            lanes.append((name, y, _spread_out(values, low, y)))
        plots.append(StripPlot(dataset, ticks, lanes))
    return plots


def _strip_x(percent: float, low: float) -> float:
    return round(96 + 328 * (percent - low) / (100 - low), 1)


def _spread_out(reports: Sequence[Report], low: float, y: float) -> list[tuple[float, float, str]]:
    # A mark is shifted up or down until it covers no other; if all places are taken it covers one.
    marks: list[tuple[float, float, str]] = []
    for report in reports:
        x = _strip_x(report.accuracy_percent, low)
        free = (
            at
            for at in (y, y - 8, y + 8, y - 16, y + 16)
            if all((x - other) ** 2 + (at - height) ** 2 >= 8**2 for other, height, _ in marks)
        )
        marks.append((x, next(free, y), f"{report.method}: {report.accuracy_percent:g} %"))
    return marks


def shades(confusion: NDArray[np.int64]) -> NDArray[np.int64]:
    """Compute the shade of every cell of a confusion matrix.

    Parameters
    ----------
    confusion
        Counts, int64, shape (classes, classes), row: label.

    Returns
    -------
    ndarray
        int64, same shape: 0 (no counts) … 5, by the square root of the fraction of the row's total, so that
        mistakes are visible beside correct predictions.
    """
    total = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shade: NDArray[np.int64] = np.ceil(np.sqrt(confusion / total) * LEVELS).astype(np.int64)
    return shade


@dataclass(frozen=True)
class Curve:
    """Accuracy over time, 440 × 200 SVG units: path data, ticks as (position, label), the moment of 95 %.

    ``table`` holds (seconds, accuracy) of at most 20 moments, for users who cannot see the plot.
    """

    path: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    moment: float
    moment_s: float
    table: list[tuple[float, float]]


def latency_curve(latencies: Sequence[Latency]) -> Curve:
    """Compute the mean curve over the seeds.

    Parameters
    ----------
    latencies
        One per seed, all at the same times.

    Returns
    -------
    Curve
        x from 40 to 430, y from 10 (100 %) to 170 (0 %); at most 200 points.
    """
    times = np.array(latencies[0].times_s)
    accuracy = np.mean([one.accuracy for one in latencies], axis=0)
    end = float(times.max()) or 1.0
    some = np.unique(np.linspace(0, times.size - 1, min(times.size, 200)).round().astype(int))
    few = np.unique(np.linspace(0, times.size - 1, min(times.size, 20)).round().astype(int))
    x, y = 40 + 390 * times[some] / end, 170 - 160 * accuracy[some]
    points = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
    moment_s = float(np.mean([one.to_95_percent_s for one in latencies]))
    return Curve(
        path="M" + "L".join(points),
        x_ticks=[(40 + 390 * part, f"{end * part:.3g}") for part in (0.0, 0.25, 0.5, 0.75, 1.0)],
        y_ticks=[(170 - 160 * part, f"{100 * part:.0f}") for part in (0.0, 0.25, 0.5, 0.75, 1.0)],
        moment=round(min(40 + 390 * moment_s / end, 430), 1),
        moment_s=moment_s,
        table=[(float(times[k]), float(accuracy[k])) for k in few],
    )


def worst_confusions(
    confusion: NDArray[np.int64], count: int = 5
) -> list[tuple[int, int, int, int]]:
    """Find the most frequent mistakes.

    Parameters
    ----------
    confusion
        Counts, int64, shape (classes, classes), row: label.
    count
        Number of mistakes to return.

    Returns
    -------
    list of (label, predicted, times, of)
        The most frequent first; only mistakes that occurred; ``of`` is the row's total.
    """
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [divmod(int(flat), confusion.shape[1]) for flat in order]
    return [
        (row, column, int(wrong[row, column]), int(confusion[row].sum()))
        for row, column in pairs
        if wrong[row, column]
    ]
