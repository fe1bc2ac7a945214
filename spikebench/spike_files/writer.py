"""Writing spike files, whole or not at all."""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikebench.errors import SpikeFileError
from spikebench.records.text import os_error_text, printable
from spikebench.records.whole_files import put_in_place, refuse_existing
from spikebench.spike_files.layout import (
    ARRAYS,
    FORMAT,
    FORMAT_VERSION,
    MAX_TIME_S,
    MAX_UNITS,
    SPLITS,
    STORED,
)

__all__ = ["SpikeWriter"]

_SPARE_BYTES = 8 * 2**20


class SpikeWriter:
    """Write a spike file sample by sample, whole or not at all.

    Samples are written to a ``.partial`` file beside the final one. It is renamed when the ``with`` block ends without
    an error; otherwise it is removed.

    Parameters
    ----------
    path
        Path of the file.
    n_units
        Number of units, 1 … 65536.
    keys
        Class names, index = label; empty if there are none.
    provenance
        How the spikes were made: numbers, strings, and other JSON values.
    time_dtype
        ``float32``, or ``float16`` as in the published files (0.98 ms apart above 1 s).
    overwrite
        Whether an existing file may be replaced.
    speaker_names
        Names, index = speaker, where speakers had to be numbered.

    Raises
    ------
    OutputError
        If the file exists and may not be replaced, or the path is a folder or is in a folder that does not exist.
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
        self._columns: dict[str, list[Any]] = {
            name: []
            for name, array in ARRAYS.items()
            if array.per_sample and not name.startswith("spikes/")
        }

    def __enter__(self) -> Self:
        refuse_existing(self.path, self._overwrite)
        self._partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        # The file must be removed if an interrupt occurs after its creation.
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
            Relative path of the recording, its SHA-256, rate [Hz], length [s], channels.
        segment, start_s
            Number of the segment of the recording, from 1, and its start [s]; 0 is the whole recording.

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
        """Add attributes that were not known when the file was created.

        Parameters
        ----------
        attributes
            Numbers, strings, and other JSON values; as the writer's ``provenance``.
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
                f"times {exact.shape} and units {wide.shape} must be one-dimensional and equally long"
            )
        if not np.all((exact >= 0) & (exact < MAX_TIME_S)):
            raise ValueError(f"times must be finite, not negative and below {MAX_TIME_S:g} s")
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
                f"({free // 2**10} KiB left, at least {_SPARE_BYTES // 2**20} MiB are needed)"
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
        with self._partial.open("rb+") as file:  # Windows flushes only what may be written
            os.fsync(file.fileno())
        refuse_existing(self.path, self._overwrite)
        put_in_place(self._partial, self.path)

    def _cannot_write(self, error: OSError) -> SpikeFileError:
        return SpikeFileError(f"{printable(str(self.path))}: cannot write: {os_error_text(error)}")

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
        kind = STORED[ARRAYS[name].kind]
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
_ONLY_WHERE_KNOWN = ("extra/split", "extra/segment", "extra/start_s")


def remove_left_overs(path: Path) -> None:
    """Remove temporary files of killed writers.

    Parameters
    ----------
    path
        The final file, which no other process may be writing.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        left.unlink(missing_ok=True)
