"""The spikes of a file as flat, memory-mapped arrays: built once, opened in a millisecond.

HDF5 reads variable-length samples one by one and slowly. The first use of a spike file therefore checks and reads
the whole file, block by block, and stores a cache beside the data sets::

    events/<SHA-256 of the file>-v1/
        offsets.npy    int64 (samples + 1,)      sample k has the spikes offsets[k] … offsets[k + 1]
        times.npy      float32 or float64, seconds, sorted within each sample
        units.npy      uint16
        positions.npy, labels.npy, speakers.npy, durations.npy    per sample
        events.json    SHA-256 of each of them, class names, and the path of the file

The name is the file's hash, so a changed file has another cache; the cache of its old contents is
removed. A cache may hold only some samples of a file (its name then includes the hash of their list). The data for
model selection is opened in this way, and its cache holds no spike of the test split.

A folder gets its name when it is complete, and one process builds while others wait, so parallel first use is
safe. Whenever a cache is opened, its arrays are hashed, unless this process has hashed them before and they have not
been written to since. If a hash differs from that of the build, the cache is rebuilt.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import DataError, ResultError
from spikebench.records.locks import file_lock
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import file_sha256, file_sha256_once
from spikebench.spike_files.layout import MAX_TIME_S, MAX_UNITS
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.folder import data_root

__all__ = ["FlatEvents", "open_events"]

FORMAT_VERSION = 1
_META = "events.json"
_ARRAYS = ("offsets", "times", "units", "positions", "labels", "speakers", "durations")
_UNKNOWN_DURATION = -1.0
# All exceptions that reading invalid JSON and arrays can raise.
_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, eq=False)
class FlatEvents:
    """All spikes of a file in flat arrays.

    An object that was opened from a cache is pickled as the path of that cache, which the other process opens
    again; an object made from arrays is pickled with them.

    Attributes
    ----------
    offsets : ndarray of int64, shape (samples + 1,)
        Sample k has the spikes offsets[k] … offsets[k + 1].
    times : ndarray of float32 or float64, shape (spikes,)
        Times [s], sorted within each sample; float64 only if the file has float64.
    units : ndarray of uint16, shape (spikes,)
        Unit of each spike.
    positions : ndarray of int64, shape (samples,)
        Position of each sample in the file.
    labels, speakers : ndarray of int64, shape (samples,)
        Class and speaker of each sample; -1 is unknown.
    durations : ndarray of float64, shape (samples,)
        Length of each recording [s]; -1 is unknown.
    n_units : int
        Number of units.
    keys : tuple of str
        Class names, index = label.
    folder : Path or None
        The cache; None for arrays in memory.
    """

    offsets: NDArray[np.int64]
    times: NDArray[np.floating[Any]]
    units: NDArray[np.uint16]
    positions: NDArray[np.int64]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    durations: NDArray[np.float64]
    n_units: int
    keys: tuple[str, ...]
    folder: Path | None = None

    def __len__(self) -> int:
        return self.labels.size

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is not None:
            return _open_folder, (self.folder,)
        return type(self), tuple(getattr(self, name) for name in self.__dataclass_fields__)

    @classmethod
    def from_samples(
        cls,
        samples: list[tuple[NDArray[Any], NDArray[Any]]],
        n_units: int,
        labels: NDArray[np.int64] | None = None,
        speakers: NDArray[np.int64] | None = None,
        keys: tuple[str, ...] = (),
    ) -> Self:
        """Create flat arrays from samples in memory.

        Parameters
        ----------
        samples
            Times [s] and units of each sample; at least one sample.
        n_units
            Number of units.
        labels, speakers
            Class and speaker of each sample, int64, shape (samples,); by default unknown.
        keys
            Class names.

        Returns
        -------
        FlatEvents
            Arrays without a cache.

        Raises
        ------
        ValueError
            If times are negative, not finite or too large, units are not integers in 0 … n_units - 1, or
            lengths differ.
        """
        unknown = np.full(len(samples), -1, dtype=np.int64)
        for what, given in (("labels", labels), ("speakers", speakers)):
            if given is not None and given.shape != unknown.shape:
                raise ValueError(f"{given.shape} {what} for {len(samples)} samples")
        pairs = [_checked(times, units, n_units, k) for k, (times, units) in enumerate(samples)]
        return cls(
            offsets=np.concatenate([[0], np.cumsum([len(t) for t, _ in pairs])]).astype(np.int64),
            times=np.concatenate([times for times, _ in pairs]),
            units=np.concatenate([units for _, units in pairs]),
            positions=np.arange(len(samples)),
            labels=unknown if labels is None else labels,
            speakers=unknown if speakers is None else speakers,
            durations=np.full(len(samples), _UNKNOWN_DURATION),
            n_units=n_units,
            keys=keys,
        )


def _checked(
    times: NDArray[Any], units: NDArray[Any], n_units: int, sample: int
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    seconds, whole = np.asarray(times, dtype=np.float64), np.asarray(units)
    if not isinstance(n_units, int | np.integer) or not 1 <= n_units <= MAX_UNITS:
        raise ValueError(f"n_units must be in 1 … {MAX_UNITS}, got {n_units}")
    if seconds.ndim != 1 or seconds.shape != whole.shape:
        raise ValueError(f"sample {sample}: {seconds.size} times and {whole.size} units")
    if seconds.size and not (seconds.min() >= 0 and seconds.max() < MAX_TIME_S):
        raise ValueError(f"sample {sample}: times must be finite and in 0 … {MAX_TIME_S:g} s")
    if whole.size and (
        whole.dtype.kind not in "iu" or not 0 <= whole.min() <= whole.max() < n_units
    ):
        raise ValueError(f"sample {sample}: units must be integers in 0 … {n_units - 1}")
    order = np.argsort(seconds, kind="stable")
    return seconds[order], whole.astype(np.uint16)[order]


def open_events(
    path: Path, sha256: str | None = None, samples: NDArray[np.int64] | None = None
) -> FlatEvents:
    """Open the spikes of a file as flat arrays, building them on first use.

    Parameters
    ----------
    path
        A spike file from any source.
    sha256
        SHA-256 of the file, if the caller has just computed it.
    samples
        Positions of the samples in the arrays, int64, ascending; by default all. The arrays hold no spike of
        other samples, nor any other data of them.

    Returns
    -------
    FlatEvents
        Memory-mapped, read-only arrays.

    Raises
    ------
    SpikeFileError
        If there is no such file or it fails the checks of :mod:`spikebench.spike_files.guard`.
    DataError
        If the cache cannot be written, or the file changed while it was read.
    ValueError
        If ``samples`` are not ascending.
    """
    if samples is not None and np.any(np.diff(samples) <= 0):
        raise ValueError("samples must be in ascending order")
    digest = sha256 or _file_sha256(path)
    some = "" if samples is None else f"-{hashlib.sha256(samples.tobytes()).hexdigest()[:16]}"
    folder = data_root() / "events" / f"{digest}{some}-v{FORMAT_VERSION}"
    if not _is_whole(folder):
        lock = folder.parent / f".{folder.name}.lock"
        with _writable(folder.parent), file_lock(lock, busy=lambda: None):
            if not _is_whole(folder):  # otherwise another process has built it
                _build(path, digest, folder, samples)
                _remove_older(folder)
    return _open_folder(folder)


def _file_sha256(path: Path) -> str:
    if not path.is_file():
        _ = SpikeFile(path).n_samples  # raises with the reason
    return file_sha256(path)


def _open_folder(folder: Path) -> FlatEvents:
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        # Views of type ndarray: slicing np.memmap itself takes ten times as long.
        arrays = {name: np.asarray(_map(folder / f"{name}.npy")) for name in _ARRAYS}
        n_units, keys = meta["n_units"], tuple(meta["keys"])
        if not isinstance(n_units, int) or not all(isinstance(key, str) for key in keys):
            raise ValueError(f"{_META} is damaged")
        return FlatEvents(**arrays, n_units=n_units, keys=keys, folder=folder)
    except _DAMAGED as error:
        raise DataError(f"{folder}: cannot be read: {error}; remove it and try again") from None


def _map(path: Path) -> NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array if array.size else np.array(array)


def _is_whole(folder: Path) -> bool:
    """Return whether a cache is complete and unchanged since it was built, byte for byte."""
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        text = json.dumps({name: meta[name] for name in sorted(meta) if name != "meta_sha256"})
        if hashlib.sha256(text.encode()).hexdigest() != meta["meta_sha256"]:
            return False
        return all(
            file_sha256_once(folder / f"{name}.npy") == meta["sha256_of_arrays"][name]
            for name in _ARRAYS
        )
    except (*_DAMAGED, ResultError):
        return False


@contextmanager
def _writable(root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(
            f"{root}: the cache of spikes cannot be written: {os_error_text(error)}; "
            "choose another folder with SPIKEBENCH_DATA=FOLDER"
        ) from None


def _build(path: Path, digest: str, folder: Path, samples: NDArray[np.int64] | None) -> None:
    for left in folder.parent.glob(f".{folder.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)  # of a killed process; this one holds the lock
    partial = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.partial"
    partial.mkdir()
    try:
        with SpikeFile(path) as spikes:
            _write_arrays(spikes, partial, samples)
            _write_meta(spikes, digest, partial)
        if _file_sha256(path) != digest:
            raise DataError(f"{path}: changed while it was read; try again")
        if folder.is_dir():  # damaged, otherwise it would not be rebuilt
            shutil.rmtree(folder)
        folder.unlink(missing_ok=True)
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_arrays(spikes: SpikeFile, partial: Path, samples: NDArray[np.int64] | None) -> None:
    taken = np.arange(spikes.n_samples) if samples is None else samples
    sizes = spikes.spike_counts[taken]
    durations = spikes.durations_s
    if durations is None:
        durations = np.full(spikes.n_samples, _UNKNOWN_DURATION)
    _save(partial, "offsets", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    _save(partial, "positions", taken.astype(np.int64))
    _save(partial, "labels", spikes.labels[taken])
    _save(partial, "speakers", spikes.speakers[taken])
    _save(partial, "durations", durations[taken])
    kind = np.dtype(np.float64 if spikes.time_dtype.itemsize > 4 else np.float32)
    inside = np.zeros(spikes.n_samples, dtype=bool)
    inside[taken] = True
    with (
        _growing(partial / "times.npy", kind, sizes.sum()) as times_file,
        _growing(partial / "units.npy", np.dtype(np.uint16), sizes.sum()) as units_file,
    ):
        for first, last, times, units in spikes.blocks():
            counts = spikes.spike_counts[first:last]
            owner = np.repeat(np.arange(last - first), counts)
            order = _order(times, owner)
            order = order[inside[first:last][owner[order]]]
            times_file.write(times[order].astype(kind).tobytes())
            units_file.write(units[order].astype(np.uint16).tobytes())


def _order(times: NDArray[np.float64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order that sorts every sample by time; spikes at the same time keep their order."""
    if np.any((np.diff(times) < 0) & (np.diff(owner) == 0)):
        return np.lexsort((times, owner))
    return np.arange(times.size)


