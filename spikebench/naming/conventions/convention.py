"""The type of a naming convention, and functions that conventions share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from spikebench.recordings.search import Clip

__all__ = ["ENGLISH_DIGITS", "Convention", "Facts", "composed", "folder_above", "stem"]

ENGLISH_DIGITS = tuple("zero one two three four five six seven eight nine".split())  # noqa: SIM905


@dataclass(frozen=True)
class Facts:
    """Label, speaker, split and fold of one clip; None if unknown.

    Attributes
    ----------
    label, speaker, split
        As written in the source, not yet numbered.
    fold
        Fold of a cross-validation that the clip belongs to, if there is no split.
    """

    label: str | None = None
    speaker: str | None = None
    split: str | None = None
    fold: int | None = None


@dataclass(frozen=True)
class Convention:
    """The file names of one corpus.

    Attributes
    ----------
    name
        Its name on the command line.
    read
        Function that reads the name of a clip; None if the name does not fit. The label is None if the name fits
        but contains no class.
    keys
        Class names in their order; None if they are not fixed.
    split_rule
        Short description of how the splits are made; empty if the names give no split.
    is_specific
        Whether other recordings are unlikely to have such names, so that they take precedence over sub-folders.
    test_fold
        Fold that is the test split unless the user names another; None if there are no folds.
    tables
        File names of tables beside the recordings, which give the facts instead of ``read``.
    classes_are_folders
        Whether folders are the classes, so that other folders are other classes.
    not_classes
        Folders of the corpus whose clips belong to no class.
    """

    name: str
    read: Callable[[Clip], Facts | None]
    keys: tuple[str, ...] | None = None
    split_rule: str = ""
    is_specific: bool = True
    test_fold: int | None = None
    tables: tuple[str, ...] = ()
    classes_are_folders: bool = False
    not_classes: frozenset[str] = frozenset()


def composed(text: str) -> str:
    """Normalise letters with accents, which file systems and programs encode in different ways.

    Parameters
    ----------
    text
        A name, e.g. ``fünf`` with one character for ü, or with u and a combining diaeresis.

    Returns
    -------
    str
        The name in Unicode normalisation form C.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def stem(clip: Clip) -> str:
    """Return the name of a clip without its folders and its suffix.

    Parameters
    ----------
    clip
        The clip.

    Returns
    -------
    str
        Name in normalisation form C.
    """
    name = clip.relative.rpartition("/")[2]
    return composed(name.rpartition(".")[0] or name)


def folder_above(clip: Clip) -> str:
    """Return the name of the folder that contains a clip, even if it is the folder that was searched.

    Parameters
    ----------
    clip
        The clip.

    Returns
    -------
    str
        Name in normalisation form C; empty at the root of the file system.
    """
    folders = clip.relative.rpartition("/")[0]
    return composed(folders.rpartition("/")[2] or clip.path.absolute().parent.name)
