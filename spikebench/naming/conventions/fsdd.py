"""Free Spoken Digit Dataset: ``7_jackson_32``, i.e. digit, speaker and trial.

Classes zero … nine. Trials 0 to 4 are the test split, as in its README; the others are the training split.
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import ENGLISH_DIGITS, Convention, Facts, stem
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION", "FSDD"]

FSDD = ENGLISH_DIGITS
_TEST_TRIALS = 5  # of each digit and speaker
_NAME = re.compile(r"(\d)_([a-z]+)_(\d{1,4})", re.ASCII)


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None:
        return None
    digit, speaker, trial = match.groups()
    return Facts(FSDD[int(digit)], speaker, "test" if int(trial) < _TEST_TRIALS else "train")


CONVENTION = Convention(
    name="fsdd",
    read=_read,
    keys=FSDD,
    split_rule="trials 0 to 4 are test",
    is_specific=False,
)
