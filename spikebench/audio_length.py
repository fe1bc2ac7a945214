"""How long a recording says it is, and how much of it is there.

libsndfile takes what is there, in silence, where a header announces more, and reads nothing where a recorder
that was stopped left a length of 0. So the length that the header gives for the sound itself is compared with
the bytes that follow. Ogg is looked at in :mod:`spikebench.ogg_pages`, MP3 in :mod:`spikebench.mpeg_frames`;
FLAC is checked by its decoder. IRCAM, PAF and PVF hold no length.
"""

from __future__ import annotations

from spikebench.audio_types import HEAD_BYTES, read_type
from spikebench.chunked_audio import CHUNKED
from spikebench.header_audio import WITH_HEADER
from spikebench.sound_length import SoundLength

__all__ = ["sound_length"]


def sound_length(data: bytes) -> SoundLength | None:
    """Compare the length that a header gives with what is there.

    Parameters
    ----------
    data
        A file.

    Returns
    -------
    SoundLength or None
        None if the type gives no such length, or the header is too damaged to tell.
    """
    look = (CHUNKED | WITH_HEADER).get(read_type(data[:HEAD_BYTES]))
    return look(data) if look else None
