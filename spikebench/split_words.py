"""Words and numbers that say in which split a recording is: folders, columns and patterns use them alike."""

from __future__ import annotations

import re
from collections.abc import Iterable

from spikebench.conventions.convention import composed

__all__ = ["SPLITS", "fold_number", "is_split_word", "read_splits"]

SPLITS = ("train", "validation", "test")
_WORDS = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["validation", "validate", "valid", "val", "dev", "devel"], "validation"),
    **dict.fromkeys(["test", "testing"], "test"),
}
_EVALUATION = ("eval", "evaluation")
_FOLD = re.compile(r"fold[ _-]?(\d{1,3})", re.ASCII | re.IGNORECASE)


def is_split_word(text: str) -> bool:
    """Tell whether a word names a split.

    Parameters
    ----------
    text
        E.g. the name of a folder; capitals do not matter.

    Returns
    -------
    bool
        Whether :func:`read_splits` knows it.
    """
    return _plain(text) in _WORDS or _plain(text) in _EVALUATION


def read_splits(words: Iterable[str]) -> dict[str, str]:
    """Find out which split each word means.

    ``eval`` and ``evaluation`` depend on the others: beside a test split without a validation split they
    are the validation split, else the test split (as in corpora of training, development and evaluation).

    Parameters
    ----------
    words
        All that occur; capitals do not matter.

    Returns
    -------
    dict
        Word as it was given → ``train``, ``validation`` or ``test``. Words that are not known are left out.
    """
    words = list(words)
    known = {_WORDS[_plain(word)] for word in words if _plain(word) in _WORDS}
    evaluation = "validation" if "test" in known and "validation" not in known else "test"
    meaning = {**_WORDS, **dict.fromkeys(_EVALUATION, evaluation)}
    return {word: meaning[_plain(word)] for word in words if _plain(word) in meaning}


def fold_number(folder: str) -> int | None:
    """Read the number of a fold from the name of its folder.

    Parameters
    ----------
    folder
        E.g. ``fold1``, ``Fold_02`` or ``fold-3``.

    Returns
    -------
    int or None
        None if the folder is not called so.
    """
    match = _FOLD.fullmatch(folder)
    return int(match[1]) if match else None


def _plain(text: str) -> str:
    return composed(text).casefold()
