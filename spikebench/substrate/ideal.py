"""The ideal substrate: the software model itself, with its own weights and no noise.

Spikes, membranes and read-out are those of the kernels of the package, so training in the loop with it is training in
software; the tests compare the gradients.
"""

from __future__ import annotations

from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels
from spikebench.learning.in_the_loop import Network, Recording, Weights

__all__ = ["Ideal"]


class Ideal:
    """The software model as a substrate.

    Parameters
    ----------
    network
        Nominal parameters.
    kernels
        Kernels of the software model.
    """

    def __init__(self, network: Network, kernels: Kernels) -> None:
        self.network, self.kernels = network, kernels
        self._weights: Weights | None = None

    def configure(self, weights: Weights) -> None:
        """Keep the weights as they are."""
        self._weights = weights

    def run(self, batch: EventBatch) -> Recording:
        """Run the software model; see :class:`spikebench.learning.in_the_loop.Substrate`."""
        weights, network = self._weights, self.network
        if weights is None:
            raise ValueError("the substrate has no weights; call configure first")
        decays = [
            weights.input.new_tensor(decay)
            for decay in (network.decay_syn, network.decay_mem, network.decay_readout)
        ]
        if weights.recurrent is None:
            scan = self.kernels.lif_scan(
                batch,
                decays[0],
                decays[1],
                network.neuron,
                keep_membranes=True,
                weight=weights.input,
            )
        else:
            scan = self.kernels.recurrent_lif_scan(
                batch,
                weights.recurrent,
                decays[0],
                decays[1],
                network.neuron,
                keep_membranes=True,
                weight=weights.input,
            )
        assert scan.membranes is not None
        trace = self.kernels.leaky_readout(scan.spikes, weights.readout, decays[2], "trace")
        return Recording(scan.spikes.dense().detach(), scan.membranes, trace)
