"""The structures of an HDF5 file from an untrusted source, read without the HDF5 library.

The library does not check the contents of a file: it recurses into loops, inflates a chunk to any size, allocates what
a reference to variable-length data declares, and opens other files. Damaged copies of good files make it hang and
crash. Therefore the few structures of spike files are read here and in :mod:`spikebench.spike_files.hdf5.storage` and
:mod:`spikebench.spike_files.hdf5.heap`, from one open file, with limits (HDF5 file format specification, version 3.0:
superblocks II.A, B-trees III.A.1, object headers IV.A). No other file is opened.

Structures that only newer formats have (dense groups and attributes, chunks in an array or a B-tree of version
2) are refused; ``h5py.File(…, libver="earliest")``, the default, does not write them.
"""

from __future__ import annotations

import os
import stat
import struct
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

__all__ = ["NEWEST", "UNDEFINED", "ByteFile", "Header", "read_header", "tree_leaves"]

UNDEFINED = 2**64 - 1
NEWEST = "only newer formats have; write it again with libver='earliest'"
MAX_HEADER_BYTES = 2**23
MAX_HEADERS = 2**14
_GOES_ON = 0x10
# Flags that Windows lacks, and the one that only Windows needs.
_FLAGS = ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY")
_READ = os.O_RDONLY | sum(getattr(os, name, 0) for name in _FLAGS)
_one_at_a_time = threading.Lock()


def _read_at(file: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, size, offset)
    with _one_at_a_time:  # Windows: the position is shared by all threads
        os.lseek(file, offset, os.SEEK_SET)
        return os.read(file, size)


class ByteFile:
    """A single HDF5 file, of which only bytes inside it can be read.

    Parameters
    ----------
    path
        A regular file.

    Attributes
    ----------
    root : int
        Address of the object header of the root group.

    Raises
    ------
    OSError
        If it cannot be opened.
    ValueError
        If it is not an HDF5 file, is truncated, or was left open by its writer.
    """

    _handle = -1

    def __init__(self, path: Path) -> None:
        # Opening a pipe would wait for its writer, but for O_NONBLOCK.
        self._handle = os.open(path, _READ)
        try:
            status = os.fstat(self._handle)
            if stat.S_ISDIR(status.st_mode):
                raise ValueError("is a folder, not a spike file")
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("not a regular file")
            self.size = status.st_size
            self.root = self._superblock()
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing it again has no effect."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes of the file, all or none.

        Parameters
        ----------
        offset, size
            Position and number of bytes.

        Raises
        ------
        ValueError
            If the file ends before.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ValueError("points outside the file")
        data = _read_at(self._handle, size, offset)
        if len(data) != size:
            raise ValueError("points outside the file")
        return data

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer from the file, with the same checks as :meth:`read`."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise ValueError("points outside the file")
        if not hasattr(os, "preadv"):
            buffer[:] = self.read(offset, len(buffer))
        elif os.preadv(self._handle, [buffer], offset) != len(buffer):
            raise ValueError("points outside the file")

    def _superblock(self) -> int:
        start = self.read(0, min(self.size, 128))
        if start[:8] != b"\x89HDF\r\n\x1a\n":
            if start[:2] == b"\x1f\x8b" or start[:4] == b"PK\x03\x04":
                raise ValueError("is compressed; unpack it first (gunzip or unzip)")
            raise ValueError("is not an HDF5 file" if start else "is empty")
        start = start.ljust(128, b"\0")
        version = start[8]
        if version > 3:
            raise ValueError(f"has superblock version {version}, which is not supported")
        if (start[13:15] if version < 2 else start[9:11]) != b"\x08\x08":
            raise ValueError("has addresses that are not 8 bytes wide")
        driver = UNDEFINED
        if version < 2:
            at = 24 if version == 0 else 28
            base, _, end, driver, _, root = struct.unpack_from("<6Q", start, at)
        else:
            base, _, end, root = struct.unpack_from("<4Q", start, 12)
            _check_sum(start[:48], "superblock")
            if start[11] & 1:
                raise ValueError("was not closed by the program that wrote it (h5clear -s)")
        if base:
            raise ValueError("has a user block or a shifted base address")
        if driver != UNDEFINED:
            raise ValueError("is one of the files of a set (family, multi or split)")
        if end > self.size:
            raise ValueError(f"is truncated: {self.size} of {end} bytes")
        self.size = int(end)
        return int(root)


class Header(NamedTuple):
    """One message of an object header: its type, its flags and its contents."""

    kind: int
    flags: int
    body: bytes


