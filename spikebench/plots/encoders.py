"""The same recording as the spikes of several encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from spikebench.encoders.encoder import Encoder, Spikes
from spikebench.plots.panels import Figure, panels
from spikebench.plots.sample import INK, style

__all__ = ["Coded", "draw_encoders"]


class Coded(NamedTuple):
    """A recording as the spikes of an encoder."""

    encoder: Encoder
    spikes: Spikes


def draw_encoders(title: str, coded: Sequence[Coded], duration: float) -> Figure:
    """Draw one raster per encoder, with frequency decreasing downwards.

    Parameters
    ----------
    title
        Title of the figure.
    coded
        The spikes.
    duration
        Length of the recording [s].

    Returns
    -------
    Figure
        Units that fire when a level falls have another colour.
    """
    figure, axes = panels(len(coded), title, columns=2, size=(5.0, 2.4))
    for panel, (encoder, spikes) in zip(axes, coded, strict=True):
        n_rising = encoder.n_units // encoder.polarities
        falls = spikes.units >= n_rising
        size = min(max(6_000 / max(spikes.times.size, 1), 1.0), 10.0)
        for colour, chosen in ((INK, ~falls), ("#d55e00", falls)):
            panel.scatter(
                spikes.times[chosen],
                spikes.units[chosen] % n_rising,
                s=size,
                marker=".",
                color=colour,
                linewidths=0,
                rasterized=True,
            )
        panel.set_xlim(0, duration)
        panel.set_ylim(n_rising - 0.5, -0.5)
        units = f"{n_rising} × 2 units" if encoder.polarities == 2 else f"{n_rising} units"
        heading = f"{encoder.name}: {units}, {spikes.times.size:,} spikes"
        panel.set_title(heading, loc="left", fontsize=9, color=INK)
        style(panel)
    for panel in axes[-2:]:
        panel.set_xlabel("time [s]")
    return figure
