"""Settings of :mod:`spikebench.models.lstm`."""

from __future__ import annotations

from spikebench.models.configs.gated_network import GatedConfig


class LSTMConfig(GatedConfig):
    """Configuration of :class:`LSTM`."""
