"""Samples of a spike file as the input of a trained model, without those of the test split of its data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spikebench.bands.mel import log_mel
from spikebench.deployment.closed import closed_samples
from spikebench.deployment.prediction import Listener
from spikebench.deployment.recording import MelSample
from spikebench.errors import ProtocolError
from spikebench.events.dataset import Sample
from spikebench.recordings.decoding import Recording
from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile

__all__ = ["FileSamples"]


class FileSamples:
    """Samples of a spike file for a trained model, one at a time.

    Parameters
    ----------
    listener
        The model.
    spikes
        The file.
    find
        Finds the recording of a sample, for a model on audio.

    Raises
    ------
    SpikeFileError
        If the file has another number of units than the model.
    """

    def __init__(
        self, listener: Listener, spikes: SpikeFile, find: Callable[[int], Recording]
    ) -> None:
        if listener.design is None:
            listener.require_units(spikes.path, spikes.n_units)
        self._spikes, self._find, self._design = spikes, find, listener.design
        self._name = printable(listener.record.dataset.name)
        self._closed = closed_samples(listener.data, listener.record.dataset, spikes)

    def refusal(self, index: int) -> str:
        """Return why the model must not be tried on a sample; empty if it may.

        Parameters
        ----------
        index
            The sample.

        Returns
        -------
        str
            The reason.
        """
        if not self._closed[index]:
            return ""
        return (
            f"this sample is in the test split of {self._name}, on which the model was trained; "
            "open that split with: spikebench evaluate --checkpoint RUN"
        )

    def sample(self, index: int) -> Sample | MelSample:
        """Return a sample.

        Parameters
        ----------
        index
            The sample.

        Returns
        -------
        Sample or MelSample
            Its spikes, or the mel features of its recording for a model on audio.

        Raises
        ------
        ProtocolError
            If it is in the test split of the data of the model.
        SpikebenchError
            If the model works on recordings, and that of the sample is not there.
        """
        if reason := self.refusal(index):
            raise ProtocolError(reason)
        if self._design is not None:
            heard = self._find(index).without_offset()
            levels = log_mel(heard.samples, heard.sample_rate, self._design)
            return MelSample(levels, heard.duration)
        spikes = self._spikes
        times, units = spikes.events(index)
        order = np.argsort(times, kind="stable")
        kind = np.float64 if spikes.time_dtype.itemsize > 4 else np.float32
        return Sample(
            times[order].astype(kind),
            units[order].astype(np.uint16),
            int(spikes.labels[index]),
            int(spikes.speakers[index]),
            -1.0 if spikes.durations_s is None else float(spikes.durations_s[index]),
        )
