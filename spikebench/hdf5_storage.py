"""What an HDF5 file really stores, read past the library: chunks, and the heap of variable-length data.

The HDF5 library believes the sizes that a file declares: a chunk inflates to whatever it holds, and a
reference to variable-length data says itself how much memory to reserve. Here both are measured first,
with bounds, from the bytes of the file (HDF5 file format specification, version 3.0, sections III.E
"Global Heap" and IV.A.2 "Data Layout").
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["check_storage", "sequence_lengths"]

MAX_ARRAY_BYTES = 2**30
MAX_CHUNK_BYTES = 2**24
_FILTERS = {h5py.h5z.FILTER_DEFLATE: "gzip", h5py.h5z.FILTER_SHUFFLE: "shuffle"}
_FLETCHER32 = h5py.h5z.FILTER_FLETCHER32
_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_UNDEFINED = 2**64 - 1
_HEAP_HEADER = _OBJECT_HEADER = 16


def check_storage(dataset: h5py.h5d.DatasetID) -> None:
    """Check layout, filters and sizes of a one-dimensional array before any of it is read.

    Parameters
    ----------
    dataset
        Opened by a hard link.

    Raises
    ------
    ValueError
        If the data lie outside the file or are virtual, a filter is not gzip, shuffle or fletcher32,
        or what is stored is not what is declared.
    """
    for _ in _blocks(dataset):
        pass


def sequence_lengths(dataset: h5py.h5d.DatasetID) -> NDArray[np.int64]:
    """Find how many values each element of a variable-length array has, without reading them.

    Parameters
    ----------
    dataset
        One-dimensional, of a variable-length type.

    Returns
    -------
    ndarray of int64, shape (n,)
        Values per element.

    Raises
    ------
    ValueError
        As in :func:`check_storage`, or if an element refers to anything but one whole object of the
        heap that no other element uses.
    """
    blocks = list(_blocks(dataset))
    references = np.frombuffer(b"".join(blocks), dtype=_REFERENCE)[: dataset.shape[0]]
    used = references[references["length"] > 0]
    _check_heap(dataset, used, dataset.get_type().get_super().get_size())
    return references["length"].astype(np.int64)


def _blocks(dataset: h5py.h5d.DatasetID) -> Iterator[bytes]:
    """Yield the stored bytes of an array in order, unfiltered: one block, or one per chunk."""
    plist = dataset.get_create_plist()
    layout = plist.get_layout()
    if dataset.rank != 1:
        raise ValueError(f"has {dataset.rank} dimensions instead of 1")
    if layout == h5py.h5d.VIRTUAL:
        raise ValueError("is a virtual data set")
    if plist.get_external_count():
        raise ValueError("is stored in another file")
    item = dataset.get_type().get_size()
    declared = dataset.shape[0] * item
    if declared > MAX_ARRAY_BYTES:
        raise ValueError(f"declares {declared} bytes; at most {MAX_ARRAY_BYTES} are read")
    if layout == h5py.h5d.CHUNKED:
        yield from _chunks(dataset, plist, item)
        return
    if declared == 0:
        return
    if dataset.get_storage_size() != declared:
        raise ValueError(f"declares {declared} bytes, stores {dataset.get_storage_size()}")
    if layout == h5py.h5d.CONTIGUOUS:
        yield _read(dataset, declared, dataset.get_offset())
    elif dataset.get_type().get_class() == h5py.h5t.VLEN:
        raise ValueError("keeps references in an object header")


def _chunks(dataset: h5py.h5d.DatasetID, plist: h5py.h5p.PropDCID, item: int) -> Iterator[bytes]:
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    unknown = [code for code in filters if code not in _FILTERS and code != _FLETCHER32]
    if unknown or len(set(filters)) < len(filters):
        raise ValueError("uses a filter other than gzip, shuffle and fletcher32, or one twice")
    (length,) = plist.get_chunk()
    size = length * item
    if size > MAX_CHUNK_BYTES:
        raise ValueError(f"has chunks of {size} bytes; at most {MAX_CHUNK_BYTES} are read")
    stored: list[h5py.h5d.StoreInfo] = []
    dataset.chunk_iter(stored.append)
    expected = range(0, dataset.shape[0], length)
    by_start = {info.chunk_offset[0]: info for info in stored}
    if len(by_start) != len(stored) or any(start not in by_start for start in expected):
        raise ValueError("declares chunks that are not stored")
    for start in expected:
        info = by_start[start]
        if info.size > size + size // 100 + 64:
            raise ValueError(f"has a chunk of {info.size} stored bytes for {size}")
        data = _read(dataset, info.size, info.byte_offset)
        yield _unfilter(data, filters, info.filter_mask, size, item)


def _unfilter(data: bytes, filters: list[int], skipped: int, size: int, item: int) -> bytes:
    """Undo the filters of a chunk, last first, and never hold more than the chunk should have."""
    for position, code in reversed(list(enumerate(filters))):
        if skipped >> position & 1:
            continue
        if code == _FLETCHER32:
            data = data[:-4]
        elif code == h5py.h5z.FILTER_DEFLATE:
            stream = zlib.decompressobj()
            try:
                data = stream.decompress(data, size + 64)
            except zlib.error as error:
                raise ValueError(f"has a chunk that does not decompress: {error}") from None
            if not stream.eof:
                raise ValueError("has a chunk that decompresses to more than it declares")
        elif item > 1:
            data = np.frombuffer(data, np.uint8).reshape(item, -1).T.tobytes()
    if len(data) != size:
        raise ValueError(f"has a chunk of {len(data)} bytes instead of {size}")
    return data


def _read(dataset: h5py.h5d.DatasetID, size: int, offset: int | None) -> bytes:
    handle = h5py.h5i.get_file_id(dataset).get_vfd_handle()
    if offset is None or offset < 0 or size < 0 or offset + size > os.fstat(handle).st_size:
        raise ValueError("points outside the file")
    return os.pread(handle, size, offset)


def _check_heap(dataset: h5py.h5d.DatasetID, used: NDArray[np.void], item: int) -> None:
    """Walk every heap that is referred to; each element must be one whole object, each used once."""
    pairs = used[["address", "index"]]
    if len(np.unique(pairs)) < len(pairs):
        raise ValueError("has elements that share their data")
    order = np.argsort(used["address"], kind="stable")
    addresses, first = np.unique(used["address"][order], return_index=True)
    bounds = [*first.tolist(), len(order)]
    # Other arrays and attributes keep their objects in the same heaps.
    budget = 4 * len(used) + 100_000
    for address, low, high in zip(addresses.tolist(), bounds, bounds[1:], strict=False):
        sizes = _heap_objects(dataset, address, budget)
        budget -= len(sizes)
        for reference in used[order[low:high]]:
            if sizes.get(int(reference["index"])) != int(reference["length"]) * item:
                raise ValueError("has an element whose length is not that of its data")


def _heap_objects(dataset: h5py.h5d.DatasetID, address: int, budget: int) -> dict[int, int]:
    """Map index to size [bytes] for the objects of one global heap collection."""
    if address == _UNDEFINED:
        raise ValueError("points outside the file")
    header = _read(dataset, _HEAP_HEADER, address)
    end = address + int.from_bytes(header[8:16], "little")
    if header[:5] != b"GCOL\x01":
        raise ValueError("points to something that is no heap")
    sizes: dict[int, int] = {}
    at = address + _HEAP_HEADER
    while at + _OBJECT_HEADER <= end:
        entry = _read(dataset, _OBJECT_HEADER, at)
        index, size = int.from_bytes(entry[:2], "little"), int.from_bytes(entry[8:16], "little")
        if index == 0:
            break
        at += _OBJECT_HEADER + 8 * math.ceil(size / 8)
        if at > end or index in sizes or len(sizes) >= budget:
            raise ValueError("has a damaged heap")
        sizes[index] = size
    return sizes
