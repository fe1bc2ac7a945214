"""What a trained model answers over the time heard.

The model answers any sample but those of the test split of the data on which it was trained: only ``evaluate`` opens
that split, because it counts the openings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spikebench.deployment.closed import closed_samples
from spikebench.deployment.prediction import Listener
from spikebench.deployment.recording import MelSample
from spikebench.errors import ProtocolError
from spikebench.events.dataset import Sample
from spikebench.mel.spectrogram import log_mel
from spikebench.recordings.decoding import Recording
from spikebench.records.text import printable
from spikebench.spike_files.reader import SpikeFile

__all__ = ["Answers"]

_MOMENTS = 50


class Answers:
    """Answers of a trained model to the samples of a file.

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
        self._listener, self._spikes, self._find = listener, spikes, find
        self._closed = closed_samples(listener.data, listener.record.dataset, spikes)
        self.classes = [printable(name) for name in listener.classes]
        self.model = listener.record.model

    def refusal(self, index: int) -> str:
        """Return why the model does not answer a sample; empty if it does.

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
        name = printable(self._listener.record.dataset.name)
        return (
            f"this sample is in the test split of {name}, on which the model was trained; "
            "open that split with: spikebench evaluate --checkpoint RUN"
        )

    def over_time(self, index: int) -> dict[str, Any]:
        """Let the model answer a sample.

        Parameters
        ----------
        index
            The sample.

        Returns
        -------
        dict
            ``times`` [s], shape (moments,); ``shares``: softmax of the scores, shape (moments, classes);
            ``decided``: when the answer changed for the last time [s].

        Raises
        ------
        ProtocolError
            If the sample is in the test split of the data of the model.
        SpikebenchError
            If the model works on recordings, and that of the sample is not there.
        """
        if reason := self.refusal(index):
            raise ProtocolError(reason)
        moments = min(_MOMENTS, self._listener.n_steps)
        answers = self._listener.over_time([self._sample(index)], moments)
        scores = answers.scores[:, 0].astype(np.float64)
        powers = np.exp(scores - scores.max(1, keepdims=True))
        shares = powers / powers.sum(1, keepdims=True)
        return {
            "times": answers.times.round(6).tolist(),
            "shares": shares.round(4).tolist(),
            "decided": round(float(answers.decided()[0]), 6),
        }

    def _sample(self, index: int) -> Sample | MelSample:
        design = self._listener.design
        if design is not None:
            heard = self._find(index).without_offset()
            return MelSample(log_mel(heard.samples, heard.sample_rate, design), heard.duration)
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
