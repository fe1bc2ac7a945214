"""Pairs of samples of two files, and the shift in time between their spikes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import SpikebenchError
from spikebench.events.raster import time_bins
from spikebench.fidelity.summary import Samples

__all__ = [
    "LAGS",
    "Pairing",
    "band_width",
    "choose_pair",
    "find_source",
    "lag_correlations",
    "pair_samples",
]

Pairs = Literal["auto", "order", "none"]
LAGS: NDArray[np.float64] = np.arange(-80, 81, dtype=np.float64) / 4000  # s
RASTER_STEP = 1e-3  # s
BANDS = 70
RASTER_LONGEST = 10.0  # s; later spikes are left out of the raster


@dataclass(frozen=True)
class Pairing:
    """Samples to compare.

    Attributes
    ----------
    first, second
        Indices into either file; if ``by`` is not empty, equal positions refer to the same recording.
    by
        How pairs were found: ``sha256``, ``source``, ``order``, ``choice``, or empty for no pairs.
    """

    first: list[int]
    second: list[int]
    by: str


def pair_samples(first: Samples, second: Samples, pairs: Pairs = "auto") -> Pairing:
    """Find the samples of two files that were made from the same recording.

    Parameters
    ----------
    first, second
        The files.
    pairs
        ``auto``: by the SHA-256 of the recordings, else by their paths, if both files store them and
        any are equal; ``order``: sample i with sample i; ``none``: no pairs.

    Returns
    -------
    Pairing
        Only paired samples, or all samples if there are no pairs.

    Raises
    ------
    SpikebenchError
        If ``pairs`` is ``order`` and the numbers of samples differ.
    """
    all_first, all_second = list(range(first.n_samples)), list(range(second.n_samples))
    if pairs == "order":
        if first.n_samples != second.n_samples:
            raise SpikebenchError(
                f"pairs in order need files with equal numbers of samples, not {first.n_samples} and "
                f"{second.n_samples} samples"
            )
        return Pairing(all_first, all_second, by="order")
    if pairs == "auto":
        for by, ours, theirs in (
            ("sha256", first.sha256, second.sha256),
            ("source", first.sources, second.sources),
        ):
            there = {name: index for index, name in _unique(theirs).items()}
            found = [(i, there[name]) for i, name in _unique(ours).items() if name in there]
            if found:
                return Pairing([i for i, _ in found], [k for _, k in found], by)
    return Pairing(all_first, all_second, by="")


def choose_pair(
    first: Samples, second: Samples, index: int | None, other_index: int | None
) -> Pairing:
    """Pair one sample of the first file with one of the second.

    Parameters
    ----------
    first, second
        The files.
    index, other_index
        The sample of each file; None selects the only one, else the partner of the other.

    Returns
    -------
    Pairing
        One pair.

    Raises
    ------
    SpikebenchError
        If there is no such sample, or a choice is missing.
    """
    partners = pair_samples(first, second)
    pairs = list(zip(partners.first, partners.second, strict=True)) if partners.by else []
    if index is None:
        back = {k: i for i, k in pairs}
        index = (
            0 if first.n_samples == 1 else -1 if other_index is None else back.get(other_index, -1)
        )
    if other_index is None:
        other_index = 0 if second.n_samples == 1 else dict(pairs).get(index, -1)
    for samples, which, place in ((first, index, "--index"), (second, other_index, "--with-index")):
        if which == -1:
            raise SpikebenchError(
                f"one sample is compared with one other: choose among the {samples.n_samples} samples of "
                f"the {'first' if samples is first else 'other'} file ({place})"
            )
        if not 0 <= which < samples.n_samples:
            raise SpikebenchError(
                f"there is no sample {which} ({place}); the file has {samples.n_samples}, counted from 0"
            )
    return Pairing([index], [other_index], "choice")


def find_source(samples: Samples, name: str) -> int:
    """Find the sample that was made from a recording.

    Parameters
    ----------
    samples
        The file.
    name
        Path of the recording as stored in the file, or its name with or without suffix.

    Returns
    -------
    int
        Index of the sample.

    Raises
    ------
    SpikebenchError
        If no sample, or more than one, was made from such a recording, or the file does not store recordings.
    """
    if not samples.sources:
        raise SpikebenchError("the file does not list the recordings of its samples; use an index")
    places = [PurePosixPath(source) for source in samples.sources]
    for fits in (
        [str(place) == name for place in places],
        [name in (place.name, place.stem) for place in places],
    ):
        found = np.flatnonzero(fits)
        if found.size == 1:
            return int(found[0])
        if found.size:
            raise SpikebenchError(
                f"{found.size} samples were made from a recording {name!r}; give its whole path"
            )
    raise SpikebenchError(f"no sample was made from a recording {name!r}")


def band_width(n_units: int) -> int:
    """Return the number of neighbouring units in one of up to 70 bands, e.g. 10 of 700."""
    return -(-n_units // BANDS)


def lag_correlations(
    first: tuple[NDArray[np.float64], NDArray[np.int64]],
    second: tuple[NDArray[np.float64], NDArray[np.int64]],
    n_units: int,
    step: float = RASTER_STEP,
) -> NDArray[np.float64]:
    """Correlate the rasters of two samples while the first is shifted in time.

    Parameters
    ----------
    first, second
        Times [s] and units.
    n_units
        Number of units; the rows of the raster are up to 70 bands of neighbouring units.
    step
        Width of a bin [s].

    Returns
    -------
    ndarray of float64, shape (161,)
        Pearson's correlation of the two rasters of counts for each of :data:`LAGS`, which are added to the
        times of the first; NaN where a raster is constant.
    """
    margin = float(LAGS[-1])
    end = min(max(float(t.max(initial=0.0)) for t, _ in (first, second)), RASTER_LONGEST)
    n_steps = int((end + 2 * margin) / step) + 2
    band = band_width(n_units)
    size = n_steps * -(-n_units // band)

    def cells(
        events: tuple[NDArray[np.float64], NDArray[np.int64]], lag: float
    ) -> NDArray[np.int64]:
        bins = time_bins(events[0] + (margin + lag), step, n_steps)
        inside = bins < n_steps
        return events[1][inside] // band * n_steps + bins[inside]

    # Integers: the sums are exact, and no BLAS threads are started for them.
    fixed = np.bincount(cells(second, 0.0), minlength=size)
    n_fixed, spread_fixed = int(fixed.sum()), _spread(fixed)
    correlations = np.full(LAGS.size, np.nan)
    for place, lag in enumerate(LAGS.tolist()):
        moved = np.bincount(cells(first, lag), minlength=size)
        spread = spread_fixed * _spread(moved)
        if spread:
            shared = size * int(fixed @ moved) - n_fixed * int(moved.sum())
            correlations[place] = shared / math.sqrt(spread)
    return correlations


def _spread(counts: NDArray[np.int64]) -> int:
    """Return the square of the number of counts times their variance, exactly."""
    return counts.size * int(counts @ counts) - int(counts.sum()) ** 2


def _unique(names: tuple[str, ...] | None) -> dict[int, str]:
    """Return index → name, for the names that are known and unique."""
    counts = Counter(names or ())
    return {i: name for i, name in enumerate(names or ()) if name and counts[name] == 1}
