"""Files from strangers: what is checked before any array of an HDF5 file is read.

In this order, for every array that this program knows, and for no other: every component of its path
is a hard link of this file (no soft, external or user-defined link); the object is an array; its type
is one of those of the layout; it lies in this file, in a plain layout, behind gzip, shuffle or
fletcher32 only; what is stored is what is declared, after decompression too; every variable-length
element is one object of the heap of exactly its length. Names that are not known are never opened.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from h5py import h5l, h5o, h5t
from numpy.typing import NDArray

from spikebench.audio import printable
from spikebench.errors import SpikeFileError
from spikebench.hdf5_storage import check_storage, sequence_lengths

__all__ = ["ARRAYS", "Checked", "check", "open_checked", "read_attributes"]

MAX_ATTRIBUTES = 1_000
MAX_STRING_BYTES = 65_535

FLOATS = [h5t.IEEE_F16LE, h5t.IEEE_F32LE, h5t.IEEE_F64LE]
FLOATS += [h5t.IEEE_F16BE, h5t.IEEE_F32BE, h5t.IEEE_F64BE]
INTEGERS = [h5t.STD_I8LE, h5t.STD_I16LE, h5t.STD_I32LE, h5t.STD_I64LE]
INTEGERS += [h5t.STD_U8LE, h5t.STD_U16LE, h5t.STD_U32LE, h5t.STD_U64LE]
INTEGERS += [h5t.STD_I16BE, h5t.STD_I32BE, h5t.STD_I64BE]
INTEGERS += [h5t.STD_U16BE, h5t.STD_U32BE, h5t.STD_U64BE]


@dataclass(frozen=True)
class _Array:
    """One array of the layout: the type of its values, and whether it has one element per sample."""

    kind: str
    per_sample: bool = True
    required: bool = False


ARRAYS = {
    "spikes/times": _Array("sequence of float", required=True),
    "spikes/units": _Array("sequence of integer", required=True),
    "labels": _Array("integer", required=True),
    "extra/speaker": _Array("integer"),
    "extra/keys": _Array("string", per_sample=False),
    "extra/speaker_names": _Array("string", per_sample=False),
    "extra/split": _Array("string"),
    "extra/source": _Array("string"),
    "extra/sha256": _Array("string"),
    "extra/sample_rate_hz": _Array("integer"),
    "extra/duration_s": _Array("float"),
    "extra/audio_channels": _Array("integer"),
    "extra/segment": _Array("integer"),
    "extra/start_s": _Array("float"),
}


@dataclass(frozen=True)
class Checked:
    """What the check found.

    Attributes
    ----------
    arrays
        Names of the arrays that are there and may be read.
    lengths
        Spikes per sample, int64, shape (samples,).
    """

    arrays: frozenset[str]
    lengths: NDArray[np.int64]


def open_checked(path: Path) -> tuple[h5py.File, Checked]:
    """Open a file for reading and check it.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    file : h5py.File
        Open; the caller closes it.
    checked : Checked
        What may be read.

    Raises
    ------
    SpikeFileError
        If there is no such file, or it is not HDF5, or a check fails; the message is one line that
        begins with the path.
    """
    name = printable(str(path))
    try:
        _check_signature(path)
        file = h5py.File(path, "r", driver="sec2")
    except ValueError as error:
        raise SpikeFileError(f"{name}: {error}") from None
    except OSError as error:
        raise SpikeFileError(f"{name}: {_one_line(error)}") from None
    try:
        return file, check(file)
    except ValueError as error:
        file.close()
        raise SpikeFileError(f"{name}: {_one_line(error)}") from None
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        file.close()
        raise SpikeFileError(f"{name}: damaged: {_one_line(error)}") from None


def _check_signature(path: Path) -> None:
    if path.is_dir():
        raise ValueError("is a folder, not a spike file")
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")
    with path.open("rb") as file:
        start = file.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        return
    if start[:2] == b"\x1f\x8b" or start[:4] == b"PK\x03\x04":
        raise ValueError("is compressed; unpack it first (gunzip or unzip)")
    raise ValueError("is not an HDF5 file" if start else "is empty")


def check(file: h5py.File) -> Checked:
    """Check every known array of an open file; see the module.

    Parameters
    ----------
    file
        Open for reading.

    Returns
    -------
    Checked
        What may be read.

    Raises
    ------
    ValueError
        What is wrong, beginning with the array's name.
    """
    if file.id.get_create_plist().get_sizes() != (8, 8):
        raise ValueError("addresses are not 8 bytes wide")
    if file.attrs and h5py.h5a.get_num_attrs(file.id) > MAX_ATTRIBUTES:
        raise ValueError(f"more than {MAX_ATTRIBUTES} attributes")
    found: dict[str, h5py.h5d.DatasetID] = {}
    lengths: dict[str, NDArray[np.int64]] = {}
    for name, array in ARRAYS.items():
        try:
            dataset = _open(file, name)
            if dataset is None:
                if array.required:
                    raise ValueError("is missing")
                continue
            _check_type(dataset.get_type(), array.kind)
            if array.kind.startswith("sequence"):
                lengths[name] = sequence_lengths(dataset)
            else:
                check_storage(dataset)
            found[name] = dataset
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    _check_counts(found, lengths)
    return Checked(frozenset(found), lengths["spikes/times"])


def _check_counts(
    found: dict[str, h5py.h5d.DatasetID], lengths: dict[str, NDArray[np.int64]]
) -> None:
    samples = found["labels"].shape[0]
    for name, dataset in found.items():
        if ARRAYS[name].per_sample and dataset.shape[0] != samples:
            raise ValueError(f"{name} has {dataset.shape[0]} elements, labels has {samples}")
    differ = np.flatnonzero(lengths["spikes/times"] != lengths["spikes/units"])
    if differ.size:
        i = int(differ[0])
        times, units = lengths["spikes/times"][i], lengths["spikes/units"][i]
        raise ValueError(f"sample {i} has {times} times and {units} units")


def _open(file: h5py.File, name: str) -> h5py.h5d.DatasetID | None:
    """Open an array by its path; every component must be a hard link."""
    here = file.id
    *groups, last = name.split("/")
    for part in [*groups, last]:
        key = part.encode()
        if not here.links.exists(key):
            return None
        if here.links.get_info(key).type != h5l.TYPE_HARD:
            raise ValueError(f"is reached by a link ({part}) that is not a hard link")
        # Type first: opening a committed type or anything unknown is not needed to refuse it.
        wanted = h5o.TYPE_DATASET if part == last else h5o.TYPE_GROUP
        if h5o.get_info(here, key).type != wanted:
            raise ValueError(f"is not where it should be: {part} is of another kind")
        here = h5o.open(here, key)
    return here


def _check_type(kind: h5t.TypeID, wanted: str) -> None:
    if wanted.startswith("sequence of "):
        if kind.get_class() != h5t.VLEN:
            raise ValueError("is not of variable length")
        kind, wanted = kind.get_super(), wanted.removeprefix("sequence of ")
    if wanted == "string":
        if kind.get_class() != h5t.STRING or kind.is_variable_str():
            raise ValueError("does not hold strings of fixed length")
        if kind.get_size() > MAX_STRING_BYTES:
            raise ValueError(f"holds strings longer than {MAX_STRING_BYTES} bytes")
        return
    known = FLOATS if wanted == "float" else INTEGERS
    if not any(kind.equal(other) for other in known):
        raise ValueError(f"does not hold values of type {wanted}")


def read_attributes(file: h5py.File) -> dict[str, str | int | float]:
    """Read the attributes of the root that are single numbers or strings of fixed length.

    Parameters
    ----------
    file
        Checked.

    Returns
    -------
    dict
        Name to value; whatever else the file has is passed over.
    """
    values: dict[str, str | int | float] = {}
    for position in range(h5py.h5a.get_num_attrs(file.id)):
        attribute = h5py.h5a.open(file.id, index=position)
        kind = attribute.get_type()
        if attribute.shape != () or attribute.get_storage_size() > MAX_STRING_BYTES:
            continue
        name = printable(attribute.name.decode("utf-8", "backslashreplace"))
        if kind.get_class() == h5t.STRING and not kind.is_variable_str():
            text = np.empty((), dtype=f"S{max(kind.get_size(), 1)}")
            attribute.read(text, mtype=kind)
            values[name] = bytes(text.item()).decode("utf-8", "backslashreplace")
        elif any(kind.equal(other) for other in FLOATS + INTEGERS):
            number = np.empty((), dtype=kind.dtype)
            attribute.read(number)
            value = number.item()
            values[name] = value if math.isfinite(value) else str(value)
    return values


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    text = str(error.args[0]) if error.args else type(error).__name__
    return printable(" ".join(text.split()))[:300]
