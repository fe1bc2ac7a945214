"""Figures of one or several panels in the common style."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spikebench.plots.sample import INK, plain

__all__ = ["COLOURS", "Figure", "panels"]

_LETTERS_PER_INCH = 11

# Okabe and Ito (2008), distinguishable with every kind of colour vision; yellow is left out, which is faint on white.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1b2a41")


def panels(
    n: int, title: str, columns: int = 1, size: tuple[float, float] = (7.0, 4.0)
) -> tuple[Figure, list[Axes]]:
    """Make a figure.

    Parameters
    ----------
    n
        Number of panels.
    title
        Title of the figure; drawn literally.
    columns
        Panels beside each other.
    size
        Width and height of a panel [inch].

    Returns
    -------
    figure : Figure
    axes : list of Axes
        The panels, row by row.
    """
    columns = min(columns, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for spare in axes[n:]:
        spare.set_visible(False)
    lines = textwrap.fill(title, int(_LETTERS_PER_INCH * size[0] * columns))
    text = "\n".join(map(plain, lines.splitlines()))
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, color=INK)
    return figure, axes[:n]
