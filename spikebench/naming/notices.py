"""Notices about labels, speakers and splits: decisions and warnings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spikebench.naming.class_warnings import what_folders_look_like
from spikebench.naming.folders import folder_names
from spikebench.naming.source import NONE, Source
from spikebench.naming.split_words import SPLITS, is_split_word, read_splits
from spikebench.recordings.search import Clip
from spikebench.records.text import printable

__all__ = ["label_notices", "speaker_notices", "split_notices"]

NO_SPEAKERS = (
    "speakers: none known, so the same voice can be in training and in test, and accuracies say less about new voices "
    "(choose a source with --speakers)"
)
_MOST_LETTERS = 100  # characters of class names in one line
_MANY_CLASSES = 20  # with more, classes of one or two clips are suspicious


def label_notices(
    source: Source, keys: Sequence[str], labels: NDArray[np.int64], clips: Sequence[Clip]
) -> list[str]:
    """Describe the classes.

    Parameters
    ----------
    source
        Source of the labels.
    keys
        Class names; index = label.
    labels
        Label of each clip, int64, shape (len(clips),); -1 is unknown.
    clips
        The recordings that are kept.

    Returns
    -------
    list of str
        Notices, one line each.
    """
    if source is NONE:
        return ["labels: none found, every label is -1 (choose a source with --labels)"]
    used = np.unique(labels[labels >= 0])
    notices = [
        f"labels: {_count(len(keys), 'class', 'classes')} from {source.name}: {_listed(keys)}"
    ]
    if len(used) < len(keys):
        there = _listed([keys[i] for i in used.tolist()])
        notices.append(f"labels: {len(used)} of them have recordings: {there}")
    if unknown := int(np.count_nonzero(labels < 0)):
        without = "recording has" if unknown == 1 else "recordings have"
        notices.append(f"labels: {unknown} {without} no label there, which is written as -1")
    if source.name == "sub-folders":
        notices += _warnings(keys, clips)
    if len(used) > _MANY_CLASSES and 2 * len(used) > np.count_nonzero(labels >= 0):
        notices.append(
            "labels: most classes have a single recording; check the source of labels (--labels)"
        )
    return notices


def _warnings(keys: Sequence[str], clips: Sequence[Clip]) -> list[str]:
    looks, which = what_folders_look_like(keys, clips)
    if not looks:
        return []
    remedy = {
        "folds": "--split folders uses them as folds",
        "splits": "--split folders uses them as splits",
        "parts of the file names": "a pattern, e.g. --labels '{speaker}_{label}_{take}', reads such names",
    }.get(
        looks,
        "--speakers folders uses them as speakers; a pattern, e.g. --labels '{label}_{take}', or a table "
        "gives the classes",
    )
    shown = ", ".join(which[:2])
    return [f"WARNING: classes that look like {looks} ({shown}): {remedy}"]


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _listed(names: Sequence[str]) -> str:
    """List names, without the middle if there are many."""
    text = ", ".join(names)
    if len(text) <= _MOST_LETTERS or len(names) < 3:
        return text
    head, length = [], len(names[-1])
    for name in names[:-1]:
        length += len(name) + 2
        if length > _MOST_LETTERS:
            break
        head.append(name)
    return ", ".join([*(head or names[:1]), "…", names[-1]])


def speaker_notices(source: Source, speakers: NDArray[np.int64]) -> list[str]:
    """Count the speakers.

    Parameters
    ----------
    source
        Source of the speakers.
    speakers
        Speaker of each clip, int64, shape (clips,); -1 is unknown.

    Returns
    -------
    list of str
        One line.
    """
    if source is NONE or (speakers.size and not (speakers >= 0).any()):
        return [NO_SPEAKERS]
    count = len(set(speakers.tolist()) - {-1})
    return [f"speakers: {count} from {source.name}"]


def split_notices(
    source: Source,
    splits: Sequence[str],
    clips: Sequence[Clip],
    keys: Sequence[str],
    rule: str,
) -> list[str]:
    """Count the recordings of each split, and list folders that look like splits but are not used as such.

    Parameters
    ----------
    source
        Source of the splits.
    splits
        One per clip; an empty string for no split.
    clips
        The recordings that are kept.
    keys
        Class names.
    rule
        Short description of how the splits are made; may be empty.

    Returns
    -------
    list of str
        Notices, one line each.
    """
    notices = []
    if source is not NONE:
        counts = Counter(splits)
        parts = [f"{counts[name]} {name}" for name in SPLITS]
        parts += [f"{counts['']} in none"] if counts[""] else []
        notices.append(f"split: {', '.join(parts)} from {source.name}{', ' if rule else ''}{rule}")
        if empty := [name for name in ("train", "test") if not counts[name]]:
            notices.append(f"WARNING: split: no recording is in {' or '.join(empty)}")
    elif similar := _similar_folders(clips):
        notices.append(
            f"split: folders that look like splits and are not used as such: {_listed(similar)} (to use them, give "
            "a pattern like --split '{split}_clean/{label}/{take}' or a table, or rename them to train, test …)"
        )
    unused = _unused_folders(splits, clips)
    if taken := [name for name in unused if name in keys]:
        notices.append(f"split: folders that look like splits are classes: {_listed(taken)}")
    if unused := [name for name in unused if name not in keys]:
        shown = _listed([printable(name) for name in unused])
        notices.append(
            f"split: folders that look like splits and are not used as such: {shown} (--split folders, a "
            "pattern or a table changes that)"
        )
    return notices


def _unused_folders(splits: Sequence[str], clips: Sequence[Clip]) -> list[str]:
    """List folders named like splits that contain recordings of another split."""
    places: dict[str, set[str]] = {}
    for clip, split in zip(clips, splits, strict=True):
        for name in folder_names(clip):
            if is_split_word(name):
                places.setdefault(name, set()).add(split)
    meaning = read_splits(places)
    return sorted(name for name, found in places.items() if found - {meaning[name]})


def _similar_folders(clips: Sequence[Clip]) -> list[str]:
    """List folders whose names begin with a split, like ``train-clean`` and ``test-clean``, if several splits occur."""
    begin: dict[str, str] = {}
    for name in {name for clip in clips for name in folder_names(clip)}:
        word = re.split(r"[\W_\d]+", name, maxsplit=1)[0]
        if word != name and is_split_word(word):
            begin[name] = word
    several = len(set(read_splits(begin.values()).values())) > 1
    return sorted(printable(name) for name in begin) if several else []
