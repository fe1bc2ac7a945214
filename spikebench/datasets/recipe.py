"""Rules by which a data set is made again from its recordings.

A :class:`~spikebench.datasets.spec.DatasetSpec` pins the bytes of a file that comes with the package.
What is made again has no such file: its recordings lie with the user, and what can be pinned are names,
classes, splits and sizes. So it has a description of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spikebench.clip_names import Facts
from spikebench.errors import UnknownNameError

__all__ = ["RECIPES", "Recipe", "load_recipe"]

RECIPES = {
    "shd-r": "spikebench.datasets.shd_r:RECIPE",
    "ssc-r": "spikebench.datasets.ssc_r:RECIPE",
}


def _no_rank(path: str) -> int:
    return 0


@dataclass(frozen=True)
class Recipe:
    """How one published data set is made again.

    Attributes
    ----------
    name
        What users type; ends in ``-r``, because it is never the published data set itself.
    title
        One line for people.
    published
        The data set that is made again.
    keys
        Class names, index = label.
    sizes
        Samples per split that all recordings give.
    n_units
        Channels of the cochlea.
    time_origin
        ``first-spike`` where the published files subtract the first spike time of each sample.
    facts
        Path below the audio folder → label, speaker and split; None for what is no recording of the
        data set. A pure function: other recordings change nothing.
    speakers_are_names
        Whether the file numbers the speakers and keeps their names; else they are numbers already.
    split_rule
        Who is in which split, one line.
    licence
        SPDX identifier.
    citation
        How to cite it, plain text.
    source
        Where the recordings come from, and what of them ``--audio`` names.
    rank
        Place of a recording; those of equal rank stand in the order of their paths.
    from_lists
        Makes the recipe with the split and the order of the authors' lists of the test and the training
        recordings (None: that one is not known); None where no such lists are known.
    """

    name: str
    title: str
    published: str
    keys: tuple[str, ...]
    sizes: Mapping[str, int]
    n_units: int
    time_origin: str
    facts: Callable[[str], Facts | None]
    speakers_are_names: bool
    split_rule: str
    licence: str
    citation: str
    source: str
    rank: Callable[[str], int] = _no_rank
    from_lists: Callable[[str, str | None], Recipe] | None = None


def load_recipe(name: str) -> Recipe:
    """Look up how a data set is made again.

    Parameters
    ----------
    name
        Its name.

    Returns
    -------
    Recipe
        Its rules.

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
