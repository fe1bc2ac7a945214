"""An emulated analog substrate: every neuron has its own parameters, and no two trials are equal.

A device is a seed. It fixes, for each hidden neuron j and each neuron of the read-out, factors exp(σ·z), z standard
normal, of the time constants, the threshold and the gain (the strength of all its inputs)::

    I_j[t] = clip(α_j·I_j[t−1] + g_j·(W·x[t] + V·S[t−1])_j, ±I_max)      α_j = exp(−dt/(τ_syn·f_j)) = α^(1/f_j)
    U_j[t] = clip((β_j·U_j[t−1] + (1 − β_j)·I_j[t] + ξ)·(1 − S_j[t−1]), ±U_max)
    S_j[t] = 1 if U_j[t] ≥ ϑ_j else 0
    O_k[t] = clip(γ_k·O_k[t−1] + g_k·(1 − γ_k)·(W_out·S[t])_k + ξ, ±O_max)

W, V and W_out are integers of ``weight_bits`` bits times a step each (:mod:`spikebench.substrate.integers`), ξ is
normal noise of standard deviation ``membrane_noise``, another number for every neuron, step and trial. Membranes and
read-out are recorded by a converter::

    recorded = (round(v/lsb + η) within ±(2^(b−1) − 1))·lsb,   lsb = v_max/(2^(b−1) − 1)

with b = ``readout_bits`` and normal noise η of ``readout_noise_lsb``. Spikes are recorded exactly. All numbers are
float32. I, U and ϑ are in units of the nominal threshold, O in those of the scores. For speed, normal noise is read
from a fixed table of 1,048,573 numbers, each time from a random position on, so it is independent only approximately;
a trial that needs more numbers repeats the table.

The strengths are settings of an emulation, not measurements of a chip. Source of the kinds of imperfection: Cramer,
Billaudelle et al. (2022), arXiv:2006.07239.
"""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels
from spikebench.learning.in_the_loop import Network, Recording, Weights
from spikebench.substrate.integers import to_integers
from spikebench.substrate.settings import AnalogSettings

__all__ = ["FIRST_OF_FLEET", "Analog", "Fleet"]

Array = NDArray[np.float32]

_TABLE = 1_048_573  # numbers; prime
FIRST_OF_FLEET = 1_000_000  # devices below are those on which networks are deployed


