"""Finding samples that are copies of one recording, by their spikes or by their source files.

Two samples are *copies* if they have the same spikes (the same units at the same times, and at least
:data:`MIN_SPIKES` of them, since few can agree by chance) or are made from the same segment of files with the same
SHA-256. ``convert`` gives equal sound equal spikes whatever the file name, so copies with other names, or in other
lossless formats, are found as well. Copies whose spikes another program drew with other random numbers are not found.

If copies are in both the training and the test split, the accuracy overestimates that on new recordings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile

__all__ = ["MIN_SPIKES", "CopyFinder", "describe_copies", "sample_names"]

MIN_SPIKES = 10
_SHOWN = 3  # groups shown in a message
_SHOWN_IN_GROUP = 4


class CopyFinder:
    """Finds samples that are copies of earlier ones; samples are added in order."""

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}
        self._earlier: list[int] = []  # for each sample an earlier copy, or the sample itself

    def add(self, times: NDArray[Any], units: NDArray[Any], recording: str = "") -> None:
        """Add one sample.

        Parameters
        ----------
        times
            Seconds, shape (spikes,).
        units
            Integers, shape (spikes,).
        recording
            Identifies the recording by its contents, e.g. a SHA-256; empty if unknown.
        """
        here = len(self._earlier)
        self._earlier.append(here)
        keys = [b"recording " + recording.encode("utf-8", "surrogateescape")] if recording else []
        if units.size >= MIN_SPIKES:
            content = times.astype(np.float64).tobytes() + units.astype(np.uint16).tobytes()
            keys.append(hashlib.sha256(content).digest())
        for key in keys:
            one, other = self._first(self._seen.setdefault(key, here)), self._first(here)
            self._earlier[max(one, other)] = min(one, other)

    def add_file(self, spikes: SpikeFile, by_spikes: bool = True) -> None:
        """Add all samples of a file.

        Parameters
        ----------
        spikes
            The file.
        by_spikes
            Whether to compare spikes too; otherwise copies are found only by the SHA-256 of their recordings.

        Raises
        ------
        SpikeFileError
            If the file is damaged.
        """
        recordings = _recordings(spikes)
        if not by_spikes:
            nothing = np.empty(0)
            for recording in recordings:
                self.add(nothing, nothing, recording)
            return
        counts = spikes.spike_counts
        for first, last, times, units in spikes.blocks():
            edges = np.cumsum(counts[first : last - 1])
            parts = zip(np.split(times, edges), np.split(units, edges), strict=True)
            for position, (of_times, of_units) in enumerate(parts, start=first):
                self.add(of_times, of_units, recordings[position])

    def firsts(self) -> NDArray[np.int64]:
        """Return the first copy of every sample.

        Returns
        -------
        ndarray of int64, shape (samples,)
            Position of the first sample of the same recording; its own position if there is no earlier one.
        """
        return np.array([self._first(i) for i in range(len(self._earlier))], dtype=np.int64)

    def _first(self, position: int) -> int:
        while self._earlier[position] != position:
            position = self._earlier[position]
        return position


def _recordings(spikes: SpikeFile) -> list[str]:
    """Identify the recording of each sample: SHA-256 of the file, number and start of the segment."""
    digests = spikes.sha256 or ("",) * spikes.n_samples
    if spikes.segments is None:
        return list(digests)
    pieces = zip(digests, spikes.segments.tolist(), spikes.starts_s.tolist(), strict=True)
    return [f"{digest} {number} {start}" if digest else "" for digest, number, start in pieces]


def sample_names(spikes: SpikeFile) -> list[str]:
    """Name the samples of a file for messages.

    Parameters
    ----------
    spikes
        The file.

    Returns
    -------
    list of str
        Path of the recording, with ``#`` and the number of the segment if it was cut; else e.g. ``sample 7``.

    Raises
    ------
    SpikeFileError
        If the file is damaged.
    """
    sources = spikes.sources or ("",) * spikes.n_samples
    numbers = [0] * spikes.n_samples if spikes.segments is None else spikes.segments.tolist()
    return [
        (printable(source) + (f"#{number}" if number else "")) if source else f"sample {position}"
        for position, (source, number) in enumerate(zip(sources, numbers, strict=True))
    ]


def describe_copies(
    firsts: NDArray[np.int64],
    names: Sequence[str],
    classes: Sequence[str],
    speakers: Sequence[str],
    splits: Sequence[str],
) -> list[str]:
    """Describe the copies, and those whose label, speaker or split differ.

    Parameters
    ----------
    firsts
        From :meth:`CopyFinder.firsts`, shape (samples,).
    names, classes, speakers, splits
        Name, class, speaker and split of every sample, as text for messages; empty if unknown.

    Returns
    -------
    list of str
        One line for each finding: copies; copies with different labels; with different speakers; in different
        splits (begins with ``WARNING``). Empty if there are no copies.
    """
    members: dict[int, list[int]] = {}
    for position in np.flatnonzero(firsts != np.arange(firsts.size)).tolist():
        first = int(firsts[position])
        members.setdefault(first, [first]).append(position)
    groups = [members[first] for first in sorted(members)]
    if not groups:
        return []
    count = sum(len(group) - 1 for group in groups)
    are = "recording is a copy of another" if count == 1 else "recordings are copies of others"
    lines = [f"{count} {are}: {_show(groups, names)}"]
    for what, values in (("labels", classes), ("speakers", speakers)):
        if odd := _that_differ(groups, values):
            lines.append(
                f"copies of one recording have different {what}: {_show(odd, names, values)}"
            )
    if odd := _that_differ(groups, splits):
        lines.append(
            f"WARNING: copies of one recording are in different splits, {len(odd)} in all: "
            f"{_show(odd, names, splits)}; some samples are used for training and also for selection or testing, so "
            "accuracy is too high. Keep the copies in one split only"
        )
    return lines


def _that_differ(groups: list[list[int]], values: Sequence[str]) -> list[list[int]]:
    return [group for group in groups if len({values[i] for i in group}) > 1]


def _show(
    groups: list[list[int]], names: Sequence[str], values: Sequence[str] | None = None
) -> str:
    shown = []
    for group in groups[:_SHOWN]:
        some = _spread(group, values)
        parts = [
            names[i] + (f" ({values[i] or 'none'})" if values is not None else "") for i in some
        ]
        parts += [f"{len(group) - len(some)} more"] if len(some) < len(group) else []
        shown.append(" = ".join(parts))
    left = len(groups) - _SHOWN
    more = f", and {left} more recording{'s' * (left > 1)}" if left > 0 else ""
    return ", ".join(shown) + more


def _spread(group: list[int], values: Sequence[str] | None) -> list[int]:
    """Choose which samples of a large group to show: first one of each different value."""
    if values is None:
        return group[:_SHOWN_IN_GROUP]
    unlike = list({values[i]: i for i in reversed(group)}.values())
    return sorted([*unlike, *(i for i in group if i not in unlike)][:_SHOWN_IN_GROUP])
