"""Remarks on the samples of a valid spike file: copies of recordings, samples without spikes."""

from __future__ import annotations

import numpy as np

from spikebench.records.text import printable
from spikebench.spike_files.copies import CopyFinder, describe_copies, sample_names
from spikebench.spike_files.reader import SpikeFile

__all__ = ["find_remarks"]

_SHOWN = 5


def find_remarks(spikes: SpikeFile) -> list[str]:
    """Find properties that are valid but affect training and testing.

    Parameters
    ----------
    spikes
        The file.

    Returns
    -------
    list of str
        One line for each remark; empty if there are none.

    Raises
    ------
    SpikeFileError
        If the file is damaged.
    """
    names = sample_names(spikes)
    finder = CopyFinder()
    finder.add_file(spikes)
    keys, people = spikes.keys, spikes.speaker_names
    classes = [_name(keys, label) for label in spikes.labels.tolist()]
    speakers = [_name(people, speaker) for speaker in spikes.speakers.tolist()]
    splits = spikes.splits or [""] * spikes.n_samples
    lines = describe_copies(finder.firsts(), names, classes, speakers, splits)
    return [*_without_spikes(spikes, names), *lines]


def _without_spikes(spikes: SpikeFile, names: list[str]) -> list[str]:
    silent = np.flatnonzero(spikes.spike_counts == 0).tolist()
    if not silent:
        return []
    shown = ", ".join(names[i] for i in silent[:_SHOWN]) + (", …" if len(silent) > _SHOWN else "")
    return [f"{len(silent)} of {spikes.n_samples} samples without a spike: {shown}"]


def _name(names: tuple[str, ...], number: int) -> str:
    if number < 0:
        return ""
    return printable(names[number]) if number < len(names) else str(number)
