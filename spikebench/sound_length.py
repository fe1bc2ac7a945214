"""The length of the sound in a file: what its header announces, and what is there."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OPEN_32", "OPEN_64", "SoundLength", "is_open", "number"]

OPEN_32 = 0x7FFF_0000  # from here on a program that writes to a pipe did not know the length
OPEN_64 = 0x7FFF_FFFF_FFFF_0000


@dataclass(frozen=True)
class SoundLength:
    """The length of the sound in a file, in bytes.

    Attributes
    ----------
    declared
        What the header announces; None if it leaves that open (0 with sound behind it, or the largest number).
    present
        From the first byte of the sound to the end of the file.
    frame
        Bytes of one sample of every channel, or of one packet; 1 where that is not known.
    corrections
        Where and what to write into the header so that a decoder reads to the end of the file; empty
        unless the length is open.
    """

    declared: int | None
    present: int
    frame: int = 1
    corrections: tuple[tuple[int, bytes], ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether at least one frame is missing; padding that was counted and not written is none."""
        if self.declared is None or self.present >= self.declared:
            return False
        if self.declared - self.present == 1 and self.declared % 2 == 0 and self.frame % 2 == 1:
            return False
        return self.present // self.frame < self.declared // self.frame

    def mended(self, data: bytes) -> bytes:
        """Write the length that is there into the header.

        Parameters
        ----------
        data
            The file.

        Returns
        -------
        bytes
            A copy with the corrections, or the file itself if there are none.
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
        A file.
    at, length
        Where it stands, and in how many bytes.
    big_endian
        Whether the highest byte comes first.

    Returns
    -------
    int
        The number; of the bytes that are there, at the end of a file.
    """
    return int.from_bytes(data[at : at + length], "big" if big_endian else "little")


def is_open(declared: int, present: int, largest: int) -> bool:
    """Tell whether a length was left open: 0 or the largest number, with something behind it.

    Parameters
    ----------
    declared, present
        Announced, and there, in bytes.
    largest
        Numbers from here on announce nothing: :data:`OPEN_32` or :data:`OPEN_64`.

    Returns
    -------
    bool
        Whether the sound goes on to the end of the file.
    """
    return not 0 < declared < largest and present > 0
