"""Validation of untrusted files before any array of an HDF5 file is read.

The checks are made in this order for every array of the layout; other objects are never opened. Every component of its
path is a hard link of this file (no soft, external or user-defined link). The object is an array. Its type is one of
those of the layout. It is stored in this file, in a plain layout, with no filters but gzip, shuffle or fletcher32. The
stored size equals the declared size. Every variable-length element is one object of the heap of exactly its length,
and no two share a byte. Chunks are decompressed when they are read, to no more than the declared size.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import SpikeFileError
from spikebench.records.text import os_error_text, printable
from spikebench.spike_files.hdf5.format import (
    NEWEST,
    UNDEFINED,
    ByteFile,
    Header,
    read_header,
    tree_leaves,
)
from spikebench.spike_files.hdf5.heap import Sequences, check_apart, locate
from spikebench.spike_files.hdf5.storage import Layout
from spikebench.spike_files.layout import ARRAYS, FLOATS

__all__ = ["Checked", "FlatArray", "check", "open_checked", "read_attributes"]

MAX_ATTRIBUTES = 1_000
MAX_LINKS = 10_000
MAX_NAMES = 2**16
MAX_STRING_BYTES = 65_535  # of an attribute, or a name of a link
MAX_ELEMENT_BYTES = 4_096  # of a string in an array
MAX_TEXT_BYTES = 2**26  # of all strings of an array
MAX_SPIKES_PER_SAMPLE = 2**26

# Messages of an object header (HDF5 file format specification IV.A.2).
_SPACE, _LINKS, _TYPE, _LINK, _LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x08
_ATTRIBUTE, _GROUP, _ATTRIBUTES = 0x0C, 0x11, 0x15
_MAY_REPEAT = {0x00, _LINK, _ATTRIBUTE, 0x0D, 0x10}
_SHARED = 2


@dataclass(frozen=True)
class FlatArray:
    """An array of numbers, or of strings of fixed length, that passed the checks.

    Attributes
    ----------
    layout : Layout
        Where it is stored.
    kind : dtype
        Type of its elements.
    padding : int
        How strings end: 0 at the first zero, 1 before trailing zeros, 2 before trailing spaces.
    """

    layout: Layout
    kind: np.dtype[np.generic]
    padding: int

    def read(self) -> NDArray[np.generic]:
        """Read all elements, shape (n,)."""
        return self.layout.read(self.kind)

    def read_strings(self) -> list[bytes]:
        """Read all elements of an array of strings, without their padding."""
        return [
            _ended(value, self.padding)
            for piece in self.layout.pieces()
            for value in np.frombuffer(piece, dtype=self.kind).tolist()
        ]


@dataclass(frozen=True)
class Checked:
    """The arrays that passed the checks.

    Attributes
    ----------
    arrays
        The existing arrays with one value per element, by name.
    times, units
        The spikes.
    """

    arrays: Mapping[str, FlatArray]
    times: Sequences
    units: Sequences

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Spikes per sample, int64, shape (samples,)."""
        return self.times.lengths


def open_checked(path: Path) -> tuple[ByteFile, Checked]:
    """Open a file for reading and check it.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    file : ByteFile
        Open; the caller closes it.
    checked : Checked
        The arrays that passed the checks.

    Raises
    ------
    SpikeFileError
        If the file does not exist, is not HDF5, or fails a check; the message is one line that begins with the
        path.
    """
    name = printable(str(path))
    try:
        file = ByteFile(path)
    except (ValueError, OSError, struct.error) as error:
        raise SpikeFileError(f"{name}: {_one_line(error)}") from None
    try:
        return file, check(file)
    except ValueError as error:
        file.close()
        raise SpikeFileError(f"{name}: {_one_line(error)}") from None
    except BaseException:
        file.close()
        raise


