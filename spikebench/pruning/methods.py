"""The compared methods, and how many weights they keep where.

::

    ntt        neural tangent transfer, see spikebench.learning.tangent_transfer; reads no label
    snip       see spikebench.learning.snip; reads the labels of one batch
    synflow    see spikebench.learning.synflow; reads no data
    magnitude  the largest initial weights; reads no data
    random     random weights

``ntt``, ``magnitude`` and ``random`` keep the same part of every tensor of weights, ``snip`` and ``synflow`` a part of
all weights together, as in their papers. At density 1 all of them are the dense network, which is trained once per seed
(``dense``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from spikebench.errors import TrainingError, UnknownNameError

__all__ = ["DENSE", "METHODS", "parse_densities", "parse_methods"]

METHODS = ("ntt", "snip", "synflow", "magnitude", "random")
DENSE = "dense"


def parse_methods(names: Sequence[str]) -> list[str]:
    """Read names of methods.

    Parameters
    ----------
    names
        Each may be several, separated by commas.

    Returns
    -------
    list of str
        In this order, each once.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    """
    words = list(dict.fromkeys(_words(names)))
    for word in words:
        if word not in METHODS:
            raise UnknownNameError("method", word, METHODS)
    if not words:
        raise TrainingError(f"no method is given; choose from {', '.join(METHODS)}")
    return words


def parse_densities(given: Sequence[str | float]) -> list[float]:
    """Read densities.

    Parameters
    ----------
    given
        Each may be several, separated by commas.

    Returns
    -------
    list of float
        Those below 1, each once, from the highest; the dense network belongs to every study.

    Raises
    ------
    TrainingError
        If one is not above 0 and at most 1.
    """
    found = []
    for word in _words([str(one) for one in given]):
        try:
            density = float(word)
        except ValueError:
            density = math.nan
        if not 0 < density <= 1:
            raise TrainingError(
                f"density {word}: must be above 0 and at most 1, the part of the weights that is kept, e.g. 0.03"
            )
        found.append(density)
    below = sorted({density for density in found if density < 1}, reverse=True)
    if not below:
        raise TrainingError("give at least one density below 1, e.g. 0.03")
    return below


def _words(given: Sequence[str]) -> list[str]:
    return [word.strip() for one in given for word in one.split(",") if word.strip()]
