"""The elements of variable-length arrays: objects of the heap of an HDF5 file, each used whole and once.

Every reference is compared with the object that it refers to before anything is read (HDF5 file format
specification, version 3.0, section III.E "Global Heap").
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikebench.spike_files.hdf5.format import ByteFile
from spikebench.spike_files.hdf5.storage import Layout

__all__ = ["Sequences", "check_apart", "locate"]

_WINDOW_BYTES = 2**12
_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_HEAP_HEADER = _OBJECT_HEADER = 16


@dataclass(frozen=True)
class Sequences:
    """The elements of a variable-length array: their locations in the file.

    Attributes
    ----------
    kind : dtype
        Type of the values.
    lengths : ndarray of int64, shape (n,)
        Values per element.
    offsets : ndarray of int64, shape (n,)
        Position of the first value of each element [bytes]; 0 for empty elements.
    """

    file: ByteFile
    kind: np.dtype[np.generic]
    lengths: NDArray[np.int64]
    offsets: NDArray[np.int64]

    def read(self, first: int, last: int) -> NDArray[np.generic]:
        """Read the values of elements first … last - 1, concatenated."""
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
    """Locate every element of a variable-length array, without reading its values.

    Parameters
    ----------
    layout
        Layout of the references.
    kind
        Type of the values.

    Returns
    -------
    Sequences
        Locations inside the file; :func:`check_apart` checks that no two share bytes.

    Raises
    ------
    ValueError
        If an element refers to anything but one whole object of the heap.
    """
    lengths = np.zeros(layout.length, dtype=np.int64)
    offsets = np.zeros(layout.length, dtype=np.int64)
    # Other arrays and attributes have objects in the same heaps.
    budget = 100_000
    first = 0
    for piece in layout.pieces():
        references = np.frombuffer(piece, dtype=_REFERENCE)
        here = slice(first, first + len(references))
        lengths[here] = references["length"]
        used = np.flatnonzero(references["length"])
        if np.unique(references[used][["address", "index"]]).size < used.size:
            raise ValueError("has elements that share their data")
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
    """Locate the object of every reference; each must be exactly as long as its element declares."""
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
                raise ValueError("has a heap with far more objects than elements")
            for position in objects.pop(index, ()):
                if sizes[position] != size:
                    raise ValueError("has an element whose length differs from that of its data")
                offsets[position] = start
            if not objects:
                break
        if objects:
            raise ValueError("has an element whose length differs from that of its data")
    return offsets, budget


def _heap_objects(file: ByteFile, address: int) -> Iterator[tuple[int, int, int]]:
    """Yield index, position and size [bytes] of the objects of one global heap collection."""
    if address >= file.size:
        raise ValueError("points outside the file")
    window = file.read(address, min(_WINDOW_BYTES, file.size - address))
    if window[:5] != b"GCOL\x01" or len(window) < _HEAP_HEADER:
        raise ValueError("points to an object that is not a heap")
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