def check(file: ByteFile) -> Checked:
    """Check every array of the layout in an open file; see the module.

    Parameters
    ----------
    file
        File open for reading.

    Returns
    -------
    Checked
        The arrays that passed the checks.

    Raises
    ------
    ValueError
        The message begins with the array's name and names the problem.
    """
    flat: dict[str, FlatArray] = {}
    sequences: dict[str, Sequences] = {}
    groups: dict[int, dict[bytes, int | None]] = {}
    for name, array in ARRAYS.items():
        try:
            headers = _open(file, name, groups)
            if headers is None:
                if array.required:
                    raise ValueError("is missing")
                continue
            kind, padding = _array_type(headers[_TYPE], array.kind)
            length = _length(headers[_SPACE])
            if not array.per_sample and length > MAX_NAMES:
                raise ValueError(f"declares {length} names; at most {MAX_NAMES} are read")
            if kind.kind == "S" and length * kind.itemsize > MAX_TEXT_BYTES:
                raise ValueError(
                    f"declares {length * kind.itemsize} bytes of text; at most {MAX_TEXT_BYTES} are read"
                )
            if array.kind.startswith("sequence"):
                layout = Layout.of(file, headers, length, 16, gaps=True)
                sequences[name] = locate(layout, kind)
                _check_lengths(sequences[name])
            else:
                layout = Layout.of(file, headers, length, kind.itemsize)
                flat[name] = FlatArray(layout, kind, padding)
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
        except (OSError, struct.error, LookupError) as error:
            raise ValueError(f"{name}: damaged: {_one_line(error)}") from None
    times, units = sequences["spikes/times"], sequences["spikes/units"]
    _check_counts(flat, sequences)
    return Checked(flat, times, units)


def _check_lengths(sequences: Sequences) -> None:
    overlong = np.flatnonzero(sequences.lengths > MAX_SPIKES_PER_SAMPLE)
    if overlong.size:
        i = int(overlong[0])
        raise ValueError(
            f"has {sequences.lengths[i]} spikes in sample {i}; "
            f"at most {MAX_SPIKES_PER_SAMPLE} are read"
        )


def _check_counts(flat: dict[str, FlatArray], sequences: dict[str, Sequences]) -> None:
    samples = flat["labels"].layout.length
    counts = {name: len(array.lengths) for name, array in sequences.items()}
    counts |= {name: array.layout.length for name, array in flat.items() if ARRAYS[name].per_sample}
    for name, count in counts.items():
        if count != samples:
            raise ValueError(f"{name} has {count} elements, labels has {samples}")
    times, units = sequences["spikes/times"], sequences["spikes/units"]
    differ = np.flatnonzero(times.lengths != units.lengths)
    if differ.size:
        i = int(differ[0])
        raise ValueError(f"sample {i} has {times.lengths[i]} times and {units.lengths[i]} units")
    try:
        check_apart([times, units])
    except ValueError as error:
        raise ValueError(f"spikes {error}") from None


def _open(
    file: ByteFile, name: str, groups: dict[int, dict[bytes, int | None]]
) -> dict[int, bytes] | None:
    """Find the object header of an array by its path; every component must be a hard link."""
    here = file.root
    parts = name.split("/")
    for i, part in enumerate(parts):
        if here not in groups:
            kinds = read_header(file, here)
            if not {_GROUP, _LINKS} & {header.kind for header in kinds}:
                raise ValueError(f"is at the wrong place: {parts[i - 1]} is of another kind")
            groups[here] = _links(file, kinds)
        links = groups[here]
        if part.encode() not in links:
            return None
        target = links[part.encode()]
        if target is None:
            raise ValueError(f"is accessed by a link ({part}) that is not a hard link")
        here = target
    headers = read_header(file, here)
    kinds_here = {header.kind for header in headers}
    if not {_SPACE, _TYPE, _LAYOUT} <= kinds_here or {_GROUP, _LINKS} & kinds_here:
        raise ValueError(f"is at the wrong place: {parts[-1]} is of another kind")
    return _unique(headers)