class Analog:
    """One analog device.

    Parameters
    ----------
    network
        Nominal parameters.
    settings
        Strengths of all imperfections.
    kernels
        Kernels that deliver the events of the input.
    device
        Seed of the fixed pattern.
    trial
        Seed of the noise of all trials to come.

    Attributes
    ----------
    tau_mem, tau_syn, threshold, gain : ndarray of float32, shape (neuron,)
        Factors of the hidden neurons.
    tau_readout, readout_gain : ndarray of float32, shape (class,)
        Factors of the read-out.
    """

    def __init__(
        self, network: Network, settings: AnalogSettings, kernels: Kernels, device: int, trial: int
    ) -> None:
        self.network, self.settings, self.kernels = network, settings, kernels
        fixed = np.random.default_rng([device, 0])

        def factors(n: int, strength: float) -> Array:
            return np.exp(strength * fixed.standard_normal(n)).astype(np.float32)

        n, classes = network.n_hidden, network.n_classes
        self.tau_mem = factors(n, settings.tau_mem_mismatch)
        self.tau_syn = factors(n, settings.tau_syn_mismatch)
        self.threshold = factors(n, settings.threshold_mismatch)
        self.gain = factors(n, settings.gain_mismatch)
        self.tau_readout = factors(classes, settings.tau_mem_mismatch)
        self.readout_gain = factors(classes, settings.gain_mismatch)
        self._trials = np.random.default_rng([device, 1, trial])
        self._table = _noise_table()
        self._weights: Weights | None = None

    def configure(self, weights: Weights) -> None:
        """Round the weights to integers times a step for each kind of connection."""

        def written(weight: torch.Tensor) -> torch.Tensor:
            (integers,), step = to_integers([weight], self.settings.weight_bits)
            return integers.mul_(step)

        recurrent = None if weights.recurrent is None else written(weights.recurrent)
        self._weights = Weights(written(weights.input), recurrent, written(weights.readout))

    def run(self, batch: EventBatch) -> Recording:
        """Run a trial; see :class:`spikebench.learning.in_the_loop.Substrate`."""
        if self._weights is None:
            raise ValueError("the substrate has no weights; call configure first")
        network, settings, weights = self.network, self.settings, self._weights
        into = self.kernels.event_linear(batch, weights.input).float().numpy()
        # Steps first, so that the rows of a step are contiguous.
        current = np.ascontiguousarray(into.transpose(1, 0, 2)) * self.gain
        recurrent = None
        if weights.recurrent is not None:
            recurrent = weights.recurrent.float().numpy() * self.gain
        decay_syn = np.float32(network.decay_syn) ** (1 / self.tau_syn)
        decay_mem = np.float32(network.decay_mem) ** (1 / self.tau_mem)
        noise = self._normal(current.shape, settings.membrane_noise)
        spikes, membranes = np.empty_like(current), np.empty_like(current)
        synapse, membrane, fired = np.zeros((3, *current[0].shape), np.float32)
        threshold = np.float32(network.neuron.threshold) * self.threshold
        for t, arriving in enumerate(current):
            if recurrent is not None:
                arriving += fired @ recurrent
            synapse = _limited(decay_syn * synapse + arriving, settings.current_range)
            membrane = decay_mem * membrane + (1 - decay_mem) * synapse + noise[t]
            membrane = _limited(membrane * (1 - fired), settings.membrane_range)
            fired = (membrane >= threshold).astype(np.float32)
            spikes[t], membranes[t] = fired, membrane
        readout = self._integrate(spikes @ weights.readout.float().numpy())
        return Recording(
            _by_sample(spikes),
            _by_sample(self._converted(membranes, settings.membrane_range)),
            _by_sample(self._converted(readout, settings.readout_range)),
        )

    def _integrate(self, arriving: Array) -> Array:
        """Integrate the spikes in the neurons of the read-out."""
        limit = self.settings.readout_range
        decay = np.float32(self.network.decay_readout) ** (1 / self.tau_readout)
        driven = (1 - decay) * self.readout_gain * arriving
        driven += self._normal(arriving.shape, self.settings.membrane_noise)
        state = np.zeros_like(arriving[0])
        for step in driven:
            step[:] = state = _limited(decay * state + step, limit)
        return np.asarray(driven, np.float32)

    def _converted(self, values: Array, limit: float) -> Array:
        """Convert to the integers of the read-out and back."""
        most = 2 ** (self.settings.readout_bits - 1) - 1
        step = np.float32(limit / most)
        noise = self._normal(values.shape, self.settings.readout_noise_lsb)
        return np.asarray(np.clip(np.rint(values / step + noise), -most, most) * step, np.float32)

    def _normal(self, shape: tuple[int, ...], strength: float) -> Array:
        """Read normal noise from the table of the device, from a random place on."""
        first = int(self._trials.integers(self._table.size))
        n = int(np.prod(shape))
        whole = self._table[first : first + n]
        if whole.size < n:
            whole = np.resize(np.roll(self._table, -first), n)
        return (whole * np.float32(strength)).reshape(shape)


@lru_cache(maxsize=1)
def _noise_table() -> Array:
    table = np.random.default_rng(0).standard_normal(_TABLE, np.float32)
    table.flags.writeable = False
    return table


class Fleet:
    """A new random device for every batch, never one of those below :data:`FIRST_OF_FLEET`.

    Parameters
    ----------
    network, settings, kernels
        As for :class:`Analog`.
    seed
        Seed of the devices.
    """

    def __init__(
        self, network: Network, settings: AnalogSettings, kernels: Kernels, seed: int
    ) -> None:
        self._make = partial(Analog, network, settings, kernels, trial=seed)
        self._devices = np.random.default_rng([seed, 2])
        self._weights: Weights | None = None

    def configure(self, weights: Weights) -> None:
        """Keep the weights for the next device."""
        self._weights = weights

    def run(self, batch: EventBatch) -> Recording:
        """Run a trial on a new device; see :class:`spikebench.learning.in_the_loop.Substrate`."""
        if self._weights is None:
            raise ValueError("the substrate has no weights; call configure first")
        device = self._make(device=int(self._devices.integers(FIRST_OF_FLEET, 2**31)))
        device.configure(self._weights)
        return device.run(batch)


def _by_sample(values: Array) -> torch.Tensor:
    """Convert from (time, batch, …) to a tensor (batch, time, …)."""
    return torch.from_numpy(values).transpose(0, 1).contiguous()


def _limited(values: Array, limit: float) -> Array:
    return np.clip(values, -np.float32(limit), np.float32(limit))
