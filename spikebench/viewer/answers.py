"""What a trained model answers over the time heard.

The model answers any sample but those of the test split of the data on which it was trained: only ``evaluate`` opens
that split, because it counts the openings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spikebench.deployment.file_samples import FileSamples
from spikebench.deployment.prediction import Listener
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
        self._listener = listener
        self._samples = FileSamples(listener, spikes, find)
        self.classes = [printable(name) for name in listener.classes]
        self.model = listener.record.model

    def refusal(self, index: int) -> str:
        """Return why the model does not answer a sample; see :meth:`FileSamples.refusal`."""
        return self._samples.refusal(index)

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
        sample = self._samples.sample(index)
        moments = min(_MOMENTS, self._listener.n_steps)
        answers = self._listener.over_time([sample], moments)
        scores = answers.scores[:, 0].astype(np.float64)
        powers = np.exp(scores - scores.max(1, keepdims=True))
        shares = powers / powers.sum(1, keepdims=True)
        return {
            "times": answers.times.round(6).tolist(),
            "shares": shares.round(4).tolist(),
            "decided": round(float(answers.decided()[0]), 6),
        }
