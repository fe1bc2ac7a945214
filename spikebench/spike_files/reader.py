"""Reading spike files: HDF5 in the layout in which SHD and SSC were published, with additional data per sample.

:mod:`spikebench.spike_files.layout` describes the layout.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import SpikeFileError
from spikebench.records.text import printable
from spikebench.spike_files.guard import Checked, open_checked, read_attributes
from spikebench.spike_files.hdf5.format import ByteFile
from spikebench.spike_files.layout import (
    FORMAT,
    FORMAT_VERSION,
    MAX_TIME_S,
    MAX_UNITS,
    PUBLISHED_UNITS,
    SPLITS,
)

__all__ = ["Events", "SpikeFile"]

_BLOCK_SPIKES = 2**20


class Events(NamedTuple):
    """All spikes of a file; sample i is ``[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    offsets : ndarray of int64, shape (samples + 1,)
    times : ndarray of float64, shape (spikes,)
        Seconds.
    units : ndarray of uint16, shape (spikes,)
    """

    offsets: NDArray[np.int64]
    times: NDArray[np.float64]
    units: NDArray[np.uint16]


class SpikeFile:
    """A spike file; it is opened and checked on first use, once per process.

    Parameters
    ----------
    path
        A file in the published layout; it may be untrusted.

    Notes
    -----
    Every access can raise :class:`spikebench.errors.SpikeFileError`; its message begins with the path.
    The object can be sent to another process, which opens the file again.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._opened: tuple[int, ByteFile, Checked] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[SpikeFile], tuple[Path]]:
        return type(self), (self.path,)

    def close(self) -> None:
        """Close the file; the next access opens it again."""
        if self._opened is not None and self._opened[0] == os.getpid():
            self._opened[1].close()
        self._opened = None

    def _open(self) -> tuple[ByteFile, Checked]:
        # A file opened before a fork belongs to the parent process and must not be used here.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), *open_checked(self.path))
        return self._opened[1:]

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self._open()[1].lengths)

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Spikes per sample, int64, shape (samples,); available without reading the spikes."""
        return self._open()[1].lengths

    @property
    def time_dtype(self) -> np.dtype[np.generic]:
        """Type of the times in the file, float16, float32 or float64."""
        return self._open()[1].times.kind.newbyteorder("=")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Attributes of the root, which tell how the file was made; empty for published files."""
        provenance: dict[str, Any] = {}
        try:
            attributes = read_attributes(self._open()[0])
        except (OSError, ValueError) as error:
            raise self._error(printable(str(error))) from None
        for name, value in attributes.items():
            provenance[name] = value
            if name.endswith("_json") and isinstance(value, str):
                try:
                    provenance[name.removesuffix("_json")] = json.loads(value)
                    del provenance[name]
                except (ValueError, RecursionError):
                    raise self._error(f"attribute {name} is not JSON") from None
        version = provenance.get("format_version", FORMAT_VERSION)
        if provenance.get("format", FORMAT) == FORMAT and version != FORMAT_VERSION:
            raise self._error(f"format version {version!r} is not supported, only {FORMAT_VERSION}")
        return provenance

    @cached_property
    def n_units(self) -> int:
        """Number of units; 700 if not recorded in the file, as in published files."""
        n_units = self.provenance.get("n_units", PUBLISHED_UNITS)
        if not isinstance(n_units, int) or not 1 <= n_units <= MAX_UNITS:
            raise self._error(f"n_units is {n_units!r}, not in 1 … {MAX_UNITS}")
        return n_units

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class of each sample, int64, shape (samples,); -1 is unknown."""
        return self._integers("labels", high=len(self.keys) or 2**31)

    @cached_property
    def speakers(self) -> NDArray[np.int64]:
        """Speaker of each sample, int64, shape (samples,); -1 is unknown."""
        if "extra/speaker" not in self._open()[1].arrays:
            return np.full(self.n_samples, -1, dtype=np.int64)
        return self._integers("extra/speaker")

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Class names, index = label; empty if the file has none."""
        return self._strings("extra/keys") or ()

    @cached_property
    def speaker_names(self) -> tuple[str, ...]:
        """Names of speakers, index = speaker; empty if speakers have no names."""
        return self._strings("extra/speaker_names") or ()

    @cached_property
    def splits(self) -> tuple[str, ...] | None:
        """``train``, ``validation``, ``test`` or empty for each sample; None if the file has no splits."""
        splits = self._strings("extra/split")
        if splits is not None and not set(splits) <= set(SPLITS):
            odd = next(iter(set(splits) - set(SPLITS)))
            raise self._error(f"extra/split contains {printable(odd)[:40]!r}")
        return splits

    @cached_property
    def sources(self) -> tuple[str, ...] | None:
        """Path of each recording below the folder that was converted; None if unknown."""
        return self._strings("extra/source")

    @cached_property
    def sha256(self) -> tuple[str, ...] | None:
        """SHA-256 of each recording, hexadecimal; None if unknown."""
        return self._strings("extra/sha256")

    @cached_property
    def sample_rates_hz(self) -> NDArray[np.int64] | None:
        """Sample rate of each recording [Hz], int64, shape (samples,); None if unknown."""
        has = "extra/sample_rate_hz" in self._open()[1].arrays
        return self._integers("extra/sample_rate_hz") if has else None

    @cached_property
    def audio_channels(self) -> NDArray[np.int64] | None:
        """Channels of each recording, int64, shape (samples,); None if unknown."""
        has = "extra/audio_channels" in self._open()[1].arrays
        return self._integers("extra/audio_channels") if has else None

    @cached_property
    def segments(self) -> NDArray[np.int64] | None:
        """Number of each sample's segment in its recording, from 1; None if recordings were not cut."""
        has = "extra/segment" in self._open()[1].arrays
        return self._integers("extra/segment") if has else None

    @cached_property
    def starts_s(self) -> NDArray[np.float64]:
        """Start of each sample in its recording [s], float64, shape (samples,)."""
        if "extra/start_s" not in self._open()[1].arrays:
            return np.zeros(self.n_samples)
        return self._seconds("extra/start_s")

    @cached_property
    def durations_s(self) -> NDArray[np.float64] | None:
        """Length of each recording [s], float64, shape (samples,); None if unknown."""
        if "extra/duration_s" not in self._open()[1].arrays:
            return None
        return self._seconds("extra/duration_s")

    def events(self, index: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Read the spikes of one sample.

        Parameters
        ----------
        index
            0 … n_samples - 1.

        Returns
        -------
        times : ndarray of float64, shape (spikes,)
            Seconds.
        units : ndarray of int64, shape (spikes,)
            0 … n_units - 1.

        Raises
        ------
        IndexError
            If the sample does not exist.
        SpikeFileError
            If a time is not valid or a unit is out of range.
        """
        if not 0 <= index < self.n_samples:
            raise IndexError(
                f"sample {index} is out of range for {self.n_samples} samples (the first is 0)"
            )
        times, units = self._spikes(index, index + 1)
        return times, units.astype(np.int64)

    def read(self) -> Events:
        """Read all spikes.

        Returns
        -------
        Events
            All samples, concatenated.

        Raises
        ------
        SpikeFileError
            If a time is not valid or a unit is out of range.
        """
        offsets = self._offsets()
        times = np.empty(offsets[-1], dtype=np.float64)
        units = np.empty(offsets[-1], dtype=np.uint16)
        for first, last, block_times, block_units in self.blocks():
            here = slice(offsets[first], offsets[last])
            times[here] = block_times
            units[here] = block_units
        return Events(offsets, times, units)

    def blocks(
        self, max_spikes: int = _BLOCK_SPIKES
    ) -> Iterator[tuple[int, int, NDArray[np.float64], NDArray[np.uint16]]]:
        """Read all spikes in blocks of samples, in memory that does not grow with the file.

        Parameters
        ----------
        max_spikes
            Maximum number of spikes per block; a sample with more is a block of its own.

        Yields
        ------
        first, last : int
            The block holds samples first … last - 1. Blocks are consecutive.
        times : ndarray of float64, shape (spikes,)
            Seconds, sample after sample; where each starts follows from :attr:`spike_counts`.
        units : ndarray of uint16, shape (spikes,)

        Raises
        ------
        SpikeFileError
            If a time is not valid or a unit is out of range.
        """
        if max_spikes < 1:
            raise ValueError(f"max_spikes must be at least 1, got {max_spikes}")
        offsets = self._offsets()
        first = 0
        while first < self.n_samples:
            fits = int(np.searchsorted(offsets, offsets[first] + max_spikes, side="right")) - 1
            last = max(fits, first + 1)
            yield first, last, *self._spikes(first, last)
            first = last

    def _offsets(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.spike_counts)]).astype(np.int64)

    def _spikes(self, first: int, last: int) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
        _, checked = self._open()
        try:
            raw_times, units = checked.times.read(first, last), checked.units.read(first, last)
        except (OSError, ValueError) as error:
            raise self._damaged("spikes", error) from None
        # Arithmetic in float16 would stay float16 and overflow: convert first.
        with np.errstate(invalid="ignore"):
            times = raw_times.astype(np.float64)
        where = f"sample {first}" if last == first + 1 else f"samples {first} … {last - 1}"
        if not np.all((times >= 0) & (times < MAX_TIME_S)):
            raise self._error(f"{where}: a spike time is negative, not finite or too large")
        if units.size and not 0 <= int(units.min()) <= int(units.max()) < self.n_units:
            raise self._error(f"{where}: a unit is outside 0 … {self.n_units - 1}")
        return times, units.astype(np.uint16)

    def _integers(self, name: str, high: int = 2**31) -> NDArray[np.int64]:
        values = self._read(name)
        if values.size and not (values.min() >= -1 and values.max() < high):
            raise self._error(f"{name} contains a value outside -1 … {high - 1}")
        return values.astype(np.int64)

    def _seconds(self, name: str) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            values = self._read(name).astype(np.float64)
        if not np.all((values >= 0) & (values < MAX_TIME_S)):
            raise self._error(f"{name} contains a value that is not a valid time in seconds")
        return values

    def _strings(self, name: str) -> tuple[str, ...] | None:
        if name not in self._open()[1].arrays:
            return None
        # Paths must match file names byte by byte; names are only displayed.
        errors = "surrogateescape" if name == "extra/source" else "backslashreplace"
        try:
            values = self._open()[1].arrays[name].read_strings()
        except (OSError, ValueError, struct.error) as error:
            raise self._damaged(name, error) from None
        return tuple(value.decode("utf-8", errors) for value in values)

    def _read(self, name: str) -> NDArray[Any]:
        try:
            return self._open()[1].arrays[name].read()
        except (OSError, ValueError, struct.error) as error:
            raise self._damaged(name, error) from None

    def _damaged(self, name: str, error: Exception) -> SpikeFileError:
        return self._error(f"{name} {printable(' '.join(str(error).split()))[:200]}")

    def _error(self, text: str) -> SpikeFileError:
        return SpikeFileError(f"{printable(str(self.path))}: {text}")
