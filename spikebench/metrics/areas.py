"""The area under a curve of accuracies over the ratio of signal to noise, as a mean of scores of samples.

For ratios r₁ < … < r_m [dB] of one kind of noise, with linear interpolation between them:

::

    A = Σ w_k · a(r_k),   w_k = (r_{k+1} − r_{k−1}) / (2 · (r_m − r₁))                      (N1)

with r₀ = r₁ and r_{m+1} = r_m, so Σ w_k = 1: A is the mean accuracy over the range, a model that is never wrong has 1.
The area over several kinds is the mean of theirs. Since the accuracy a is the mean over samples of right (1) or wrong
(0), A is the mean over samples of Σ w_k · right_k, and has the interval of such a mean
(:func:`spikebench.metrics.significance.compare_scores`). A single ratio, or none but an infinite one, has no area.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spikebench.degradation.conditions import NOISES, Condition

__all__ = ["area_scores", "area_weights", "kinds_with_area"]


def area_weights(ratios: Sequence[float]) -> NDArray[np.float64]:
    """Compute the weights of accuracies in the area under their curve, eq. (N1).

    Parameters
    ----------
    ratios
        Ratios of signal to noise [dB], finite, ascending, at least two.

    Returns
    -------
    ndarray of float64, shape (ratios,)
        Their sum is 1.
    """
    around = np.concatenate([[ratios[0]], ratios, [ratios[-1]]])
    weights: NDArray[np.float64] = (around[2:] - around[:-2]) / (2 * (ratios[-1] - ratios[0]))
    return weights


def kinds_with_area(conditions: Sequence[Condition]) -> dict[str, list[Condition]]:
    """List the kinds of noise that have an area.

    Parameters
    ----------
    conditions
        Conditions of a study.

    Returns
    -------
    dict
        Kind → its conditions with a finite ratio, ascending, at least two.
    """
    found = {
        kind: sorted(
            (one for one in conditions if one.kind == kind and one.strength < math.inf),
            key=lambda one: one.strength,
        )
        for kind in NOISES
    }
    return {kind: those for kind, those in found.items() if len(those) > 1}


def area_scores(
    kinds: Mapping[str, Sequence[Condition]], right: Mapping[Condition, NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Compute the score of every sample, whose mean is the area over some kinds of noise.

    Parameters
    ----------
    kinds
        From :func:`kinds_with_area`, at least one.
    right
        Whether each prediction is correct under every condition, bool, shape (seeds, samples).

    Returns
    -------
    ndarray of float64, shape (seeds, samples)
        In 0 … 1.
    """
    parts = [
        np.tensordot(
            area_weights([one.strength for one in those]),
            np.stack([right[one] for one in those]).astype(np.float64),
            axes=1,
        )
        for those in kinds.values()
    ]
    scores: NDArray[np.float64] = np.mean(parts, axis=0)
    return scores
