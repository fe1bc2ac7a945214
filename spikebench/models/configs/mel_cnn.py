"""Settings of :mod:`spikebench.models.mel_cnn`."""

from __future__ import annotations

from spikebench.models.configs.cnn import PictureConfig


class MelCNNConfig(PictureConfig):
    """Configuration of :class:`MelCNN`; the table ``[mel]`` sets the number of rows."""
