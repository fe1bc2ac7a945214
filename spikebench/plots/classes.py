"""Plot of the mean spikes of a class."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from spikebench.plots.sample import plain, style

__all__ = ["draw_class"]


def draw_class(
    panel: Axes,
    mean: NDArray[np.float64],
    duration: float,
    n_units: int,
    name: str,
    highest: float,
) -> AxesImage:
    """Draw the mean spikes of one class.

    Parameters
    ----------
    panel
        Where to draw.
    mean
        Of :func:`spikebench.spike_files.averages.class_averages` for one class, float64, shape (row, bin).
    duration
        Total length of the bins [s].
    n_units
        Number of units.
    name
        Of the class.
    highest
        Value of the darkest colour.

    Returns
    -------
    AxesImage
        For a colour bar.
    """
    image = panel.imshow(
        mean,
        cmap="viridis",
        vmin=0,
        vmax=highest,
        aspect="auto",
        interpolation="nearest",
        extent=(0, duration, n_units - 0.5, -0.5),
    )
    panel.set_title(plain(name[:24]), loc="left", fontsize=9)
    style(panel)
    return image
