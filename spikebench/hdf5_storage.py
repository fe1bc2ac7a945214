"""The bytes of an HDF5 file from a stranger, read without the HDF5 library.

The library believes what a file says: it recurses into loops, inflates a chunk to whatever it holds,
reserves what a reference to variable-length data asks for, opens other files. Damaged copies of good
files make it hang and crash. So the few structures that spike files consist of are read here, from one
open file, with bounds (HDF5 file format specification, version 3.0: superblocks II.A, B-trees III.A.1,
global heap III.E, object headers IV.A, layouts IV.A.2.i). Nothing here can lead out of the file.

What only newer formats have (dense groups and attributes, chunks in an array or a B-tree of version
2) is refused; ``h5py.File(…, libver="earliest")``, the default, writes none of it.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NEWEST",
    "UNDEFINED",
    "ByteFile",
    "Header",
    "Layout",
    "Sequences",
    "check_apart",
    "locate",
    "read_header",
    "tree_leaves",
]

UNDEFINED = 2**64 - 1
NEWEST = "only newer formats have; write it again with libver='earliest'"
MAX_ELEMENTS = 2**22
MAX_ARRAY_BYTES = 2**28
MAX_CHUNK_BYTES = 2**24
MAX_CHUNKS = 2**15
MAX_HEADER_BYTES = 2**23
MAX_HEADERS = 2**14
_PIECE_BYTES = 2**20
_WINDOW_BYTES = 2**12
_LAYOUT, _ELSEWHERE, _PIPELINE, _GOES_ON = 0x08, 0x07, 0x0B, 0x10
_GZIP, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_HEAP_HEADER = _OBJECT_HEADER = 16


class ByteFile:
    """An HDF5 file of one piece, of which only bytes inside it can be read.

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
        If it is no HDF5 file, not all of one, or was left open by its writer.
    """

    _handle = -1

    def __init__(self, path: Path) -> None:
        # A pipe would wait for its writer.
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
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
        """Close the file; a second time does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes of the file, all of them or none.

        Parameters
        ----------
        offset, size
            Bytes.

        Raises
        ------
        ValueError
            If they are not all in the file.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ValueError("points outside the file")
        data = os.pread(self._handle, size, offset)
        if len(data) != size:
            raise ValueError("points outside the file")
        return data

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill a buffer from the file; as :meth:`read`."""
        if offset < 0 or offset + len(buffer) > self.size:
            raise ValueError("points outside the file")
        if os.preadv(self._handle, [buffer], offset) != len(buffer):
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
            raise ValueError(f"superblock version {version} is not known")
        if (start[13:15] if version < 2 else start[9:11]) != b"\x08\x08":
            raise ValueError("addresses are not 8 bytes wide")
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
            raise ValueError("has a user block or a shifted address of its beginning")
        if driver != UNDEFINED:
            raise ValueError("is one of the files of a set (family, multi or split)")
        if end > self.size:
            raise ValueError(f"is cut short: {self.size} of {end} bytes")
        self.size = int(end)
        return int(root)


class Header(NamedTuple):
    """One message of an object header: its type, its flags and its contents."""

    kind: int
    flags: int
    body: bytes


def read_header(file: ByteFile, address: int) -> list[Header]:
    """Read all messages of an object header of version 1 or 2, wherever it goes on.

    Parameters
    ----------
    file
        The file.
    address
        Where the header begins.

    Returns
    -------
    list of Header
        In the order of the file.

    Raises
    ------
    ValueError
        If it is none, runs in circles, or is larger than what is read.
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
    for at, size in blocks:  # grows while it is read
        total += size
        if at in seen or total > MAX_HEADER_BYTES or len(headers) > MAX_HEADERS:
            raise ValueError("has an object header that is too long or runs in circles")
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
    """Split a block of an object header; flags are those of version 2, -1 stands for version 1."""
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
        Of the root of the tree.
    kind
        0 for groups, 1 for chunks.
    key
        Bytes of a key.
    most
        How many leaf entries there may be.

    Raises
    ------
    ValueError
        If it is no such tree, is not one (a loop, a node reached twice), or has more entries.
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
            raise ValueError("has an index of more than it declares")
        if start[5]:
            below = [(int.from_bytes(e[key:], "little"), start[5] - 1) for e in entries]
            todo += reversed(below)
        else:
            yield from entries


class _Chunk(NamedTuple):
    start: int
    size: int
    skipped: int
    address: int


