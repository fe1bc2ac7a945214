"""The storage of arrays of an HDF5 file: location of the elements, and their filters.

All sizes are compared with the declared ones before anything is read (HDF5 file format specification, version 3.0,
sections
IV.A.2.i "Data Layout" and IV.A.2.l "Filter Pipeline").
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.spike_files.hdf5.format import NEWEST, UNDEFINED, ByteFile, tree_leaves

__all__ = ["Layout"]

MAX_ELEMENTS = 2**22
MAX_ARRAY_BYTES = 2**28
MAX_CHUNK_BYTES = 2**24
MAX_CHUNKS = 2**15
_PIECE_BYTES = 2**20
_LAYOUT, _ELSEWHERE, _PIPELINE = 0x08, 0x07, 0x0B
_GZIP, _SHUFFLE, _FLETCHER32 = 1, 2, 3


class _Chunk(NamedTuple):
    start: int
    size: int
    skipped: int
    address: int


@dataclass(frozen=True)
class Layout:
    """The storage of the elements of a one-dimensional array, checked before they are read.

    Attributes
    ----------
    length : int
        Number of elements.
    item : int
        Bytes per element.
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
    def of(
        cls,
        file: ByteFile,
        headers: dict[int, bytes],
        length: int,
        item: int,
        gaps: bool = False,
    ) -> Layout:
        """Read and check the layout of an array.

        Parameters
        ----------
        file
            The file.
        headers
            Messages of its object header, by type.
        length, item
            Number of elements, and bytes per element.
        gaps
            Whether missing chunks are read as zeros: in arrays of variable length, as empty elements.

        Raises
        ------
        ValueError
            If the data are outside the file or virtual, a filter is not gzip, shuffle or fletcher32, or the stored
            sizes differ from the declared ones.
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
            raise ValueError(f"has a layout of version {version}, which is not supported")
        if form == 2:
            return cls._chunked(file, headers, length, item, gaps)
        if form == 0:
            size = int.from_bytes(layout[2:4], "little")
            stored, inside = min(size, len(layout) - 4), layout[4 : 4 + size]
            address = UNDEFINED
        else:
            address, stored = struct.unpack_from("<QQ", layout, 2)
            inside = None
            if address == UNDEFINED:
                stored = 0
                if gaps:  # nothing was written yet
                    return cls(file, length, item)
        if stored != declared:
            raise ValueError(f"declares {declared} bytes, but stores {stored}")
        if inside is None and declared and address + declared > file.size:
            raise ValueError("points outside the file")
        return cls(file, length, item, inside=inside, address=address)

    @classmethod
    def _chunked(
        cls,
        file: ByteFile,
        headers: dict[int, bytes],
        length: int,
        item: int,
        gaps: bool,
    ) -> Layout:
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
                raise ValueError("has chunks of which only some are filtered")
        if rank != 2 or chunk < 1 or width != item:
            raise ValueError("has chunks of another element size or rank than the array")
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
        starts = [c.start for c in chunks]
        if starts != list(expected) and not (gaps and _are_some_of(starts, expected)):
            raise ValueError("declares chunks that are not stored")
        for c in chunks:
            if c.size > size + size // 100 + 64:
                raise ValueError(f"has a chunk of {c.size} stored bytes for {size}")
            if c.address + c.size > file.size:
                raise ValueError("points outside the file")
        return cls(file, length, item, filters, chunk, tuple(chunks))

    def pieces(self) -> Iterator[bytes]:
        """Yield the elements in order, unfiltered, in pieces of bounded size; missing chunks are zeros."""
        if self.inside is not None:
            yield self.inside
            return
        step = self.chunk or _PIECE_BYTES // self.item or 1
        stored = {c.start: c for c in self.chunks}
        for first in range(0, self.length, step):
            size = min(step, self.length - first) * self.item
            if c := stored.get(first):
                data = self.file.read(c.address, c.size)
                data = _unfilter(data, self.filters, c.skipped, self.chunk * self.item, self.item)
                yield data[:size]
            elif self.address != UNDEFINED:
                yield self.file.read(self.address + first * self.item, size)
            else:
                yield bytes(size)

    def read(self, kind: np.dtype[np.generic]) -> NDArray[np.generic]:
        """Read all elements as an array of a type of the same size."""
        values = np.empty(self.length, dtype=kind)
        at = 0
        for piece in self.pieces():
            part = np.frombuffer(piece, dtype=kind)
            values[at : at + len(part)] = part
            at += len(part)
        return values


def _are_some_of(starts: list[int], expected: range) -> bool:
    return starts == sorted(set(starts)) and all(start in expected for start in starts)


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
    # Key: stored bytes, skipped filters, start of the chunk in the array, 0.
    entries = tree_leaves(file, address, 1, 24, expected)
    rows = (struct.unpack("<IIQQQ", entry) for entry in entries)
    return [_Chunk(start, size, skipped, at) for size, skipped, start, _, at in rows]


def _plain_chunks(
    message: bytes, index: int, flags: int, size: int, expected: range
) -> list[_Chunk]:
    """Find chunks without an index: a single chunk, or consecutive chunks."""
    stored, skipped, at = size, 0, 0
    if index == 1 and flags & 2:
        stored, skipped = struct.unpack_from("<QI", message)
        at = 12
    (address,) = struct.unpack_from("<Q", message, at)
    if address == UNDEFINED or (index == 1 and len(expected) > 1):
        return []
    return [_Chunk(start, stored, skipped, address + i * size) for i, start in enumerate(expected)]


def _unfilter(data: bytes, filters: tuple[int, ...], skipped: int, size: int, item: int) -> bytes:
    """Undo the filters of a chunk in reverse order, without exceeding the expected size of the chunk."""
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
                raise ValueError("has a chunk that decompresses to more than the declared size")
        elif item > 1 and len(data) % item == 0:
            data = np.frombuffer(data, np.uint8).reshape(item, -1).T.tobytes()
    if len(data) != size:
        raise ValueError(f"has a chunk of {len(data)} bytes instead of {size}")
    return data


def _check_fletcher32(data: bytes) -> None:
    """Compare the last four bytes with the sums of the others, two bytes at a time, high byte first."""
    body = data[:-4] + b"\0" * (len(data) % 2)
    words = np.frombuffer(body, ">u2").astype(np.uint64)
    first = int(words.sum()) % 65535
    # At most 2**23 words below 2**16, weights below 2**16: no overflow.
    weights = np.arange(len(words), 0, -1, dtype=np.uint64) % 65535
    second = int((words * weights).sum()) % 65535
    stored = struct.unpack("<HH", data[-4:])
    if (stored[0] % 65535, stored[1] % 65535) != (first, second):
        raise ValueError("has a chunk whose checksum is wrong")
