"""Whether two models differ: paired tests on the same test samples.

Definitions
-----------
difference
    accuracy of the first minus that of the second, each the mean over its seeds: the expected difference for a model
    that is trained once more, not for an ensemble of its seeds.
spread over speakers
    variance of the difference over 10,000 bootstrap draws of whole test speakers, the same draw for both models (fixed
    generator). Of G speakers G - 1 are drawn, with replacement, so that the variance is unbiased for small G (Rao and
    Wu 1988, J. Am. Stat. Assoc. 83:231). With fewer than two speakers, or any sample of an unknown one: over single
    samples, and labelled so.
spread over seeds
    variance of the accuracies of a model's seeds / number of seeds, for each model: the seeds of the two models are
    not paired. A single seed has no such variance, so its interval does not cover other seeds.
interval and p-value
    difference ± Student t at 97.5 % · √(sum of the spreads), degrees of freedom after Satterthwaite (1946, Biometrics
    Bulletin 2:110) with speakers - 1 and seeds - 1; p from the same t. The percentiles of the draws themselves are
    too narrow for the dozen of speakers of a test split and do not cover other seeds: for equal models they
    reported a difference in 19 % of trials, this interval in 4 % (tests/metrics/test_significance.py).
    Without any spread there is no interval, and a p-value (1) only if the difference is 0.
McNemar
    of two networks, on the samples that only one of them classified correctly: exact binomial test, two-sided, twice
    the smaller tail (McNemar 1947, Psychometrika 12:153). The mid-p and chi-square versions are not used: they do not
    keep their level at every count, which the combination requires. With several seeds, every network of the first
    model is tested against every network of the second. Of these N p-values, the k-th smallest, k = ⌈N/2⌉, times N/k,
    at most 1, is valid for any dependence between them (Rüger 1978, Metrika 25:171; Vovk and Wang 2020, Biometrika
    107:791).
    The test assumes independent samples. Those of one voice are not, so it reports differences too often. It is
    reported in addition to the first test, which decides.
several pairs
    p-values are adjusted after Holm (1979, Scand. J. Stat. 6:65), each test over all pairs. Intervals are not adjusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_RESAMPLES = 10_000
_BLOCK = 4_000_000  # numbers drawn at a time
_ROUNDING = 1e-26  # variance of scores that differ in the last digits only; of predictions, below any other than 0


@dataclass(frozen=True)
class Estimate:
    """An accuracy or a difference with its 95 % interval (None without spread), and the p-value of a difference."""

    value: float
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class McNemar:
    """Numbers of samples that only one of two networks classified correctly, averaged over pairs, and the p-value."""

    only_first: float
    only_second: float
    pairs: int
    p: float


@dataclass(frozen=True)
class Significance:
    """Accuracy of each model, and difference of each pair (0, 1), (0, 2) …; ``method`` names the resampled units."""

    accuracies: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    mcnemar: tuple[McNemar, ...]
    method: str


def compare_predictions(
    right: Sequence[NDArray[np.bool_]], speaker: NDArray[np.int64]
) -> Significance:
    """Compare models on the same test samples, every pair of them.

    Parameters
    ----------
    right
        One array per model: whether each prediction is correct, bool, shape (seeds, samples).
    speaker
        Speaker of each sample, int64, shape (samples,); -1 is unknown.

    Returns
    -------
    Significance
        Accuracies and differences as fractions; p-values are not adjusted, see :func:`holm`.

    Raises
    ------
    ValueError
        If there is no model, seed or sample, or a model's number of samples differs from that of ``speaker``.
    """
    n = speaker.size
    _check(right, n)
    accuracies, differences, method = _estimates(right, speaker, np.int64)
    pairs = combinations(range(len(right)), 2)
    return Significance(
        accuracies=accuracies,
        differences=differences,
        mcnemar=tuple(_mcnemar_over_seeds(right[a], right[b]) for a, b in pairs),
        method=method,
    )


def compare_scores(
    scores: Sequence[NDArray[np.float64]], speaker: NDArray[np.int64]
) -> Significance:
    """Compare models by the mean of a score of each sample, such as the area under a curve of accuracies.

    Parameters
    ----------
    scores
        One array per model: the score of every sample, float64, shape (seeds, samples), in 0 … 1.
    speaker
        Speaker of each sample, int64, shape (samples,); -1 is unknown.

    Returns
    -------
    Significance
        Means and differences as for accuracies, with the same intervals; without McNemar's test.

    Raises
    ------
    ValueError
        As :func:`compare_predictions`.
    """
    _check(scores, speaker.size)
    means, differences, method = _estimates(scores, speaker, np.float64)
    return Significance(accuracies=means, differences=differences, mcnemar=(), method=method)


def _check(right: Sequence[NDArray[Any]], n: int) -> None:
    if not right or n == 0 or any(one.ndim != 2 or not one.size for one in right):
        raise ValueError("a comparison needs models with at least one seed and one sample")
    if any(one.shape[1] != n for one in right):
        raise ValueError("every model needs a prediction for every sample")


def _estimates(
    right: Sequence[NDArray[Any]], speaker: NDArray[np.int64], kind: type[np.int64 | np.float64]
) -> tuple[tuple[Estimate, ...], tuple[Estimate, ...], str]:
    """Return the means of all models, the differences of all pairs, and the resampled units."""
    n = speaker.size
    cluster, method = _clusters(speaker)
    size = np.bincount(cluster)
    counts = [
        np.bincount(cluster, weights=one.sum(0), minlength=size.size).astype(kind) for one in right
    ]
    seeds = [one.shape[0] for one in right]
    pairs = list(combinations(range(len(right)), 2))
    # Correct predictions times the seeds of the other model: integers, so that equal scores have no spread.
    scores = [*counts, *(counts[a] * seeds[b] - counts[b] * seeds[a] for a, b in pairs)]
    scale = [*seeds, *(seeds[a] * seeds[b] for a, b in pairs)]
    over_speakers = _speaker_variances(np.array(scores), size) / np.square(scale, dtype=float)
    over_seeds = [_seed_variance(one) for one in right]
    involved = [*((a,) for a in range(len(right))), *pairs]
    estimates = [
        _estimate(
            float(score.sum()) / (factor * n),
            [(float(variance), size.size - 1), *(over_seeds[a] for a in models)],
            difference=len(models) == 2,
        )
        for score, factor, variance, models in zip(
            scores, scale, over_speakers, involved, strict=True
        )
    ]
    return tuple(estimates[: len(right)]), tuple(estimates[len(right) :]), method


def _clusters(speaker: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
    speakers, cluster = np.unique(speaker, return_inverse=True)
    if len(speakers) < 2 or speakers[0] < 0:
        return np.arange(speaker.size), "bootstrap over test samples"
    return cluster.astype(np.int64), f"bootstrap over {len(speakers)} test speakers"


def _speaker_variances(scores: NDArray[Any], size: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the variance over draws of sum of scores / sum of sizes, for each row of scores."""
    if size.size < 2:
        return np.zeros(len(scores))
    means = np.concatenate(
        [(drawn @ scores.T) / (drawn @ size)[:, None] for drawn in _draws(size.size)]
    )
    variance: NDArray[np.float64] = (means - means[0]).var(0)  # equal draws: exactly 0
    return variance


