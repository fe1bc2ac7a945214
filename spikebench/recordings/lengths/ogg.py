"""Whether an Ogg stream is complete.

A stream is a chain of pages (RFC 3533, section 6): a header of 27 bytes, of which byte 5 holds flags and byte
26 the number of segments, a table with the length of every segment, and the segments. The last page of a
stream is marked. libsndfile reads complete pages and silently stops at the first incomplete one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OggPages", "ogg_pages"]

_HEAD_BYTES = 27
_END_OF_STREAM = 4


@dataclass(frozen=True)
class OggPages:
    """Whether the last page of a stream is cut short, and whether it is marked as the end."""

    is_cut: bool
    has_end: bool


def ogg_pages(data: bytes) -> OggPages:
    """Follow the pages of an Ogg stream.

    Parameters
    ----------
    data
        Contents of a file; other data after the last page is ignored.

    Returns
    -------
    OggPages
        State of the last page.
    """
    at, flags = 0, 0
    while data[at : at + 4] == b"OggS":
        table = (
            data[at + _HEAD_BYTES : at + _HEAD_BYTES + data[at + 26]]
            if at + 26 < len(data)
            else b""
        )
        end = at + _HEAD_BYTES + len(table) + sum(table)
        if at + 26 >= len(data) or len(table) < data[at + 26] or end > len(data):
            return OggPages(True, False)
        flags, at = data[at + 5], end
    rest = data[at : at + 4]
    return OggPages(bool(rest) and b"OggS".startswith(rest), bool(flags & _END_OF_STREAM))
