"""Names of what is done to a recording before it is converted.

A condition is a kind and, for most kinds, a strength, such as ``pink:5dB``. What each kind does is defined in the file
that the table names.

::

    clean            unchanged
    white:5dB        white noise at this ratio of signal to noise                        additive
    pink:5dB         pink noise                                                          additive
    babble:5dB       other speakers of the training split                                sources
    recorded:5dB     recordings of the user                                              sources
    reverb:300ms     a room in which the energy decays by 60 dB in this time             rooms
    telephone        the band 300 … 3,400 Hz                                             lines
    clipping:20dB    peaks cut off this far below the highest one                        lines
    level:-20dB      amplified by this gain, then stored with 16 bits                    lines
    speed:0.8        played this many times as fast, with the pitch that belongs to it   lines
    loss:10%         packets of 20 ms replaced by silence, each with this probability    lines
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from spikebench.errors import SpikebenchError, UnknownNameError

__all__ = [
    "CLEAN",
    "DEFAULT",
    "KINDS",
    "NOISES",
    "Condition",
    "Kind",
    "parse_condition",
    "select_conditions",
]

_STRENGTH = re.compile(r"(inf|-?\d{1,6}(?:\.\d{1,6})?)(dB|ms|%|)", re.ASCII)


class Kind(NamedTuple):
    """A kind of degradation.

    Attributes
    ----------
    unit : {"dB", "ms", "%", ""}
        Unit of its strength; ``""`` is a factor.
    low, high : float
        Smallest and largest strength.
    usual : tuple of float
        Strengths that the name of the kind alone selects; empty for a kind without strength.
    """

    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    usual: tuple[float, ...] = ()


_RATIOS = Kind("dB", -40, math.inf, (-5, 0, 5, 10, 15, 20, 30))
KINDS = {
    "clean": Kind(),
    "white": _RATIOS,
    "pink": _RATIOS,
    "babble": _RATIOS,
    "recorded": _RATIOS,
    "reverb": Kind("ms", 20, 10_000, (200, 500, 1000)),
    "telephone": Kind(),
    "clipping": Kind("dB", 0, 100, (10, 20, 30)),
    "level": Kind("dB", -100, 100, (-20, 20)),
    "speed": Kind("", 0.5, 2, (0.8, 0.9, 1.1, 1.25)),
    "loss": Kind("%", 0, 100, (5, 10, 20, 40)),
}
# As many as can be converted for 480 words on 2 cores in 15 minutes.
DEFAULT = (
    *(
        f"{kind}:{ratio}dB"
        for kind in ("white", "pink", "babble", "recorded")
        for ratio in (-5, 10, 30)
    ),
    *("reverb:500ms", "telephone", "clipping:20dB", "level:-20dB", "level:20dB"),
    *("speed:0.8", "speed:1.25", "loss:20%"),
)
NOISES = tuple(name for name, kind in KINDS.items() if kind is _RATIOS)


@dataclass(frozen=True)
class Condition:
    """A kind of degradation and its strength, in the unit of the kind; 0 for a kind without strength."""

    kind: str
    strength: float = 0.0

    def __str__(self) -> str:
        """Return its name, such as ``pink:5dB``; equal conditions have equal names."""
        kind = KINDS[self.kind]
        return f"{self.kind}:{self.strength:.12g}{kind.unit}" if kind.usual else self.kind


CLEAN = Condition("clean")


def parse_condition(text: str) -> Condition:
    """Read the name of a condition.

    Parameters
    ----------
    text
        For example ``telephone`` or ``pink:5dB``; ``infdB`` is no noise at all.

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
    value = float(found[1]) + 0.0 if found else math.nan
    if found is None or found[2] != kind.unit or not kind.low <= value <= kind.high:
        what = f"a number of {kind.unit}" if kind.unit else "a factor"
        raise SpikebenchError(
            f"condition {text!r}: its strength must be {what} in {kind.low:g} … {kind.high:g}, "
            f"for example {Condition(name, kind.usual[-1])}"
        )
    return Condition(name, value)


def select_conditions(texts: Iterable[str] = (), *, has_recorded: bool = True) -> list[Condition]:
    """List the conditions that are named.

    Parameters
    ----------
    texts
        Names, also several with commas between them; the name of a kind alone selects its usual strengths. By default
        :data:`DEFAULT`, every kind with few strengths.
    has_recorded
        Whether there are recordings of the user to mix with, which ``recorded`` needs.

    Returns
    -------
    list of Condition
        Each once, in the order of :data:`KINDS` and of strengths; ``clean`` is always the first.

    Raises
    ------
    UnknownNameError, SpikebenchError
        As :func:`parse_condition`, or if ``recorded`` is named without recordings.
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    chosen = {CLEAN}
    few = [name for name in DEFAULT if has_recorded or not name.startswith("recorded")]
    for name in names or few:
        if name in KINDS and KINDS[name].usual:
            chosen |= {Condition(name, strength) for strength in KINDS[name].usual}
        else:
            chosen.add(parse_condition(name))
    if not has_recorded and any(one.kind == "recorded" for one in chosen):
        raise SpikebenchError(
            "condition recorded: needs recordings; give their folder with --noise FOLDER"
        )
    order = list(KINDS)
    return sorted(chosen, key=lambda one: (order.index(one.kind), one.strength))
