"""The input of models on audio: mel features, standardised by the training samples.

::

    x[t, b] = (L[t, b] − mean[b]) / deviation[b]

L are the levels of the mel bands [dB] (:mod:`spikebench.bands.mel`); mean and standard deviation of each band are
those of the training samples, over the frames of their recordings. They are buffers, so they are part of the weights.
"""

from __future__ import annotations

import torch

from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.mel.batches import MelSamples
from spikebench.models.base import Classifier, DataShape
from spikebench.models.configs.base import ModelConfig

LEAST_DEVIATION = 1.0  # dB; that of a band without sound is 0


class MelInput(Classifier):
    """Base of models on audio, before the network: ``class MelLSTM(MelInput, LSTM)``."""

    on_audio = True
    band_mean: torch.Tensor
    band_deviation: torch.Tensor

    def __init__(self, config: ModelConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.register_buffer("band_mean", torch.zeros(shape.n_units))
        self.register_buffer("band_deviation", torch.ones(shape.n_units))

    def values(self, batch: EventBatch) -> torch.Tensor:
        """Standardise the levels of a batch; see :meth:`Classifier.values`."""
        return (batch.dense() - self.band_mean) / self.band_deviation

    def measure_input(self, samples: BinnedSamples) -> None:
        """Compute mean and deviation of each band over the training samples."""
        assert isinstance(samples, MelSamples)
        mean, deviation = (torch.from_numpy(one) for one in samples.statistics())
        self.band_mean.copy_(mean)
        self.band_deviation.copy_(deviation.clamp(min=LEAST_DEVIATION))
