"""Plots of a trained network: learned values of its layers, and the spikes of a hidden layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from spikebench.plots.panels import COLOURS
from spikebench.plots.sample import GRID, style

__all__ = ["draw_activity", "draw_values"]

_BINS = 30


def draw_values(panel: Axes, layers: Sequence[NDArray[np.float64]], what: str) -> None:
    """Draw the distribution of a learned value in each layer.

    Parameters
    ----------
    panel
        Where to draw.
    layers
        Values of each layer, float64, shape (values,).
    what
        What they are, with the unit.
    """
    edges = np.histogram_bin_edges(np.concatenate(layers), _BINS).tolist()
    for k, values in enumerate(layers):
        colour = COLOURS[k % len(COLOURS)]
        label = f"layer {k + 1}: median {np.median(values):.3g}"
        panel.hist(values, edges, histtype="step", color=colour, linewidth=1.6, label=label)
    panel.set_xlabel(what)
    panel.set_ylabel("connections" if "delay of connections" in what else "neurons")
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    panel.legend(frameon=False, fontsize=8)
    style(panel)


def draw_activity(
    panel: Axes, times: NDArray[np.float64], neurons: NDArray[np.int64], n_neurons: int, name: str
) -> None:
    """Draw the spikes of a hidden layer.

    Parameters
    ----------
    panel
        Where to draw.
    times
        Times of the spikes [s], float64, shape (spikes,).
    neurons
        Neuron of each spike, int64, shape (spikes,).
    n_neurons
        Neurons of the layer.
    name
        Of the layer.
    """
    size = float(np.clip(12_000 / max(times.size, 1), 2.5, 14.0))
    panel.scatter(times, neurons, s=size, marker=".", color=COLOURS[0], linewidths=0)
    panel.set_ylim(n_neurons - 0.5, -0.5)
    panel.set_ylabel("neuron")
    active = np.unique(neurons).size
    title = f"{name}: {times.size:,} spikes, {active} of {n_neurons} neurons"
    panel.set_title(title, loc="left", fontsize=9)
    style(panel)
