"""Plot of the frequency map of an encoder: which unit answers to which frequency."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from spikebench.plots.panels import COLOURS
from spikebench.plots.sample import GRID, style

__all__ = ["draw_frequency_map"]


def draw_frequency_map(panel: Axes, frequencies: NDArray[np.float64]) -> None:
    """Draw the characteristic frequency of every unit.

    Parameters
    ----------
    panel
        Where to draw.
    frequencies
        Characteristic frequencies [Hz], float64, shape (units,).
    """
    marker = "o" if frequencies.size <= 100 else ""
    units = np.arange(frequencies.size)
    panel.plot(units, frequencies, color=COLOURS[0], marker=marker, markersize=3, linewidth=1.4)
    panel.set_yscale("log")
    panel.set_xlabel("unit")
    panel.set_ylabel("characteristic frequency [Hz]")
    panel.grid(color=GRID, linewidth=0.6, which="both", axis="y")
    style(panel)
