"""Data sets as the folder that ``datasets.load_from_disk`` (Hugging Face) opens.

::

    FOLDER/dataset_dict.json                         {"splits": ["train", …]}
    FOLDER/train/data-00000-of-00001.arrow           an Arrow stream, one row per sample
                 dataset_info.json, state.json       columns, licence, source; file and fingerprint

Columns: ``times_s`` (list of float, sorted), ``units`` (list of uint16), ``label`` (class; −1 is unknown), ``speaker``
(−1 is unknown), ``duration_s`` (−1 is unknown), ``index`` (position of the sample in its spike file).

Source: what ``DatasetDict.save_to_disk`` of ``datasets`` writes; opened with versions 2.21, 3.6, 4.0 and 5.2.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import DataError, OutputError
from spikebench.events.dataset import SpikeDataset
from spikebench.records.text import os_error_text, printable
from spikebench.records.whole_files import partial_folder, remove_partials

__all__ = ["write_arrow_folder"]

_DATA = "data-00000-of-00001.arrow"
_MOST_SAMPLES, _MOST_SPIKES = 1000, 4_000_000  # of a record batch


def write_arrow_folder(
    folder: Path,
    splits: Mapping[str, SpikeDataset],
    *,
    without_labels: tuple[str, ...] = (),
    about: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write data sets as a folder for ``datasets.load_from_disk``, completely or not at all.

    Parameters
    ----------
    folder
        The folder to make; an empty one may exist.
    splits
        Samples of each split.
    without_labels
        Splits whose labels and speakers are written as −1.
    about
        ``description``, ``license``, ``citation`` and ``homepage``, as far as known.
    progress
        Called with the number of written samples and their total.

    Raises
    ------
    DataError
        If the package ``pyarrow`` is not installed.
    OutputError
        If the folder exists and is not empty, or cannot be written.
    """
    shown = printable(str(folder))
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError(
            "writing Arrow files needs the package pyarrow: pip install 'spikebench[arrow]'"
        ) from None
    total, done = sum(map(len, splits.values())), 0
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{shown}: exists already and is not an empty folder; choose another")
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_partials(folder.parent, folder.name)
        with partial_folder(folder) as partial:
            for name, samples in splits.items():
                hidden = name in without_labels
                for count in _write_split(partial / name, name, samples, hidden, about or {}):
                    done += count
                    progress(done, total)
            _write_json(partial / "dataset_dict.json", {"splits": list(splits)})
            partial.chmod(0o777 & ~_umask())
            os.rename(partial, folder)
    except OSError as error:
        raise OutputError(f"{shown}: cannot be written: {os_error_text(error)}") from None


def _write_split(
    folder: Path, name: str, samples: SpikeDataset, hidden: bool, about: Mapping[str, str]
) -> Iterator[int]:
    """Write one split; yield the number of samples in each record batch."""
    import pyarrow as pa

    folder.mkdir()
    features = _features(samples)
    digest = hashlib.sha256(json.dumps([features, name, dict(about)]).encode())
    columns = [
        pa.field("times_s", pa.list_(pa.from_numpy_dtype(samples.events.times.dtype))),
        pa.field("units", pa.list_(pa.uint16())),
        *(pa.field(column, pa.int64()) for column in ("label", "speaker", "index")),
        pa.field("duration_s", pa.float64()),
    ]
    schema = pa.schema(columns)
    with pa.OSFile(str(folder / _DATA), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for rows in _batches(samples):
            batch = pa.record_batch(_columns(samples.subset(rows), hidden), schema=schema)
            stream.write_batch(batch)
            for column in batch.columns:
                for buffer in column.buffers():
                    digest.update(memoryview(buffer) if buffer is not None else b"")
            yield rows.size
    _write_json(folder / "dataset_info.json", {"features": features} | dict(about))
    state: dict[str, Any] = {
        "_data_files": [{"filename": _DATA}],
        "_fingerprint": digest.hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": name,
    }
    _write_json(folder / "state.json", state)


def _batches(samples: SpikeDataset) -> Iterator[NDArray[np.int64]]:
    """Divide the samples into batches of limited size."""
    ends = np.cumsum(samples.spike_counts)
    first = 0
    while first < len(samples):
        before = ends[first - 1] if first else 0
        within = int(np.searchsorted(ends, before + _MOST_SPIKES, side="right"))
        last = min(max(within, first + 1), first + _MOST_SAMPLES)
        yield np.arange(first, last)
        first = last


def _columns(samples: SpikeDataset, hidden: bool) -> list[Any]:
    import pyarrow as pa

    pieces = [samples[k] for k in range(len(samples))]
    offsets = pa.array(np.concatenate([[0], np.cumsum(samples.spike_counts)]), pa.int32())
    times = np.concatenate([piece.times for piece in pieces])
    units = np.concatenate([piece.units for piece in pieces])
    unknown = np.full(len(samples), -1)
    return [
        pa.ListArray.from_arrays(offsets, pa.array(times)),
        pa.ListArray.from_arrays(offsets, pa.array(units, pa.uint16())),
        pa.array(unknown if hidden else samples.labels, pa.int64()),
        pa.array(unknown if hidden else samples.speakers, pa.int64()),
        pa.array(samples.index, pa.int64()),
        pa.array(np.array([piece.duration for piece in pieces]), pa.float64()),
    ]


def _features(samples: SpikeDataset) -> dict[str, Any]:
    """Describe the columns for ``datasets``; ``Sequence`` is the name that old and new versions read."""

    def value(dtype: str) -> dict[str, Any]:
        return {"dtype": dtype, "_type": "Value"}

    def values(dtype: str) -> dict[str, Any]:
        return {"feature": value(dtype), "_type": "Sequence"}

    return {
        "times_s": values(samples.events.times.dtype.name),
        "units": values("uint16"),
        "label": {"names": list(samples.keys), "_type": "ClassLabel"},
        "speaker": value("int64"),
        "index": value("int64"),
        "duration_s": value("float64"),
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
