"""Which samples of a spike file a trained model must not be tried on: those of the test split of its data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikebench.protocol.opening import (
    is_data_of,
    positions_of_test,
    recordings_of_test,
    spikes_of_test,
)
from spikebench.protocol.results import DatasetRecord
from spikebench.records.whole_files import file_sha256
from spikebench.spike_files.fingerprint import spike_digests
from spikebench.spike_files.reader import SpikeFile

__all__ = ["closed_samples", "copies_of_test"]


def closed_samples(data: str, dataset: DatasetRecord, file: SpikeFile) -> NDArray[np.bool_]:
    """Mark the samples of a file that are in the test split of the data of a run.

    Parameters
    ----------
    data, dataset
        Name or path of the run's data, and its record.
    file
        Any spike file.

    Returns
    -------
    ndarray of bool, shape (samples,)
        True for samples of that split, and for copies of them: of their recordings, or with their spikes. All are
        true if the file belongs to the data of the run, and which of its samples are in the test split is unknown.

    Raises
    ------
    SpikeFileError
        If the file cannot be read.
    DataError
        If its fingerprint cannot be cached.
    """
    marks = copies_of_test(data, file)
    sha256 = file_sha256(file.path)
    if is_data_of(data, dataset, file.path, sha256):
        positions = positions_of_test(data, file.path, sha256)
        marks[slice(None) if positions is None else positions] = True
    return marks


def copies_of_test(data: str, file: SpikeFile) -> NDArray[np.bool_]:
    """Mark the samples of a file that are copies of samples of the test split of other data.

    Parameters
    ----------
    data
        Name or path of the other data.
    file
        Any spike file.

    Returns
    -------
    ndarray of bool, shape (samples,)
        True where the recording or the spikes are those of a test sample; all false if the other data are not on this
        machine.

    Raises
    ------
    SpikeFileError
        If the file cannot be read.
    """
    recordings, spikes = recordings_of_test(data), spikes_of_test(data)
    marks = np.zeros(file.n_samples, dtype=bool)
    if recordings and file.sha256:
        marks |= [digest in recordings for digest in file.sha256]
    if spikes:
        marks |= [digest in spikes for digest in spike_digests(file)]
    return marks
