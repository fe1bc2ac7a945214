"""Words for ``gpu.sh``: a data set of this machine, or as many random spikes; the file that a stage writes."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spikebench.errors import SpikebenchError
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.protocol.opening import open_selection

SAMPLES, SPIKES = 8156, 7983  # of the training part of shd-r, docs/evidence.md
N_UNITS, N_CLASSES = 700, 20
TINY_UNITS = 6


class Words(NamedTuple):
    """Training samples, and their description for the page."""

    train: SpikeDataset
    description: str


def open_words(data: str, n_samples: int = SAMPLES) -> Words:
    """Open the training samples of ``data``, by default of ``shd-r``; make random ones if it is not here.

    Parameters
    ----------
    data
        A spike file of 700 units or the name of a data set; empty: ``shd-r``, or random words.
    n_samples
        Number of random words.

    Returns
    -------
    Words
        The samples.
    """
    try:
        train = open_selection(data or "shd-r").train
        return Words(train, f"{Path(data or 'shd-r').name}: {len(train):,} training samples")
    except SpikebenchError:
        if data:
            raise
    title = f"synthetic: {n_samples:,} samples of {SPIKES:,} random spikes, not words"
    return Words(random_words(n_samples, SPIKES), title)


def tiny_words(n_samples: int) -> Words:
    """Make short random words for the interpreter."""
    return Words(random_words(n_samples, 6, TINY_UNITS), f"{n_samples} tiny synthetic samples")


def random_words(n_samples: int, n_spikes: int, n_units: int = N_UNITS) -> SpikeDataset:
    """Make samples of ``n_spikes`` spikes on average within a second, most of them in the first half.

    Parameters
    ----------
    n_samples, n_spikes, n_units
        Samples, spikes per sample, and units.

    Returns
    -------
    SpikeDataset
        In memory, 20 classes.
    """
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(rng.poisson(n_spikes, n_samples))]).astype(np.int64)
    times = rng.random(offsets[-1], dtype=np.float32)
    times *= times  # denser at the beginning
    for first, last in pairwise(offsets):
        times[first:last].sort()
    units = rng.integers(0, n_units, offsets[-1], dtype=np.uint16)
    events = FlatEvents(
        offsets=offsets,
        times=times,
        units=units,
        positions=np.arange(n_samples),
        labels=rng.integers(0, N_CLASSES, n_samples),
        speakers=np.full(n_samples, -1),
        durations=np.full(n_samples, 1.0),
        n_units=n_units,
        keys=tuple(str(label) for label in range(N_CLASSES)),
    )
    return SpikeDataset(events)


def write(path: Path, result: dict[str, Any]) -> None:
    """Write what a stage has measured so far; a stage that is stopped leaves it."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def bar(name: str, value: float, asked: float, unit: str, at_most: bool) -> dict[str, Any]:
    """Compare a measurement with the value asked for."""
    passed = value <= asked if at_most else value >= asked
    sign = "≤" if at_most else "≥"
    return {
        "bar": name,
        "measured": f"{value:,.3g} {unit}",
        "asked": f"{sign} {asked:,g} {unit}",
        "pass": bool(passed),
    }
