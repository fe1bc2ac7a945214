"""A data set as a map-style list of samples, for any loader.

A :class:`SpikeDataset` is a view of :class:`~spikebench.events.cache.FlatEvents`: a list of positions in flat,
memory-mapped arrays. A subset copies no spike, an object that is sent to another process opens the arrays
again there, and getting a sample is slicing. It does not depend on PyTorch; ``torch.utils.data.DataLoader``
accepts it directly (:class:`spikebench.events.batches.Collate` makes batches).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikebench.events.cache import FlatEvents, open_events
from spikebench.recordings.named import NamedRecordings
from spikebench.store.locate import resolve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STRUCTURED", "Sample", "SpikeDataset", "join"]

# Fields, order and integers as tonic's loaders of SHD and SSC return them: time in µs, unit, polarity 1.
STRUCTURED = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])


class Sample(NamedTuple):
    """One sample.

    Attributes
    ----------
    times : ndarray of float32 or float64, shape (spikes,)
        Times [s], sorted; read-only.
    units : ndarray of uint16, shape (spikes,)
        Unit of each spike; read-only.
    label, speaker : int
        Class and speaker; -1 is unknown.
    duration : float
        Length of the recording [s]; -1 is unknown.
    """

    times: NDArray[np.floating[Any]]
    units: NDArray[np.uint16]
    label: int
    speaker: int
    duration: float

    def __repr__(self) -> str:
        known = {"label": self.label, "speaker": self.speaker, "duration": self.duration}
        said = "".join(f", {name} {value:g}" for name, value in known.items() if value >= 0)
        return f"Sample({len(self.times):,} spikes{said})"


class SpikeDataset:
    """Samples of a spike file.

    Parameters
    ----------
    source
        A spike file (or the name of a data set that is one file), or its spikes as flat arrays.
    rows
        Positions of the samples, int, shape (samples,), in the desired order; or one bool per sample.
        By default all samples.
    recordings
        The recordings behind all samples of the arrays, for models on audio.

    Raises
    ------
    SpikeFileError, UnknownNameError, DataError
        If there is no such file, it fails its checks, or its cache cannot be written.
    IndexError
        If there is no such sample, or ``rows`` is not a list of integers or bools.

    Attributes
    ----------
    events : FlatEvents
        The arrays with the spikes.
    rows : ndarray of int64, shape (samples,)
        Position of each sample in the arrays.
    recordings : NamedRecordings or None
        The recordings behind all samples of the arrays; None if the data were opened without them.
    """

    def __init__(
        self,
        source: FlatEvents | Path | str,
        rows: ArrayLike | None = None,
        recordings: NamedRecordings | None = None,
    ) -> None:
        if not isinstance(source, FlatEvents):
            source = open_events(resolve(str(source))[0])
        self.events, self.recordings = source, recordings
        everything = np.arange(len(source))
        self.rows = everything if rows is None else everything[_chosen(rows, len(source))]

    def __len__(self) -> int:
        return self.rows.size

    def __repr__(self) -> str:
        speakers = np.unique(self.speakers)
        known = f", {np.count_nonzero(speakers >= 0)} speakers" if (speakers >= 0).any() else ""
        audio = ", with recordings" if self.recordings is not None else ""
        return (
            f"SpikeDataset({len(self):,} samples, {int(self.spike_counts.sum()):,} spikes, {self.n_units} units, "
            f"{len(self.keys)} classes{known}{audio})"
        )

    def __getitem__(self, position: int) -> Sample:
        """Return one sample; negative positions count from the end."""
        events = self.events
        k = self.rows[position]
        here = slice(events.offsets[k], events.offsets[k + 1])
        return Sample(
            events.times[here],
            events.units[here],
            int(events.labels[k]),
            int(events.speakers[k]),
            float(events.durations[k]),
        )

    @property
    def index(self) -> NDArray[np.int64]:
        """Position of each sample in its file, int64, shape (samples,)."""
        return self.events.positions[self.rows]

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.events.n_units

    @property
    def keys(self) -> tuple[str, ...]:
        """Class names, index = label."""
        return self.events.keys

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of each sample, int64, shape (samples,); -1 is unknown."""
        return self.events.labels[self.rows]

    @property
    def speakers(self) -> NDArray[np.int64]:
        """Speaker of each sample, int64, shape (samples,); -1 is unknown."""
        return self.events.speakers[self.rows]

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Spikes of each sample, int64, shape (samples,)."""
        return self.events.offsets[self.rows + 1] - self.events.offsets[self.rows]

    def subset(self, positions: ArrayLike) -> SpikeDataset:
        """Choose some samples.

        Parameters
        ----------
        positions
            Positions in this data set, int, shape (samples,); or one bool per sample.

        Returns
        -------
        SpikeDataset
            View of the same arrays.

        Raises
        ------
        IndexError
            If there is no such position, or ``positions`` is not a list of integers or bools.
        """
        return SpikeDataset(self.events, self.rows[_chosen(positions, len(self))], self.recordings)

    def structured(self, position: int) -> NDArray[np.void]:
        """Return one sample as a structured array, the input of the transforms of tonic.

        Parameters
        ----------
        position
            Position of the sample.

        Returns
        -------
        ndarray, shape (spikes,)
            Fields ``t`` (int64, µs, rounded), ``x`` (int64, unit), ``p`` (int64, 1).
        """
        sample = self[position]
        array = np.ones(sample.units.size, dtype=STRUCTURED)
        # Converted to float64 before the product: float16 and float32 lose microseconds.
        array["t"] = np.rint(sample.times.astype(np.float64) * 1e6)
        array["x"] = sample.units
        return array

    def table(self, position: int) -> pd.DataFrame:
        """Return one sample as a table.

        Parameters
        ----------
        position
            Position of the sample.

        Returns
        -------
        DataFrame
            Columns ``time_s`` and ``unit``, one row per spike.
        """
        import pandas as pd

        sample = self[position]
        return pd.DataFrame({"time_s": sample.times, "unit": sample.units})

    def samples_table(self) -> pd.DataFrame:
        """Return a table of the samples.

        Returns
        -------
        DataFrame
            One row per sample: ``index``, ``label``, ``class``, ``speaker``, ``spikes``.
        """
        import pandas as pd

        names = np.array([*self.keys, ""], dtype=object)  # label -1 selects the last
        known = np.where(self.labels < len(self.keys), self.labels, -1)
        return pd.DataFrame(
            {
                "index": self.index,
                "label": self.labels,
                "class": names[known],
                "speaker": self.speakers,
                "spikes": self.spike_counts,
            }
        )


def join(first: SpikeDataset, second: SpikeDataset) -> SpikeDataset:
    """Join two data sets that share no sample.

    Parameters
    ----------
    first, second
        Data sets with the same units and classes.

    Returns
    -------
    SpikeDataset
        If both are views of one file: a view of the same arrays, in the order of the file. Otherwise the first
        followed by the second, with their spikes copied into memory (some gigabytes for SSC).
    """
    one, other = first.events, second.events
    if one is other or (one.folder is not None and one.folder == other.folder):
        rows = np.sort(np.concatenate([first.rows, second.rows]))
        return SpikeDataset(one, rows, first.recordings)
    events = FlatEvents(
        offsets=np.concatenate([one.offsets, one.offsets[-1] + other.offsets[1:]]),
        times=np.concatenate([one.times, other.times]),
        units=np.concatenate([one.units, other.units]),
        positions=np.concatenate([one.positions, other.positions]),
        labels=np.concatenate([one.labels, other.labels]),
        speakers=np.concatenate([one.speakers, other.speakers]),
        durations=np.concatenate([one.durations, other.durations]),
        n_units=one.n_units,
        keys=one.keys,
    )
    recordings = None
    if first.recordings and second.recordings:
        pieces = first.recordings.pieces + second.recordings.pieces
        recordings = replace(first.recordings, pieces=pieces)
    return SpikeDataset(events, np.concatenate([first.rows, len(one) + second.rows]), recordings)


def _chosen(which: ArrayLike, size: int) -> NDArray[np.int64]:
    """Convert a list of positions, or a mask, to positions."""
    array = np.asarray(which)
    if array.dtype == np.bool_:
        if array.shape != (size,):
            raise IndexError(f"a mask of shape {array.shape} does not match {size} samples")
        return np.flatnonzero(array).astype(np.int64)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise IndexError(
            f"samples must be chosen by a list of integers or bools, not {array.dtype} {array.shape}"
        )
    if array.size and not -size <= int(array.min()) <= int(array.max()) < size:
        raise IndexError(f"a sample lies outside 0 … {size - 1}")
    return array.astype(np.int64)
