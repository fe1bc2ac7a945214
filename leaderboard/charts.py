"""Geometry of the small pictures on the page; colours and strokes are the style sheet's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaderboard.literature import Report

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
    # A mark moves up or down until it covers no other; where all places are taken it covers one.
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


def heat_map(confusion: NDArray[np.int64]) -> list[str]:
    """Draw a confusion matrix as one SVG path per shade, cells of one unit.

    Parameters
    ----------
    confusion
        Counts, int64, shape (classes, classes), row: label.

    Returns
    -------
    list of str
        Path data for shades 1 … 5 by the square root of the part of the row's total, so that
        mistakes show beside what is right; cells without counts are left out.
    """
    total = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    level = np.ceil(np.sqrt(confusion / total) * LEVELS).astype(int)
    return [
        "".join(f"M{column} {row}h1v1h-1z" for row, column in np.argwhere(level == shade))
        for shade in range(1, LEVELS + 1)
    ]


def worst_confusions(
    confusion: NDArray[np.int64], count: int = 5
) -> list[tuple[int, int, int, int]]:
    """Find the most frequent mistakes.

    Parameters
    ----------
    confusion
        Counts, int64, shape (classes, classes), row: label.
    count
        How many to tell.

    Returns
    -------
    list of (label, predicted, times, of)
        The most frequent first; only those that happened; ``of`` is the row's total.
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