def read_header(file: ByteFile, address: int) -> list[Header]:
    """Read all messages of an object header of version 1 or 2, including its continuation blocks.

    Parameters
    ----------
    file
        The file.
    address
        Address of the header.

    Returns
    -------
    list of Header
        In the order of the file.

    Raises
    ------
    ValueError
        If there is no header, it contains a loop, or it exceeds the limits.
    """
    start = file.read(address, 16)
    if start[:5] == b"OHDR\x02":
        flags = start[5]
        front = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(file.read(address + front, width), "little")
        blocks = [(address, front + width + size + 4)]
        front += width
    elif start[0] == 1:
        flags, front = -1, 0
        blocks = [(address + 16, int.from_bytes(start[8:12], "little"))]
    else:
        raise ValueError("has no object header")
    headers: list[Header] = []
    seen, total = set(), 0
    for at, size in blocks:  # grows during the loop
        total += size
        if at in seen or total > MAX_HEADER_BYTES or len(headers) > MAX_HEADERS:
            raise ValueError("has an object header that is too long or contains a loop")
        seen.add(at)
        data = file.read(at, size)
        if flags >= 0:
            if at != address:
                front = 4
                if data[:4] != b"OCHK":
                    raise ValueError("has a damaged object header")
            _check_sum(data, "object header")
            data = data[front:-4]
        more = list(islice(_messages(data, flags), MAX_HEADERS + 1))
        blocks += [struct.unpack_from("<QQ", one.body) for one in more if one.kind == _GOES_ON]
        headers += more
    return headers


def _messages(data: bytes, flags: int) -> Iterator[Header]:
    """Split a block of an object header into messages; flags are those of version 2, -1 means version 1."""
    front = 8 if flags < 0 else 6 if flags & 4 else 4
    at = 0
    while at + front <= len(data):
        if flags < 0:
            kind, size, marks = struct.unpack_from("<HHB", data, at)
        else:
            kind, size, marks = struct.unpack_from("<BHB", data, at)
        at += front
        if at + size > len(data):
            raise ValueError("has a damaged object header")
        yield Header(kind, marks, data[at : at + size])
        at += size


def tree_leaves(file: ByteFile, address: int, kind: int, key: int, most: int) -> Iterator[bytes]:
    """Yield the entries (key and address) of the leaves of a B-tree of version 1, in order.

    Parameters
    ----------
    file
        The file.
    address
        Address of the root of the tree.
    kind
        0 for groups, 1 for chunks.
    key
        Number of bytes of a key.
    most
        Maximum number of leaf entries.

    Raises
    ------
    ValueError
        If it is not such a tree (other kind, a loop, a node reached twice), or has more entries.
    """
    # Every node is visited once and is one level below its parent.
    todo: list[tuple[int, int | None]] = [(address, None)]
    seen: set[int] = set()
    found = 0
    while todo:
        at, level = todo.pop()
        start = file.read(at, 24)
        if start[:4] != b"TREE" or start[4] != kind or at in seen or level not in (None, start[5]):
            raise ValueError("has a damaged index")
        seen.add(at)
        count = int.from_bytes(start[6:8], "little")
        entry = key + 8
        data = file.read(at + 24, count * entry)
        entries = [data[i : i + entry] for i in range(0, len(data), entry)]
        found += count
        if found > 2 * most + 100:
            raise ValueError("has an index with more entries than declared")
        if start[5]:
            below = [(int.from_bytes(e[key:], "little"), start[5] - 1) for e in entries]
            todo += reversed(below)
        else:
            yield from entries


def _check_sum(data: bytes, what: str) -> None:
    """Compare the last four bytes with the checksum of the others (Jenkins' lookup3)."""
    if len(data) < 8 or _lookup3(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError(f"has a damaged {what}: its checksum is wrong")


def _lookup3(data: bytes) -> int:
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    words: tuple[int, ...] = struct.unpack(
        f"<{-(-len(data) // 12) * 3}I", data + bytes(-len(data) % 12)
    )
    for i in range(0, len(words) - 3, 3):
        a, b, c = (a + words[i]) & _MASK, (b + words[i + 1]) & _MASK, (c + words[i + 2]) & _MASK
        a, c = (a - c) & _MASK ^ _turn(c, 4), (c + b) & _MASK
        b, a = (b - a) & _MASK ^ _turn(a, 6), (a + c) & _MASK
        c, b = (c - b) & _MASK ^ _turn(b, 8), (b + a) & _MASK
        a, c = (a - c) & _MASK ^ _turn(c, 16), (c + b) & _MASK
        b, a = (b - a) & _MASK ^ _turn(a, 19), (a + c) & _MASK
        c, b = (c - b) & _MASK ^ _turn(b, 4), (b + a) & _MASK
    a, b, c = (a + words[-3]) & _MASK, (b + words[-2]) & _MASK, (c + words[-1]) & _MASK
    c = ((c ^ b) - _turn(b, 14)) & _MASK
    a = ((a ^ c) - _turn(c, 11)) & _MASK
    b = ((b ^ a) - _turn(a, 25)) & _MASK
    c = ((c ^ b) - _turn(b, 16)) & _MASK
    a = ((a ^ c) - _turn(c, 4)) & _MASK
    b = ((b ^ a) - _turn(a, 14)) & _MASK
    return ((c ^ b) - _turn(b, 24)) & _MASK


_MASK = 2**32 - 1


def _turn(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _MASK
