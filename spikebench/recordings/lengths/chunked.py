"""Length of the sound in files made of chunks: WAV (RIFF, RIFX, RF64), W64, AIFF, SVX and CAF.

The length is the size of the chunk that contains the sound. The sizes of enclosing structures (such as the whole RIFF
file, which many programs write wrongly) are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spikebench.recordings.lengths.sound_length import (
    OPEN_32,
    OPEN_64,
    SoundLength,
    is_open,
    number,
)

__all__ = ["CHUNKED"]

_W64_ID_BYTES, _W64_HEAD_BYTES = 16, 24
_MAX_CHUNKS = 10_000
_PLAIN_WAV = (1, 3, 6, 7, 0xFFFE)  # integers, floats, A-law, µ-law, and the extensible format
_PLAIN_AIFC = (
    b"NONE",
    b"sowt",
    b"twos",
    b"raw ",
    b"in24",
    b"in32",
    b"fl32",
    b"FL32",
    b"fl64",
    b"FL64",
)


@dataclass(frozen=True)
class _Layout:
    """Layout of chunks: an identifier, a size, the content, padding."""

    first: int
    id_bytes: int
    size_bytes: int
    big_endian: bool
    align: int = 2
    size_of_all: bool = False  # whether the size counts identifier and size as well

    def size(self, value: int) -> bytes:
        """Encode the size field for content of a given length."""
        value += self.id_bytes + self.size_bytes if self.size_of_all else 0
        return value.to_bytes(self.size_bytes, "big" if self.big_endian else "little")

    def chunks(self, data: bytes, at: int = -1) -> Iterator[tuple[bytes, int, int]]:
        """Yield identifier, offset of the content and size of every chunk, up to the first that is invalid."""
        at = self.first if at < 0 else at
        head = self.id_bytes + self.size_bytes
        for _ in range(_MAX_CHUNKS):
            if at + head > len(data):
                return
            name = data[at : at + self.id_bytes]
            size = int.from_bytes(
                data[at + self.id_bytes : at + head], "big" if self.big_endian else "little"
            )
            size -= head if self.size_of_all else 0
            yield name, at + head, size
            if size < 0:
                return
            at += head + size
            at += -at % self.align


def _riff(data: bytes) -> SoundLength | None:
    big = data[:4] == b"RIFX"
    layout = _Layout(12, 4, 4, big)
    frame = 1
    long_size: tuple[int, int] | None = None  # of an RF64: its offset and its value
    for name, at, size in layout.chunks(data):
        if name == b"ds64" and data[:4] == b"RF64":
            long_size = at + 8, number(data, at + 8, 8, big_endian=False)
        elif name == b"fmt ":
            frame = _wav_frame(data, at, big)
        elif name == b"data":
            present = len(data) - at
            # RF64 has the length in ds64; some programs write 0 there until they know it.
            declared = long_size[1] if long_size and size in (0, 0xFFFF_FFFF) else size
            if not is_open(declared, present, OPEN_32) or _only_chunks(layout, data, at, declared):
                return SoundLength(declared, present, frame)
            fixed = [(at - 4, layout.size(present))]
            if long_size:
                fixed = [(at - 4, b"\xff" * 4), (long_size[0], present.to_bytes(8, "little"))]
            return SoundLength(None, present, frame, tuple(fixed))
    return None


def _wav_frame(data: bytes, at: int, big: bool) -> int:
    """Return the bytes of one sample of all channels; 1 for codecs, whose last block may be incomplete."""
    if number(data, at, 2, big_endian=big) not in _PLAIN_WAV:
        return 1
    return max(number(data, at + 12, 2, big_endian=big), 1)


def _only_chunks(layout: _Layout, data: bytes, at: int, declared: int) -> bool:
    """Return whether a length of 0 is followed only by other chunks to the end, so that there is no sound."""
    end = at
    if declared:
        return False
    for name, start, size in layout.chunks(data, at):
        if size < 0 or not all(32 <= byte < 127 for byte in name):
            return False
        end = start + size
    return len(data) - 1 <= end <= len(data)


def _w64(data: bytes) -> SoundLength | None:
    layout = _Layout(40, _W64_ID_BYTES, 8, False, align=8, size_of_all=True)
    frame = 1
    for name, at, size in layout.chunks(data):
        if name[:4] == b"fmt ":
            frame = _wav_frame(data, at, False)
        elif name[:4] == b"data":
            present = len(data) - at
            if is_open(size, present, OPEN_64):
                return SoundLength(None, present, frame, ((at - 8, layout.size(present)),))
            return SoundLength(size, present, frame)
    return None


def _iff(data: bytes) -> SoundLength | None:
    """Read AIFF, AIFC and their predecessor SVX."""
    layout = _Layout(12, 4, 4, True)
    frame = 1
    for name, at, size in layout.chunks(data):
        if name == b"COMM":
            channels, bits = (number(data, at + k, 2, big_endian=True) for k in (0, 6))
            compressed = data[8:12] == b"AIFC" and data[at + 18 : at + 22] not in _PLAIN_AIFC
            frame = 1 if compressed else max(channels * -(-bits // 8), 1)
        elif name in (b"SSND", b"BODY"):
            before = 8 + number(data, at, 4, big_endian=True) if name == b"SSND" else 0
            present = len(data) - at - before
            declared = max(size - before, 0)
            if not is_open(declared, present, OPEN_32) or _only_chunks(
                layout, data, at + size, declared
            ):
                return SoundLength(declared, max(present, 0), frame)
            fixed = at - 4, layout.size(present + before)
            return SoundLength(None, present, frame, (fixed,))
    return None


def _caf(data: bytes) -> SoundLength | None:
    layout = _Layout(8, 4, 8, True, align=1)
    frame = 1
    for name, at, size in layout.chunks(data):
        if name == b"desc":
            frame = max(number(data, at + 16, 4, big_endian=True), 1)
        elif name == b"data":
            edits = 4  # bytes of the edit count, before the sound
            present = len(data) - at - edits
            declared = max(size - edits, 0)
            # -1 means that the sound reaches to the end of the file.
            if not is_open(declared, present, OPEN_64) or _only_chunks(
                layout, data, at + size, declared
            ):
                return SoundLength(declared, max(present, 0), frame)
            return SoundLength(None, present, frame, ((at - 8, layout.size(present + edits)),))
    return None


CHUNKED: dict[str, Callable[[bytes], SoundLength | None]] = {
    "WAV": _riff,
    "RF64": _riff,
    "W64": _w64,
    "AIFF": _iff,
    "SVX": _iff,
    "CAF": _caf,
}
