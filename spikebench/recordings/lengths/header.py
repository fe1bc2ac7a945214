"""Length of the sound in files that begin with one header: SPHERE, AU, VOC, AVR and WVE."""

from __future__ import annotations

import re
from collections.abc import Callable

from spikebench.recordings.lengths.sound_length import OPEN_32, SoundLength, is_open, number

__all__ = ["WITH_HEADER"]

_AU_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 3,
    5: 4,
    6: 4,
    7: 8,
    27: 1,
}  # bytes of a sample, by the number of its encoding


def _au(data: bytes) -> SoundLength | None:
    big = data[:4] == b".snd"
    if len(data) < 24:
        return None
    start, declared, encoding, _, channels = (
        number(data, 4 * k, 4, big_endian=big) for k in range(1, 6)
    )
    present = len(data) - start
    frame = channels * _AU_BYTES.get(encoding, 0)
    if is_open(declared, present, OPEN_32):
        fixed = present.to_bytes(4, "big" if big else "little")
        return SoundLength(None, present, max(frame, 1), ((8, fixed),))
    return SoundLength(declared, max(present, 0), max(frame, 1))


def _sphere(data: bytes) -> SoundLength | None:
    found = re.match(rb"NIST_1A\r?\n\s*(\d{1,7})\s", data[:32])
    if found is None:
        return None
    start = int(found[1])
    fields = dict(re.findall(rb"^(\w+) -i (\d{1,12})\s*$", data[:start], re.MULTILINE))
    count, width, channels = (
        int(fields.get(name, default))
        for name, default in ((b"sample_count", 0), (b"sample_n_bytes", 0), (b"channel_count", 1))
    )
    coding = re.search(rb"^sample_coding -s\d+ (\S+)", data[:start], re.MULTILINE)
    present = len(data) - start
    if width == 0 or present < 0 or (coding and b"," in coding[1]):
        return None
    if count == 0:
        return SoundLength(None if present else 0, present, width * channels)
    # Some files count the samples of all channels together.
    declared = count * width * (1 if present == count * width else channels)
    return SoundLength(declared, present, width * channels)


def _voc(data: bytes) -> SoundLength | None:
    """Read Creative Voice: blocks with a type and a length of three bytes; the first block of sound is used."""
    at = number(data, 20, 2, big_endian=False)
    while at + 4 <= len(data) and data[at] != 0:
        kind, size = data[at], number(data, at + 1, 3, big_endian=False)
        # Rate and encoding come before the sound.
        before = {1: 2, 9: 12}.get(kind)
        if before is not None:
            return SoundLength(max(size - before, 0), max(len(data) - at - 4 - before, 0))
        at += 4 + size
    return None


def _avr(data: bytes) -> SoundLength:
    channels = 2 if number(data, 12, 2, big_endian=True) else 1
    frame = channels * max(number(data, 14, 2, big_endian=True) // 8, 1)
    return SoundLength(number(data, 26, 4, big_endian=True) * frame, max(len(data) - 128, 0), frame)


def _wve(data: bytes) -> SoundLength:
    return SoundLength(number(data, 18, 4, big_endian=True), max(len(data) - 32, 0))


WITH_HEADER: dict[str, Callable[[bytes], SoundLength | None]] = {
    "SPHERE": _sphere,
    "AU": _au,
    "VOC": _voc,
    "AVR": _avr,
    "WVE": _wve,
}
