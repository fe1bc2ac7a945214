"""Plot of predictions over time."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spikebench.plots.sample import INK, plain, style

__all__ = ["draw_over_time"]


def draw_over_time(
    times: NDArray[np.float64],
    curves: dict[str, NDArray[np.float64]],
    chance: float | None,
    title: str,
) -> Figure:
    """Draw shares over time.

    Parameters
    ----------
    times
        Moments [s], float64, shape (moment,).
    curves
        Curves by name, in 0 … 1, float64, shape (moment,).
    chance
        Chance level of the accuracy; None omits it.
    title
        Title of the figure.

    Returns
    -------
    Figure
        One panel.
    """
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.add_subplot()
    looks = (("#0b6e8f", "o"), ("#c8553d", "s"), ("#5a7d2a", "^"))
    for (name, values), (colour, marker) in zip(curves.items(), looks, strict=False):
        panel.plot(times * 1e3, values, color=colour, marker=marker, markersize=4, label=name)
    if chance is not None:
        panel.axhline(chance, color=INK, linewidth=0.8, linestyle=":", label="chance")
    panel.set_xlabel("duration of input [ms]")
    panel.set_ylim(0, 1.02)
    panel.set_xlim(left=0)
    panel.set_title(plain(title), loc="left")
    panel.legend(frameon=False)
    style(panel)
    return figure
