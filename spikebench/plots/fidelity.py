"""Plot of a comparison: one panel per measure, with its verdict as the title."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

from spikebench.fidelity.alignment import LAGS, band_width
from spikebench.fidelity.comparison import Comparison
from spikebench.fidelity.measures import NAMES
from spikebench.fidelity.summary import interval_edges
from spikebench.plots.sample import INK, plain, style

__all__ = [
    "draw_classes",
    "draw_comparison",
    "draw_intervals",
    "draw_profile",
    "draw_rates",
    "draw_spikes",
    "draw_time",
]

_COLOURS = (
    "#0b6e8f",
    "#c8553d",
)  # first file, second file: distinguishable in greyscale and by colour-blind readers
_WIDTHS = (2.8, 1.3)  # the second line is drawn over the first, so both are visible where equal
_LONGEST_NAME = 60


def draw_comparison(comparison: Comparison, first: str, second: str) -> Figure:
    """Draw a comparison.

    Parameters
    ----------
    comparison
        The measured comparison.
    first, second
        Names of the files, for the legend.

    Returns
    -------
    Figure
        With one panel per measure, and one for the classes where there are several.
    """
    names = tuple(plain(name[:_LONGEST_NAME]) for name in (first, second))
    with_classes = len(comparison.classes) > 1
    rows = 4 if with_classes else 3
    figure = Figure(figsize=(11.0, 1.0 + 2.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows, 2)
    draw_profile(figure.add_subplot(grid[0, :]), comparison)
    draw_spikes(figure.add_subplot(grid[1, 0]), comparison)
    draw_intervals(figure.add_subplot(grid[1, 1]), comparison)
    draw_rates(figure.add_subplot(grid[2, 0]), comparison)
    draw_time(figure.add_subplot(grid[2, 1]), comparison)
    if with_classes:
        draw_classes(figure.add_subplot(grid[3, :]), comparison)
    for panel in figure.axes:
        style(panel)
    handles = [
        figure.axes[0].plot([], [], color=colour, linewidth=3, label=name)[0]
        for colour, name in zip(_COLOURS, names, strict=True)
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False, labelcolor=INK)
    return figure


def draw_profile(panel: Axes, comparison: Comparison) -> None:
    """Draw the spikes per sample of every unit, of both files.

    Parameters
    ----------
    panel
        Where to draw.
    comparison
        The measured comparison.
    """
    n_units = comparison.totals[0].channels.size
    width = band_width(n_units)
    starts = np.arange(0, n_units, width)
    for colour, line, total in zip(_COLOURS, _WIDTHS, comparison.totals, strict=True):
        means = total.channels / total.spikes.size
        if width > 1:
            panel.plot(np.arange(n_units), means, color=colour, linewidth=0.5, alpha=0.35)
        sizes = np.minimum(width, n_units - starts)
        smooth = np.add.reduceat(means, starts) / sizes
        panel.plot(starts + (sizes - 1) / 2, smooth, color=colour, linewidth=line)
    panel.set_xlim(-0.5, n_units - 0.5)
    panel.set_ylim(bottom=0)
    thick = f" (thick: mean of {width} units)" if width > 1 else ""
    panel.set_xlabel(f"unit, 0 is the highest frequency{thick}")
    panel.set_ylabel("spikes per sample")
    verdicts = [
        f"{NAMES[key]}: {comparison.measures[key].verdict}" for key in ("channels", "bands")
    ]
    panel.set_title("   ·   ".join(verdicts), loc="left", fontsize=9, color=INK)


def draw_spikes(panel: Axes, comparison: Comparison) -> None:
    """Draw the distribution of the number of spikes of a sample, of both files.

    Parameters
    ----------
    panel
        Where to draw.
    comparison
        The measured comparison.
    """
    counts = [total.spikes for total in comparison.totals]
    if min(count.size for count in counts) < 2:
        _bars(panel, [float(count.mean()) for count in counts], "spikes", "{:,.0f}")
    else:
        bins = min(40, 4 + int(np.sqrt(max(count.size for count in counts))))
        edges = np.histogram_bin_edges(np.concatenate(counts), bins=bins)
        for colour, line, count in zip(_COLOURS, _WIDTHS, counts, strict=True):
            shares, _ = np.histogram(count, bins=edges, weights=np.full(count.size, 1 / count.size))
            panel.stairs(shares, edges, color=colour, linewidth=line)
        panel.set_ylim(bottom=0)
        panel.set_xlabel("spikes of a sample")
        panel.set_ylabel("share of samples")
    _title(panel, comparison, "spikes")


def draw_intervals(panel: Axes, comparison: Comparison) -> None:
    """Draw the distribution of the intervals between spikes of a unit, of both files.

    Parameters
    ----------
    panel
        Where to draw.
    comparison
        The measured comparison.
    """
    steps = interval_edges(comparison.resolution)
    # Short intervals are a few steps of the time grid: bins are at least one step wide to keep them apart.
    bins = np.unique(
        np.searchsorted(steps, np.rint(np.geomspace(1, steps[-1], 60)).astype(np.int64))
    )
    edges = 1e3 * comparison.resolution * (steps[bins] - 0.5)
    for colour, line, total in zip(_COLOURS, _WIDTHS, comparison.totals, strict=True):
        density = _density(total.intervals, bins, np.diff(np.log10(edges)))
        panel.stairs(density, edges, color=colour, linewidth=line)
    panel.set_xscale("log")
    panel.set_ylim(bottom=0)
    panel.set_xlim(float(edges[0]), 1e3)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel("interval between spikes of one unit [ms]")
    panel.set_ylabel("share per decade")
    _title(panel, comparison, "intervals")


def _density(
    intervals: NDArray[np.int64], bins: NDArray[np.int64], widths: NDArray[np.float64]
) -> NDArray[np.float64]:
    sums = np.add.reduceat(intervals, bins)[:-1]
    density: NDArray[np.float64] = sums / max(int(intervals.sum()), 1) / widths
    return density


def draw_rates(panel: Axes, comparison: Comparison) -> None:
    """Draw the rates in the silent tails, of both files.

    Parameters
    ----------
    panel
        Where to draw.
    comparison
        The measured comparison.
    """
    _bars(
        panel,
        [total.rate for total in comparison.totals],
        "spikes per second and unit",
        "{:.3f}",
        [f"{total.tail_seconds:,.1f} s in {total.tails:,} tails" for total in comparison.totals],
    )
    _title(panel, comparison, "spontaneous")


def draw_time(panel: Axes, comparison: Comparison) -> None:
    """Draw the correlation over shifts in time, or the times of first spikes if samples are not paired.

    Parameters
    ----------
    panel
        Where to draw.
    comparison
        The measured comparison.
    """
    if comparison.pairing.by:
        panel.plot(1e3 * LAGS, comparison.correlations, color=INK, linewidth=1.6)
        best = comparison.measures["time"].figures["lag_ms"]
        if best is not None:
            panel.axvline(best, color=_COLOURS[1], linewidth=1.0, linestyle="--")
            panel.annotate(
                f" {best:+.2f} ms",
                (best, 1.0),
                xycoords=("data", "axes fraction"),
                fontsize=9,
                color=_COLOURS[1],
                va="top",
            )
        panel.set_xlim(1e3 * LAGS[0], 1e3 * LAGS[-1])
        panel.set_xlabel("shift of the first file [ms]")
        panel.set_ylabel("correlation of rasters")
    else:
        firsts = [1e3 * total.first for total in comparison.totals]
        both = np.concatenate(firsts)
        step = max(1e3 * comparison.resolution, float(np.ptp(both)) / 30)
        edges = float(both.min()) + step * (np.arange(32) - 0.5)
        for colour, line, first in zip(_COLOURS, _WIDTHS, firsts, strict=True):
            shares, _ = np.histogram(first, bins=edges, weights=np.full(first.size, 1 / first.size))
            panel.stairs(shares, edges, color=colour, linewidth=line)
        panel.set_xlabel("time of the first spike [ms]")
        panel.set_ylabel("share of samples")
    _title(panel, comparison, "time")


def draw_classes(panel: Axes, comparison: Comparison) -> None:
    """Draw the mean number of spikes of every class, of both files.

    Parameters
    ----------
    panel
        Where to draw.
    comparison
        The measured comparison.
    """
    means = np.array([one.means for one in comparison.classes])
    panel.plot(means[:, 0], "o", color=_COLOURS[0], markersize=9, fillstyle="none")
    panel.plot(means[:, 1], "s", color=_COLOURS[1], markersize=4)
    panel.set_ylim(0, 1.1 * float(means.max()))
    panel.set_xticks(
        range(len(comparison.classes)),
        [plain(one.name[:12]) for one in comparison.classes],
        rotation=45 if len(comparison.classes) > 12 else 0,
        ha="right" if len(comparison.classes) > 12 else "center",
    )
    panel.set_ylabel("mean spikes per sample")
    panel.set_title("spikes per sample, by class", loc="left", fontsize=9, color=INK)


def _bars(
    panel: Axes, values: list[float], label: str, form: str, notes: list[str] | None = None
) -> None:
    shown = [0.0 if np.isnan(value) else value for value in values]
    panel.barh([0, 1], shown, color=_COLOURS, height=0.4)
    for place, value in enumerate(values):
        text = "not measured" if np.isnan(value) else form.format(value)
        note = f"  ({notes[place]})" if notes else ""
        panel.annotate(
            f"{text}{note}", (0, place - 0.26), fontsize=9, color=INK, va="bottom", ha="left"
        )
    panel.set_ylim(1.6, -0.7)
    panel.yaxis.set_major_locator(NullLocator())
    panel.set_xlabel(label)


def _title(panel: Axes, comparison: Comparison, key: str) -> None:
    panel.set_title(
        f"{NAMES[key]}: {comparison.measures[key].verdict}", loc="left", fontsize=9, color=INK
    )
