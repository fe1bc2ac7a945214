"""Names of the changes of spikes by which a classifier is tested: which information of the spikes it uses.

A condition is a kind and, for most kinds, a strength, such as ``jitter:10ms``. What each kind does is defined in
:mod:`spikebench.events.changed`.

::

    clean             unchanged
    counts            times are replaced by random ones: only the spike counts of the units remain
    equal-counts:0%   every unit is thinned to one count, this quantile of its counts over the training samples
    jitter:10ms       an independent normal displacement of every spike, of this standard deviation
    unit-jitter:10ms  one normal displacement of all spikes of a unit, of this standard deviation
    delete:30%        every spike is removed with this probability
    reverse           time runs backwards
    first-spike       only the first spike of each unit remains
    round:20ms        times are rounded to bins of this width
    units:10          only every tenth unit remains
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from spikebench.errors import SpikebenchError, UnknownNameError

__all__ = [
    "CLEAN",
    "KINDS",
    "Condition",
    "Kind",
    "keeps_units",
    "parse_condition",
    "select_conditions",
]

_STRENGTH = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(ms|%|)", re.ASCII)


class Kind(NamedTuple):
    """A kind of change.

    Attributes
    ----------
    unit : {"ms", "%", ""}
        Unit of its strength; ``""`` is a whole number.
    low, high : float
        Smallest and largest strength.
    usual : tuple of float
        Strengths that the name of the kind alone selects; empty for a kind without strength.
    """

    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    usual: tuple[float, ...] = ()


_DEVIATIONS_MS = (0.5, 1, 2, 5, 10, 20, 50, 100)
KINDS = {
    "clean": Kind(),
    "counts": Kind(),
    "equal-counts": Kind("%", 0, 100, (0, 10)),
    "jitter": Kind("ms", 0.001, 60_000, _DEVIATIONS_MS),
    "unit-jitter": Kind("ms", 0.001, 60_000, _DEVIATIONS_MS),
    "delete": Kind("%", 0, 100, (10, 30, 50, 70, 90)),
    "reverse": Kind(),
    "first-spike": Kind(),
    "round": Kind("ms", 0.01, 60_000, (5, 10, 20, 50, 100, 1000)),
    "units": Kind("", 1, 65_536, (2, 5, 10, 20, 35, 70)),
}


@dataclass(frozen=True)
class Condition:
    """A kind of change and its strength, in the unit of the kind; 0 for a kind without strength."""

    kind: str
    strength: float = 0.0

    def __str__(self) -> str:
        """Return its name, such as ``jitter:10ms``; equal conditions have equal names."""
        kind = KINDS[self.kind]
        return f"{self.kind}:{self.strength:.12g}{kind.unit}" if kind.usual else self.kind


CLEAN = Condition("clean")


def parse_condition(text: str) -> Condition:
    """Read the name of a condition.

    Parameters
    ----------
    text
        For example ``reverse`` or ``jitter:10ms``.

    Returns
    -------
    Condition
        The condition.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    SpikebenchError
        If its strength is missing, not a number in its unit, or out of range.
    """
    name, colon, strength = text.strip().partition(":")
    if name not in KINDS:
        raise UnknownNameError("condition", name, KINDS)
    kind = KINDS[name]
    if not kind.usual:
        if colon:
            raise SpikebenchError(f"condition {text!r}: {name} has no strength; write {name}")
        return Condition(name)
    found = _STRENGTH.fullmatch(strength)
    value = float(found[1]) if found else -1.0
    whole = bool(kind.unit) or value == int(value)
    if found is None or found[2] != kind.unit or not whole or not kind.low <= value <= kind.high:
        what = f"a number of {kind.unit}" if kind.unit else "a whole number"
        raise SpikebenchError(
            f"condition {text!r}: its strength must be {what} in {kind.low:g} … {kind.high:g}, "
            f"for example {Condition(name, kind.usual[-1])}"
        )
    return Condition(name, value)


def keeps_units(condition: Condition, n_units: int) -> bool:
    """Return whether any unit is kept.

    Parameters
    ----------
    condition
        The condition.
    n_units
        Number of units of the data.

    Returns
    -------
    bool
        False only for a strength of ``units`` that is too large: kept is every unit ⌊N/2⌋ modulo N.
    """
    return condition.kind != "units" or int(condition.strength) // 2 < n_units


def select_conditions(texts: Iterable[str] = (), n_units: int = 65_536) -> list[Condition]:
    """List the conditions that are named.

    Parameters
    ----------
    texts
        Names, also several with commas between them; the name of a kind alone selects its usual strengths. By default
        all kinds.
    n_units
        Number of units of the data; ``units`` alone selects only strengths that keep one of them.

    Returns
    -------
    list of Condition
        Each once, in the order of :data:`KINDS` and of strengths; ``clean`` is always the first.

    Raises
    ------
    UnknownNameError, SpikebenchError
        As :func:`parse_condition`, or if a named condition keeps no unit.
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    chosen = {CLEAN}
    for name in names or KINDS:
        if name in KINDS and KINDS[name].usual:
            usual = {Condition(name, strength) for strength in KINDS[name].usual}
            chosen |= {one for one in usual if keeps_units(one, n_units)}
        else:
            one = parse_condition(name)
            if not keeps_units(one, n_units):
                raise SpikebenchError(f"condition {one}: keeps none of the {n_units} units")
            chosen.add(one)
    order = list(KINDS)
    return sorted(chosen, key=lambda one: (order.index(one.kind), one.strength))