def _save(partial: Path, name: str, array: NDArray[Any]) -> None:
    with (partial / f"{name}.npy").open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _growing(path: Path, kind: np.dtype[Any], size: int) -> Iterator[IO[bytes]]:
    # Written, not mapped: a full disk then raises an error instead of killing the process.
    with path.open("wb") as file:
        header = {"descr": kind.str, "fortran_order": False, "shape": (int(size),)}
        np.lib.format.write_array_header_2_0(file, header)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write_meta(spikes: SpikeFile, digest: str, partial: Path) -> None:
    meta: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "keys": list(spikes.keys),
        "n_units": spikes.n_units,
        "sha256": digest,
        "sha256_of_arrays": {name: _file_sha256(partial / f"{name}.npy") for name in _ARRAYS},
        "source": str(spikes.path.resolve()),
    }
    text = json.dumps({name: meta[name] for name in sorted(meta)})
    meta["meta_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (partial / _META).write_text(json.dumps(meta) + "\n", encoding="utf-8")


def _remove_older(folder: Path) -> None:
    """Remove the cache of earlier contents of the same file."""
    now = _identity(folder)
    for other in folder.parent.iterdir():
        if other.name.startswith(".") or other == folder:
            continue
        before = _identity(other)
        if now and before and before[0] == now[0] and before[1] != now[1]:
            shutil.rmtree(other, ignore_errors=True)


def _identity(folder: Path) -> tuple[str, str] | None:
    """Return path and SHA-256 of the file of a cache."""
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        return str(meta["source"]), str(meta["sha256"])
    except _DAMAGED:
        return None
