"""Settings of :mod:`spikebench.models.mel_lstm`."""

from __future__ import annotations

from spikebench.models.configs.lstm import LSTMConfig


class MelLSTMConfig(LSTMConfig):
    """Configuration of :class:`MelLSTM`."""
