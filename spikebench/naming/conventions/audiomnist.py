"""AudioMNIST: ``01/0_01_0``, i.e. digit, speaker and repetition in the folder of the speaker.

Classes zero … nine, 60 speakers. Its authors publish no training and test split, so none is given here; the
protocol then holds out whole speakers.
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import (
    ENGLISH_DIGITS,
    Convention,
    Facts,
    folder_above,
    stem,
)
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION"]

_NAME = re.compile(r"(\d)_(\d\d)_\d{1,2}", re.ASCII)


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None:
        return None
    digit, speaker = match.groups()
    folder = folder_above(clip)
    # A numbered folder of another speaker means another corpus; a flat copy of AudioMNIST has no numbered folder.
    if folder.isdigit() and folder != speaker:
        return None
    return Facts(ENGLISH_DIGITS[int(digit)], speaker)


CONVENTION = Convention(name="audiomnist", read=_read, keys=ENGLISH_DIGITS)
