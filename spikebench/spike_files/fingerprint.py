r"""Fingerprint of a spike file: a hash of its contents.

Two files have the same fingerprint if they hold the same samples in the same order, with the same units, spikes,
labels, speakers and splits, and name the same classes, whatever their HDF5 storage, compression and the version that
wrote them. The SHA-256 of the file, in contrast, changes with all of these.

::

    event    = (float16 of the time in seconds)·2¹⁶ + unit, uint32, ascending within a sample
    sample   = SHA-256( label int64, speaker int64, number of events int64, events )
    file     = SHA-256( "spikebench fingerprint 1\n", n_units int64, number of classes int64,
                        for each class: length int64, UTF-8;
                        for each sample: its SHA-256, its split in ASCII, "\n" )

All numbers are little-endian; -1 is an unknown label or speaker, and an unknown split is empty. Times are rounded to
float16, the coarsest type in which such files are published (SHD, SSC), so that a file and its float16 copy have the
same fingerprint: differences below 0.24 ms at 0.5 s and 0.49 ms at 1 s do not change it. The order of spikes within a
sample does not matter. The samples of several files are treated as those of one, in the order of the files.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikebench.spike_files.reader import SpikeFile

__all__ = ["Part", "combine", "fingerprint", "sample_digests", "spike_digests"]

VERSION = 1
_HEADER = b"spikebench fingerprint %d\n" % VERSION


class Part(NamedTuple):
    """One file of a data set, and the split of its samples; empty if the file marks the splits itself."""

    path: Path
    split: str = ""


def sample_digests(file: SpikeFile) -> list[bytes]:
    """Compute the SHA-256 of the label, speaker and spikes of every sample.

    Parameters
    ----------
    file
        The spike file.

    Returns
    -------
    list of bytes
        32 bytes per sample, in order.

    Raises
    ------
    SpikeFileError
        If the file is damaged.
    """
    heads = np.stack([file.labels, file.speakers, file.spike_counts], axis=1).astype("<i8")
    return [
        hashlib.sha256(head.tobytes() + events).digest()
        for head, events in zip(heads, _sorted_events(file), strict=True)
    ]


def spike_digests(file: SpikeFile) -> list[bytes]:
    """Compute the SHA-256 of the spikes of every sample, whatever its label and speaker.

    Parameters
    ----------
    file
        The spike file.

    Returns
    -------
    list of bytes
        32 bytes per sample, in order.

    Raises
    ------
    SpikeFileError
        If the file is damaged.
    """
    return [hashlib.sha256(events).digest() for events in _sorted_events(file)]


def _sorted_events(file: SpikeFile) -> Iterator[bytes]:
    """Yield the encoded spikes of each sample, ascending."""
    for first, last, times, units in file.blocks():
        ends = np.cumsum(file.spike_counts[first:last])
        for own in np.split(event_keys(times, units), ends[:-1]):
            yield np.sort(own).tobytes()


def event_keys(times: NDArray[np.float64], units: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """Encode each spike as one integer, for the fingerprint.

    Parameters
    ----------
    times
        Seconds, float64, shape (spikes,), not negative.
    units
        uint16, shape (spikes,).

    Returns
    -------
    ndarray of uint32, little-endian, shape (spikes,)
        The bits of the time as float16, which increase with the time, above those of the unit.
    """
    with np.errstate(over="ignore"):  # beyond 18 hours float16 is infinite
        bits = (times + 0.0).astype(np.float16).view(np.uint16)  # -0.0 is 0.0
    keys: NDArray[np.uint32] = (bits.astype("<u4") << np.uint32(16)) | units.astype("<u4")
    return keys


def combine(
    n_units: int, classes: Sequence[str], digests: Sequence[bytes], splits: Sequence[str]
) -> str:
    """Compute a fingerprint from the results of :func:`sample_digests`.

    Parameters
    ----------
    n_units
        Number of units.
    classes
        Class names; index = label.
    digests
        32 bytes per sample, in order.
    splits
        Split of each sample; empty if unknown.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.
    """
    digest = hashlib.sha256(_HEADER + struct.pack("<qq", n_units, len(classes)))
    for key in classes:
        name = key.encode()
        digest.update(struct.pack("<q", len(name)) + name)
    for sample, split in zip(digests, splits, strict=True):
        digest.update(sample + split.encode() + b"\n")
    return digest.hexdigest()


def fingerprint(parts: Sequence[Part]) -> str:
    """Compute the fingerprint of a data set by reading all of it.

    Parameters
    ----------
    parts
        Files of the data set, in order; at least one, all with the same classes and units.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Raises
    ------
    SpikeFileError
        If a file is missing or damaged.
    """
    digests: list[bytes] = []
    splits: list[str] = []
    for part in parts:
        with SpikeFile(part.path) as file:
            n_units, classes = file.n_units, file.keys
            marks = file.splits or [""] * file.n_samples
            splits += [part.split or mark for mark in marks]
            digests += sample_digests(file)
    return combine(n_units, classes, digests, splits)
