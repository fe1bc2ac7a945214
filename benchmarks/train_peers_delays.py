"""The network with delays as convolutions over time in PyTorch; see ``train_peers_common`` for its equations.

Like DCLS, which the authors of delays in spiking networks use (Hammouamri, Khalfaoui-Hassani, Masquelier 2023,
arXiv:2306.17670): in every step the weights and delays are spread over a kernel (output, input, tap) by linear
interpolation, and dense spikes (batch, input, time) are convolved with it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from train_peers_common import N_TAPS, Raster, Task
from train_peers_torch import CHUNK, PlainLIF, PlainReadout, TorchPeer, run, scan


class Delayed(nn.Module):
    """Weights and delays of the connections into a layer."""

    def __init__(self, task: Task, weight: str, delay: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(task.weights[weight].T.copy()))
        self.delay = nn.Parameter(torch.from_numpy(task.weights[delay].T.copy()))
        self.register_buffer("taps", torch.arange(N_TAPS - 1.0, -1.0, -1.0))

    def forward(self, spikes: torch.Tensor) -> torch.Tensor:
        """Convolve: float32 (batch, input, time) in, (time, batch, neuron) out."""
        delay = self.delay.clamp(0, N_TAPS - 1)[..., None]
        kernel = (1 - (self.taps - delay).abs()).clamp(min=0) * self.weight[..., None]
        padded = nn.functional.pad(spikes, (N_TAPS - 1, 0))
        return nn.functional.conv1d(padded, kernel).permute(2, 0, 1)


class DelayedNetwork(nn.Module):
    """Two layers of neurons with delays, read-out, maximum over time."""

    def __init__(self, task: Task, compiled: bool) -> None:
        super().__init__()
        self.first = Delayed(task, "input", "delay")
        self.second = Delayed(task, "hidden", "hidden_delay")
        self.output = nn.Parameter(torch.from_numpy(task.weights["readout"].copy()))
        self.bias = nn.Parameter(torch.from_numpy(task.weights["bias"].copy()))
        self.hidden, self.readout = PlainLIF(replace(task, recurrent=False)), PlainReadout(task)
        self.chunk = CHUNK if compiled else task.n_steps
        self.scan = torch.compile(scan, dynamic=False) if compiled else scan
        if compiled:
            self.first.compile(dynamic=False)
            self.second.compile(dynamic=False)

    def forward(self, raster: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score; float32 (batch, unit, time) in, (batch, class) and spikes (time, batch, hidden) of both layers out."""
        spikes = run(self.scan, self.hidden, self.first(raster), self.chunk)
        deeper = run(self.scan, self.hidden, self.second(spikes.permute(1, 2, 0)), self.chunk)
        scores = run(self.scan, self.readout, deeper @ self.output, self.chunk)
        return scores.amax(0) + self.bias, torch.cat([spikes, deeper], 2)


class DelayedPeer(TorchPeer):
    """The network with its optimiser."""

    def prepare(self, raster: Raster) -> torch.Tensor:
        """Put time last, on the device."""
        return torch.from_numpy(raster).to(self.device).transpose(1, 2).contiguous()


def convolution(name: str, task: Task, compiled: bool) -> DelayedPeer:
    """Build the network in PyTorch alone."""
    return DelayedPeer(name, "torch", DelayedNetwork(task, compiled))
