"""Plot of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from spikebench.plots.sample import INK, plain, style

__all__ = ["draw_confusion"]

_MOST_NUMBERS = 25  # classes up to which numbers are readable
_LONGEST_NAME = 18


def draw_confusion(panel: Axes, matrix: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Draw a confusion matrix, coloured by the share of each class.

    Parameters
    ----------
    panel
        Where to draw.
    matrix
        Samples, int64, shape (class, class). Row: label; column: prediction.
    classes
        Names of the classes.
    """
    sizes = matrix.sum(1, keepdims=True)
    shares = matrix / np.maximum(sizes, 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    names = [plain(name[:_LONGEST_NAME]) for name in classes]
    panel.set_xticks(range(len(names)), names, rotation=90)
    panel.set_yticks(range(len(names)), names)
    panel.set_xlabel("predicted")
    panel.set_ylabel("class")
    style(panel)
    if len(names) > _MOST_NUMBERS:
        return
    for row, column in zip(*np.nonzero(matrix), strict=True):
        colour = "white" if shares[row, column] > 0.5 else INK
        text = f"{matrix[row, column]}"
        panel.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
