"""The networks that the libraries train: equations, sizes, and the interface of a library.

::

    I[t] = α·I[t−1] + W·S_in[t] + V·S[t−1]                       α = exp(−dt/10 ms)
    U[t] = (β·U[t−1] + (1 − β)·I[t])·(1 − S[t−1])                β = exp(−dt/20 ms)
    S[t] = 1 if U[t] ≥ 1 else 0;  dS/dU = max(0, 1 − 4·|U − 1|);  the reset is not differentiated
    read-out: O[t] = γ·O[t−1] + (1 − γ)·W_out·S[t];  scores = b + max over t of O    γ = exp(−dt/300 ms)

The network with delays has two such layers without V. Each connection of both has a weight w and a delay d in
0 … 24 bins, both learned: w·(1 − f) arrives ⌊d⌋ bins after a spike, w·f one bin later, f = d − ⌊d⌋.

Two more networks are models of spikebench, with two layers and the settings in :data:`MODELS`. ``adlif`` has the
equations of ``spikebench/models/adlif.py`` and the same surrogate, ``c_silif`` those of
``spikebench/models/c_silif.py`` with dS/dU = 1 if 2·|U − 1| ≤ 1 else 0. Their weights have the names of the parameters
of these models.
"""

from __future__ import annotations

import gc
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

BATCH = 128
N_CLASSES = 20
DURATION = 1.0  # s, of every sample
TAU_SYN, TAU_MEM, TAU_READOUT = 0.01, 0.02, 0.3  # s
SLOPE = 4.0
LEARNING_RATE = 1e-3
N_TAPS = 25  # bins at which a spike can arrive
EVENTS = ("offsets", "bins", "units", "labels", "n_steps", "n_units")  # in a file of events
MODELS: dict[str, dict[str, Any]] = {  # settings of models, without the numbers of neurons
    "adlif": {
        "recurrent": True,
        "tau_mem_ms": (5.0, 60.0),
        "tau_adapt_ms": (60.0, 300.0),
        "adapt_to_membrane": (0.0, 1.0),
        "adapt_to_spikes": (0.0, 2.0),
        "adapt_gain": 5.0,
        "tau_readout_ms": 20.0,
        "readout": "mean",
        "surrogate": "triangle",
        "surrogate_slope": SLOPE,
        "init_fluctuation": 0.5,
        "recurrent_scale": 0.5,
    },
    "c_silif": {
        "tau_readout_ms": 20.0,
        "readout": "softmax",
        "surrogate": "boxcar",
        "surrogate_slope": 2.0,
    },
}

Raster = NDArray[np.float32]  # (batch, time, unit)
Labels = NDArray[np.int64]  # (batch,)


@dataclass(frozen=True)
class Task:
    """Sizes and weights of the network.

    Attributes
    ----------
    n_steps, n_hidden : int
        Time bins, hidden neurons.
    recurrent : bool
        Whether hidden neurons are connected to each other.
    weights : dict of float32 arrays
        ``input`` (unit, hidden), ``recurrent`` (hidden, hidden), ``readout`` (hidden, class), ``bias`` (class,); for
        delays ``delay`` (unit, hidden) of the input, ``hidden`` and ``hidden_delay`` (hidden, hidden), delays in bins.
        Of a model, its parameters by name.
    """

    n_steps: int
    n_hidden: int
    recurrent: bool
    weights: dict[str, NDArray[np.float32]]

    @property
    def decay_syn(self) -> float:
        """α, per bin."""
        return math.exp(-DURATION / self.n_steps / TAU_SYN)

    @property
    def decay_mem(self) -> float:
        """β, per bin."""
        return math.exp(-DURATION / self.n_steps / TAU_MEM)

    @property
    def decay_readout(self) -> float:
        """γ, per bin."""
        return math.exp(-DURATION / self.n_steps / TAU_READOUT)


class Peer(Protocol):
    """The network in one library."""

    name: str
    version: str

    def to(self, device: str) -> None:
        """Move the network to another device."""
        ...

    def prepare(self, raster: Raster) -> Any:  # noqa: ANN401
        """Convert a raster to the input of the library; not timed."""
        ...

    def step(self, prepared: Any, labels: Labels) -> float:  # noqa: ANN401
        """Make one step of Adam; return the loss before it, after the step has finished."""
        ...

    def scores(self, prepared: Any) -> tuple[NDArray[np.float32], float]:  # noqa: ANN401
        """Return the scores (batch, class), and the hidden spikes per sample, on average."""
        ...


def surrogate(distance: Any) -> Any:  # noqa: ANN401
    """Compute dS/dU at a distance U − 1 from the threshold, for arrays of any library."""
    return (1 - SLOPE * abs(distance)).clip(0)


def weights_of(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the initial weights in a file of events."""
    events = {start + name for start in ("", "train_", "test_") for name in EVENTS}
    return {name: array for name, array in arrays.items() if name not in events}


def draw_weights(
    n_units: int, n_hidden: int, seed: int, input_scale: float = 0.15
) -> dict[str, NDArray[np.float32]]:
    """Draw initial weights, the same for all libraries.

    Parameters
    ----------
    n_units, n_hidden
        Inputs and hidden neurons.
    seed
        Seed of the generator.
    input_scale
        Standard deviation of the input weights; 0.15 gives about 10 spikes per neuron and second at the
        density of SHD (8,000 spikes in 700 units).

    Returns
    -------
    dict of float32 arrays
        As in :class:`Task`.
    """
    rng = np.random.default_rng(seed)
    drawn = {
        "input": rng.normal(0, input_scale, (n_units, n_hidden)),
        "recurrent": rng.normal(0, 0.5 / math.sqrt(n_hidden), (n_hidden, n_hidden)),
        "readout": rng.normal(0, 1 / math.sqrt(n_hidden), (n_hidden, N_CLASSES)),
        "bias": np.zeros(N_CLASSES),
        "delay": rng.uniform(0, N_TAPS - 1, (n_units, n_hidden)),
        "hidden": rng.normal(0, 5 / math.sqrt(n_hidden), (n_hidden, n_hidden)),
        "hidden_delay": rng.uniform(0, N_TAPS - 1, (n_hidden, n_hidden)),
    }
    return {name: values.astype(np.float32) for name, values in drawn.items()}


class PeakMemory:
    """The largest memory of a measurement: resident on the CPU, allocated by PyTorch on a CUDA device.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``. What is in memory now does not count.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        gc.collect()
        self.before = self._read("VmRSS", "memory_allocated")

    def reset(self) -> None:
        """Forget the peak so far."""
        gc.collect()
        if self.device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> int:
        """Return the peak since :meth:`reset` [bytes]."""
        return self._read("VmHWM", "max_memory_allocated") - self.before

    def _read(self, key: str, function: str) -> int:
        if self.device == "cuda":
            import torch

            return int(getattr(torch.cuda, function)())
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise KeyError(key)
