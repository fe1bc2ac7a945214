"""The compared methods and their strengths.

::

    none        fine-tuning: every task is trained as if it were the only one
    si:C        synaptic intelligence with strength c = C, see spikebench.learning.synaptic_intelligence
    ewc:L       elastic weight consolidation with strength λ = L, see spikebench.learning.elastic_weights
    replay:N    N training samples of every class of every earlier task are kept and trained with the later ones
    joint       all tasks at once: the upper bound, no continual learning
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spikebench.errors import TrainingError, UnknownNameError

__all__ = ["KINDS", "Method", "parse_methods"]

# The kinds with a strength, and what it is.
_STRENGTHS = {
    "si": "c",
    "ewc": "λ",
    "replay": "the samples per class that are kept",
}
KINDS = ("none", *_STRENGTHS, "joint")


@dataclass(frozen=True)
class Method:
    """A method: its kind, and its strength (None for a kind without)."""

    kind: str
    strength: float | None = None

    def __str__(self) -> str:
        return self.kind if self.strength is None else f"{self.kind}:{self.strength:g}"


def parse_methods(names: Sequence[str], usual: Mapping[str, float]) -> list[Method]:
    """Read names of methods.

    Parameters
    ----------
    names
        Each may be several, separated by commas.
    usual
        Strength of a kind that is named without one.

    Returns
    -------
    list of Method
        In this order, each once.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    TrainingError
        If a strength is not a number in range.
    """
    words = [word.strip() for name in names for word in name.split(",") if word.strip()]
    return list(dict.fromkeys(_parse(word, usual) for word in words))


def _parse(word: str, usual: Mapping[str, float]) -> Method:
    kind, colon, text = word.partition(":")
    if kind not in KINDS:
        raise UnknownNameError("method", kind, KINDS)
    if kind not in _STRENGTHS:
        if colon:
            raise TrainingError(f"method {word!r}: {kind} has no strength; write {kind}")
        return Method(kind)
    try:
        strength = float(text) if colon else float(usual[kind])
    except ValueError:
        strength = math.nan
    is_whole = kind != "replay" or (strength >= 1 and strength == round(strength, 0))
    if not (0 <= strength <= 1e12 and is_whole):
        number = "a whole number from 1" if kind == "replay" else "a number from 0"
        raise TrainingError(
            f"method {word!r}: the strength of {kind} is {_STRENGTHS[kind]}, {number}, e.g. "
            f"{kind}:{usual[kind]:g}"
        )
    return Method(kind, strength)