def _draws(n_clusters: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each cluster is drawn, in blocks of draws."""
    generator = np.random.default_rng(0)
    rows = max(1, min(_RESAMPLES, _BLOCK // n_clusters))
    for start in range(0, _RESAMPLES, rows):
        n = min(rows, _RESAMPLES - start)
        drawn = generator.integers(0, n_clusters, (n, n_clusters - 1))
        drawn += n_clusters * np.arange(n)[:, None]
        times = np.bincount(drawn.ravel(), minlength=n * n_clusters)
        yield times.reshape(n, n_clusters).astype(float)


def _seed_variance(right: NDArray[Any]) -> tuple[float, int]:
    """Return the variance of the mean over seeds, and its degrees of freedom."""
    seeds, n = right.shape
    if seeds < 2:
        return 0.0, 0
    return float(right.sum(1).var(ddof=1)) / (n * n * seeds), seeds - 1


def _estimate(value: float, spreads: list[tuple[float, int]], *, difference: bool) -> Estimate:
    variance = sum(one for one, _ in spreads)
    if variance < _ROUNDING:
        return Estimate(value, None, None, 1.0 if difference and value == 0 else None)
    freedom = variance**2 / sum(one**2 / degrees for one, degrees in spreads if one > 0)
    error = math.sqrt(variance)
    half = float(stats.t.ppf(0.975, freedom)) * error
    p = min(1.0, 2 * float(stats.t.sf(abs(value) / error, freedom))) if difference else None
    least = -1.0 if difference else 0.0
    return Estimate(value, max(value - half, least), min(value + half, 1.0), p)


def mcnemar(only_first: NDArray[np.int64], only_second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute exact two-sided p-values of McNemar's test.

    Parameters
    ----------
    only_first, only_second
        Numbers of samples that only the first or only the second classified correctly, int64, of equal shape.

    Returns
    -------
    ndarray of float64
        p-values in the same shape; 1 if the two never differ.

    Raises
    ------
    ValueError
        If a count is negative.
    """
    fewer, both = np.minimum(only_first, only_second), np.add(only_first, only_second)
    if np.any(fewer < 0):
        raise ValueError("a count of samples cannot be negative")
    p: NDArray[np.float64] = np.minimum(2 * stats.binom.cdf(fewer, both, 0.5), 1.0)
    return p


def _mcnemar_over_seeds(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    one, other = first.astype(float), second.astype(float)  # products of floats run in BLAS
    only_first, only_second = one @ (1 - other).T, (1 - one) @ other.T
    p = mcnemar(only_first.astype(np.int64), only_second.astype(np.int64))
    return McNemar(float(only_first.mean()), float(only_second.mean()), p.size, combine(p.ravel()))


def combine(p: NDArray[np.float64]) -> float:
    """Combine p-values of one hypothesis that depend on each other in any way (Rüger).

    Parameters
    ----------
    p
        At least one p-value, float64, shape (n,).

    Returns
    -------
    float
        The k-th smallest, k = ⌈n/2⌉, times n/k, at most 1.

    Raises
    ------
    ValueError
        If there is none.
    """
    if p.size == 0:
        raise ValueError("no p-value to combine")
    k = (p.size + 1) // 2
    return min(1.0, float(np.partition(p, k - 1)[k - 1]) * p.size / k)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for their number (Holm).

    Parameters
    ----------
    p
        One per pair; None if there is none, which still counts as a test.

    Returns
    -------
    list
        Adjusted p-values, in the same order, at most 1.
    """
    adjusted = list(p)
    largest = 0.0
    given = [(one, place) for place, one in enumerate(p) if one is not None]
    for rank, (one, place) in enumerate(sorted(given)):
        largest = max(largest, min(1.0, one * (len(p) - rank)))
        adjusted[place] = largest
    return adjusted
