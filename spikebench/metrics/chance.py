"""Whether an accuracy can be distinguished from chance.

Definitions
-----------
chance level
    the larger of 1 / classes and the share of the most frequent class among the samples: the expected accuracy of
    guessing, or of always predicting one class.
p-value
    exact binomial test, one-sided: probability of at least as many correct predictions by chance. If the best of
    several tries is tested (the epoch that was selected on the same samples), it is multiplied by their number, at
    most 1 (Bonferroni correction).
    The test treats samples as independent. Those of one voice are not, so it underestimates the p-value somewhat.
"""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

__all__ = ["chance_level", "p_of_chance"]


def chance_level(class_sizes: Sequence[int]) -> float:
    """Compute the chance level.

    Parameters
    ----------
    class_sizes
        Number of samples of each class, including 0 for classes without samples.

    Returns
    -------
    float
        Chance level between 0 and 1.

    Raises
    ------
    ValueError
        If there are no samples, or a size is negative.
    """
    total = sum(class_sizes)
    if total <= 0 or min(class_sizes) < 0:
        raise ValueError("a chance level needs samples")
    return max(1 / len(class_sizes), max(class_sizes) / total)


def p_of_chance(right: int, class_sizes: Sequence[int], tries: int = 1) -> float:
    """Compute the probability of at least this many correct predictions by chance.

    Parameters
    ----------
    right
        Number of correct predictions.
    class_sizes
        Number of samples of each class.
    tries
        Number of tries of which this is the best.

    Returns
    -------
    float
        p-value.

    Raises
    ------
    ValueError
        If there are no samples, more correct predictions than samples, or fewer than one try.
    """
    total, level = sum(class_sizes), chance_level(class_sizes)
    if not 0 <= right <= total or tries < 1:
        raise ValueError(f"{right} of {total} correct in {tries} tries is not possible")
    return min(1.0, tries * float(stats.binom.sf(right - 1, total, level)))
