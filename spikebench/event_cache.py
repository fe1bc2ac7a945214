"""The spikes of a file as flat arrays, mapped into memory: built once, opened in a millisecond.

HDF5 reads variable-length samples one by one and slowly. So the first use of a spike file checks and reads
it as a whole, block by block, and leaves beside the data sets::

    events/<SHA-256 of the file>-v1/
        offsets.npy    int64 (samples + 1,)      sample k has the spikes offsets[k] … offsets[k + 1]
        times.npy      float32 or float64, seconds, sorted within each sample
        units.npy      uint16
        labels.npy, speakers.npy, splits.npy, durations.npy       per sample
        events.json    sizes, class names, and where the file was

The name is the file's hash, so a file that changed has another cache; what its old contents left behind is
removed. A folder gets its name when it is whole, and one process builds while others wait, so parallel first
use is safe. A cache whose files do not have the sizes that it says is built anew.
"""

from __future__ import annotations

import fcntl
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

from spikebench.errors import DataError
from spikebench.spike_file import SPLITS, SpikeFile
from spikebench.store.folder import data_root

__all__ = ["FlatEvents", "open_events"]

FORMAT_VERSION = 1
_META = "events.json"
_UNKNOWN_DURATION = -1.0


@dataclass(frozen=True, eq=False)
class FlatEvents:
    """All spikes of a file, one after the other.

    An object that was opened from a cache is sent to another process as the path of that cache, which the
    other process opens for itself; one made of arrays is sent with them.

    Attributes
    ----------
    offsets : ndarray of int64, shape (samples + 1,)
        Sample k has the spikes offsets[k] … offsets[k + 1].
    times : ndarray of float32 or float64, shape (spikes,)
        Seconds, sorted within each sample. float64 only where the file has float64.
    units : ndarray of uint16, shape (spikes,)
    labels, speakers : ndarray of int64, shape (samples,)
        -1 is unknown.
    splits : ndarray of int8, shape (samples,)
        Index into :data:`spikebench.spike_file.SPLITS`: train, validation, test, unknown.
    durations : ndarray of float64, shape (samples,)
        Length of each recording [s]; -1 is unknown.
    n_units : int
        Number of units.
    keys : tuple of str
        Class names, index = label.
    synthetic : bool
        Whether the file says that its voices are synthetic.
    dataset : str
        The data set that the file says it is a complete remake of, or empty.
    folder : Path or None
        The cache; None for arrays in memory.
    """

    offsets: NDArray[np.int64]
    times: NDArray[np.floating[Any]]
    units: NDArray[np.uint16]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    splits: NDArray[np.int8]
    durations: NDArray[np.float64]
    n_units: int
    keys: tuple[str, ...]
    synthetic: bool = False
    dataset: str = ""
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
        """Make it from samples in memory.

        Parameters
        ----------
        samples
            Times [s] and units of each sample; at least one.
        n_units
            Number of units.
        labels, speakers
            int64, shape (samples,); by default unknown.
        keys
            Class names.

        Returns
        -------
        FlatEvents
            Without a cache.
        """
        unknown = np.full(len(samples), -1, dtype=np.int64)
        sizes = [len(times) for times, _ in samples]
        return cls(
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            times=np.concatenate([np.asarray(times, np.float64) for times, _ in samples]),
            units=np.concatenate([np.asarray(units, np.uint16) for _, units in samples]),
            labels=unknown if labels is None else labels,
            speakers=unknown if speakers is None else speakers,
            splits=np.full(len(samples), SPLITS.index(""), dtype=np.int8),
            durations=np.full(len(samples), _UNKNOWN_DURATION),
            n_units=n_units,
            keys=keys,
        )


def open_events(path: Path, sha256: str | None = None) -> FlatEvents:
    """Open the spikes of a file as flat arrays; the first time, build them.

    Parameters
    ----------
    path
        A spike file, from anyone.
    sha256
        Of the file, where the caller has just computed it.

    Returns
    -------
    FlatEvents
        Mapped into memory, read-only.

    Raises
    ------
    SpikeFileError
        If there is no such file or it fails the checks of :mod:`spikebench.hdf5_guard`.
    DataError
        If the cache cannot be written, or the file changed while it was read.
    """
    digest = sha256 or _file_sha256(path)
    folder = data_root() / "events" / f"{digest}-v{FORMAT_VERSION}"
    if not _is_whole(folder):
        with _writable(folder.parent), _locked(folder):
            if not _is_whole(folder):  # else another process built it meanwhile
                _build(path, digest, folder)
                _remove_older(folder)
    return _open_folder(folder)


