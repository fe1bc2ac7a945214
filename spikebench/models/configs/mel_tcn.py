"""Settings of :mod:`spikebench.models.mel_tcn`."""

from __future__ import annotations

from spikebench.models.configs.tcn import TCNConfig


class MelTCNConfig(TCNConfig):
    """Configuration of :class:`MelTCN`."""
