"""The models ``adlif`` and ``c_silif`` of spikebench as time loops in PyTorch; see ``train_peers_common``.

As the authors of these neurons publish them: products of whole sequences and dense spikes, then one step after the
other. No library that is compared has one of the two neurons. The complex state of ``c_silif`` is kept as real and
imaginary part, which PyTorch compiles. ``c_silif`` normalises over samples and steps, as its authors do, and the
softmax of the read-out is computed for all steps at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from train_peers_common import DURATION, MODELS, Task
from train_peers_torch import (
    CHUNK,
    Layer,
    Spike,
    State,
    TorchPeer,
    run,
    scan,
)


class _Boxcar(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(distance)
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        (distance,) = ctx.saved_tensors
        slope = MODELS["c_silif"]["surrogate_slope"]
        gradient: torch.Tensor = gradients[0] * (slope * distance.abs() <= 1)
        return gradient


class _Weights(nn.Module):
    """The parameters of one layer of a model, by their names there; those of a normalisation are not needed."""

    weight: nn.Parameter
    recurrent: nn.Parameter
    places_tau_mem: nn.Parameter
    places_tau_adapt: nn.Parameter
    places_to_membrane: nn.Parameter
    places_to_spikes: nn.Parameter
    input_weight: nn.Parameter
    log_decay: nn.Parameter
    frequency: nn.Parameter
    log_step: nn.Parameter
    gain: nn.Parameter

    def __init__(self, task: Task, layer: int) -> None:
        super().__init__()
        start = f"layers.{layer}."
        for name, array in task.weights.items():
            if name.startswith(start) and ".norm." not in name:
                own = name.removeprefix(start).replace(".", "_")
                self.register_parameter(own, nn.Parameter(torch.from_numpy(array.copy())))


class AdaptiveLayer(Layer):
    """Recurrent neurons with adaptation."""

    n_states = 3

    def __init__(self, task: Task, layer: int) -> None:
        super().__init__()
        self.weights, self.step_ms = _Weights(task, layer), 1e3 * DURATION / task.n_steps

    def currents(self, source: torch.Tensor) -> torch.Tensor:
        """Compute the input product (time, batch, neuron), and the parameters of all steps."""
        weights, settings = self.weights, MODELS["adlif"]

        def within(place: torch.Tensor, name: str) -> torch.Tensor:
            low, high = settings[name]
            value: torch.Tensor = low + (high - low) * place.clamp(0, 1)
            return value

        gain = settings["adapt_gain"]
        self.beta = torch.exp(-self.step_ms / within(weights.places_tau_mem, "tau_mem_ms"))
        self.rho = torch.exp(-self.step_ms / within(weights.places_tau_adapt, "tau_adapt_ms"))
        self.to_membrane = gain * within(weights.places_to_membrane, "adapt_to_membrane")
        self.to_spikes = gain * within(weights.places_to_spikes, "adapt_to_spikes")
        product: torch.Tensor = source @ weights.weight
        return product

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        mem, spk, adapted = state
        drive = torch.addmm(current, spk, self.weights.recurrent) - adapted
        mem = torch.lerp(drive, mem * (1 - spk.detach()), self.beta)
        spk = Spike.apply(mem - 1)  # type: ignore[no-untyped-call]
        pulled = self.to_membrane * mem * (1 - spk.detach()) + self.to_spikes * spk
        adapted = torch.lerp(pulled, adapted, self.rho)
        return spk, (mem, spk, adapted)


class ComplexLayer(Layer):
    """Neurons with a complex state, and normalised currents."""

    n_states = 3

    def __init__(self, task: Task, layer: int) -> None:
        super().__init__()
        self.weights = _Weights(task, layer)
        self.norm = nn.BatchNorm1d(len(task.weights[f"layers.{layer}.gain"]), momentum=0.05)

    def currents(self, source: torch.Tensor) -> torch.Tensor:
        """Compute the normalised currents (time, batch, neuron), and the parameters of all steps."""
        weights = self.weights
        per_step = torch.exp(weights.log_step)
        modulus = torch.exp(-torch.exp(weights.log_decay) * per_step)
        angle = weights.frequency * per_step
        self.cosine, self.sine = modulus * torch.cos(angle), modulus * torch.sin(angle)
        product = source @ weights.input_weight
        normalised: torch.Tensor = self.norm(product.flatten(0, 1)).view_as(product)
        return 2 * weights.gain * normalised  # the real part is doubled, so the threshold is 1

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        real, imaginary, spk = state
        left = real - spk
        real = self.cosine * left - self.sine * imaginary + current
        imaginary = self.sine * left + self.cosine * imaginary
        spk = _Boxcar.apply(real - 1)  # type: ignore[no-untyped-call]
        return spk, (real, imaginary, spk)


class Readout(Layer):
    """Leaky integrators with the time constant of the models."""

    def __init__(self, task: Task, tau_ms: float) -> None:
        super().__init__()
        self.gamma = math.exp(-1e3 * DURATION / task.n_steps / tau_ms)

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        out = torch.lerp(current, state[0], self.gamma)
        return out, (out,)


class ModelNetwork(nn.Module):
    """Two layers, a leaky read-out, and its reduction over time."""

    def __init__(
        self,
        task: Task,
        model: str,
        layer: Callable[[Task, int], AdaptiveLayer | ComplexLayer],
        compiled: bool,
    ) -> None:
        super().__init__()
        settings = MODELS[model]
        self.reduction = settings["readout"]
        self.first, self.second = layer(task, 0), layer(task, 1)
        self.readout = Readout(task, settings["tau_readout_ms"])
        self.output = nn.Parameter(torch.from_numpy(task.weights["readout.weight"].copy()))
        self.bias = nn.Parameter(torch.from_numpy(task.weights["readout.bias"].copy()))
        self.chunk = CHUNK if compiled else task.n_steps
        self.scan = torch.compile(scan, dynamic=False) if compiled else scan

    def forward(self, raster: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score; float32 (time, batch, unit) in, (batch, class) and spikes (time, batch, hidden) of both layers out."""
        spikes, source = [], raster
        for layer in (self.first, self.second):
            source = run(self.scan, layer, layer.currents(source), self.chunk)
            spikes.append(source)
        trace = run(self.scan, self.readout, source @ self.output, self.chunk)
        if self.reduction == "mean":
            return trace.mean(0) + self.bias, torch.cat(spikes, 2)
        return torch.softmax(trace + self.bias, 2).sum(0), torch.cat(spikes, 2)


def adlif(name: str, task: Task, compiled: bool) -> TorchPeer:
    """Build ``adlif`` in PyTorch alone."""
    return TorchPeer(name, "torch", ModelNetwork(task, "adlif", AdaptiveLayer, compiled))


def c_silif(name: str, task: Task, compiled: bool) -> TorchPeer:
    """Build ``c_silif`` in PyTorch alone."""
    return TorchPeer(name, "torch", ModelNetwork(task, "c_silif", ComplexLayer, compiled))
