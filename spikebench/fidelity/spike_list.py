"""One sample written as a table: lines ``time_ms,unit``, with or without that header.

Samples of published files are quoted in this form, often rounded to whole milliseconds; the step of the
times is determined from the numbers and stored as the sample's resolution.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import SpikeFileError
from spikebench.records.text import os_error_text, printable
from spikebench.spike_files.layout import MAX_TIME_S

__all__ = ["SpikeList", "read_spike_list"]

HEADER = "time_ms,unit"
MAX_BYTES = 64 * 2**20
_STEPS_MS = (1.0, 0.1, 0.01, 0.001)


@dataclass(frozen=True)
class SpikeList:
    """One sample with the attributes of :class:`~spikebench.spike_files.reader.SpikeFile` used by a comparison.

    Attributes
    ----------
    path
        The table.
    times
        Times [s], float64, shape (spikes,).
    units
        Unit of each spike, int64, shape (spikes,).
    n_units
        Number of units, given by the caller, because a table does not contain it.
    resolution
        Step of the times [s].
    """

    path: Path
    times: NDArray[np.float64]
    units: NDArray[np.int64]
    n_units: int
    resolution: float
    n_samples: int = 1
    keys: tuple[str, ...] = ()
    sources: None = None
    sha256: None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class of the sample: -1 (unknown), int64, shape (1,)."""
        return np.array([-1], dtype=np.int64)

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Number of spikes, int64, shape (1,)."""
        return np.array([self.times.size], dtype=np.int64)

    def events(self, index: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the spikes of the sample, which has index 0."""
        if index != 0:
            raise IndexError(f"sample {index} of 1")
        return self.times, self.units


def read_spike_list(path: Path, n_units: int) -> SpikeList:
    """Read one sample from a table.

    Parameters
    ----------
    path
        File with lines ``time_ms,unit``; a first line with these column names is skipped.
    n_units
        Number of units.

    Returns
    -------
    SpikeList
        The sample.

    Raises
    ------
    SpikeFileError
        If the file cannot be read, is too large or empty, or has other contents.
    """
    name = printable(str(path))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpikeFileError(f"{name}: larger than {MAX_BYTES // 2**20} MiB")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise SpikeFileError(f"{name}: {os_error_text(error)}") from None
    except UnicodeDecodeError:
        raise SpikeFileError(f"{name}: is not a text file; a table has lines {HEADER}") from None
    if lines and lines[0].replace(" ", "").lower() == HEADER:
        lines[0] = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # about an empty table, which is refused below
            table = np.loadtxt(lines, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        text = printable(" ".join(str(error).split(";")[0].split()))[:120]
        raise SpikeFileError(f"{name}: is not a table with lines {HEADER}: {text}") from None
    if table.size == 0:
        raise SpikeFileError(f"{name}: contains no spikes")
    if table.shape[1] != 2:
        raise SpikeFileError(f"{name}: {table.shape[1]} columns; a table has two, {HEADER}")
    return _checked(path, name, table, n_units)


def _checked(path: Path, name: str, table: NDArray[np.float64], n_units: int) -> SpikeList:
    milliseconds, units = table.T
    if not np.all((milliseconds >= 0) & (milliseconds < 1e3 * MAX_TIME_S)):
        raise SpikeFileError(f"{name}: a spike time is negative, not finite or too large")
    if not np.all((units >= 0) & (units < n_units) & (units == np.floor(units))):
        raise SpikeFileError(f"{name}: a unit is not an integer in 0 … {n_units - 1}")
    order = np.argsort(milliseconds, kind="stable")
    step = next(
        (ms for ms in _STEPS_MS if np.allclose(milliseconds / ms, np.rint(milliseconds / ms))), 0.0
    )
    return SpikeList(
        path, milliseconds[order] / 1e3, units[order].astype(np.int64), n_units, step / 1e3
    )
