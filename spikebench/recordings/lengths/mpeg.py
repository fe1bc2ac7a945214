"""MPEG audio (MP3) frame by frame: the declared and the actual number of frames.

Frames follow each other without an index. Most encoders write an information frame first, which contains no sound but
the number of the other frames: "Xing" or "Info" (Xing, LAME), or "VBRI" (Fraunhofer). Without it libsndfile
estimates the length from the first frame, reads no further, and so misses much of a recording whose bit rate
varies. Such a file is decoded with an information frame prepended.

Layout of a header: ISO/IEC 11172-3, section 2.4.1.3, and ISO/IEC 13818-3.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["InfoTag", "MpegFrames", "mpeg_frames"]

_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_KBIT_PER_S = {  # by whether it is MPEG-1, and by layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAME = (
    0xFFFE0C00  # bits of a header: sync, version, layer and rate, which are constant in a stream
)
_VBRI_AT = 36


@dataclass(frozen=True)
class _Frame:
    """Length in bytes and in samples, offset of the information tag in the frame, and layer."""

    n_bytes: int
    n_samples: int
    tag_at: int
    layer: int


@dataclass(frozen=True)
class InfoTag:
    """Declared numbers of frames of sound and of bytes of the stream; 0 if not declared."""

    n_frames: int
    n_bytes: int


@dataclass(frozen=True)
class MpegFrames:
    """The frames of a file.

    Attributes
    ----------
    start
        Offset of the first frame, in bytes.
    n_frames
        Number of frames of sound: as declared by the tag, else the complete frames that follow each other from the
        first one without interruption.
    frame_samples
        Samples per channel in each frame.
    layer
        MPEG layer, 1 to 3.
    tag
        Contents of the information frame; None if the first frame contains sound.
    ends_within
        Whether the file ends within a frame; checked only if no tag declares the number of frames.
    is_whole
        Whether there are only frames, and optionally a trailing tag (ID3v1, APE) or zeros, from the first frame to
        the end of the file.
    """

    start: int
    n_frames: int
    frame_samples: int
    layer: int
    tag: InfoTag | None
    ends_within: bool
    is_whole: bool

    @property
    def n_samples(self) -> int:
        """Samples per channel in all frames of sound."""
        return self.n_frames * self.frame_samples

    def is_cut(self, data: bytes, missing: int) -> bool:
        """Return whether a file contains less sound than its tag declares.

        Parameters
        ----------
        data
            Contents of the file.
        missing
            Number of declared samples that could not be decoded.

        Returns
        -------
        bool
            True if bytes are missing as well, or more than two frames. Fewer may be the delay and padding of the
            encoder, which are not always counted.
        """
        if self.tag is None or self.tag.n_frames == 0 or missing <= 0:
            return False
        return len(data) - self.start < self.tag.n_bytes or missing > 2 * self.frame_samples

    def with_tag(self, data: bytes) -> bytes:
        """Prepend an information frame with the number of frames, if the file has none.

        Parameters
        ----------
        data
            Contents of the file.

        Returns
        -------
        bytes
            The stream with one more frame, without the bytes before its start; ``data`` itself if it has a tag,
            is not layer III, or contains other data than frames.
        """
        if self.tag is not None or self.layer != 3 or not self.is_whole or self.n_frames < 2:
            return data
        header = bytearray(data[self.start : self.start + 4])
        header[1] |= 1  # no checksum
        header[2] = header[2] & 0x0F | 0x80  # the eighth bit rate, with enough room for the tag
        frame = _read_frame(bytes(header))
        if frame is None:
            return data
        tag = b"Xing" + (1).to_bytes(4, "big") + self.n_frames.to_bytes(4, "big")
        return (
            bytes(header + bytes(frame.tag_at - 4) + tag).ljust(frame.n_bytes, b"\0")
            + data[self.start :]
        )


def mpeg_frames(data: bytes) -> MpegFrames | None:
    """Follow the frames of a file.

    Parameters
    ----------
    data
        Contents of a file; ID3v2 tags may precede the first frame.

    Returns
    -------
    MpegFrames or None
        None if there is no frame after these tags.
    """
    start = at = _after_id3(data)
    first = _read_frame(data[at : at + 4])
    if first is None:
        return None
    tag = _read_tag(data, start, first)
    if tag is not None and tag.n_frames:
        return MpegFrames(start, tag.n_frames, first.n_samples, first.layer, tag, False, True)
    like = int.from_bytes(data[at : at + 4], "big") & _SAME
    count = 0
    ends_within = False
    while (frame := _read_frame(data[at : at + 4])) is not None:
        if int.from_bytes(data[at : at + 4], "big") & _SAME != like:
            break
        if at + frame.n_bytes > len(data):
            ends_within = True
            break
        at += frame.n_bytes
        count += 1
    rest = data[at : at + 8]
    is_whole = (
        ends_within or rest[:3] == b"TAG" or rest == b"APETAGEX" or not data[at:].strip(b"\0")
    )
    n_frames = count - (tag is not None)
    return MpegFrames(start, n_frames, first.n_samples, first.layer, tag, ends_within, is_whole)


def _after_id3(data: bytes) -> int:
    """Skip ID3v2 tags, whose length is stored with seven bits per byte."""
    at = 0
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size + (10 if data[at + 5] & 0x10 else 0)
    return at


def _read_frame(header: bytes) -> _Frame | None:
    """Read a header of four bytes; None if it is not one, or uses a free bit rate."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    kbit, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or kbit in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    bits = 1000 * _KBIT_PER_S[is_first, layer][kbit - 1]
    padding = header[2] >> 1 & 1
    mono = header[3] >> 6 == 3
    side = (17 if mono else 32) if is_first else (9 if mono else 17)
    if layer == 1:
        return _Frame(4 * (12 * bits // _RATES_HZ[version][rate] + padding), 384, 4 + side, 1)
    samples = 576 if layer == 3 and not is_first else 1152
    length = samples // 8 * bits // _RATES_HZ[version][rate] + padding
    return _Frame(length, samples, 4 + side, layer)


def _read_tag(data: bytes, at: int, frame: _Frame) -> InfoTag | None:
    """Read the tag of an information frame, if the first frame is one."""
    if frame.layer != 3:
        return None
    xing = at + frame.tag_at
    if data[xing : xing + 4] in (b"Xing", b"Info"):
        flags = data[xing + 7] if xing + 7 < len(data) else 0
        fields = [int.from_bytes(data[xing + 8 + 4 * k : xing + 12 + 4 * k], "big") for k in (0, 1)]
        if not flags & 1:
            fields.insert(0, 0)
        return InfoTag(fields[0], fields[1] if flags & 2 else 0)
    vbri = at + _VBRI_AT
    if data[vbri : vbri + 4] == b"VBRI":
        n_bytes, n_frames = (int.from_bytes(data[vbri + k : vbri + k + 4], "big") for k in (10, 14))
        return InfoTag(n_frames, n_bytes)
    return None
