"""Plot of accuracy against costs: parameters, operations, spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from spikebench.plots.sample import GRID, INK, plain, style

__all__ = ["Cost", "draw_cost", "draw_costs", "pareto_front"]

_SPIKING, _CONVENTIONAL = "#0b6e8f", "#b3541e"
_PANELS = {
    "parameters": "parameters",
    "operations": "operations per sample",
    "spikes": "hidden spikes per sample",
}


@dataclass(frozen=True)
class Cost:
    """One network. Accuracies are fractions; costs are per sample, and None if unknown or not applicable."""

    name: str
    spiking: bool
    accuracy: float
    low: float
    high: float
    parameters: float | None
    operations: float | None
    spikes: float | None


def draw_costs(costs: Sequence[Cost], title: str) -> Figure:
    """Draw accuracies with their intervals against each cost.

    Parameters
    ----------
    costs
        The networks, at least one.
    title
        Title of the figure.

    Returns
    -------
    Figure
        One panel per cost that any network has, on a logarithmic axis; costs of 0 are not drawn.
    """
    shown = [kind for kind in _PANELS if any(getattr(one, kind) for one in costs)]
    figure = Figure(figsize=(4.2 * max(len(shown), 1), 4.2), layout=ConstrainedLayoutEngine())
    FigureCanvasAgg(figure)
    figure.suptitle(plain(title), x=0.01, ha="left", fontsize=11, color=INK)
    panels = [figure.add_subplot(1, len(shown), number + 1) for number in range(len(shown))]
    for panel, kind in zip(panels, shown, strict=True):
        panel.sharey(panels[0])
        draw_cost(panel, costs, kind)
    for panel in panels[:1]:
        panel.set_ylabel("test accuracy [%]")
    kinds = {one.spiking for one in costs}
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=name)
        for spiking, marker, colour, name in (
            (True, "o", _SPIKING, "spiking"),
            (False, "s", _CONVENTIONAL, "conventional"),
        )
        if spiking in kinds
    ]
    handles.append(
        Line2D([], [], color=INK, linewidth=0.9, linestyle="--", label="not beaten in both")
    )
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    return figure


def draw_cost(panel: Axes, costs: Sequence[Cost], kind: str) -> None:
    """Draw accuracies with their intervals against one cost, and the line of the networks that none beats in both.

    Parameters
    ----------
    panel
        Where to draw.
    costs
        The networks.
    kind
        ``parameters``, ``operations`` or ``spikes``.
    """
    style(panel)
    panel.set_xscale("log")
    panel.grid(visible=True, color=GRID, linewidth=0.6)
    panel.set_xlabel(_PANELS[kind])
    for one in costs:
        cost = getattr(one, kind)
        if not cost:
            continue
        colour = _SPIKING if one.spiking else _CONVENTIONAL
        panel.plot([cost, cost], [100 * one.low, 100 * one.high], color=colour, linewidth=1.5)
        panel.plot(cost, 100 * one.accuracy, "o" if one.spiking else "s", color=colour)
        panel.annotate(
            plain(one.name),
            (cost, 100 * one.accuracy),
            xytext=(5, 3),
            textcoords="offset points",
            fontsize=7.5,
            color=INK,
        )
    front = pareto_front(
        [(getattr(one, kind), one.accuracy) for one in costs if getattr(one, kind)]
    )
    panel.plot(
        [cost for cost, _ in front],
        [100 * accuracy for _, accuracy in front],
        color=INK,
        linewidth=0.9,
        linestyle="--",
        zorder=1,
    )
    panel.tick_params(which="minor", labelsize=7)
    panel.margins(x=0.25)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Select the points that no other point beats in both cost and accuracy.

    Parameters
    ----------
    points
        (cost, accuracy) of every network.

    Returns
    -------
    list of (float, float)
        By rising cost and accuracy; of equal points one.
    """
    front: list[tuple[float, float]] = []
    for cost, accuracy in sorted(points, key=lambda one: (one[0], -one[1])):
        if not front or accuracy > front[-1][1]:
            front.append((cost, accuracy))
    return front
