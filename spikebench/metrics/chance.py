"""Whether an accuracy says that anything was learned.

Definitions
-----------
chance level
    the larger of 1 / classes and the share of the most frequent class among the samples: what guessing, or saying one
    class always, gets.
p-value
    exact binomial test, one-sided: probability of at least as many right answers by chance. Where the best of
    several tries is tested (the epoch that was selected on the same samples), times their number, at most 1
    (Bonferroni): the best of a hundred epochs of guessing is better than guessing.
    It takes samples for independent. Those of one voice are not, so it sees learning somewhat too early.
"""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

__all__ = ["chance_level", "p_of_chance"]


def chance_level(class_sizes: Sequence[int]) -> float:
    """Say what guessing gets.

    Parameters
    ----------
    class_sizes
        Samples of each class, also of those that have none.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If there are no samples.
    """
    total = sum(class_sizes)
    if total <= 0 or min(class_sizes) < 0:
        raise ValueError("a chance level needs samples")
    return max(1 / len(class_sizes), max(class_sizes) / total)


def p_of_chance(right: int, class_sizes: Sequence[int], tries: int = 1) -> float:
    """Compute how probable so many right answers are by chance.

    Parameters
    ----------
    right
        Right answers.
    class_sizes
        Samples of each class.
    tries
        Of how many tries this is the best.

    Returns
    -------
    float
        p-value.

    Raises
    ------
    ValueError
        If there are no samples, more right answers than samples, or no try.
    """
    total, level = sum(class_sizes), chance_level(class_sizes)
    if not 0 <= right <= total or tries < 1:
        raise ValueError(f"{right} of {total} right in {tries} tries cannot be")
    return min(1.0, tries * float(stats.binom.sf(right - 1, total, level)))
