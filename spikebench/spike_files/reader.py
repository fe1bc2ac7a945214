"""Spike files: HDF5 in the layout in which SHD and SSC were published, with more known per sample.

::

    /spikes/times          [N] variable length, float32 (float16 in the published files), seconds
    /spikes/units          [N] variable length, uint16; 0 is the highest frequency
    /labels                [N] int64, -1 unknown
    /extra/speaker         [N] int64, -1 unknown
    /extra/keys            [classes] UTF-8 strings of fixed length, index = label
    /extra/speaker_names   [speakers] strings, index = speaker; only where speakers had to be numbered
    /extra/split           [N] strings train, validation, test or empty; only where one is known
    /extra/source          [N] strings, path below the folder that was converted
    /extra/sha256          [N] strings, of the source file, hexadecimal
    /extra/sample_rate_hz  [N] int64, rate of the source
    /extra/duration_s      [N] float64, length of the source
    /extra/audio_channels  [N] int64, channels of the source before mixing down
    /extra/segment         [N] int64, number of the piece, from 1; only where recordings were cut
    /extra/start_s         [N] float64, where the piece begins in the source; only then

Attributes of the root say how it was made: ``format``, ``format_version``, ``n_units``, ``time_unit``,
``time_origin`` and the provenance that the writer was given; what is no number or string is JSON under
a name that ends in ``_json``. Published files have none of them: they have 700 units.

Arrays are chunked, with shuffle and gzip. HDF5 keeps the values of variable-length elements in a heap
that no filter reaches, so the spikes themselves are not compressed (6.0 bytes per spike, measured); only
their references and the per-sample arrays are. That is the price of a file that any SHD loader opens.
The same contents give the same bytes with the same version of HDF5: no time stamps are kept.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikebench.errors import OutputExistsError, SpikeFileError
from spikebench.records.text import printable
from spikebench.spike_files.guard import Checked, open_checked, read_attributes
from spikebench.spike_files.hdf5.format import ByteFile

__all__ = ["Events", "SpikeFile", "SpikeWriter"]

FORMAT = "spikebench spikes"
FORMAT_VERSION = 1
PUBLISHED_UNITS = 700
MAX_UNITS = 2**16
MAX_TIME_S = 1e5
SPLITS = ("train", "validation", "test", "")
_BLOCK_SPIKES = 2**20
_SPARE_BYTES = 8 * 2**20


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
    """A spike file, opened and checked when it is first used, once per process.

    Parameters
    ----------
    path
        A file of the published layout, from anyone.

    Notes
    -----
    Every access can raise :class:`spikebench.errors.SpikeFileError`; its message begins with the path.
    The object can be sent to another process, which opens the file for itself.
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
        # A file that was opened before a fork is the parent's to close: never use it.
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), *open_checked(self.path))
        return self._opened[1:]

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self._open()[1].lengths)

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Spikes per sample, int64, shape (samples,); known without reading them."""
        return self._open()[1].lengths

    @property
    def time_dtype(self) -> np.dtype[np.generic]:
        """Type in which the file keeps times: float16, float32 or float64."""
        return self._open()[1].times.kind.newbyteorder("=")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Attributes of the root: how the file was made; empty for published files."""
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
            raise self._error(f"format version {version!r}; this program reads {FORMAT_VERSION}")
        return provenance

    @cached_property
    def n_units(self) -> int:
        """Number of units; 700 where the file does not say so, as in published files."""
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
        """Class names, index = label; empty where the file has none."""
        return self._strings("extra/keys") or ()

    @cached_property
    def speaker_names(self) -> tuple[str, ...]:
        """Names of speakers, index = speaker; empty where speakers are numbers of their own."""
        return self._strings("extra/speaker_names") or ()

    @cached_property
    def splits(self) -> tuple[str, ...] | None:
        """``train``, ``validation``, ``test`` or empty for each sample; None where the file has none."""
        splits = self._strings("extra/split")
        if splits is not None and not set(splits) <= set(SPLITS):
            odd = next(iter(set(splits) - set(SPLITS)))
            raise self._error(f"extra/split holds {printable(odd)[:40]!r}")
        return splits

    @cached_property
    def sources(self) -> tuple[str, ...] | None:
        """Path of each recording below the folder that was converted; None where unknown."""
        return self._strings("extra/source")

    @cached_property
    def sha256(self) -> tuple[str, ...] | None:
        """SHA-256 of each recording, hexadecimal; None where unknown."""
        return self._strings("extra/sha256")

    @cached_property
    def sample_rates_hz(self) -> NDArray[np.int64] | None:
        """Sample rate of each recording [Hz], int64, shape (samples,); None where unknown."""
        has = "extra/sample_rate_hz" in self._open()[1].arrays
        return self._integers("extra/sample_rate_hz") if has else None

    @cached_property
    def segments(self) -> NDArray[np.int64] | None:
        """Number of the piece of its recording that each sample is, from 1; None where they are whole."""
        has = "extra/segment" in self._open()[1].arrays
        return self._integers("extra/segment") if has else None

    @cached_property
    def starts_s(self) -> NDArray[np.float64]:
        """Where each sample begins in its recording [s], float64, shape (samples,)."""
        if "extra/start_s" not in self._open()[1].arrays:
            return np.zeros(self.n_samples)
        return self._seconds("extra/start_s")

    @cached_property
    def durations_s(self) -> NDArray[np.float64] | None:
        """Length of each recording [s], float64, shape (samples,); None where unknown."""
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
            If there is no such sample.
        SpikeFileError
            If a time is not a time or a unit is not one of the file's.
        """
        if not 0 <= index < self.n_samples:
            raise IndexError(f"sample {index} of {self.n_samples} (they count from 0)")
        times, units = self._spikes(index, index + 1)
        return times, units.astype(np.int64)

    def read(self) -> Events:
        """Read all spikes.

        Returns
        -------
        Events
            All samples, one after the other.

        Raises
        ------
        SpikeFileError
            If a time is not a time or a unit is not one of the file's.
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
        """Read all spikes, some samples at a time, in memory that does not grow with the file.

        Parameters
        ----------
        max_spikes
            How many spikes a block may hold; a sample that has more is a block of its own.

        Yields
        ------
        first, last : int
            The block holds samples first … last - 1. Blocks follow one another, without a gap.
        times : ndarray of float64, shape (spikes,)
            Seconds, sample after sample; where each begins follows from :attr:`spike_counts`.
        units : ndarray of uint16, shape (spikes,)

        Raises
        ------
        SpikeFileError
            If a time is not a time or a unit is not one of the file's.
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
        # float16 stays float16 in arithmetic and overflows: convert before anything else.
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
            raise self._error(f"{name} holds a value outside -1 … {high - 1}")
        return values.astype(np.int64)

    def _seconds(self, name: str) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            values = self._read(name).astype(np.float64)
        if not np.all((values >= 0) & (values < MAX_TIME_S)):
            raise self._error(f"{name} holds something that is no length of time")
        return values

    def _strings(self, name: str) -> tuple[str, ...] | None:
        if name not in self._open()[1].arrays:
            return None
        # Paths must find their files again, whatever their bytes; names are only shown.
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


class SpikeWriter:
    """Write a spike file sample by sample, whole or not at all.

    Samples go to a ``.partial`` file beside the final name, which it gets when the ``with`` block
    ends without an error; otherwise it is removed.

    Parameters
    ----------
    path
        The file to make.
    n_units
        Number of units, 1 … 65536.
    keys
        Class names, index = label; empty if there are none.
    provenance
        How the spikes were made: numbers, strings, and whatever JSON holds.
    time_dtype
        ``float32``, or ``float16`` as in the published files (0.98 ms apart above 1 s).
    overwrite
        Whether a file that is there may be replaced.
    speaker_names
        Index = speaker, where speakers had to be numbered.

    Raises
    ------
    OutputExistsError
        If the file is there and may not be replaced.
    SpikeFileError
        If it cannot be written.
    ValueError
        If an argument is out of range.
    """

    def __init__(
        self,
        path: Path | str,
        n_units: int,
        keys: Sequence[str],
        provenance: Mapping[str, Any],
        time_dtype: str = "float32",
        overwrite: bool = False,
        speaker_names: Sequence[str] = (),
    ) -> None:
        if not 1 <= n_units <= MAX_UNITS:
            raise ValueError(f"n_units must be in 1 … {MAX_UNITS}, got {n_units}")
        if time_dtype not in ("float32", "float16"):
            raise ValueError(f"time_dtype must be float32 or float16, got {time_dtype!r}")
        self.path = Path(path)
        self.n_units = n_units
        self.keys = tuple(keys)
        self.speaker_names = tuple(speaker_names)
        self.n_samples = self.n_spikes = 0
        self._provenance = dict(provenance)
        self._time_dtype = np.dtype(time_dtype)
        self._overwrite = overwrite
        self._file: Any = None
        self._columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}

    def __enter__(self) -> Self:
        refuse_existing(self.path, self._overwrite)
        self._partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        # An interrupt can come as soon as the file is there.
        try:
            self._file = h5py.File(self._partial, "x", libver=("earliest", "v110"))
            spikes = self._file.create_group("spikes")
            self._times = self._sequences(spikes, "times", self._time_dtype)
            self._units = self._sequences(spikes, "units", np.dtype(np.uint16))
            self._write_attributes(
                {
                    "format": FORMAT,
                    "format_version": FORMAT_VERSION,
                    "n_units": self.n_units,
                    "time_unit": "s",
                    **self._provenance,
                }
            )
        except OSError as error:
            self._discard()
            raise self._cannot_write(error) from None
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as failure:
            raise self._cannot_write(failure) from None
        finally:
            self._discard()

    def append(
        self,
        times: ArrayLike,
        units: ArrayLike,
        label: int = -1,
        speaker: int = -1,
        split: str = "",
        source: str = "",
        sha256: str = "",
        sample_rate_hz: int = 0,
        duration_s: float = 0.0,
        audio_channels: int = 0,
        segment: int = 0,
        start_s: float = 0.0,
    ) -> None:
        """Append one sample.

        Parameters
        ----------
        times
            Seconds, shape (spikes,), not decreasing.
        units
            Integers in 0 … n_units - 1, shape (spikes,).
        label, speaker
            -1 is unknown.
        split
            ``train``, ``validation``, ``test`` or empty.
        source, sha256, sample_rate_hz, duration_s, audio_channels
            The recording: relative path, SHA-256, rate [Hz], length [s], channels.
        segment, start_s
            Number of the piece of the recording, from 1, and where it begins [s]; 0 is the whole.

        Raises
        ------
        ValueError
            If times are unsorted, negative, not finite or too large for their type, or anything else
            is out of range. Nothing is appended then.
        """
        written, unit_array = self._checked_events(times, units)
        self._require_space()
        if not -1 <= label < len(self.keys):
            raise ValueError(f"label {label} is outside -1 … {len(self.keys) - 1}")
        if not -1 <= speaker < 2**31:
            raise ValueError(f"speaker {speaker} is outside -1 … {2**31 - 1}")
        if split not in SPLITS:
            raise ValueError(
                f"split must be one of {', '.join(SPLITS[:3])} or empty, got {split!r}"
            )
        for what, seconds in (("duration", duration_s), ("start", start_s)):
            if not 0 <= seconds < MAX_TIME_S:
                raise ValueError(f"{what} {seconds} s is outside 0 … {MAX_TIME_S:g} s")
        row = (
            *(label, speaker, split, source, sha256, sample_rate_hz, duration_s, audio_channels),
            *(segment, start_s),
        )
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)
        try:
            for dataset, values in ((self._times, written), (self._units, unit_array)):
                dataset.resize((self.n_samples + 1,))
                dataset[self.n_samples] = values
        except OSError as error:
            raise self._cannot_write(error) from None
        self.n_samples += 1
        self.n_spikes += len(written)

    def annotate(self, attributes: Mapping[str, Any]) -> None:
        """Say more about the file than was known when it was begun.

        Parameters
        ----------
        attributes
            Numbers, strings, and whatever JSON holds; as the writer's ``provenance``.
        """
        try:
            self._write_attributes(attributes)
        except OSError as error:
            raise self._cannot_write(error) from None

    def empty_classes(self) -> list[str]:
        """List the classes without samples.

        Returns
        -------
        list of str
            Their names, in order.
        """
        there = set(self._columns["labels"])
        return [key for label, key in enumerate(self.keys) if label not in there]

    def drop_empty_classes(self) -> list[str]:
        """Remove the classes without samples, and renumber the others.

        Returns
        -------
        list of str
            Names of the removed classes, in order.
        """
        dropped = self.empty_classes()
        kept = sorted({*self._columns["labels"]} - {-1})
        number = {-1: -1, **{label: place for place, label in enumerate(kept)}}
        self._columns["labels"] = [number[label] for label in self._columns["labels"]]
        self.keys = tuple(self.keys[label] for label in kept)
        return dropped

    def _checked_events(
        self, times: ArrayLike, units: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[np.uint16]]:
        exact = np.asarray(times, dtype=np.float64)
        wide = np.asarray(units)
        if exact.ndim != 1 or exact.shape != wide.shape:
            raise ValueError(
                f"times {exact.shape} and units {wide.shape} must be lists of one length"
            )
        if not np.all((exact >= 0) & (exact < MAX_TIME_S)):
            raise ValueError("times must be finite, not negative and within a day")
        if np.any(np.diff(exact) < 0):
            raise ValueError("times must be sorted")
        if wide.size and (
            wide.dtype.kind not in "iu" or wide.min() < 0 or wide.max() >= self.n_units
        ):
            raise ValueError(f"units must be integers in 0 … {self.n_units - 1}")
        if exact.size and exact[-1] > np.finfo(self._time_dtype).max:
            raise ValueError(f"time {exact[-1]} s is too large for {self._time_dtype}")
        return exact.astype(self._time_dtype), wide.astype(np.uint16)

    def _require_space(self) -> None:
        """Stop before the disk is full: HDF5 cannot close a file that it cannot flush."""
        free = shutil.disk_usage(self._partial.parent).free
        if free < _SPARE_BYTES:
            raise SpikeFileError(
                f"{printable(str(self.path))}: cannot write: the disk is full "
                f"({free // 2**10} KiB left, {_SPARE_BYTES // 2**20} MiB are needed to go on)"
            )

    def _finish(self) -> None:
        self._require_space()
        for name, values in self._columns.items():
            if name not in _ONLY_WHERE_KNOWN or any(values):
                self._write_array(name, values)
        self._write_array("extra/keys", list(self.keys))
        if self.speaker_names:
            self._write_array("extra/speaker_names", list(self.speaker_names))
        self._file.close()
        with self._partial.open("rb") as file:
            os.fsync(file.fileno())
        refuse_existing(self.path, self._overwrite)
        os.replace(self._partial, self.path)

    def _cannot_write(self, error: OSError) -> SpikeFileError:
        reason = os.strerror(error.errno).lower() if error.errno else " ".join(str(error).split())
        return SpikeFileError(f"{printable(str(self.path))}: cannot write: {reason}")

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
        self._partial.unlink(missing_ok=True)

    def _sequences(self, group: h5py.Group, name: str, kind: np.dtype[Any]) -> h5py.Dataset:
        return group.create_dataset(
            name,
            shape=(0,),
            maxshape=(None,),
            chunks=(_CHUNK,),
            dtype=h5py.vlen_dtype(kind),
            **_FILTERED,
        )

    def _write_array(self, name: str, values: list[Any]) -> None:
        kind = _COLUMNS.get(name, "S")
        if kind == "S":
            encoded = [value.encode("utf-8", "surrogateescape") for value in values]
            array = np.array(encoded, dtype=f"S{max(map(len, encoded), default=1) or 1}")
        else:
            array = np.array(values, dtype=kind)
        filtered = {"chunks": (min(len(array), _CHUNK),), **_FILTERED} if len(array) else {}
        self._file.create_dataset(name, data=array, **filtered)

    def _write_attributes(self, attributes: Mapping[str, Any]) -> None:
        for name, value in attributes.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._file.attrs.create(name, value)
                continue
            if not isinstance(value, str):
                name, value = f"{name}_json", json.dumps(value, ensure_ascii=False, sort_keys=True)
            text = value.encode("utf-8", "surrogateescape")
            self._file.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", max(len(text), 1)))


_CHUNK = 256
_FILTERED: dict[str, Any] = {"compression": "gzip", "shuffle": True, "track_times": False}
_COLUMNS = {
    "labels": "int64",
    "extra/speaker": "int64",
    "extra/split": "S",
    "extra/source": "S",
    "extra/sha256": "S",
    "extra/sample_rate_hz": "int64",
    "extra/duration_s": "float64",
    "extra/audio_channels": "int64",
    "extra/segment": "int64",
    "extra/start_s": "float64",
}
_ONLY_WHERE_KNOWN = ("extra/split", "extra/segment", "extra/start_s")


def remove_left_overs(path: Path) -> None:
    """Remove what killed writers of a file left beside it.

    Parameters
    ----------
    path
        The file that nobody else is writing now.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        left.unlink(missing_ok=True)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Refuse to write where something is already, or where nothing can be.

    Parameters
    ----------
    path
        The file to make.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    OutputExistsError
        If the file is there and may not be replaced.
    SpikeFileError
        If the path is a folder, or its folder is missing.
    """
    name = printable(str(path))
    if path.is_dir():
        raise SpikeFileError(f"{name}: is a folder; name a file in it")
    if not path.parent.is_dir():
        folder = printable(str(path.parent))
        raise SpikeFileError(f"{name}: there is no folder {folder}; make it first (mkdir -p)")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{name}: exists already (--overwrite replaces it)")
