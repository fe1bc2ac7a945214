"""The six distance measures between two collections of samples, listed in :mod:`spikebench.fidelity.comparison`.

All are functions of sums over samples, so that halves of a file can be compared with each other in the same way
as two files. A distance of 0 means equal; every distance grows with the noise of the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.fidelity.alignment import LAGS, band_width
from spikebench.fidelity.summary import Totals, interval_edges, merge

__all__ = ["NAMES", "Measure", "compute_measures", "measure_pairs", "repeat_halves", "split_halves"]

NAMES = {
    "channels": "spikes per channel",
    "bands": "spikes per band",
    "spikes": "spikes per sample",
    "intervals": "intervals",
    "spontaneous": "spontaneous rate",
    "time": "time",
}
HALVINGS = 100
FEWEST_GROUPS = 4
FLOOR_QUANTILE = 0.95
SAME, CLOSE = 1.1, 2.0  # × the floor, which is an estimate
_QUANTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes
    ----------
    key
        One of :data:`NAMES`.
    distance
        None if it cannot be measured.
    figures
        Further figures, with the unit in the name; None for unknown values.
    floor
        The distance of equal files; None if not known.
    """

    key: str
    distance: float | None
    figures: dict[str, float | None]
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """Distance ÷ floor; None if one of them is not known, or the floor is 0."""
        if self.distance is None or not self.floor:
            return None
        return self.distance / self.floor

    @property
    def verdict(self) -> str:
        """Summary in one line."""
        if self.distance is None:
            return "not measured: too few spikes"
        if self.distance == 0:
            return "equal"
        if self.floor is None:
            return "the distance of equal files is not known"
        if self.ratio is None:
            return "differs, but equal files would not"
        if self.ratio <= SAME:
            return f"as close as equal files ({self.ratio:.2f} × their distance)"
        word = "close" if self.ratio <= CLOSE else "differs"
        return f"{word}: {self.ratio:.1f} × the distance of equal files"


def compute_measures(first: Totals, second: Totals, resolution: float) -> dict[str, Measure]:
    """Compute all six measures of two collections whose samples are not paired.

    Parameters
    ----------
    first, second
        Sums over their samples.
    resolution
        Step of the times in both [s].

    Returns
    -------
    dict
        Key → measure, in the order of :data:`NAMES`.
    """
    taken = (
        _profile("channels", first, second, 1),
        _profile("bands", first, second, band_width(first.channels.size)),
        _spikes(first, second),
        _intervals(first, second, resolution),
        _spontaneous(first, second),
        _time(first, second),
    )
    return {one.key: one for one in taken}


