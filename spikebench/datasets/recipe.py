"""Rules by which a data set is made again from its recordings.

A :class:`~spikebench.datasets.spec.DatasetSpec` describes the data set. A recipe adds which recordings belong to it,
which speakers are in which split, and the order of the recordings.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.datasets.spec import DatasetSpec
from spikebench.errors import UnknownNameError
from spikebench.naming.conventions.convention import Facts

__all__ = ["RECIPES", "Recipe", "load_recipe"]

RECIPES = {
    "shd-r": "spikebench.datasets.shd_r:RECIPE",
    "ssc-r": "spikebench.datasets.ssc_r:RECIPE",
}


@dataclass(frozen=True)
class Registered:
    """Fingerprints expected of a data set that is made again (:mod:`spikebench.store.registered`).

    Attributes
    ----------
    fingerprints
        File name → fingerprint of the file.
    digests
        Function that returns: name of a recording without suffix → the first digits of the SHA-256 of its sample.
    columns
        Function that returns label, speaker and split of the samples in the file of all samples: int64, int64 and str,
        shape (samples,).
    """

    fingerprints: Mapping[str, str]
    digests: Callable[[], Mapping[str, str]]
    columns: Callable[[], tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.str_]]]


def _no_rank(path: str) -> int:
    return 0


@dataclass(frozen=True)
class Recipe:
    """How one published data set is made again.

    Attributes
    ----------
    spec
        Specification: name, title, classes, sizes and so on. Its name ends in ``-r``, because it is
        never the published data set itself.
    published
        The published data set that is made again.
    time_origin
        ``first-spike`` if the published files subtract the first spike time of each sample.
    facts
        Path below the audio folder → label, speaker and split; None for a file that is not a recording of
        the data set. A pure function: the result does not depend on other recordings.
    speakers_are_names
        Whether the file numbers the speakers and stores their names; otherwise they are numbers already.
    split_rule
        Which recordings are in which split, one line.
    rank
        Position of a recording; recordings of equal rank are in the order of their paths.
    from_lists
        Returns the recipe with the split and the order of the authors' lists of the test and the training
        recordings (None: that list is not given); None if no such lists are known.
    registered
        Its registered fingerprints; None if there are none.
    """

    spec: DatasetSpec
    published: str
    time_origin: str
    facts: Callable[[str], Facts | None]
    speakers_are_names: bool
    split_rule: str
    rank: Callable[[str], int] = _no_rank
    from_lists: Callable[[str, str | None], Recipe] | None = None
    registered: Registered | None = None


def load_recipe(name: str) -> Recipe:
    """Look up the recipe of a data set.

    Parameters
    ----------
    name
        Its name.

    Returns
    -------
    Recipe
        Its recipe.

    Raises
    ------
    UnknownNameError
        If there is no such recipe.
    """
    if name not in RECIPES:
        raise UnknownNameError("data set to make", name, RECIPES)
    module, _, attribute = RECIPES[name].partition(":")
    recipe: Recipe = getattr(importlib.import_module(module), attribute)
    return recipe
