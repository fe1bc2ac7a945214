"""The network of :mod:`spikebench.models.tcn` on log-mel features of the recordings: a baseline on audio."""

from __future__ import annotations

from typing import ClassVar

from spikebench.models.base import ModelConfig
from spikebench.models.mel_input import MelInput
from spikebench.models.tcn import TCN, TCNConfig


class MelTCNConfig(TCNConfig):
    """Configuration of :class:`MelTCN`."""


class MelTCN(MelInput, TCN):
    """Residual blocks of causal convolutions on mel features."""

    Config: ClassVar[type[ModelConfig]] = MelTCNConfig
