"""Names of the resets and the surrogates of a neuron, see :mod:`spikebench.kernels.neuron`; without PyTorch."""

from __future__ import annotations

from typing import Literal

Reset = Literal["zero", "restart", "subtract"]
Surrogate = Literal["fast_sigmoid", "logistic", "arctan", "triangle", "multi_gaussian", "boxcar"]