def measure_pairs(
    measures: dict[str, Measure],
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
    correlations: NDArray[np.float64],
) -> dict[str, Measure]:
    """Replace the measures that are more precise with paired samples.

    Parameters
    ----------
    measures
        Result of :func:`measure`.
    counts
        Spikes of each sample, pair by pair, int64, shape (pairs,) each.
    correlations
        Mean correlation of the rasters for each of :data:`spikebench.fidelity.alignment.LAGS`, shape (161,).

    Returns
    -------
    dict
        The measures, with other distances for ``spikes`` and ``time``.
    """
    first, second = (count.astype(np.float64) for count in counts)
    spikes = float(np.abs(first - second).mean() / np.mean([first.mean(), second.mean()]))
    time: float | None = None
    figures: dict[str, float | None] = {"lag_ms": None, "raster_correlation": None}
    if not np.isnan(correlations).all():
        best = int(np.nanargmax(correlations))
        # The correlation of equal rasters can differ from 1 by rounding.
        time = max(0.0, 1.0 - float(correlations[best]))
        time = 0.0 if time < 1e-12 else time
        figures = {
            "lag_ms": round(1e3 * float(LAGS[best]), 3),
            "raster_correlation": float(correlations[best]),
            "raster_correlation_without_lag": _known(float(correlations[LAGS.size // 2])),
        }
    return {
        **measures,
        "spikes": Measure(
            "spikes", spikes, {**measures["spikes"].figures, "pairs_mean_distance": spikes}
        ),
        "time": Measure("time", time, {**measures["time"].figures, **figures}),
    }


def split_halves(
    groups: tuple[Sequence[Totals], Sequence[Totals]], resolution: float
) -> dict[str, float]:
    """Estimate the distances of two files with other samples of the same kind.

    Parameters
    ----------
    groups
        The groups of the two files.
    resolution
        Step of the times in both [s].

    Returns
    -------
    dict
        Key → distance that is exceeded in 5 % of the halvings; without measures that cannot be computed, and
        empty if neither file has four groups.
    """
    sizes = [sum(part.spikes.size for part in file) for file in groups]
    floors: dict[str, float] = {}
    for parts in groups:
        if len(parts) < FEWEST_GROUPS:
            continue
        rng = np.random.default_rng(0)
        found: dict[str, list[float]] = {}
        for _ in range(HALVINGS):
            order = rng.permutation(len(parts)).tolist()
            half = len(parts) // 2
            one, two = (merge([parts[i] for i in some]) for some in (order[:half], order[half:]))
            noise = np.sqrt(sum(1 / n for n in sizes) / (1 / one.spikes.size + 1 / two.spikes.size))
            for key, taken in compute_measures(one, two, resolution).items():
                if taken.distance is not None:
                    found.setdefault(key, []).append(float(noise) * taken.distance)
        for key, distances in found.items():
            floor = float(np.quantile(distances, FLOOR_QUANTILE))
            floors[key] = max(floor, floors.get(key, 0.0))
    return floors


def repeat_halves(
    groups: tuple[Sequence[Totals], Sequence[Totals]], resolution: float
) -> dict[str, float]:
    """Estimate the distances of two conversions of the same recordings, allowing for the variation of one repeat.

    Parameters
    ----------
    groups
        The groups of the two files, with the same recordings in the same order.
    resolution
        Step of the times in both [s].

    Returns
    -------
    dict
        Key → distance that is exceeded in 5 % of the choices of half of the groups, scaled to all of them;
        without measures that cannot be computed, and empty if there are fewer than four groups.
    """
    n_groups = len(groups[0])
    if n_groups < FEWEST_GROUPS:
        return {}
    total = sum(part.spikes.size for part in groups[0])
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {}
    for _ in range(HALVINGS):
        chosen = rng.permutation(n_groups)[: n_groups // 2].tolist()
        one, two = (merge([parts[i] for i in chosen]) for parts in groups)
        noise = float(np.sqrt(one.spikes.size / total))
        for key, taken in compute_measures(one, two, resolution).items():
            if taken.distance is not None:
                found.setdefault(key, []).append(noise * taken.distance)
    return {key: float(np.quantile(values, FLOOR_QUANTILE)) for key, values in found.items()}


def _profile(key: str, first: Totals, second: Totals, width: int) -> Measure:
    """Compare the mean counts of bands of ``width`` neighbouring units."""
    a, b = (
        np.add.reduceat(one.channels, np.arange(0, one.channels.size, width)) / one.spikes.size
        for one in (first, second)
    )
    varied = bool(a.std() > 0 and b.std() > 0)
    return Measure(
        key,
        float(np.abs(a - b).sum() / (0.5 * (a.sum() + b.sum()))),
        {
            "units_together": float(width),
            "mean_file": float(a.mean()),
            "mean_with": float(b.mean()),
            "ratio": float(a.sum() / b.sum()),
            "correlation": float(np.corrcoef(a, b)[0, 1]) if varied else None,
        },
    )


def _spikes(first: Totals, second: Totals) -> Measure:
    figures: dict[str, float | None] = {}
    for name, spikes in (("file", first.spikes), ("with", second.spikes)):
        figures[f"mean_{name}"] = float(spikes.mean())
        figures[f"sd_{name}"] = float(spikes.std(ddof=1)) if spikes.size > 1 else None
        for percent, value in zip(_QUANTILES, np.percentile(spikes, _QUANTILES), strict=True):
            figures[f"percentile_{percent}_{name}"] = float(value)
    figures["ratio"] = float(first.spikes.mean() / second.spikes.mean())
    values = np.union1d(first.spikes, second.spikes)
    a, b = (
        np.searchsorted(np.sort(one.spikes), values, side="right") / one.spikes.size
        for one in (first, second)
    )
    distance = float(np.abs(a - b).max())
    return Measure("spikes", distance, {**figures, "ks_distance": distance})


def _intervals(first: Totals, second: Totals, resolution: float) -> Measure:
    edges = interval_edges(resolution) * resolution
    numbers = [int(one.intervals.sum()) for one in (first, second)]
    figures: dict[str, float | None] = {
        "intervals_file": float(numbers[0]),
        "intervals_with": float(numbers[1]),
        "resolution_ms": 1e3 * resolution,
    }
    if not all(numbers):
        return Measure("intervals", None, figures)
    a, b = (np.cumsum(one.intervals) / n for one, n in zip((first, second), numbers, strict=True))
    for name, shares in (("file", a), ("with", b)):
        figures[f"median_ms_{name}"] = 1e3 * float(edges[np.searchsorted(shares, 0.5)])
    distance = float(np.abs(a - b).max())
    return Measure("intervals", distance, {**figures, "ks_distance": distance})


def _spontaneous(first: Totals, second: Totals) -> Measure:
    figures: dict[str, float | None] = {}
    for name, one in (("file", first), ("with", second)):
        figures[f"rate_per_s_{name}"] = _known(one.rate)
        figures[f"tails_{name}"] = float(one.tails)
        figures[f"tail_seconds_{name}"] = one.tail_seconds
    if not (first.rate > 0 and second.rate > 0):
        return Measure("spontaneous", None, {**figures, "ratio": None})
    ratio = first.rate / second.rate
    return Measure("spontaneous", abs(float(np.log(ratio))), {**figures, "ratio": ratio})


def _time(first: Totals, second: Totals) -> Measure:
    figures: dict[str, float | None] = {}
    for name, one in (("file", first), ("with", second)):
        figures[f"first_spike_ms_{name}"] = 1e3 * float(one.first.mean())
        figures[f"first_spike_at_0_share_{name}"] = float(np.mean(one.first == 0))
    distance = 1e3 * abs(float(first.first.mean() - second.first.mean()))
    return Measure("time", distance, figures)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
