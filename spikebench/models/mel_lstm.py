"""The network of :mod:`spikebench.models.lstm` on log-mel features of the recordings: a baseline on audio."""

from __future__ import annotations

from typing import ClassVar

from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.mel_lstm import MelLSTMConfig
from spikebench.models.lstm import LSTM
from spikebench.models.mel_input import MelInput


class MelLSTM(MelInput, LSTM):
    """LSTM on mel features; the score of a class is the maximum over time of a linear read-out."""

    Config: ClassVar[type[ModelConfig]] = MelLSTMConfig