@dataclass(frozen=True)
class Layout:
    """Where the elements of a one-dimensional array lie in the file, checked before they are read.

    Attributes
    ----------
    length : int
        Number of elements.
    item : int
        Bytes of one.
    """

    file: ByteFile
    length: int
    item: int
    filters: tuple[int, ...] = ()
    chunk: int = 0
    chunks: tuple[_Chunk, ...] = ()
    inside: bytes | None = None
    address: int = UNDEFINED

    @classmethod
    def of(cls, file: ByteFile, headers: dict[int, bytes], length: int, item: int) -> Layout:
        """Read and check the layout of an array.

        Parameters
        ----------
        file
            The file.
        headers
            Messages of its object header, type to contents.
        length, item
            Number of elements, and bytes of one.

        Raises
        ------
        ValueError
            If the data lie outside the file or are virtual, a filter is not gzip, shuffle or
            fletcher32, or what is stored is not what is declared.
        """
        layout = headers[_LAYOUT]
        declared = length * item
        version, form = struct.unpack_from("<BB", layout)
        if form == 3:
            raise ValueError("is a virtual data set")
        if _ELSEWHERE in headers:
            raise ValueError("is stored in another file")
        if declared > MAX_ARRAY_BYTES:
            raise ValueError(f"declares {declared} bytes; at most {MAX_ARRAY_BYTES} are read")
        if length > MAX_ELEMENTS:
            raise ValueError(f"declares {length} elements; at most {MAX_ELEMENTS} are read")
        if version not in (3, 4, 5) or form > 2:
            raise ValueError(f"has a layout of version {version}, which is not read")
        if form == 2:
            return cls._chunked(file, headers, length, item)
        if form == 0:
            size = int.from_bytes(layout[2:4], "little")
            stored, inside = min(size, len(layout) - 4), layout[4 : 4 + size]
            address = UNDEFINED
        else:
            address, stored = struct.unpack_from("<QQ", layout, 2)
            inside = None
            if address == UNDEFINED:
                stored = 0
        if stored != declared:
            raise ValueError(f"declares {declared} bytes, stores {stored}")
        if inside is None and declared and address + declared > file.size:
            raise ValueError("points outside the file")
        return cls(file, length, item, inside=inside, address=address)

    @classmethod
    def _chunked(cls, file: ByteFile, headers: dict[int, bytes], length: int, item: int) -> Layout:
        filters = _filters(headers[_PIPELINE]) if _PIPELINE in headers else ()
        known = {_GZIP, _SHUFFLE, _FLETCHER32}
        if set(filters) - known or len(set(filters)) < len(filters):
            raise ValueError("uses a filter other than gzip, shuffle and fletcher32, or one twice")
        layout = headers[_LAYOUT]
        if layout[0] == 3:
            rank, address, chunk, width = struct.unpack_from("<BQII", layout, 2)
            index = 0
        else:
            flags, rank, wide = struct.unpack_from("<BBB", layout, 2)
            sides = struct.unpack_from(f"<{2 * wide}s", layout, 5)[0]
            chunk, width = (int.from_bytes(side, "little") for side in (sides[:wide], sides[wide:]))
            index = layout[5 + 2 * wide]
            if flags & 1 and filters:
                raise ValueError("has chunks of which some are not filtered")
        if rank != 2 or chunk < 1 or width != item:
            raise ValueError("has chunks of another kind than its elements")
        size = chunk * item
        if size > MAX_CHUNK_BYTES:
            raise ValueError(f"has chunks of {size} bytes; at most {MAX_CHUNK_BYTES} are read")
        expected = range(0, length, chunk)
        if len(expected) > MAX_CHUNKS:
            raise ValueError(f"declares {len(expected)} chunks; at most {MAX_CHUNKS} are read")
        if index == 0:
            chunks = _tree_chunks(file, address, len(expected)) if address != UNDEFINED else []
        elif index in (1, 2):
            chunks = _plain_chunks(layout[6 + 2 * wide :], index, flags, size, expected)
        else:
            raise ValueError(f"has an index of chunks that {NEWEST}")
        if [c.start for c in chunks] != list(expected):
            raise ValueError("declares chunks that are not stored")
        for c in chunks:
            if c.size > size + size // 100 + 64:
                raise ValueError(f"has a chunk of {c.size} stored bytes for {size}")
            if c.address + c.size > file.size:
                raise ValueError("points outside the file")
        return cls(file, length, item, filters, chunk, tuple(chunks))

    def pieces(self) -> Iterator[bytes]:
        """Yield the elements in order, unfiltered, in pieces of bounded size."""
        if self.inside is not None:
            yield self.inside
        elif not self.chunk:
            step = _PIECE_BYTES // self.item or 1
            for first in range(0, self.length, step):
                count = min(step, self.length - first)
                yield self.file.read(self.address + first * self.item, count * self.item)
        for c in self.chunks:
            data = self.file.read(c.address, c.size)
            data = _unfilter(data, self.filters, c.skipped, self.chunk * self.item, self.item)
            yield data[: (self.length - c.start) * self.item]

    def read(self, kind: np.dtype[np.generic]) -> NDArray[np.generic]:
        """Read all elements as an array of a type of their size."""
        values = np.empty(self.length, dtype=kind)
        at = 0
        for piece in self.pieces():
            part = np.frombuffer(piece, dtype=kind)
            values[at : at + len(part)] = part
            at += len(part)
        return values


