"""The samples of a file: names, choices, pages of the list, statistics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile

__all__ = ["ORDERS", "Catalogue", "Choice"]

ORDERS = ("file", "most", "least")
_BARS = 24


@dataclass(frozen=True)
class Choice:
    """Which samples to list, and in which order.

    Attributes
    ----------
    label, speaker : int or None
        Class and speaker; -1 is unknown, None is any.
    split : int or None
        Position in the splits of :meth:`Catalogue.describe`; None is any.
    order : str
        ``file``, or ``most`` or ``least`` spikes first.
    """

    label: int | None = None
    speaker: int | None = None
    split: int | None = None
    order: str = "file"


class Catalogue:
    """The samples of a file, without their spikes.

    Parameters
    ----------
    spikes
        The file; it is read at once, except for the spikes.

    Raises
    ------
    SpikeFileError
        If it cannot be read.
    """

    def __init__(self, spikes: SpikeFile) -> None:
        self.name = printable(spikes.path.name)
        self.n_units = spikes.n_units
        self.keys = tuple(map(printable, spikes.keys))
        self.speaker_names = tuple(map(printable, spikes.speaker_names))
        self.labels, self.speakers = spikes.labels, spikes.speakers
        self.counts = spikes.spike_counts
        self.durations = spikes.durations_s
        self.sources, self.segments = spikes.sources, spikes.segments
        marks = np.array(spikes.splits or [""] * self.counts.size, dtype=str)
        self.splits, self.marks = np.unique(marks, return_inverse=True)
        self.synthetic = bool(spikes.provenance.get("synthetic_voices"))
        self.from_first_spike = spikes.provenance.get("time_origin") == "first spike"

    def __len__(self) -> int:
        return self.counts.size

    def choose(self, choice: Choice) -> NDArray[np.int64]:
        """List samples.

        Parameters
        ----------
        choice
            Which, and in which order.

        Returns
        -------
        ndarray of int64, shape (samples,)
            Positions in the file.
        """
        wanted = np.ones(len(self), dtype=bool)
        columns = (self.labels, self.speakers, self.marks)
        values = (choice.label, choice.speaker, choice.split)
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                wanted &= column == value
        chosen = np.flatnonzero(wanted)
        if choice.order == "file":
            return chosen
        sign = -1 if choice.order == "most" else 1
        return chosen[np.argsort(sign * self.counts[chosen], kind="stable")]

    def row(self, index: int) -> list[Any]:
        """Return a line of the list.

        Parameters
        ----------
        index
            Position in the file.

        Returns
        -------
        list
            Index, label, speaker, position of the split, spikes, and duration [s] (None if unknown).
        """
        seconds = 0.0 if self.durations is None else round(float(self.durations[index]), 4)
        columns = (self.labels, self.speakers, self.marks, self.counts)
        return [index, *(int(column[index]) for column in columns), seconds or None]

    def source(self, index: int) -> str:
        """Return the recording of a sample, with the number of its piece; empty if unknown.

        Parameters
        ----------
        index
            Position in the file.

        Returns
        -------
        str
            Printable.
        """
        if not self.sources:
            return ""
        piece = "" if self.segments is None else f"#{self.segments[index]}"
        return printable(self.sources[index] + piece)

    @cached_property
    def _numbers(self) -> dict[str, Any]:
        counts = self.counts
        if not counts.size:
            return {"least": 0, "median": 0, "mean": 0, "most": 0, "bars": [], "edges": [0, 0]}
        bars, edges = np.histogram(counts, bins=min(_BARS, int(np.ptp(counts)) + 1))
        return {
            "least": int(counts.min()),
            "median": float(np.median(counts)),
            "mean": round(float(counts.mean()), 1),
            "most": int(counts.max()),
            "bars": bars.tolist(),
            "edges": [round(float(edge), 1) for edge in edges],
        }

    def describe(self) -> dict[str, Any]:
        """Describe the file for the page.

        Returns
        -------
        dict
            JSON-compatible: names; ``classes``, ``speakers`` and ``splits`` with their numbers of samples; the
            distribution of spikes per sample.
        """
        return {
            "name": self.name,
            "samples": len(self),
            "units": self.n_units,
            "total_spikes": int(self.counts.sum()),
            "synthetic": self.synthetic,
            "from_first_spike": self.from_first_spike,
            "classes": self._groups(self.labels, self.keys),
            "speakers": self._groups(self.speakers, self.speaker_names),
            "splits": self._groups(self.marks, tuple(name or "none" for name in self.splits)),
            "spikes": self._numbers,
        }

    @staticmethod
    def _groups(column: NDArray[np.int64], names: tuple[str, ...]) -> list[tuple[int, str, int]]:
        """Count samples by value: value, name, samples."""
        values, sizes = np.unique(column, return_counts=True)

        def name(value: int) -> str:
            if value < 0:
                return "unknown"
            return names[value] if value < len(names) else str(value)

        return [
            (value, name(value), size)
            for value, size in zip(values.tolist(), sizes.tolist(), strict=True)
        ]
