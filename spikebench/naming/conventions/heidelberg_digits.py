"""Heidelberg Digits: ``lang-english_speaker-04_trial-1_digit-7``.

Classes in SHD's order: English zero … nine are 0 … 9, German null … neun 10 … 19. Speakers 4 and 5 are the
test split, the others the training split (SHD itself adds 5 % of the others to its test split).
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import ENGLISH_DIGITS, Convention, Facts, stem
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION", "HEIDELBERG_DIGITS"]

_GERMAN = "null eins zwei drei vier fünf sechs sieben acht neun"
HEIDELBERG_DIGITS = (*ENGLISH_DIGITS, *_GERMAN.split())
_TEST_SPEAKERS = (4, 5)
_NAME = re.compile(r"lang-(english|german)_speaker-(\d{1,4})_trial-\d+_digit-(\d)", re.ASCII)


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None:
        return None
    language, speaker, digit = match.groups()
    label = HEIDELBERG_DIGITS[int(digit) + (10 if language == "german" else 0)]
    return Facts(label, speaker, "test" if int(speaker) in _TEST_SPEAKERS else "train")


CONVENTION = Convention(
    name="heidelberg-digits",
    read=_read,
    keys=HEIDELBERG_DIGITS,
    split_rule="speakers 4 and 5 are test",
)
