"""Heidelberg Digits: ``lang-english_speaker-04_trial-1_digit-7``.

Classes in SHD's order: English zero … nine are 0 … 9, German null … neun 10 … 19. Speakers 4 and 5 are the
test split, the others the training split (SHD itself adds 5 % of the others to its test split).
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import ENGLISH_DIGITS, Convention, Facts, stem
from spikebench.recordings.search import Clip

__all__ = [
    "CONVENTION",
    "HEIDELBERG_DIGITS",
    "LANGUAGES",
    "NAME_PATTERN",
    "heidelberg_name",
]

_GERMAN_DIGITS = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
LANGUAGES = {"english": tuple(ENGLISH_DIGITS), "german": _GERMAN_DIGITS}  # in the order of labels
HEIDELBERG_DIGITS = (*ENGLISH_DIGITS, *_GERMAN_DIGITS)
# Language, speaker, trial and digit.
NAME_PATTERN = r"lang-(english|german)_speaker-([0-9]{1,4})_trial-([0-9]{1,9})_digit-([0-9])"
_TEST_SPEAKERS = (4, 5)


def heidelberg_name(language: str, speaker: int, trial: int, digit: int) -> str:
    """Return the published name of a recording.

    Parameters
    ----------
    language
        ``english`` or ``german``.
    speaker, trial, digit
        Numbers, from 0.

    Returns
    -------
    str
        Name without suffix.
    """
    return f"lang-{language}_speaker-{speaker:02d}_trial-{trial}_digit-{digit}"


def _read(clip: Clip) -> Facts | None:
    match = re.fullmatch(NAME_PATTERN, stem(clip))
    if match is None:
        return None
    language, speaker, _, digit = match.groups()
    label = LANGUAGES[language][int(digit)]
    return Facts(label, speaker, "test" if int(speaker) in _TEST_SPEAKERS else "train")


CONVENTION = Convention(
    name="heidelberg-digits",
    read=_read,
    keys=HEIDELBERG_DIGITS,
    split_rule="speakers 4 and 5 are test",
)
