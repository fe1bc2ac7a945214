"""The recordings of a folder that belong to a data set to be made again, in the order of the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from spikebench.datasets.recipe import Recipe
from spikebench.errors import AudioError, ProtocolError, SpikebenchError
from spikebench.naming.conventions.convention import Facts
from spikebench.naming.names import ClipNames, number_facts
from spikebench.recordings.search import Clip, find_clips
from spikebench.records.text import os_error_text, printable

__all__ = ["name_recordings", "take_splits", "with_lists"]

_MANY = 5  # up to this many files of other kinds are named, more are counted
_MAX_LIST_BYTES = 2 * 2**20


def with_lists(recipe: Recipe, test: Path | None, train: Path | None) -> Recipe:
    """Use the split and the order of a data set in the lists of its authors.

    Parameters
    ----------
    recipe
        Recipe of the data set.
    test, train
        Files of the lists; ``train`` requires ``test``. Without both, the recipe is returned unchanged.

    Returns
    -------
    Recipe
        With the published split.

    Raises
    ------
    ProtocolError
        If a file cannot be read or is not one of the published lists.
    SpikebenchError
        If the data set has no such lists, or ``train`` is given without ``test``.
    """
    if test is None and train is None:
        return recipe
    if recipe.from_lists is None:
        raise SpikebenchError(
            f"{recipe.spec.name}: the split follows from the file names; give no list"
        )
    if test is None:
        raise SpikebenchError(
            "the list of the training recordings alone does not give the order of the test split; "
            "give the list of the test recordings as well"
        )
    # Each list is read alone first, so that an error can name its file.
    texts = [_read_list(path) for path in (test, train) if path is not None]
    try:
        named = recipe.from_lists(texts[0], None)
    except ProtocolError as error:
        raise ProtocolError(f"{printable(str(test))}: {error}") from None
    if train is None:
        return named
    try:
        return recipe.from_lists(texts[0], texts[1])
    except ProtocolError as error:
        raise ProtocolError(f"{printable(str(train))}: {error}") from None


def _read_list(path: Path) -> str:
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LIST_BYTES + 1)
        if len(data) > _MAX_LIST_BYTES:
            raise ProtocolError(f"{name}: larger than {_MAX_LIST_BYTES // 2**20} MiB, not a list")
        return data.decode()
    except UnicodeDecodeError:
        raise ProtocolError(f"{name}: is not a text file") from None
    except OSError as error:
        raise ProtocolError(f"{name}: {os_error_text(error)}") from None


def name_recordings(recipe: Recipe, audio: Path, notify: Callable[[str], None]) -> ClipNames:
    """Find the recordings of a data set; report missing recordings and files left out.

    Parameters
    ----------
    recipe
        Recipe of the data set.
    audio
        Folder, searched recursively.
    notify
        Called with one line for every report.

    Returns
    -------
    ClipNames
        The recordings in the order of the data set; speakers are numbered over all of them.

    Raises
    ------
    AudioError
        If the folder cannot be used, or contains no recording of the data set, or one twice.
    """
    shown = printable(str(audio))
    where = f"the recordings: {recipe.spec.source}"
    if not audio.is_dir():
        raise AudioError(f"{shown}: is not a folder; {where}")
    try:
        clips, skipped = find_clips(audio)
    except AudioError as error:
        raise AudioError(f"{error}; {where}") from None
    for one in skipped:
        notify(f"left out {one.file}: {one.reason}")
    known: list[tuple[Clip, Facts]] = []
    others: list[str] = []
    for clip in clips:
        if fact := recipe.facts(clip.relative):
            known.append((clip, fact))
        else:
            others.append(printable(clip.relative))
    if not known:
        raise AudioError(f"{shown}: contains no recording of {recipe.spec.name}; {where}")
    _refuse_twice(recipe, known, shown)
    for name in others if len(others) <= _MANY else []:
        notify(f"left out {name}: not a recording of {recipe.spec.name}")
    if len(others) > _MANY:
        notify(
            f"left out {len(others)} files that are not recordings of {recipe.spec.name}: {others[0]}, …"
        )
    known.sort(key=lambda one: recipe.rank(one[0].relative))
    found = Counter(fact.split for _, fact in known)
    if any(found[split] != size for split, size in recipe.spec.sizes.items()):
        parts = (
            f"{found[split]:,} of {size:,} {split}" for split, size in recipe.spec.sizes.items()
        )
        notify(
            f"NOT COMPLETE: found {', '.join(parts)} recordings; the output is only a part of {recipe.spec.name}"
        )
    return number_facts(
        [clip for clip, _ in known],
        [fact for _, fact in known],
        recipe.spec.classes,
        (recipe.spec.name, recipe.spec.name, recipe.split_rule),
        recipe.speakers_are_names,
    )


def _refuse_twice(recipe: Recipe, known: list[tuple[Clip, Facts]], shown: str) -> None:
    """Raise if the folder contains two copies of a recording, which would count twice."""
    first: dict[tuple[str | None, str], str] = {}
    for clip, fact in known:
        name = fact.label, PurePosixPath(clip.relative).stem
        if name in first:
            raise AudioError(
                f"{shown}: {printable(first[name])} and {printable(clip.relative)} are the same recording "
                f"of {recipe.spec.name}; give the folder of one copy"
            )
        first[name] = clip.relative


def take_splits(names: ClipNames, splits: Collection[str]) -> ClipNames:
    """Keep the recordings of some splits; classes and speakers keep their numbers.

    Parameters
    ----------
    names
        Names of all recordings.
    splits
        The splits to keep.

    Returns
    -------
    ClipNames
        Names of the recordings of those splits, in the same order.
    """
    index = [i for i, split in enumerate(names.splits) if split in splits]
    where = np.array(index, dtype=np.int64)
    return replace(
        names,
        clips=[names.clips[i] for i in index],
        labels=names.labels[where],
        speakers=names.speakers[where],
        splits=tuple(names.splits[i] for i in index),
    )
