"""Declared and actual length of the sound in a recording.

If a header declares more sound than the file has, libsndfile silently reads the present part; if a stopped recorder
left a length of 0, it reads nothing. Therefore, the declared length of the sound is
compared with the bytes that follow. Ogg is checked in :mod:`spikebench.recordings.lengths.ogg`, MP3 in
:mod:`spikebench.recordings.lengths.mpeg`; FLAC is checked by its decoder. IRCAM, PAF and PVF files store no length.
"""

from __future__ import annotations

from spikebench.recordings.lengths.chunked import CHUNKED
from spikebench.recordings.lengths.header import WITH_HEADER
from spikebench.recordings.lengths.sound_length import SoundLength
from spikebench.recordings.types import HEAD_BYTES, read_type

__all__ = ["sound_length"]


def sound_length(data: bytes) -> SoundLength | None:
    """Compare the declared length of the sound with the bytes present.

    Parameters
    ----------
    data
        Contents of a file.

    Returns
    -------
    SoundLength or None
        None if the type declares no such length, or the header is too damaged to read it.
    """
    look = (CHUNKED | WITH_HEADER).get(read_type(data[:HEAD_BYTES]))
    return look(data) if look else None
