"""Plot of latency: accuracy over the time heard."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from spikebench.metrics.record import Latency
from spikebench.plots.panels import COLOURS
from spikebench.plots.sample import GRID, plain, style

__all__ = ["draw_latency"]


def draw_latency(panel: Axes, latencies: Sequence[Latency], names: Sequence[str]) -> None:
    """Draw the accuracy over the time heard, and a mark where it stays above 95 % of the final one.

    Parameters
    ----------
    panel
        Where to draw.
    latencies
        Measured by ``evaluate --metrics latency``.
    names
        Their names.
    """
    for k, (latency, name) in enumerate(zip(latencies, names, strict=True)):
        colour, times = COLOURS[k % len(COLOURS)], [1e3 * time for time in latency.times_s]
        accuracies = [100 * value for value in latency.accuracy]
        panel.plot(times, accuracies, color=colour, linewidth=1.4, label=plain(name))
        panel.axvline(1e3 * latency.to_95_percent_s, color=colour, linewidth=0.9, linestyle="--")
    panel.set_xlabel("duration of input [ms] (dashed: 95 % of the final accuracy)")
    panel.set_ylabel("test accuracy [%]")
    panel.set_ylim(0, 102)
    panel.set_xlim(left=0)
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    panel.legend(frameon=False, fontsize=8)
    style(panel)
