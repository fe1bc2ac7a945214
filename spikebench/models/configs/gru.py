"""Settings of :mod:`spikebench.models.gru`."""

from __future__ import annotations

from spikebench.models.configs.gated_network import GatedConfig


class GRUConfig(GatedConfig):
    """Configuration of :class:`GRU`."""
