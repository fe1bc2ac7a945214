"""UrbanSound8K: ``fold5/100032-3-0-0``, i.e. source recording, class, occurrence and slice in the folder of a fold.

Ten classes in the published order. Slices of one recording of Freesound resemble each other, so the source
recording takes the place of the speaker. Fold 10 is the test split unless another is named; published figures are
means over all ten folds.
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import Convention, Facts, folder_above, stem
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION"]

_KEYS = (
    "air_conditioner",
    "car_horn",
    "children_playing",
    "dog_bark",
    "drilling",
    "engine_idling",
    "gun_shot",
    "jackhammer",
    "siren",
    "street_music",
)
_NAME = re.compile(r"(\d{1,7})-(\d)-\d{1,4}-\d{1,4}", re.ASCII)
_FOLD = re.compile(r"fold(\d{1,2})", re.ASCII)


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None:
        return None
    fold = _FOLD.fullmatch(folder_above(clip))
    return Facts(_KEYS[int(match[2])], match[1], fold=int(fold[1]) if fold else None)


CONVENTION = Convention(
    name="urbansound8k", read=_read, keys=_KEYS, is_specific=False, test_fold=10
)
