"""Google Speech Commands: ``yes/0a7c2a8d_nohash_0``, i.e. speaker and take in the folder of the word.

35 classes in alphabetical order. The split is that of Google's lists (10 % of the speakers validation, 10 %
test; SSC itself tests on 20 %), by a hash of the speaker. ``_background_noise_`` is not a word.
"""

from __future__ import annotations

import hashlib
import re

from spikebench.naming.conventions.convention import Convention, Facts, folder_above, stem
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION", "SPEECH_COMMANDS", "which_set"]

SPEECH_COMMANDS = tuple(
    "backward bed bird cat dog down eight five follow forward four go happy house learn left "  # noqa: SIM905
    "marvin nine no off on one right seven sheila six stop three tree two up visual wow yes "
    "zero".split()
)
_GOOGLE_PERCENT = 10.0, 10.0  # validation and test of validation_list.txt and testing_list.txt
_NAME = re.compile(r"([0-9a-f]+)_nohash_\d+", re.ASCII)


def which_set(speaker: str, validation_percent: float = 10.0, test_percent: float = 20.0) -> str:
    """Return the split of Speech Commands to which a speaker belongs.

    The SHA-1 of the name, modulo 2²⁷, is taken as a percentage: the first part is validation, the next test.
    This is ``which_set`` of the Speech Commands data set (Warden 2018, arXiv:1804.03209); SSC uses
    10 % and 20 %.

    Parameters
    ----------
    speaker
        The part of the file name before ``_nohash_``.
    validation_percent, test_percent
        Shares of the two splits [%].

    Returns
    -------
    str
        ``validation``, ``test`` or ``train``.
    """
    digest = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16)
    percent = (digest % 2**27) * (100.0 / (2**27 - 1))
    if percent < validation_percent:
        return "validation"
    return "test" if percent < validation_percent + test_percent else "train"


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None:
        return None
    word = folder_above(clip)
    # Other words that are named in the same way have a speaker and a split, but no class.
    label = word if word in SPEECH_COMMANDS else None
    return Facts(label, match[1], which_set(match[1], *_GOOGLE_PERCENT))


CONVENTION = Convention(
    name="speech-commands",
    read=_read,
    keys=SPEECH_COMMANDS,
    split_rule="by Google's rule",
    classes_are_folders=True,
    not_classes=frozenset({"_background_noise_"}),
)
