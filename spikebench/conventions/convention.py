"""What a naming convention is, and what conventions share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from spikebench.audio import Clip

__all__ = ["ENGLISH_DIGITS", "Convention", "Facts", "composed", "folder_above", "stem"]

ENGLISH_DIGITS = tuple("zero one two three four five six seven eight nine".split())  # noqa: SIM905


@dataclass(frozen=True)
class Facts:
    """What is known about one clip; None where nothing is.

    Attributes
    ----------
    label, speaker, split
        As they are written, not numbered yet.
    fold
        Part of a cross-validation that the clip belongs to, where there is no split.
    """

    label: str | None = None
    speaker: str | None = None
    split: str | None = None
    fold: int | None = None


@dataclass(frozen=True)
class Convention:
    """How one corpus names its files.

    Attributes
    ----------
    name
        What it is called on the command line.
    read
        What the name of a clip says; None if the name does not fit. The label is None where the name fits
        and names no class.
    keys
        Class names in their order; None where they are not fixed.
    split_rule
        Who is in which split, in a few words; empty where the names do not say.
    is_specific
        Whether no other recordings are likely to have such names, so that they count for more than
        sub-folders.
    test_fold
        Fold that is the test split unless the user names another; None where there are no folds.
    tables
        Tables beside the recordings that say more than the names do; they replace ``read``.
    classes_are_folders
        Whether the class is the folder, so that other folders are other classes.
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
    """Write letters with accents in one way, however a file system or a program wrote them.

    Parameters
    ----------
    text
        A name, e.g. ``fünf`` with one character for ü, or with u and a combining diaeresis.

    Returns
    -------
    str
        In Unicode's normalisation form C.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def stem(clip: Clip) -> str:
    """Give the name of a clip without its folders and its suffix.

    Parameters
    ----------
    clip
        Any.

    Returns
    -------
    str
        Composed.
    """
    name = clip.relative.rpartition("/")[2]
    return composed(name.rpartition(".")[0] or name)


def folder_above(clip: Clip) -> str:
    """Give the name of the folder a clip lies in, also where the search began there.

    Parameters
    ----------
    clip
        Any.

    Returns
    -------
    str
        Composed; empty at the root of the file system.
    """
    folders = clip.relative.rpartition("/")[0]
    return composed(folders.rpartition("/")[2] or clip.path.absolute().parent.name)