def _filters(message: bytes) -> tuple[int, ...]:
    """List the filters of a pipeline, in the order in which they were applied."""
    version, count = struct.unpack_from("<BB", message)
    if version not in (1, 2) or count > 32:
        raise ValueError("has a damaged list of filters")
    at = 8 if version == 1 else 2
    found: list[int] = []
    for _ in range(count):
        (code,) = struct.unpack_from("<H", message, at)
        found.append(code)
        at += 2
        name = 0
        if version == 1 or code >= 256:
            (name,) = struct.unpack_from("<H", message, at)
            at += 2
        _, values = struct.unpack_from("<HH", message, at)
        at += 4
        if version == 1:
            at += (name + 7) // 8 * 8 + 4 * (values + values % 2)
        else:
            at += name + 4 * values
    return tuple(found)


def _tree_chunks(file: ByteFile, address: int, expected: int) -> list[_Chunk]:
    # Key: stored bytes, filters that were skipped, start of the chunk in the array, 0.
    entries = tree_leaves(file, address, 1, 24, expected)
    rows = (struct.unpack("<IIQQQ", entry) for entry in entries)
    return [_Chunk(start, size, skipped, at) for size, skipped, start, _, at in rows]


def _plain_chunks(
    message: bytes, index: int, flags: int, size: int, expected: range
) -> list[_Chunk]:
    """Find chunks that have no index: there is only one, or they lie one after the other."""
    stored, skipped, at = size, 0, 0
    if index == 1 and flags & 2:
        stored, skipped = struct.unpack_from("<QI", message)
        at = 12
    (address,) = struct.unpack_from("<Q", message, at)
    if address == UNDEFINED or (index == 1 and len(expected) > 1):
        return []
    return [_Chunk(start, stored, skipped, address + i * size) for i, start in enumerate(expected)]


def _unfilter(data: bytes, filters: tuple[int, ...], skipped: int, size: int, item: int) -> bytes:
    """Undo the filters of a chunk, last first, and never hold more than the chunk should have."""
    for position, code in reversed(list(enumerate(filters))):
        if skipped >> position & 1:
            continue
        if code == _FLETCHER32:
            _check_fletcher32(data)
            data = data[:-4]
        elif code == _GZIP:
            stream = zlib.decompressobj()
            try:
                data = stream.decompress(data, size + 64)
            except zlib.error as error:
                raise ValueError(f"has a chunk that does not decompress: {error}") from None
            if not stream.eof:
                raise ValueError("has a chunk that decompresses to more than it declares")
        elif item > 1 and len(data) % item == 0:
            data = np.frombuffer(data, np.uint8).reshape(item, -1).T.tobytes()
    if len(data) != size:
        raise ValueError(f"has a chunk of {len(data)} bytes instead of {size}")
    return data


def _check_fletcher32(data: bytes) -> None:
    """Compare the last four bytes with the sums of the others, two bytes at a time, high first."""
    body = data[:-4] + b"\0" * (len(data) % 2)
    words = np.frombuffer(body, ">u2").astype(np.uint64)
    first = int(words.sum()) % 65535
    # At most 2**23 words below 2**16, weights below 2**16: no overflow.
    weights = np.arange(len(words), 0, -1, dtype=np.uint64) % 65535
    second = int((words * weights).sum()) % 65535
    stored = struct.unpack("<HH", data[-4:])
    if (stored[0] % 65535, stored[1] % 65535) != (first, second):
        raise ValueError("has a chunk whose checksum is wrong")


