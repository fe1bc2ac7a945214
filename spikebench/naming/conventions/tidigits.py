"""TIDIGITS: ``train/man/ae/1a``, i.e. split, category and code of the speaker, spoken digits, and a or b.

Classes zero (``z``), one … nine and oh (``o``), in this order: only recordings of a single digit have a class.
Recordings of several digits (``6z97a``) are left out, unless a pattern or a table labels them.
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import (
    ENGLISH_DIGITS,
    Convention,
    Facts,
    composed,
    stem,
)
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION"]

_KEYS = (*ENGLISH_DIGITS, "oh")
_SIGNS = dict(zip("z123456789o", _KEYS, strict=True))
_NAME = re.compile(r"([zo1-9]{1,7})[ab]", re.ASCII | re.IGNORECASE)
_CATEGORIES = ("man", "woman", "boy", "girl")


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None:
        return None
    # The folder that was searched may be that of a category or of a speaker.
    folders = [composed(part).lower() for part in clip.path.absolute().parts[-4:-1]]
    if len(folders) < 2 or folders[-2] not in _CATEGORIES:
        return None
    split = folders[0] if folders[0] in ("train", "test") else None
    return Facts(_SIGNS.get(match[1].lower()), "-".join(folders[-2:]), split)


CONVENTION = Convention(
    name="tidigits", read=_read, keys=_KEYS, split_rule="folders train and test"
)