def _file_sha256(path: Path) -> str:
    if not path.is_file():
        _ = SpikeFile(path).n_samples  # raises what is wrong with the path
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open_folder(folder: Path) -> FlatEvents:
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        # Plain arrays over the map: slices of np.memmap itself cost ten times as much.
        arrays = {name: np.asarray(_map(folder / f"{name}.npy")) for name in meta["bytes"]}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder}: cannot be read: {error}; remove it and try again") from None
    return FlatEvents(
        **arrays,
        n_units=meta["n_units"],
        keys=tuple(meta["keys"]),
        synthetic=meta["synthetic"],
        dataset=meta["dataset"],
        folder=folder,
    )


def _map(path: Path) -> NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array if array.size else np.array(array)


def _is_whole(folder: Path) -> bool:
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        sizes: dict[str, int] = meta["bytes"]
        return all((folder / f"{k}.npy").stat().st_size == size for k, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def _writable(root: Path) -> Iterator[None]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(
            f"{root}: the cache of spikes cannot be written: {reason}; "
            "SPIKEBENCH_DATA=FOLDER names another place"
        ) from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(path: Path, digest: str, folder: Path) -> None:
    for left in folder.parent.glob(f".{folder.name}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)  # of a process that was killed; we hold the lock
    partial = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.partial"
    partial.mkdir()
    try:
        with SpikeFile(path) as spikes:
            _write_arrays(spikes, partial)
            _write_meta(spikes, digest, partial)
        if _file_sha256(path) != digest:
            raise DataError(f"{path}: changed while it was read; try again")
        if folder.exists():  # damaged, else it would not be built
            shutil.rmtree(folder)
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_arrays(spikes: SpikeFile, partial: Path) -> None:
    sizes = spikes.spike_counts
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    _save(partial, "offsets", offsets)
    marks = spikes.splits or [""] * len(sizes)
    durations = spikes.durations_s
    if durations is None:
        durations = np.full(len(sizes), _UNKNOWN_DURATION)
    _save(partial, "labels", spikes.labels)
    _save(partial, "speakers", spikes.speakers)
    _save(partial, "splits", np.array([SPLITS.index(mark) for mark in marks], dtype=np.int8))
    _save(partial, "durations", durations)
    kind = np.dtype(np.float64 if spikes.time_dtype.itemsize > 4 else np.float32)
    with (
        _growing(partial / "times.npy", kind, offsets[-1]) as times_file,
        _growing(partial / "units.npy", np.dtype(np.uint16), offsets[-1]) as units_file,
    ):
        for first, last, times, units in spikes.blocks():
            order = _order(times, offsets[first : last + 1] - offsets[first])
            times_file.write(times[order].astype(kind).tobytes())
            units_file.write(units[order].astype(np.uint16).tobytes())


def _order(times: NDArray[np.float64], offsets: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Find the order that sorts every sample by time, spikes of one time as they stood."""
    falls = np.flatnonzero(np.diff(times) < 0) + 1
    if np.isin(falls, offsets).all():  # only from one sample to the next
        return slice(None)
    owner = np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
    return np.lexsort((times, owner))


def _save(partial: Path, name: str, array: NDArray[Any]) -> None:
    with (partial / f"{name}.npy").open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _growing(path: Path, kind: np.dtype[Any], size: int) -> Iterator[IO[bytes]]:
    # Written, not mapped: a full disk is then an error and not the end of the process.
    with path.open("wb") as file:
        header = {"descr": kind.str, "fortran_order": False, "shape": (int(size),)}
        np.lib.format.write_array_header_2_0(file, header)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write_meta(spikes: SpikeFile, digest: str, partial: Path) -> None:
    made = spikes.provenance
    remade = made.get("dataset", "") if made.get("complete") == 1 else ""
    meta = {
        "format_version": FORMAT_VERSION,
        "sha256": digest,
        "source": str(spikes.path.resolve()),
        "n_units": spikes.n_units,
        "keys": list(spikes.keys),
        "synthetic": bool(made.get("synthetic_voices")),
        "dataset": remade if isinstance(remade, str) else "",
        "bytes": {path.stem: path.stat().st_size for path in sorted(partial.glob("*.npy"))},
    }
    (partial / _META).write_text(json.dumps(meta) + "\n", encoding="utf-8")


def _remove_older(folder: Path) -> None:
    """Remove what the same file left here before it changed."""
    source = _source(folder)
    for other in folder.parent.iterdir():
        if other.name.startswith(".") or other == folder or _source(other) != source:
            continue
        shutil.rmtree(other, ignore_errors=True)


def _source(folder: Path) -> str | None:
    try:
        source = json.loads((folder / _META).read_text(encoding="utf-8"))["source"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return source if isinstance(source, str) else None
