"""Mozilla Common Voice: ``clips/common_voice_en_123.mp3``, with tables beside the folder ``clips``.

``train.tsv``, ``dev.tsv`` and ``test.tsv`` have a line per recording with ``path``, ``sentence`` (the label)
and ``client_id`` (the speaker); the table that lists a recording is its split. Recordings in no table are left out.
"""

from __future__ import annotations

import re

from spikebench.naming.conventions.convention import Convention, Facts, stem
from spikebench.recordings.search import Clip

__all__ = ["CONVENTION"]

_NAME = re.compile(r"common_voice_[A-Za-z]{2,3}(?:-[A-Za-z]{2,8})*_\d+", re.ASCII)


def _read(clip: Clip) -> Facts | None:
    return Facts() if _NAME.fullmatch(stem(clip)) else None


CONVENTION = Convention(
    name="common-voice",
    read=_read,
    split_rule="by the table a recording is in",
    tables=("train.tsv", "dev.tsv", "test.tsv"),
)
