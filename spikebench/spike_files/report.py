"""Statistics of a spike file, and validation against the rules of the layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spikebench.errors import SpikeFileError
from spikebench.records.text import printable
from spikebench.spike_files.reader import Events, SpikeFile

__all__ = ["find_problems", "group_statistics", "sample_table"]

_MAX_PROBLEMS = 20


def sample_table(spikes: SpikeFile, events: Events) -> pd.DataFrame:
    """Tabulate the samples of a file.

    Parameters
    ----------
    spikes
        The file.
    events
        All spikes of the file.

    Returns
    -------
    DataFrame
        One row per sample: ``label``, ``class``, ``speaker``, ``split``, ``spikes``, ``last_spike_s``
        (0 for a sample without spikes).
    """
    counts = np.diff(events.offsets)
    last = np.zeros(len(counts))
    last[counts > 0] = np.maximum.reduceat(events.times, events.offsets[:-1][counts > 0])
    keys = spikes.keys
    return pd.DataFrame(
        {
            "label": spikes.labels,
            "class": [keys[i] if 0 <= i < len(keys) else str(i) for i in spikes.labels.tolist()],
            "speaker": spikes.speakers,
            "split": list(spikes.splits or [""] * len(counts)),
            "spikes": counts,
            "last_spike_s": last,
        }
    )


def group_statistics(samples: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Describe groups of samples.

    Parameters
    ----------
    samples
        A table made by :func:`sample_table`.
    by
        Columns that define a group.

    Returns
    -------
    DataFrame
        One row per group: the columns of ``by``, ``samples``, ``spikes_mean``, ``spikes_median``,
        ``last_spike_s_mean``.
    """
    return (
        samples.groupby(by, sort=True)
        .agg(
            samples=("spikes", "size"),
            spikes_mean=("spikes", "mean"),
            spikes_median=("spikes", "median"),
            last_spike_s_mean=("last_spike_s", "mean"),
        )
        .reset_index()
    )


def find_problems(path: Path) -> list[str]:
    """Validate a file against the published layout and for consistency.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of str
        One line for each problem; empty if there are none.
    """
    with SpikeFile(path) as spikes:
        try:
            _touch_everything(spikes)
            problems = _sample_problems(spikes)
        except SpikeFileError as error:
            return [str(error)]
        problems += [*_name_problems(spikes), *_source_problems(spikes)]
    return [f"{printable(str(path))}: {problem}" for problem in problems]


def _touch_everything(spikes: SpikeFile) -> None:
    """Read all data but the spikes; reading validates them."""
    _ = (spikes.provenance, spikes.n_units, spikes.labels, spikes.speakers, spikes.keys)
    _ = (spikes.speaker_names, spikes.splits, spikes.sources, spikes.sha256, spikes.starts_s)
    _ = (spikes.sample_rates_hz, spikes.durations_s, spikes.segments)


def _sample_problems(spikes: SpikeFile) -> list[str]:
    problems = []
    if spikes.n_samples == 0:
        problems.append("contains no samples")
    counts = spikes.spike_counts
    last = np.zeros(spikes.n_samples)
    unsorted = np.zeros(spikes.n_samples, dtype=bool)
    for first, end, times, _ in spikes.blocks():
        starts = np.concatenate([[0], np.cumsum(counts[first:end])])
        falls = np.flatnonzero(np.diff(times) < 0) + 1
        # A smaller time at the start of the next sample is not a violation.
        inside = np.setdiff1d(falls, starts)
        unsorted[first + np.searchsorted(starts, inside, side="right") - 1] = True
        filled = np.flatnonzero(counts[first:end] > 0)
        if filled.size:
            last[first + filled] = np.maximum.reduceat(times, starts[filled])
    problems += _listed("spike times are not sorted", np.flatnonzero(unsorted))
    if spikes.durations_s is not None:
        # Resampling rounds the length up by less than a sample.
        late = np.flatnonzero((counts > 0) & (last > spikes.durations_s + 1e-3))
        problems += _listed("spikes after the end of its recording", late)
    return problems


def _name_problems(spikes: SpikeFile) -> list[str]:
    problems = []
    if len(set(spikes.keys)) < len(spikes.keys):
        problems.append("extra/keys contains a class name twice")
    if not spikes.keys and np.any(spikes.labels >= 0):
        problems.append("extra/keys is missing or empty, so the classes have no names")
    if spikes.speaker_names and np.any(spikes.speakers >= len(spikes.speaker_names)):
        problems.append("extra/speaker contains a number that extra/speaker_names does not name")
    return problems


def _source_problems(spikes: SpikeFile) -> list[str]:
    problems = []
    sources = spikes.sources
    numbers = [0] * spikes.n_samples if spikes.segments is None else spikes.segments.tolist()
    if sources and any(sources) and len({*zip(sources, numbers, strict=True)}) < len(sources):
        problems.append("extra/source contains a recording twice")
    digests = np.array(spikes.sha256 or [], dtype=str)
    wrong = [
        i
        for i, text in enumerate(digests.tolist())
        if text and (len(text) != 64 or set(text) - set("0123456789abcdef"))
    ]
    problems += _listed("its extra/sha256 is not a SHA-256", np.array(wrong, dtype=np.int64))
    return problems


def _listed(text: str, samples: NDArray[np.int64]) -> list[str]:
    lines = [f"sample {i}: {text}" for i in samples[:_MAX_PROBLEMS].tolist()]
    if len(samples) > _MAX_PROBLEMS:
        lines.append(f"and {len(samples) - _MAX_PROBLEMS} more samples: {text}")
    return lines