@dataclass(frozen=True)
class Sequences:
    """The elements of a variable-length array: where each lies in the file.

    Attributes
    ----------
    kind : dtype
        Of the values.
    lengths : ndarray of int64, shape (n,)
        Values per element.
    offsets : ndarray of int64, shape (n,)
        Where an element's values begin [bytes]; 0 where it has none.
    """

    file: ByteFile
    kind: np.dtype[np.generic]
    lengths: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def read(self, first: int, last: int) -> NDArray[np.generic]:
        """Read the values of elements first … last - 1, one after the other."""
        lengths = self.lengths[first:last].tolist()
        values = np.empty(sum(lengths), dtype=self.kind)
        view = memoryview(values.view(np.uint8).data)
        at = 0
        for length, offset in zip(lengths, self.offsets[first:last].tolist(), strict=True):
            if length:
                end = at + length * self.kind.itemsize
                self.file.read_into(view[at:end], offset)
                at = end
        return values


def locate(layout: Layout, kind: np.dtype[np.generic]) -> Sequences:
    """Find every element of a variable-length array, without reading its values.

    Parameters
    ----------
    layout
        Of the references.
    kind
        Type of the values.

    Returns
    -------
    Sequences
        Inside the file; that no two share bytes is for :func:`check_apart` to say.

    Raises
    ------
    ValueError
        If an element refers to anything but one whole object of the heap.
    """
    lengths = np.zeros(layout.length, dtype=np.int64)
    offsets = np.zeros(layout.length, dtype=np.int64)
    # Other arrays and attributes keep their objects in the same heaps.
    budget = 100_000
    first = 0
    for piece in layout.pieces():
        references = np.frombuffer(piece, dtype=_REFERENCE)
        here = slice(first, first + len(references))
        lengths[here] = references["length"]
        used = np.flatnonzero(references["length"])
        budget += 4 * len(used)
        offsets[first + used], budget = _find(layout.file, references[used], kind.itemsize, budget)
        first = here.stop
    return Sequences(layout.file, kind, lengths, offsets)


def check_apart(arrays: list[Sequences]) -> None:
    """Refuse variable-length arrays of which two elements share bytes of the file."""
    parts = [(a.offsets[a.lengths > 0], a.lengths[a.lengths > 0] * a.kind.itemsize) for a in arrays]
    starts = np.concatenate([start for start, _ in parts])
    order = np.argsort(starts)
    ends = (starts + np.concatenate([size for _, size in parts]))[order]
    if np.any(ends[:-1] > starts[order][1:]):
        raise ValueError("has elements that share their data")


def _find(
    file: ByteFile, references: NDArray[np.void], item: int, budget: int
) -> tuple[NDArray[np.int64], int]:
    """Find where the object of every reference begins; each must be exactly as long as it says."""
    offsets = np.zeros(len(references), dtype=np.int64)
    wanted: dict[int, dict[int, list[int]]] = {}
    rows = zip(references["address"].tolist(), references["index"].tolist(), strict=True)
    for position, (address, index) in enumerate(rows):
        wanted.setdefault(address, {}).setdefault(index, []).append(position)
    sizes = (references["length"].astype(np.int64) * item).tolist()
    for address, objects in wanted.items():
        for index, start, size in _heap_objects(file, address):
            budget -= 1
            if budget < 0:
                raise ValueError("has a heap of far more objects than elements")
            for position in objects.pop(index, ()):
                if sizes[position] != size:
                    raise ValueError("has an element whose length is not that of its data")
                offsets[position] = start
            if not objects:
                break
        if objects:
            raise ValueError("has an element whose length is not that of its data")
    return offsets, budget


def _heap_objects(file: ByteFile, address: int) -> Iterator[tuple[int, int, int]]:
    """Yield index, place and size [bytes] of the objects of one global heap collection."""
    if address >= file.size:
        raise ValueError("points outside the file")
    window = file.read(address, min(_WINDOW_BYTES, file.size - address))
    if window[:5] != b"GCOL\x01" or len(window) < _HEAP_HEADER:
        raise ValueError("points to something that is no heap")
    end = address + int.from_bytes(window[8:16], "little")
    if end > file.size:
        raise ValueError("has a damaged heap")
    low, at = address, address + _HEAP_HEADER
    while at + _OBJECT_HEADER <= end:
        if at + _OBJECT_HEADER > low + len(window):
            low, window = at, file.read(at, min(_WINDOW_BYTES, end - at))
        index, size = _OBJECT.unpack_from(window, at - low)
        if index == 0:
            return
        start = at + _OBJECT_HEADER
        at = start + (size + 7) // 8 * 8
        if at > end:
            raise ValueError("has a damaged heap")
        yield index, start, size


_OBJECT = struct.Struct("<H6xQ")


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
