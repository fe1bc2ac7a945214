"""Names of classes that are probably something else: folds, splits, speakers, numbers, parts of file names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spikebench.naming.conventions.convention import stem
from spikebench.naming.folders import folder_names
from spikebench.naming.split_words import fold_number, is_split_word
from spikebench.recordings.search import Clip

__all__ = ["what_folders_look_like"]

_SPEAKER = re.compile(
    r"(?:speaker|spkr?|subject|subj|sub|actor|person|participant|user|voice|id|s|p)[ _-]?\d{1,5}",
    re.ASCII | re.IGNORECASE,
)
_MANY_NAMES = 0.9  # share of the clips whose name contains the name of their folder


def what_folders_look_like(
    words: Sequence[str], clips: Sequence[Clip], names: bool = True
) -> tuple[str, list[str]]:
    """Classify folders that do not look like classes.

    Parameters
    ----------
    words
        Names of the folders that would be classes.
    clips
        The recordings.
    names
        Whether to detect folders whose name is part of the file names.

    Returns
    -------
    looks : str
        ``folds``, ``splits``, ``plain numbers``, ``speakers`` or ``parts of the file names``; empty if they look
        like classes.
    which : list of str
        The folders concerned.
    """
    folds = [word for word in words if fold_number(word) is not None]
    splits = [word for word in words if is_split_word(word)]
    if len(folds) > 1:
        return "folds", folds
    if len(splits) > 1:
        return "splits", splits
    if words and all(word.isascii() and word.isdigit() for word in words):
        return "plain numbers", list(words)
    if words and all(_SPEAKER.fullmatch(word) for word in words):
        return "speakers", list(words)
    if names and _are_parts_of_names(set(words), clips):
        return "parts of the file names", list(words)
    return "", []


def _are_parts_of_names(words: set[str], clips: Sequence[Clip]) -> bool:
    inside = total = 0
    for clip in clips:
        word = next((name for name in reversed(folder_names(clip)) if name in words), None)
        if word is None:
            continue
        total += 1
        name, part = stem(clip).casefold(), re.escape(word.casefold())
        inside += re.search(rf"(?<![^\W_]){part}(?![^\W_])", name) is not None
    return total > 0 and inside >= _MANY_NAMES * total
