"""The network of :mod:`spikebench.models.cnn` on log-mel features of the recordings: a baseline on audio.

The picture has a row per mel band and a column per frame (preset: 64 × 64, as for spikes).
"""

from __future__ import annotations

from typing import ClassVar

from spikebench.models.cnn import PictureNetwork
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.mel_cnn import MelCNNConfig
from spikebench.models.mel_input import MelInput


class MelCNN(MelInput, PictureNetwork):
    """Convolutions on a picture of the mel features."""

    Config: ClassVar[type[ModelConfig]] = MelCNNConfig
