"""Plots of an encoder's frequencies: which unit answers to which, and how sharply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import NDArray

from spikebench.plots.panels import COLOURS
from spikebench.plots.sample import GRID, INK, style

__all__ = ["draw_frequency_map", "draw_tuning"]

_LOWEST_DB = -60.0


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


def draw_tuning(
    panel: Axes,
    frequencies: NDArray[np.float64],
    response: NDArray[np.float64],
    units: Sequence[int],
) -> None:
    """Draw tuning curves: the response of some units to tones, relative to the peak of each.

    Parameters
    ----------
    panel
        Where to draw.
    frequencies
        Of the tones [Hz], float64, shape (tones,).
    response
        Amplitude of the response, float64, shape (tones, units).
    units
        Number of each unit.
    """
    colours = colormaps["viridis"](np.linspace(0.0, 0.9, len(units)))
    for k, unit in enumerate(units):
        level = 20 * np.log10(np.maximum(response[:, k] / response[:, k].max(), 1e-9))
        peak = frequencies[level.argmax()]
        panel.plot(frequencies, level, color=colours[k], linewidth=1.4)
        panel.annotate(
            str(unit),
            (peak, 0.0),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )
    panel.set_xscale("log")
    panel.set_ylim(_LOWEST_DB, 5)
    panel.set_xlim(float(frequencies[0]), float(frequencies[-1]))
    panel.set_xlabel("frequency of the tone [Hz]; the number is the unit")
    panel.set_ylabel("velocity of the membrane [dB re peak]")
    panel.grid(color=GRID, linewidth=0.6, which="both", axis="x")
    style(panel)
