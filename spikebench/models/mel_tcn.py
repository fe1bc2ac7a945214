"""The network of :mod:`spikebench.models.tcn` on log-mel features of the recordings: a baseline on audio."""

from __future__ import annotations

from typing import ClassVar

from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.mel_tcn import MelTCNConfig
from spikebench.models.mel_input import MelInput
from spikebench.models.tcn import TCN


class MelTCN(MelInput, TCN):
    """Residual blocks of causal convolutions on mel features."""

    Config: ClassVar[type[ModelConfig]] = MelTCNConfig
