"""ESC-50: ``1-100032-A-0``, i.e. fold, source recording, take and class.

Fifty classes in the published order. Clips cut from one recording of Freesound (takes A, B, …) resemble each
other, so the source recording takes the place of the speaker. Fold 5 is the test split unless another is named;
published figures are means over all five folds.
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import Convention, Facts, stem
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION"]

_KEYS = tuple(
    # animals
    "dog rooster pig cow frog cat hen insects sheep crow "  # noqa: SIM905
    # natural sounds and water
    "rain sea_waves crackling_fire crickets chirping_birds water_drops wind pouring_water "
    "toilet_flush thunderstorm "
    # human sounds except speech
    "crying_baby sneezing clapping breathing coughing footsteps laughing brushing_teeth snoring "
    "drinking_sipping "
    # indoors
    "door_wood_knock mouse_click keyboard_typing door_wood_creaks can_opening washing_machine "
    "vacuum_cleaner clock_alarm clock_tick glass_breaking "
    # outdoors
    "helicopter chainsaw siren car_horn engine train church_bells airplane fireworks "
    "hand_saw".split()
)
_NAME = re.compile(r"([1-5])-(\d{1,7})-[A-Z]-(\d{1,2})", re.ASCII)


def _read(clip: Clip) -> Facts | None:
    match = _NAME.fullmatch(stem(clip))
    if match is None or int(match[3]) >= len(_KEYS):
        return None
    return Facts(_KEYS[int(match[3])], match[2], fold=int(match[1]))


CONVENTION = Convention(name="esc50", read=_read, keys=_KEYS, test_fold=5)
