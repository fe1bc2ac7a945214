"""AudioMNIST: ``01/0_01_0``, which is digit, speaker and repetition in the folder of the speaker.

Classes zero … nine, 60 speakers. Its authors publish no split for training and test, so there is none here:
the protocol then holds out whole speakers.
"""

from __future__ import annotations

import re

from spikebench.audio import Clip
from spikebench.conventions.convention import (
    ENGLISH_DIGITS,
    Convention,
    Facts,
    folder_above,
    stem,
)

__all__ = ["CONVENTION"]

_NAME = re.compile(r"(\d)_(\d\d)_\d{1,2}", re.ASCII)


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None:
        return None
    digit, speaker = match.groups()
    folder = folder_above(clip)
    # In a folder of another speaker it is another corpus; a flat copy lies in a folder with a name.
    if folder.isdigit() and folder != speaker:
        return None
    return Facts(ENGLISH_DIGITS[int(digit)], speaker)


CONVENTION = Convention(name="audiomnist", read=_read, keys=ENGLISH_DIGITS)
