"""Choosing the kernels for a device."""

from __future__ import annotations

from importlib import import_module
from typing import Literal, Protocol, cast

import torch

from spikebench.errors import TrainingError
from spikebench.events.batches import EventBatch
from spikebench.kernels.neuron import Neuron, Parameters
from spikebench.kernels.normalisation import Normalisation
from spikebench.kernels.recurrent_delays import RecurrentDelays
from spikebench.kernels.scan import Reduction, Scan
from spikebench.kernels.spikes import Spikes

KernelName = Literal["events", "reference"]
KERNELS: dict[str, str] = {
    "events": "spikebench.kernels.operators",
    "reference": "spikebench.kernels.reference",
}


class Kernels(Protocol):
    """The functions that every implementation has; :mod:`spikebench.kernels.reference` documents them."""

    def event_linear(self, events: EventBatch | Spikes, weight: torch.Tensor) -> torch.Tensor:
        """Multiply events by weights to get currents."""

    def delayed_linear(
        self, events: EventBatch | Spikes, weight: torch.Tensor, delay: torch.Tensor, n_taps: int
    ) -> torch.Tensor:
        """Multiply events by weights with delays to get currents."""

    def lif_scan(
        self,
        current: torch.Tensor | EventBatch | Spikes,
        decay_syn: torch.Tensor,
        decay_mem: torch.Tensor,
        neuron: Neuron,
        adaptation: Parameters | None = None,
        state: torch.Tensor | None = None,
        keep_membranes: bool = False,
        weight: torch.Tensor | None = None,
        normalisation: Normalisation | None = None,
    ) -> Scan:
        """Run a layer of neurons."""

    def recurrent_lif_scan(
        self,
        current: torch.Tensor | EventBatch | Spikes,
        recurrent: torch.Tensor,
        decay_syn: torch.Tensor,
        decay_mem: torch.Tensor,
        neuron: Neuron,
        adaptation: Parameters | None = None,
        state: torch.Tensor | None = None,
        keep_membranes: bool = False,
        weight: torch.Tensor | None = None,
        recurrent_delays: RecurrentDelays | None = None,
        normalisation: Normalisation | None = None,
    ) -> Scan:
        """Run a layer of neurons with recurrent connections."""

    def leaky_readout(
        self,
        spikes: Spikes,
        weight: torch.Tensor,
        decay: torch.Tensor,
        reduction: Reduction = "max",
        lengths: torch.Tensor | None = None,
        start: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Integrate spikes with a leak and reduce over time."""

    def softmax_sum(
        self, trace: torch.Tensor, bias: torch.Tensor, inside: torch.Tensor
    ) -> torch.Tensor:
        """Add up the probabilities at each step of a read-out."""


def choose_kernels(device: torch.device | str, name: KernelName = "events") -> Kernels:
    """Choose the kernels for a device.

    Parameters
    ----------
    device
        Device of the tensors.
    name
        ``events``: fast, first derivatives only. ``reference``: dense, any device, any derivative.

    Returns
    -------
    Kernels
        A module with the functions.

    Raises
    ------
    TrainingError
        If there are no kernels of this name for the device.
    """
    kind = torch.device(device).type
    if name not in KERNELS:
        raise TrainingError(f"kernels {name!r} do not exist; available are {', '.join(KERNELS)}")
    if name == "events" and kind not in ("cpu", "cuda"):
        raise TrainingError(
            f"no event-driven kernels for device {kind}: use cpu, cuda or reference"
        )
    if name == "events" and kind == "cuda":
        try:
            import_module("triton")
        except ImportError:
            raise TrainingError(
                "kernels for device cuda need Triton, which is not installed: pip install triton"
            ) from None
    return cast(Kernels, import_module(KERNELS[name]))
