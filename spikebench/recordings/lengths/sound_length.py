"""The length of the sound in a file: as declared by its header, and as present."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OPEN_32", "OPEN_64", "SoundLength", "is_open", "number"]

OPEN_32 = 0x7FFF_0000  # programs that write to a pipe declare such numbers if unknown
OPEN_64 = 0x7FFF_FFFF_FFFF_0000


@dataclass(frozen=True)
class SoundLength:
    """The length of the sound in a file, in bytes.

    Attributes
    ----------
    declared
        Length declared by the header; None if it is undefined (0 although sound follows, or the largest number).
    present
        Length present, from the first byte of the sound to the end of the file.
    frame
        Bytes of one sample of all channels, or of one packet; 1 if not known.
    corrections
        Offsets and bytes to write into the header so that a decoder reads to the end of the file; empty
        unless the declared length is undefined.
    """

    declared: int | None
    present: int
    frame: int = 1
    corrections: tuple[tuple[int, bytes], ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether at least one frame is missing; a pad byte that was counted but not written is ignored."""
        if self.declared is None or self.present >= self.declared:
            return False
        if self.declared - self.present == 1 and self.declared % 2 == 0 and self.frame % 2 == 1:
            return False
        return self.present // self.frame < self.declared // self.frame

    def mended(self, data: bytes) -> bytes:
        """Write the actual length into the header.

        Parameters
        ----------
        data
            Contents of the file.

        Returns
        -------
        bytes
            A copy with the corrections, or ``data`` itself if there are none.
        """
        if not self.corrections:
            return data
        copy = bytearray(data)
        for at, value in self.corrections:
            copy[at : at + len(value)] = value
        return bytes(copy)


def number(data: bytes, at: int, length: int, *, big_endian: bool) -> int:
    """Read an unsigned integer.

    Parameters
    ----------
    data
        Contents of a file.
    at, length
        Offset and number of bytes.
    big_endian
        Whether the most significant byte comes first.

    Returns
    -------
    int
        The number; at the end of the file, the number in the remaining bytes.
    """
    return int.from_bytes(data[at : at + length], "big" if big_endian else "little")


def is_open(declared: int, present: int, largest: int) -> bool:
    """Return whether a declared length is undefined: 0 or the largest number, although data follow.

    Parameters
    ----------
    declared, present
        Declared and present length, in bytes.
    largest
        Smallest number that means an unknown length: :data:`OPEN_32` or :data:`OPEN_64`.

    Returns
    -------
    bool
        Whether the sound extends to the end of the file.
    """
    return not 0 < declared < largest and present > 0
