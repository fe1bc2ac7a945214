"""Words that name a split, and names of folds; the same in folders, columns and patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable

from spikebench.naming.conventions.convention import composed

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
    """Return whether a word names a split.

    Parameters
    ----------
    text
        E.g. the name of a folder; case is ignored.

    Returns
    -------
    bool
        Whether :func:`read_splits` recognises it.
    """
    return _plain(text) in _WORDS or _plain(text) in _EVALUATION


def read_splits(words: Iterable[str]) -> dict[str, str]:
    """Return the split that each word names.

    ``eval`` and ``evaluation`` depend on the other words: with a test split and no validation split they name the
    validation split, else the test split (as in corpora of training, development and evaluation data).

    Parameters
    ----------
    words
        All words that occur; case is ignored.

    Returns
    -------
    dict
        Word as given → ``train``, ``validation`` or ``test``. Unknown words are left out.
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
        None if the name is not that of a fold.
    """
    match = _FOLD.fullmatch(folder)
    return int(match[1]) if match else None


def _plain(text: str) -> str:
    return composed(text).casefold()
