"""How close two spike files are: six measures, each with the value for equal files.

Measures are taken over the samples that were made from the same recordings, if the files store them, else over
all samples of either file:

===================  ====================================================================================
spikes per channel   mean counts a, b of each unit: Σ|a − b| ÷ mean of Σa and Σb
spikes per band      the same for neighbouring units together, up to 70 bands: less noise in a few samples
spikes per sample    pairs: mean |a − b| ÷ mean of all; else the Kolmogorov–Smirnov distance of the counts
intervals            Kolmogorov–Smirnov distance of the intervals between spikes of one unit
spontaneous rate     |ln ratio| of the rates in the tails of the samples
time                 pairs: 1 − correlation of the rasters (1 ms × up to 70 bands of units) at the shift
                     where it is largest; else the difference of the mean times of the first spikes [ms]
===================  ====================================================================================

**Value for equal files.** Spikes are drawn at random, so a second conversion of the same recordings differs
too. If a conversion with another seed is given, the value is the distance between it and the first file,
or, if that is larger, the 95 % quantile over random halves of the recordings, scaled to all of them, because one
repeat may be close by chance. Without it, and without pairs, halves of each file estimate the distance of files
with other samples of the same kind: the 95 % quantile over 100 random halvings of sixteen groups, scaled from the sizes
of the halves to those of the files (noise decreases with the root of the number of samples); the value is the
larger one of the two files. Pairs without a second conversion have no such value: halves of a file include the
variation between recordings, which pairs share, and would hide differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import SpikebenchError
from spikebench.fidelity.alignment import LAGS, Pairing, lag_correlations
from spikebench.fidelity.measures import (
    Measure,
    compute_measures,
    measure_pairs,
    repeat_halves,
    split_halves,
)
from spikebench.fidelity.summary import Samples, Totals, merge, summarize, time_resolution
from spikebench.records.text import printable

__all__ = ["ClassMean", "Comparison", "compare_spikes"]

MAX_RASTERS = 256


@dataclass(frozen=True)
class ClassMean:
    """Number of samples of one class and their mean number of spikes, in the first and the second file."""

    name: str
    samples: tuple[int, int]
    means: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """Result of comparing two files.

    Attributes
    ----------
    totals
        Sums over the samples compared, of either file.
    pairing
        The samples that were compared, and how pairs were found.
    left_out
        Number of samples of either file that were not compared.
    resolution
        Step in which times are counted [s].
    measures
        Key → measure; see :data:`spikebench.fidelity.measures.NAMES`.
    floor_from
        Source of the floors: ``seed``, ``halves``, or empty if there are none.
    classes
        Mean spikes per class, if both files have labels; by name if both name their classes.
    class_order
        Whether the class names are the ``same``, ``permuted`` or ``different``; empty if a file has
        none.
    correlations
        Correlations of the rasters for each of :data:`spikebench.fidelity.alignment.LAGS`; empty without pairs.
    """

    totals: tuple[Totals, Totals]
    pairing: Pairing
    left_out: tuple[int, int]
    resolution: float
    measures: Mapping[str, Measure]
    floor_from: str
    classes: tuple[ClassMean, ...]
    class_order: str
    correlations: NDArray[np.float64]


def compare_spikes(
    first: Samples,
    second: Samples,
    pairing: Pairing,
    repeat: tuple[Samples, Pairing] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Comparison:
    """Compare two files.

    Parameters
    ----------
    first, second
        The files.
    pairing
        The samples to compare, and whether they are pairs.
    repeat
        A file with the recordings of ``first``, converted with another seed, and its pairs with ``first``.
    progress
        Called with the number of samples done and their total.

    Returns
    -------
    Comparison
        All measures.

    Raises
    ------
    SpikebenchError
        If numbers of units differ, a file has no sample or no spike to compare, or the repeat has no pairs.
    SpikeFileError
        If a file is damaged.
    """
    _require_comparable(first, second, pairing)
    jobs = [(first, second, pairing)]
    if repeat is not None:
        other, pairs = repeat
        if not pairs.by:
            raise SpikebenchError("the repeat contains none of the recordings of the first file")
        _require_comparable(first, other, pairs)
        # Floors must be distances of the same kind, so pairs are used only if the comparison has pairs.
        jobs.append((first, other, pairs if pairing.by else replace(pairs, by="")))
    total = sum(len(p.first) + len(p.second) + len(_rasters(p)) for _, _, p in jobs)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    resolution = max(time_resolution(first, pairing.first), time_resolution(second, pairing.second))
    comparison, *repeated = [
        _compare(
            ours,
            theirs,
            pairing=pairs,
            resolution=resolution,
            advance=advance,
            is_repeat=place > 0,
        )
        for place, (ours, theirs, pairs) in enumerate(jobs)
    ]
    if not repeated:
        return comparison
    floors = {key: _larger(one.distance, one.floor) for key, one in repeated[0].measures.items()}
    return replace(comparison, measures=_with(comparison.measures, floors), floor_from="seed")


def _require_comparable(first: Samples, second: Samples, pairing: Pairing) -> None:
    if first.n_units != second.n_units:
        raise SpikebenchError(
            f"the files have {first.n_units} and {second.n_units} units; convert with "
            f"--channels {second.n_units} to compare them"
        )
    for samples, indices in ((first, pairing.first), (second, pairing.second)):
        if not indices or not samples.spike_counts[np.asarray(indices)].any():
            name = printable(str(getattr(samples, "path", "a file")))
            raise SpikebenchError(f"{name}: contains no spikes to compare")


def _compare(
    first: Samples,
    second: Samples,
    pairing: Pairing,
    resolution: float,
    advance: Callable[[], None],
    *,
    is_repeat: bool,
) -> Comparison:
    groups = (
        summarize(first, pairing.first, resolution, advance),
        summarize(second, pairing.second, resolution, advance),
    )
    totals = merge(groups[0]), merge(groups[1])
    measures = compute_measures(totals[0], totals[1], resolution)
    correlations = LAGS[:0]
    if pairing.by:
        correlations = _mean_correlations(first, second, pairing, resolution, advance)
        counts = (
            first.spike_counts[np.asarray(pairing.first)],
            second.spike_counts[np.asarray(pairing.second)],
        )
        measures = measure_pairs(measures, counts, correlations)
    floors = _floors(groups, resolution, bool(pairing.by), is_repeat)
    return Comparison(
        totals=totals,
        pairing=pairing,
        left_out=(
            first.n_samples - len(pairing.first),
            second.n_samples - len(pairing.second),
        ),
        resolution=resolution,
        measures=_with(measures, floors),
        floor_from="halves" if floors else "",
        classes=_class_means(first, second, pairing),
        class_order=_class_order(first.keys, second.keys),
        correlations=correlations,
    )


def _floors(
    groups: tuple[list[Totals], list[Totals]], resolution: float, paired: bool, is_repeat: bool
) -> dict[str, float]:
    if not is_repeat:
        return {} if paired else split_halves(groups, resolution)
    floors = repeat_halves(groups, resolution)
    # With pairs, these two have other distances, which are means and vary little by chance.
    return {k: v for k, v in floors.items() if not (paired and k in ("spikes", "time"))}


def _larger(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def _with(
    measures: Mapping[str, Measure], floors: Mapping[str, float | None]
) -> dict[str, Measure]:
    return {key: replace(one, floor=floors.get(key)) for key, one in measures.items()}


def _rasters(pairing: Pairing) -> list[int]:
    """Return the positions of the pairs whose rasters are correlated, evenly spread over all pairs."""
    if not pairing.by:
        return []
    pairs = len(pairing.first)
    places = np.linspace(0, pairs - 1, min(pairs, MAX_RASTERS)).astype(int)
    return [int(place) for place in np.unique(places)]


def _mean_correlations(
    first: Samples,
    second: Samples,
    pairing: Pairing,
    resolution: float,
    advance: Callable[[], None],
) -> NDArray[np.float64]:
    found = []
    for place in _rasters(pairing):
        curve = lag_correlations(
            first.events(pairing.first[place]),
            second.events(pairing.second[place]),
            n_units=first.n_units,
            step=max(1e-3, resolution),
        )
        if not np.isnan(curve).any():
            found.append(curve)
        advance()
    if not found:
        return np.full(LAGS.size, np.nan)
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def _class_means(first: Samples, second: Samples, pairing: Pairing) -> tuple[ClassMean, ...]:
    by_name = bool(first.keys and second.keys)
    means = [
        _means(samples, indices, by_name)
        for samples, indices in ((first, pairing.first), (second, pairing.second))
    ]
    return tuple(
        ClassMean(
            name, (means[0][name][0], means[1][name][0]), (means[0][name][1], means[1][name][1])
        )
        for name in means[0]
        if name in means[1]
    )


def _means(samples: Samples, indices: Sequence[int], by_name: bool) -> dict[str, tuple[int, float]]:
    labels = samples.labels[np.asarray(indices)]
    spikes = samples.spike_counts[np.asarray(indices)]
    means = {}
    for label in np.unique(labels[labels >= 0]).tolist():
        chosen = spikes[labels == label]
        name = samples.keys[label] if by_name else str(label)
        means[name] = (chosen.size, float(chosen.mean()))
    return means


def _class_order(first: tuple[str, ...], second: tuple[str, ...]) -> str:
    if not first or not second:
        return ""
    if first == second:
        return "same"
    return "permuted" if sorted(first) == sorted(second) else "different"
