"""A digital substrate: integer weights, integer membranes, decays by a product and a shift, saturation.

All states are integers of ``state_bits`` bits; ``sat`` limits to ±(2^(state_bits−1) − 1), ``//`` truncates towards 0::

    I[t] = sat(a·I[t−1] // 2^d + 2^f·(W·x[t] + V·S[t−1]))        a = round(2^d·α)
    U[t] = sat((b·U[t−1] + (2^d − b)·I[t]) // 2^d)·(1 − S[t−1])  b = round(2^d·β)
    S[t] = 1 if U[t] ≥ Θ else 0                                  Θ = round(2^f·ϑ/s)
    O[t] = sat((c·O[t−1] + (2^d − c)·2^f·W_out·S[t]) // 2^d)      c = round(2^d·γ)

W and V are integers of ``weight_bits`` bits with a common step s, W_out has its own, s_out
(:mod:`spikebench.substrate.integers`); d is ``decay_bits``, f ``fraction_bits``. Recorded are U·s/2^f and O·s_out/2^f.
The chip is the same in every copy and in every trial.

The integers are held in float64, which represents them exactly up to 2^53; settings that exceed this are refused.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels
from spikebench.learning.in_the_loop import Network, Recording, Weights
from spikebench.substrate.integers import to_integers
from spikebench.substrate.settings import FixedPointSettings

__all__ = ["FixedPoint"]

Array = NDArray[np.float64]


class FixedPoint:
    """A digital chip.

    Parameters
    ----------
    network
        Nominal parameters.
    settings
        Widths of all integers.
    kernels
        Kernels that deliver the events of the input.
    """

    def __init__(self, network: Network, settings: FixedPointSettings, kernels: Kernels) -> None:
        self.network, self.settings, self.kernels = network, settings, kernels
        self._limit = 2.0 ** (settings.state_bits - 1) - 1
        self._one = 2.0**settings.decay_bits
        self._weights: Weights | None = None
        self._step = self._readout_step = 1.0

    def configure(self, weights: Weights) -> None:
        """Round the weights to integers."""
        bits = self.settings.weight_bits
        hidden = [weights.input] + ([] if weights.recurrent is None else [weights.recurrent])
        (into, *recurrent), self._step = to_integers(hidden, bits)
        (readout,), self._readout_step = to_integers([weights.readout], bits)
        self._weights = Weights(into, recurrent[0] if recurrent else None, readout)

    def run(self, batch: EventBatch) -> Recording:
        """Run a batch; see :class:`spikebench.learning.in_the_loop.Substrate`."""
        if self._weights is None:
            raise ValueError("the substrate has no weights; call configure first")
        weights, network, one = self._weights, self.network, self._one
        unit = 2.0**self.settings.fraction_bits
        # Sums of fewer than 2^24 small integers are exact in float32.
        current = unit * self.kernels.event_linear(batch, weights.input).double().numpy()
        recurrent = None if weights.recurrent is None else weights.recurrent.double().numpy()
        a, b = round(one * network.decay_syn), round(one * network.decay_mem)
        threshold = np.rint(unit * network.neuron.threshold / self._step)
        spikes, membranes = np.zeros_like(current), np.zeros_like(current)
        synapse, membrane, fired = np.zeros((3, *current[:, 0].shape))
        for t in range(current.shape[1]):
            arriving = current[:, t]
            if recurrent is not None:
                arriving = arriving + unit * (fired @ recurrent)
            synapse = self._limited(np.trunc(a * synapse / one) + arriving)
            membrane = self._limited(np.trunc((b * membrane + (one - b) * synapse) / one))
            membrane = membrane * (1 - fired)
            fired = (membrane >= threshold).astype(np.float64)
            spikes[:, t], membranes[:, t] = fired, membrane
        readout = self._integrate(unit * (spikes @ weights.readout.double().numpy()))
        return Recording(
            torch.from_numpy(spikes).float(),
            torch.from_numpy(membranes * (self._step / unit)).float(),
            torch.from_numpy(readout * (self._readout_step / unit)).float(),
        )

    def _integrate(self, arriving: Array) -> Array:
        one = self._one
        c = round(one * self.network.decay_readout)
        state = np.zeros_like(arriving[:, 0])
        found = np.zeros_like(arriving)
        for t in range(arriving.shape[1]):
            state = self._limited(np.trunc((c * state + (one - c) * arriving[:, t]) / one))
            found[:, t] = state
        return found

    def _limited(self, values: Array) -> Array:
        return np.clip(values, -self._limit, self._limit)
