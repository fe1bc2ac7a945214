"""Networks of other libraries as files of NIR, with the spike counts that the libraries compute: run among the peers.

python tests/helpers/peer_nir.py LIBRARY FOLDER writes LIBRARY-KIND.nir, and LIBRARY-KIND.npz with raster (batch, time,
unit) and counts.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import torch
from torch import nn

N_IN, N_HIDDEN, N_OUT = 6, 8, 4
TIME_STEP = 0.01  # s
Network = tuple[nir.NIRGraph, Callable[[torch.Tensor], torch.Tensor]]


def strong(layer: nn.Module, factor: float = 4.0) -> nn.Module:
    """Scale the weights until there are spikes."""
    with torch.no_grad():
        layer.weight *= factor
    return layer


def norse(kind: str) -> Network:
    """LIFCell (with a current), LIFBoxCell, IAFCell; parameters per neuron, which ``nir.write`` needs."""
    import norse.torch as norse
    from norse.torch.functional.iaf import IAFParameters
    from norse.torch.functional.lif import LIFParameters
    from norse.torch.functional.lif_box import LIFBoxParameters

    def neurons(n: int) -> nn.Module:
        rate, zero, one = torch.linspace(15.0, 45.0, n), torch.zeros(n), torch.ones(n)
        if kind == "lif":
            return norse.LIFCell(LIFParameters(2 * rate, rate, zero, one, zero), dt=TIME_STEP)
        if kind == "box":
            return norse.LIFBoxCell(LIFBoxParameters(rate, zero, one, zero), dt=TIME_STEP)
        return norse.IAFCell(IAFParameters(one, zero))

    factor = 10.0 if kind == "box" else 4.0
    layers = (strong(nn.Linear(N_IN, N_HIDDEN), factor), neurons(N_HIDDEN))
    last = (strong(nn.Linear(N_HIDDEN, N_OUT), factor), neurons(N_OUT))
    net = norse.SequentialState(*layers, *last)

    def counts(raster: torch.Tensor) -> torch.Tensor:
        state, total = None, torch.zeros(len(raster), N_OUT)
        for t in range(raster.shape[1]):
            spikes, state = net(raster[:, t], state)
            total = total + spikes
        return total

    return norse.to_nir(net, torch.zeros(1, N_IN), dt=1.0), counts


def rockpool(kind: str) -> Network:
    """LIFTorch (with a current; ``single``: one spike per step) or LIFNeuronTorch, then the integrator ExpSynTorch."""
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import ExpSynTorch, LIFNeuronTorch, LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    tau = torch.linspace(0.015, 0.04, N_HIDDEN)
    if kind in ("lif", "single"):
        most = {"max_spikes_per_dt": 1} if kind == "single" else {}
        hidden = LIFTorch((N_HIDDEN,), tau_mem=tau, tau_syn=tau / 2, dt=TIME_STEP, **most)
    else:
        hidden = LIFNeuronTorch((N_HIDDEN,), tau_mem=tau, dt=TIME_STEP)
    net = Sequential(
        LinearTorch((N_IN, N_HIDDEN), has_bias=False),
        hidden,
        LinearTorch((N_HIDDEN, N_OUT), has_bias=True),
        ExpSynTorch(N_OUT, tau=torch.full((N_OUT,), 0.05), dt=TIME_STEP),
    )
    graph = to_nir(net)
    graph.nodes["3_ExpSynTorch"].tau = graph.nodes["3_ExpSynTorch"].tau.detach()  # for nir.write

    def counts(raster: torch.Tensor) -> torch.Tensor:
        net.reset_state()
        trace: torch.Tensor = net(raster)[0]
        return trace.sum(1)

    return graph, counts


def spikingjelly(kind: str) -> Network:
    """LIFNode or IFNode."""
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    make = {
        "lif": lambda: neuron.LIFNode(tau=2.0, v_reset=0.0, step_mode="s"),
        "if": lambda: neuron.IFNode(v_reset=0.0, step_mode="s"),
    }[kind]
    net = nn.Sequential(
        *(strong(layer.Linear(N_IN, N_HIDDEN)), make()),
        *(strong(layer.Linear(N_HIDDEN, N_OUT)), make()),
    )
    graph = export_to_nir(net, torch.zeros(1, N_IN), dt=TIME_STEP)

    def counts(raster: torch.Tensor) -> torch.Tensor:
        functional.reset_net(net)
        return sum(net(raster[:, t]) for t in range(raster.shape[1]))

    return graph, counts


LIBRARIES = {
    "norse": (norse, ("lif", "box", "iaf")),
    "rockpool": (rockpool, ("lif", "single", "neuron")),
    "spikingjelly": (spikingjelly, ("lif", "if")),
}


def main(library: str, folder: Path) -> None:
    """Write two files for each kind of neurons."""
    warnings.simplefilter("ignore")
    make, kinds = LIBRARIES[library]
    cells = np.random.default_rng(4).poisson(0.5, (5, 40, N_IN)).astype(np.float32)
    for kind in kinds:
        torch.manual_seed(1)
        graph, counts = make(kind)
        nir.write(folder / f"{library}-{kind}.nir", graph)
        with torch.no_grad():
            found = counts(torch.from_numpy(cells)).numpy()
        np.savez(folder / f"{library}-{kind}.npz", raster=cells, counts=found)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
