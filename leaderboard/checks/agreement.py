"""Comparing a claimed number with the recomputed one: equal within a relative 1e-9."""

from __future__ import annotations

import math

from spikebench.errors import ResultError
from spikebench.protocol.results import Interval

__all__ = ["RELATIVE_TOLERANCE", "compare", "compare_interval"]

RELATIVE_TOLERANCE = 1e-9


def compare(where: str, what: str, claimed: float | None, found: float | None) -> None:
    """Raise unless two numbers agree.

    Parameters
    ----------
    where, what
        Location and name of the claim, for the message.
    claimed, found
        The numbers; None agrees with None only.

    Raises
    ------
    ResultError
        With both numbers.
    """
    if claimed is None or found is None:
        agree = claimed is found
    else:
        # The absolute tolerance is for spreads of exactly 0, which rounding may miss by an ulp.
        agree = math.isclose(claimed, found, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-15)
    if not agree:
        raise ResultError(f"{where}: {what} is claimed {claimed}, but the predictions give {found}")


def compare_interval(where: str, claimed: Interval, found: Interval) -> None:
    """Raise unless two intervals agree.

    Parameters
    ----------
    where
        Location of the claim, for the message.
    claimed, found
        The intervals.

    Raises
    ------
    ResultError
        With both values.
    """
    compare(where, "test_interval.low", claimed.low, found.low)
    compare(where, "test_interval.high", claimed.high, found.high)
    if claimed.method != found.method:
        raise ResultError(
            f"{where}: test_interval.method is {claimed.method[:80]!r}, recomputed {found.method!r}"
        )
