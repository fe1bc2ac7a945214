"""Plots of one sample: spikes, with the sound and the intermediate stages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from spikebench.errors import SpikebenchError
from spikebench.recordings.decoding import Recording
from spikebench.records.text import os_error_text, printable
from spikebench.records.whole_files import write_bytes

__all__ = ["Sample", "Stages", "draw_sample", "figure_format", "style", "write_figure"]

FORMATS = (".png", ".pdf", ".svg")
_FREQUENCIES = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
INK, _ACCENT, GRID = "#1b2a41", "#0b6e8f", "#d8dee6"
_DYNAMIC_RANGE_DB = 70.0
_MAX_COLUMNS = 1600


@dataclass(frozen=True)
class Sample:
    """Data of a plot: spikes [s, unit], the number of units, and a title."""

    times: NDArray[np.float64]
    units: NDArray[np.int64]
    n_units: int
    title: str


@dataclass(frozen=True)
class Stages:
    """Membrane velocity and release probability, shape (channels, n), of some channels, and their rate."""

    channels: Sequence[int]
    velocity: NDArray[np.float64]
    p_fire: NDArray[np.float64]
    sample_rate: int


def draw_sample(
    sample: Sample,
    cf: NDArray[np.float64] | None = None,
    recording: Recording | None = None,
    stages: Stages | None = None,
) -> Figure:
    """Draw a raster; above it the spectrogram, below it the sound and the stages, where they are given.

    Parameters
    ----------
    sample
        The spikes.
    cf
        Characteristic frequency of each unit [Hz], shape (n_units,), for the axis on the right.
    recording
        The sound, for its spectrogram.
    stages
        Velocity and release probability.

    Returns
    -------
    Figure
        With one time axis for all panels.
    """
    heights = [3.4]
    if stages is not None:
        heights = [1.7, 1.7, *heights]
    if recording is not None:
        heights = [1.9, *heights]
    figure = Figure(figsize=(9.0, 1.0 + sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(
        figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0]
    )
    figure.suptitle(plain(sample.title), x=0.01, ha="left", fontsize=11, color=INK)
    waiting = iter(axes)
    if recording is not None:
        draw_spectrogram(next(waiting), recording)
    if stages is not None:
        draw_stage(next(waiting), stages, np.abs(stages.velocity), "membrane velocity", 50.0)
        draw_stage(next(waiting), stages, stages.p_fire, "release probability", None)
    draw_raster(axes[-1], sample, cf)
    end = recording.duration if recording is not None else float(sample.times.max(initial=0.0))
    axes[-1].set_xlim(0.0, max(end, 1e-3))
    axes[-1].set_xlabel("time [s]")
    for panel in axes:
        style(panel)
    return figure


def draw_raster(panel: Axes, sample: Sample, cf: NDArray[np.float64] | None = None) -> None:
    """Draw the spikes of a sample.

    Parameters
    ----------
    panel
        Where to draw.
    sample
        The spikes.
    cf
        Characteristic frequency of each unit [Hz], for the right axis; None to draw none.
    """
    size = float(np.clip(12_000 / max(sample.times.size, 1), 2.5, 14.0))
    panel.scatter(
        sample.times, sample.units, s=size, marker=".", color=_ACCENT, linewidths=0, rasterized=True
    )
    panel.set_ylim(sample.n_units - 0.5, -0.5)
    panel.set_ylabel("unit")
    panel.set_title(f"{sample.times.size:,} spikes", loc="left", fontsize=9, color=INK)
    if cf is not None:
        _frequency_axis(panel, cf)


def _frequency_axis(panel: Axes, cf: NDArray[np.float64]) -> None:
    """Mark characteristic frequencies at their units, which decrease within every part that is marked by itself."""
    shown, at = [], []
    # Units that fire when a level falls begin again at the highest frequency.
    for units in np.split(np.arange(cf.size), np.flatnonzero(np.diff(cf) > 0) + 1):
        part = cf[units]
        inside = [f for f in _FREQUENCIES if part.min() <= f <= part.max()]
        shown += inside
        at += np.interp(np.log(inside), np.log(part[::-1]), units[::-1]).tolist()
    twin = panel.twinx()
    twin.set_ylim(panel.get_ylim())
    twin.yaxis.set_major_locator(FixedLocator(at))
    twin.yaxis.set_minor_locator(NullLocator())
    twin.set_yticklabels([f"{f // 1000} k" if f >= 1000 else str(f) for f in shown])
    twin.set_ylabel("characteristic\nfrequency [Hz]")
    style(twin)


def draw_spectrogram(panel: Axes, recording: Recording) -> None:
    """Draw the spectrogram of a recording.

    Parameters
    ----------
    panel
        Where to draw.
    recording
        The recording.
    """
    rate = recording.sample_rate
    n_fft = 2 ** int(np.ceil(np.log2(0.02 * rate)))
    # A short clip has fewer samples than a window: pad with zeros to avoid librosa's warning.
    samples = np.pad(recording.samples, (0, max(0, n_fft - len(recording.samples))))
    hop = max(1, len(samples) // _MAX_COLUMNS, n_fft // 8)
    power = np.abs(librosa.stft(samples, n_fft=n_fft, hop_length=hop)) ** 2
    decibel = librosa.power_to_db(power, ref=np.max, top_db=_DYNAMIC_RANGE_DB)
    times = librosa.frames_to_time(np.arange(power.shape[1]), sr=rate, hop_length=hop)
    frequencies = librosa.fft_frequencies(sr=rate, n_fft=n_fft)
    image = panel.pcolormesh(
        times, frequencies[1:], decibel[1:], shading="nearest", cmap="magma", rasterized=True
    )
    panel.set_yscale("log")
    panel.set_ylim(80.0, rate / 2)
    shown = [f for f in _FREQUENCIES if f <= rate / 2]
    panel.yaxis.set_major_locator(FixedLocator(shown))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.set_yticklabels([f"{f // 1000} k" if f >= 1000 else str(f) for f in shown])
    panel.set_ylabel("frequency [Hz]")
    panel.set_title("spectrogram", loc="left", fontsize=9, color=INK)
    _colour_bar(panel, image, "level [dB]")


def draw_stage(
    panel: Axes,
    stages: Stages,
    values: NDArray[np.float64],
    name: str,
    range_db: float | None,
) -> None:
    """Draw channels over time, the largest value of each column.

    Parameters
    ----------
    panel
        Where to draw.
    stages
        Channels and sample rate.
    values
        At least 0, float64, shape (channels, time).
    name
        Title of the panel.
    range_db
        Range of a logarithmic scale below the maximum [dB]; None for a linear scale.
    """
    step = max(1, -(-values.shape[1] // _MAX_COLUMNS))
    padded = np.pad(values, ((0, 0), (0, -values.shape[1] % step)))
    peaks = padded.reshape(values.shape[0], -1, step).max(axis=2)
    label = "per sample"
    if range_db is not None:
        top = max(float(peaks.max()), np.finfo(float).tiny)
        peaks = np.maximum(20 * np.log10(np.maximum(peaks, top * 1e-10) / top), -range_db)
        label = "level [dB]"
    times = (np.arange(peaks.shape[1]) + 0.5) * step / stages.sample_rate
    image = panel.pcolormesh(
        times,
        np.asarray(stages.channels),
        peaks,
        shading="nearest",
        cmap="viridis",
        rasterized=True,
    )
    panel.set_ylim(max(stages.channels) + 0.5, min(stages.channels) - 0.5)
    panel.set_ylabel("unit")
    panel.set_title(name, loc="left", fontsize=9, color=INK)
    _colour_bar(panel, image, label)


def _colour_bar(panel: Axes, image: QuadMesh, label: str) -> None:
    place = panel.inset_axes((1.012, 0.0, 0.012, 1.0))
    bar = place.figure.colorbar(image, cax=place)
    bar.set_label(label, fontsize=8, color=INK)
    bar.outline.set_visible(False)
    place.tick_params(colors=INK, labelsize=8, color=GRID)


def plain(text: str) -> str:
    """Escape a name so that it is not parsed as mathematics, on one line.

    Parameters
    ----------
    text
        A name.

    Returns
    -------
    str
        The name, drawn literally by matplotlib.
    """
    return printable(text).replace("$", r"\$")


def style(panel: Axes) -> None:
    """Apply the common style to a panel.

    Parameters
    ----------
    panel
        The panel to change.
    """
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_color(GRID)
    panel.tick_params(colors=INK, labelsize=8, color=GRID)
    panel.xaxis.label.set_color(INK)
    panel.yaxis.label.set_color(INK)


def figure_format(path: Path) -> str:
    """Return the format of a figure by the suffix of its file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        ``png``, ``pdf`` or ``svg``.

    Raises
    ------
    SpikebenchError
        If the suffix is different.
    """
    if path.suffix.lower() not in FORMATS:
        raise SpikebenchError(
            f"{printable(str(path))}: the suffix of a figure must be one of {', '.join(FORMATS)}"
        )
    return path.suffix.lower()[1:]


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all.

    Parameters
    ----------
    figure
        The figure.
    path
        Ends in .png, .pdf or .svg; an existing file is replaced.

    Raises
    ------
    SpikebenchError
        If the suffix is different, or the file cannot be written.
    """
    name = printable(str(path))
    buffer = io.BytesIO()
    figure.savefig(buffer, format=figure_format(path), dpi=150)
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise SpikebenchError(f"{name}: cannot write: {os_error_text(error)}") from None
