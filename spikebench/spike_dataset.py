"""A data set as a list of samples: map-style, light, ready for any loader.

A :class:`SpikeDataset` is a view on :class:`~spikebench.event_cache.FlatEvents`: a list of positions in flat,
memory-mapped arrays. Taking a subset copies no spike, an object that is sent to another process opens the arrays
there for itself, and getting a sample is slicing. It knows nothing of PyTorch; ``torch.utils.data.DataLoader``
takes it as it is (:class:`spikebench.events.Collate` makes batches).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikebench.datasets import resolve
from spikebench.event_cache import FlatEvents, open_events

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STRUCTURED", "Sample", "SpikeDataset"]

# Fields, order and integers as tonic's loaders of SHD and SSC return them: time in µs, unit, polarity 1.
STRUCTURED = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])


class Sample(NamedTuple):
    """One sample.

    Attributes
    ----------
    times : ndarray of float32 or float64, shape (spikes,)
        Seconds, sorted; read-only.
    units : ndarray of uint16, shape (spikes,)
        Read-only.
    label, speaker : int
        -1 is unknown.
    duration : float
        Length of the recording [s]; -1 is unknown.
    """

    times: NDArray[np.floating[Any]]
    units: NDArray[np.uint16]
    label: int
    speaker: int
    duration: float


class SpikeDataset:
    """Samples of a spike file.

    Parameters
    ----------
    source
        A spike file (or the name of a data set that is one file), or its spikes as flat arrays.
    index
        Which samples, int, shape (samples,): positions in the file, in the order that they are to have; by
        default all.

    Raises
    ------
    SpikeFileError, UnknownNameError, DataError
        If there is no such file, it fails its checks, or its cache cannot be written.
    IndexError
        If the file has no such sample.

    Attributes
    ----------
    events : FlatEvents
        Where the spikes are.
    index : ndarray of int64, shape (samples,)
        Position of each sample in the file.
    """

    def __init__(self, source: FlatEvents | Path | str, index: ArrayLike | None = None) -> None:
        if not isinstance(source, FlatEvents):
            source = open_events(resolve(str(source))[0])
        self.events = source
        chosen = np.arange(len(source)) if index is None else np.asarray(index)
        self.index: NDArray[np.int64] = chosen.astype(np.int64)
        if self.index.size and not 0 <= self.index.min() <= self.index.max() < len(source):
            raise IndexError(f"a sample lies outside 0 … {len(source) - 1}")

    def __len__(self) -> int:
        return self.index.size

    def __getitem__(self, position: int) -> Sample:
        """Get one sample; negative positions count from the end."""
        events = self.events
        k = self.index[position]
        here = slice(events.offsets[k], events.offsets[k + 1])
        return Sample(
            events.times[here],
            events.units[here],
            int(events.labels[k]),
            int(events.speakers[k]),
            float(events.durations[k]),
        )

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
        return self.events.labels[self.index]

    @property
    def speakers(self) -> NDArray[np.int64]:
        """Speaker of each sample, int64, shape (samples,); -1 is unknown."""
        return self.events.speakers[self.index]

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Spikes of each sample, int64, shape (samples,)."""
        return self.events.offsets[self.index + 1] - self.events.offsets[self.index]

    def subset(self, positions: ArrayLike) -> SpikeDataset:
        """Choose some samples.

        Parameters
        ----------
        positions
            Positions in this data set, int, shape (samples,).

        Returns
        -------
        SpikeDataset
            On the same arrays.

        Raises
        ------
        IndexError
            If there is no such position.
        """
        return SpikeDataset(self.events, self.index[np.asarray(positions, dtype=np.int64)])

    def structured(self, position: int) -> NDArray[np.void]:
        """Get one sample as a structured array, as the transforms of tonic take it.

        Parameters
        ----------
        position
            Which sample.

        Returns
        -------
        ndarray, shape (spikes,)
            Fields ``t`` (int64, µs, rounded), ``x`` (int64, unit), ``p`` (int64, 1).
        """
        sample = self[position]
        array = np.ones(sample.units.size, dtype=STRUCTURED)
        # float64 before the product: float16 and float32 lose microseconds.
        array["t"] = np.rint(sample.times.astype(np.float64) * 1e6)
        array["x"] = sample.units
        return array

    def table(self, position: int) -> pd.DataFrame:
        """Get one sample as a table.

        Parameters
        ----------
        position
            Which sample.

        Returns
        -------
        DataFrame
            Columns ``time_s`` and ``unit``, one row per spike.
        """
        import pandas as pd

        sample = self[position]
        return pd.DataFrame({"time_s": sample.times, "unit": sample.units})

    def samples_table(self) -> pd.DataFrame:
        """Tabulate the samples.

        Returns
        -------
        DataFrame
            One row per sample: ``index``, ``label``, ``class``, ``speaker``, ``spikes``.
        """
        import pandas as pd

        names = np.array([*self.keys, ""], dtype=object)  # label -1 finds the last
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