def _unique(headers: list[Header]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for header in headers:
        if header.kind in _MAY_REPEAT:
            continue
        if header.kind in found:
            raise ValueError("has a damaged object header: it contains a message twice")
        if header.flags & _SHARED:
            raise ValueError("has a type that is shared with other objects, which is not supported")
        found[header.kind] = header.body
    return found


def _links(file: ByteFile, headers: list[Header]) -> dict[bytes, int | None]:
    """Read the links of a group: name to address, None if it is not a hard link."""
    own = _unique(headers)
    pairs: list[tuple[bytes, int | None]] = []
    if _GROUP in own:
        pairs = _old_links(file, *struct.unpack_from("<QQ", own[_GROUP]))
    elif _heap_of(own[_LINKS], 8) != UNDEFINED:
        raise ValueError(f"is in a group of a kind that {NEWEST}")
    pairs += [_link(header.body) for header in headers if header.kind == _LINK]
    links = dict(pairs)
    if len(links) < len(pairs):
        raise ValueError("is in a group that contains a name twice")
    return links


def _heap_of(message: bytes, counter: int) -> int:
    """Return the address at which newer formats store links or attributes outside the header."""
    flags = message[1]
    (address,) = struct.unpack_from("<Q", message, 2 + (counter if flags & 1 else 0))
    return int(address)


def _old_links(file: ByteFile, tree: int, heap: int) -> list[tuple[bytes, int | None]]:
    start = file.read(heap, 32)
    if start[:4] != b"HEAP":
        raise ValueError("is in a damaged group")
    size, _, address = struct.unpack_from("<QQQ", start, 8)
    if size > MAX_LINKS * 1_000:
        raise ValueError("is in a group whose names are too long")
    names = file.read(address, size)
    links: list[tuple[bytes, int | None]] = []
    for entry in tree_leaves(file, tree, 0, 8, MAX_LINKS):
        (node,) = struct.unpack_from("<Q", entry, 8)
        start = file.read(node, 8)
        count = int.from_bytes(start[6:8], "little")
        if start[:4] != b"SNOD" or len(links) + count > MAX_LINKS:
            raise ValueError(f"is in a group that is damaged or has more than {MAX_LINKS} names")
        rows = file.read(node + 8, 40 * count)
        for name, target, cached in struct.iter_unpack("<QQI20x", rows):
            end = names.find(b"\0", name, name + MAX_STRING_BYTES)
            if end < 0:
                raise ValueError("is in a damaged group")
            # 2 is a soft link; external links exist only in the newer kind of group.
            links.append((names[name:end], target if cached < 2 and target < UNDEFINED else None))
    return links


def _link(message: bytes) -> tuple[bytes, int | None]:
    version, flags = struct.unpack_from("<BB", message)
    at = 2
    form = message[at] if flags & 8 else 0
    at += (1 if flags & 8 else 0) + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(message[at : at + width], "little")
    at += width
    name = message[at : at + size]
    if version != 1 or len(name) < size:
        raise ValueError("is in a damaged group")
    return name, struct.unpack_from("<Q", message, at + size)[0] if form == 0 else None


def _length(space: bytes) -> int:
    """Read the number of elements of a one-dimensional array."""
    version, rank, _, form = struct.unpack_from("<BBBB", space)
    if version not in (1, 2):
        raise ValueError("has a damaged shape")
    if rank != 1 or (version == 2 and form != 1):
        raise ValueError(f"has {rank} dimensions instead of 1")
    return int(struct.unpack_from("<Q", space, 8 if version == 1 else 4)[0])


def _array_type(message: bytes, wanted: str) -> tuple[np.dtype[np.generic], int]:
    """Check the type of an array; return the type of its values, and the padding of strings."""
    form, marks, _, _, size = struct.unpack_from("<BBBBI", message)
    form &= 15
    if wanted.startswith("sequence of "):
        if form != 9 or marks & 15 or size != 16:
            raise ValueError("does not have a variable length")
        return _array_type(message[8:], wanted.removeprefix("sequence of "))
    if wanted == "string":
        if form != 3 or size == 0:
            raise ValueError("does not contain strings of fixed length")
        if size > MAX_ELEMENT_BYTES:
            raise ValueError(f"contains strings longer than {MAX_ELEMENT_BYTES} bytes")
        return np.dtype(f"S{size}"), marks & 15
    kind = _number_type(message)
    if kind is None or (kind.kind == "f") != (wanted == "float"):
        raise ValueError(f"does not contain values of type {wanted}")
    return kind, 0


def _number_type(message: bytes) -> np.dtype[np.generic] | None:
    """Read the type of a number; None if NumPy has no such type."""
    form, marks, sign, _, size = struct.unpack_from("<BBBBI", message)
    order = "><"[not marks & 1]
    if form & 15 == 0:
        start, bits = struct.unpack_from("<HH", message, 8)
        if size not in (1, 2, 4, 8) or (start, bits) != (0, 8 * size):
            return None
        return np.dtype(f"{order}{'i' if marks & 8 else 'u'}{size}")
    if form & 15 == 1 and marks & 0x70 == 0x20:
        known = FLOATS.get((size, sign, *struct.unpack_from("<HHBBBBI", message, 8)))
        return None if known is None else np.dtype(order + known)
    return None


# Without these a file would be read as something else.
_NEEDED_ATTRIBUTES = ("n_units", "format", "format_version")


def read_attributes(file: ByteFile) -> dict[str, str | int | float]:
    """Read the root attributes that are single numbers or strings of fixed length.

    Parameters
    ----------
    file
        A file that passed the checks.

    Returns
    -------
    dict
        Name to value; other attributes are ignored, unless the file cannot be read correctly without them.

    Raises
    ------
    ValueError
        If they are damaged, too many, or stored as only newer formats do.
    """
    try:
        headers = read_header(file, file.root)
        dense = [one.body for one in headers if one.kind == _ATTRIBUTES]
        if any(_heap_of(body, 2) != UNDEFINED for body in dense):
            raise ValueError(f"attributes are stored in a way that {NEWEST}")
        own = [header for header in headers if header.kind == _ATTRIBUTE]
        if len(own) > MAX_ATTRIBUTES:
            raise ValueError(f"more than {MAX_ATTRIBUTES} attributes")
        values: dict[str, str | int | float] = {}
        for header in own:
            name, value = _attribute(header)
            if value is not None:
                values[name] = value
            elif name in _NEEDED_ATTRIBUTES:
                raise ValueError(
                    f"attribute {name} has a type that is not read; write a single number or a string of fixed length"
                )
    except (struct.error, LookupError) as error:
        raise ValueError(f"attributes: damaged: {_one_line(error)}") from None
    return values


def _attribute(header: Header) -> tuple[str, str | int | float | None]:
    body = header.body
    version, flags, *sizes = struct.unpack_from("<BBHHH", body)
    if version not in (1, 2, 3):
        return "", None
    at = 9 if version == 3 else 8
    parts = []
    for size in sizes:
        parts.append(body[at : at + size])
        at += (size + 7) // 8 * 8 if version == 1 else size
    raw, kind, space = parts
    name = printable(raw.split(b"\0")[0].decode("utf-8", "backslashreplace"))
    if header.flags & _SHARED or (version > 1 and flags & 3):  # a type that is stored elsewhere
        return name, None
    form, marks, _, _, size = struct.unpack_from("<BBBBI", kind)
    scalar = space[1] == 0 and not (space[0] == 2 and space[3] == 2)
    value = body[at : at + size]
    if not scalar or len(value) < size:
        return name, None
    if form & 15 == 3:
        return name, _ended(value, marks & 15).decode("utf-8", "backslashreplace")
    number_type = _number_type(kind)
    if number_type is None:
        return name, None
    number: int | float = np.frombuffer(value, number_type)[0].item()
    return name, number if math.isfinite(number) else str(number)


def _ended(value: bytes, padding: int) -> bytes:
    """Remove the padding of a string of fixed length."""
    if padding == 0:
        return value.split(b"\0", 1)[0]
    return value.rstrip(b" " if padding == 2 else b"\0")


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os_error_text(error)
    text = str(error.args[0]) if error.args else type(error).__name__
    return printable(" ".join(text.split()))[:300]
