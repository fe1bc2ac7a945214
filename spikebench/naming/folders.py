"""The meaning of folders of recordings: classes, splits or folds.

A folder named like a split is one only if the folders beside it are splits too: on that level of the tree all
folders have such names. ``dog``, ``rain`` and ``train`` side by side are three classes. So the folders of all clips
are examined together, level by level.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from spikebench.naming.conventions.convention import Facts, composed
from spikebench.naming.split_words import fold_number, is_split_word, read_splits
from spikebench.recordings.search import Clip

__all__ = ["Folders", "folder_names", "read_folders"]


@dataclass(frozen=True)
class Folders:
    """The meaning of the levels of a tree of folders; 0 is the top.

    Attributes
    ----------
    split_levels
        Levels whose folders are splits.
    fold_level
        Level whose folders are the folds of a cross-validation, if there is one.
    has_several_splits
        Whether there is more than one split.
    """

    split_levels: tuple[int, ...] = ()
    fold_level: int | None = None
    has_several_splits: bool = False

    def facts(self, clip: Clip) -> Facts:
        """Read the folders of a clip.

        Parameters
        ----------
        clip
            One of the clips of the tree.

        Returns
        -------
        Facts
            Label and speaker: the innermost folder that is neither split nor fold; and split and fold.
        """
        return _facts(self, clip.relative.rpartition("/")[0])

    def with_folds_as_classes(self) -> Folders:
        """Treat folders of folds like other folders.

        Returns
        -------
        Folders
            The same without a level of folds.
        """
        return replace(self, fold_level=None)


@lru_cache(maxsize=65_536)
def _facts(folders: Folders, path: str) -> Facts:
    words: list[str] = []
    split: str | None = None
    fold: int | None = None
    for level, name in enumerate(composed(path).split("/") if path else ()):
        if level in folders.split_levels and is_split_word(name):
            split = name
        elif level == folders.fold_level:
            fold = fold_number(name)
        else:
            words.append(name)
    word = words[-1] if words else None
    return Facts(word, word, split, fold)


@dataclass
class _Level:
    """Names of the folders on one level, and of those that contain folders."""

    names: set[str] = field(default_factory=set)
    with_folders: set[str] = field(default_factory=set)


def folder_names(clip: Clip) -> list[str]:
    """List the folders that contain a clip, outermost first.

    Parameters
    ----------
    clip
        The clip.

    Returns
    -------
    list of str
        Names in normalisation form C; empty if the clip is directly in the folder that was searched.
    """
    return [composed(name) for name in clip.relative.split("/")[:-1]]


def read_folders(clips: Iterable[Clip], classes_are_folders: bool = True) -> Folders:
    """Determine the meaning of the levels of a tree of folders.

    Parameters
    ----------
    clips
        All recordings.
    classes_are_folders
        Whether labels may come from folders. Then, beside folders that are not splits, those named like splits
        are splits only if each of them contains folders; else they are classes.

    Returns
    -------
    Folders
        The meaning of the levels.
    """
    paths = _paths(clips)
    levels = _levels(paths)
    whole = [i for i, level in enumerate(levels) if all(map(is_split_word, level.names))]
    several = _that_agree([i for i in whole if _n_splits(levels[i].names) > 1], paths)
    mixed = [i for i, level in enumerate(levels) if _is_mixed(level, classes_are_folders)]
    folds = [
        i
        for i, level in enumerate(levels)
        if len(level.names) > 1 and all(fold_number(name) is not None for name in level.names)
    ]
    return Folders(
        tuple(several or mixed or whole), folds[0] if folds else None, bool(several or mixed)
    )


def _paths(clips: Iterable[Clip]) -> list[list[str]]:
    """List the different folders that contain clips, each as the names along its path."""
    folders = {clip.relative.rpartition("/")[0] for clip in clips} - {""}
    return [[composed(name) for name in folder.split("/")] for folder in folders]


def _that_agree(several: list[int], paths: Sequence[Sequence[str]]) -> list[int]:
    """Keep the first level of splits and lower levels with the same splits (``train/train``); others are classes."""
    if len(several) < 2:
        return several
    meaning = read_splits({name for path in paths for name in path})
    first = several[0]
    return [
        i
        for i in several
        if all(meaning[path[i]] == meaning[path[first]] for path in paths if len(path) > i)
    ]


def _levels(paths: Sequence[Sequence[str]]) -> Sequence[_Level]:
    levels: list[_Level] = []
    for names in paths:
        levels.extend(_Level() for _ in range(len(names) - len(levels)))
        for i, name in enumerate(names):
            levels[i].names.add(name)
            if i + 1 < len(names):
                levels[i].with_folders.add(name)
    return levels


def _n_splits(names: Iterable[str]) -> int:
    return len(set(read_splits(names).values()))


def _is_mixed(level: _Level, classes_are_folders: bool) -> bool:
    """Return whether several folders are splits although others on the level are not."""
    splits = {name for name in level.names if is_split_word(name)}
    if splits == level.names or _n_splits(splits) < 2:
        return False
    return splits <= level.with_folders or not classes_are_folders
