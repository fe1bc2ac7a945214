"""The network in the libraries on top of PyTorch; see ``train_peers_common`` for its equations.

All compute the input product of all steps at once, time first, and step through the rest with the neuron of the
library. Variants tried at T = 100, H = 128 and T = 250, H = 256, recurrent, with the fast sigmoid as surrogate,
fastest of six steps in turns:

===================================  ==================  ==================
ms per step                          1 thread            2 threads
===================================  ==================  ==================
plain torch                          80, 408             62, 265
snnTorch, reset to zero              134, 647            119, 538
snnTorch, reset by subtraction       114, 517            105, 427
SpikingJelly, ``cuba_lif_step``      109, 484            85, 328
SpikingJelly, its containers         208, 1733           165, 1054
norse, ``lif_feed_forward_step``     113, 485            93, 392
norse, ``LIFRecurrent`` and ``LI``   109, 567            105, 423
===================================  ==================  ==================

So all use two threads and the functions. With ``torch.compile``, 25 steps at a time, all variants tried are faster
still, after up to a minute of compiling and with a C++ compiler (T = 100: plain torch 38 instead of 53, snnTorch 59
instead of 116, norse 29 instead of 77; T = 250: plain torch 172 instead of 289, snnTorch 224 instead of 490,
SpikingJelly 163 instead of 338); compiled single steps gain nothing (55 instead of 54). In plain torch, an input
product with a sparse CSR matrix had no clear gain (236 to 261 instead of 244 to 297 at T = 250), flushing denormals
none.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from train_peers_common import LEARNING_RATE, SLOPE, Labels, Raster, Task, surrogate

State = tuple[torch.Tensor, ...]
Step = Callable[[torch.Tensor, State], tuple[torch.Tensor, State]]
Scan = Callable[[Step, torch.Tensor, State], tuple[torch.Tensor, State]]
CHUNK = 25  # steps compiled together
THREADS = 2  # better than 1 in every library, on an idle machine


class Layer(nn.Module):
    """One layer of neurons: its state, and one step.

    ``input_gain`` scales the weights into it, so that thresholds and surrogates of a library fit the
    equations; a spike is the number ``spike_value``.
    """

    n_states = 1
    input_gain = 1.0
    spike_value = 1.0

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Take the current of one step, (batch, neuron); return spikes or potentials, and the state."""
        raise NotImplementedError


def scan(step: Step, currents: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
    """Step through currents (time, batch, neuron)."""
    out = []
    for current in currents.unbind(0):
        value, state = step(current, state)
        out.append(value)
    return torch.stack(out), state


def run(scan: Scan, layer: Layer, currents: torch.Tensor, chunk: int) -> torch.Tensor:
    """Run a layer on currents (time, batch, neuron), some steps at a time."""
    state = tuple(torch.zeros_like(currents[0]) for _ in range(layer.n_states))
    out = []
    for part in currents.split(chunk):
        values, state = scan(layer.step, part, state)
        out.append(values)
    return torch.cat(out) if len(out) > 1 else out[0]


class Network(nn.Module):
    """Input product, hidden layer, read-out product, read-out, maximum over time."""

    def __init__(self, task: Task, hidden: Layer, readout: Layer, compiled: bool) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.from_numpy(task.weights["input"].copy()))
        self.output = nn.Parameter(torch.from_numpy(task.weights["readout"].copy()))
        self.bias = nn.Parameter(torch.from_numpy(task.weights["bias"].copy()))
        self.hidden, self.readout = hidden, readout
        self.chunk = CHUNK if compiled else task.n_steps
        self.scan = torch.compile(scan, dynamic=False) if compiled else scan

    def forward(self, raster: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Score; float32 (time, batch, unit) in, (batch, class) and spikes (time, batch, hidden) out."""
        currents = raster @ (self.input * self.hidden.input_gain)
        spikes = run(self.scan, self.hidden, currents, self.chunk)
        weight = self.output * (self.readout.input_gain / self.hidden.spike_value)
        scores = run(self.scan, self.readout, spikes @ weight, self.chunk)
        return scores.amax(0) + self.bias, spikes


class TorchPeer:
    """A network in PyTorch with its optimiser."""

    def __init__(self, name: str, package: str, network: nn.Module) -> None:
        torch.set_num_threads(THREADS)
        self.name, self.version, self.network = name, version(package), network
        self.optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)
        self.device = "cpu"

    def to(self, device: str) -> None:
        """Move the network to another device, with its parameters in place."""
        self.network.to(device)
        self.device = device

    def prepare(self, raster: Raster) -> torch.Tensor:
        """Put time first, on the device."""
        return torch.from_numpy(raster).to(self.device).transpose(0, 1).contiguous()

    def step(self, prepared: torch.Tensor, labels: Labels) -> float:
        """Make one step of Adam."""
        self.optimiser.zero_grad()
        scores, _ = self.network(prepared)
        loss = nn.functional.cross_entropy(scores, torch.from_numpy(labels).to(self.device))
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def scores(self, prepared: torch.Tensor) -> tuple[NDArray[np.float32], float]:
        """Return scores and hidden spikes per sample."""
        with torch.no_grad():
            scores, spikes = self.network(prepared)
            return scores.cpu().numpy(), float((spikes > 0).sum() / spikes.shape[1])


def _recurrent(task: Task) -> nn.Parameter | None:
    return (
        nn.Parameter(torch.from_numpy(task.weights["recurrent"].copy())) if task.recurrent else None
    )


class Spike(torch.autograd.Function):
    """A spike at and above the threshold, with the surrogate of all libraries."""

    @staticmethod
    def forward(ctx: Any, distance: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """Spike."""
        ctx.save_for_backward(distance)
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """Multiply by the surrogate."""
        (distance,) = ctx.saved_tensors
        gradient: torch.Tensor = gradients[0] * surrogate(distance)
        return gradient


class PlainLIF(Layer):
    """The equations, as in common tutorials (SpyTorch)."""

    n_states = 3

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.alpha, self.beta, self.weight = task.decay_syn, task.decay_mem, _recurrent(task)

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        syn, mem, spk = state
        syn = torch.add(current, syn, alpha=self.alpha)
        if self.weight is not None:
            syn = torch.addmm(syn, spk, self.weight)
        mem = torch.lerp(syn, mem, self.beta) * (1 - spk.detach())
        spk = Spike.apply(mem - 1)
        return spk, (syn, mem, spk)


class PlainReadout(Layer):
    """The read-out, in PyTorch."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.gamma = task.decay_readout

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        out = torch.lerp(current, state[0], self.gamma)
        return out, (out,)


def plain(name: str, task: Task, compiled: bool) -> TorchPeer:
    """Build the network in PyTorch alone."""
    return TorchPeer(name, "torch", Network(task, PlainLIF(task), PlainReadout(task), compiled))


class SnnTorchLIF(Layer):
    """``RSynaptic`` and ``Synaptic`` of snnTorch; with the reset to zero exactly the equations.

    The reset by subtraction, its default, takes 1 from the membrane instead. They lack the factor 1 − β: it is in
    the weights into them and, as ``graded_spikes_factor``, in a spike.
    """

    def __init__(self, task: Task, reset: str) -> None:
        import snntorch

        super().__init__()
        self.recurrent, self.n_states = task.recurrent, 3 if task.recurrent else 2
        self.input_gain = self.spike_value = 1 - task.decay_mem
        options = {
            "alpha": task.decay_syn,
            "beta": task.decay_mem,
            "spike_grad": Spike.apply,
            "reset_mechanism": reset,
        }
        if task.recurrent:
            self.neuron = snntorch.RSynaptic(**options, linear_features=task.n_hidden)
            self.neuron.recurrent = nn.Linear(task.n_hidden, task.n_hidden, bias=False)
            self.neuron.recurrent.weight.data = torch.from_numpy(task.weights["recurrent"].T.copy())
        else:
            self.neuron = snntorch.Synaptic(**options)
        self.neuron.graded_spikes_factor.fill_(self.spike_value)

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        out = self.neuron(current, *state)
        return out[0], out if self.recurrent else out[1:]


class SnnTorchReadout(Layer):
    """``Leaky`` of snnTorch without reset."""

    def __init__(self, task: Task) -> None:
        import snntorch

        super().__init__()
        self.neuron = snntorch.Leaky(task.decay_readout, reset_mechanism="none")
        self.input_gain = 1 - task.decay_readout

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        _, mem = self.neuron(current, *state)
        return mem, (mem,)


def snn_torch(name: str, task: Task, compiled: bool, reset: str = "zero") -> TorchPeer:
    """Build the network with snnTorch."""
    network = Network(task, SnnTorchLIF(task, reset), SnnTorchReadout(task), compiled)
    return TorchPeer(name, "snntorch", network)


def snn_torch_subtract(name: str, task: Task, compiled: bool) -> TorchPeer:
    """Build the network with snnTorch and its faster reset."""
    return snn_torch(name, task, compiled, "subtract")


class SpikingJellyLIF(Layer):
    """``cuba_lif_step`` of SpikingJelly, the step of its ``CUBALIFNode``.

    Its reset comes at once, so the bin after a spike starts at zero and is not held there.
    """

    n_states = 3

    def __init__(self, task: Task) -> None:
        from spikingjelly.activation_based import functional

        super().__init__()
        self.function = functional.cuba_lif_step
        self.alpha, self.beta, self.weight = task.decay_syn, task.decay_mem, _recurrent(task)
        self.input_gain = 1 - task.decay_mem

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        syn, mem, spk = state
        if self.weight is not None:
            current = torch.addmm(current, spk, self.weight, alpha=self.input_gain)
        spk, syn, mem = self.function(
            current, syn, mem, self.alpha, self.beta, 1.0, 0.0, Spike.apply, True
        )
        return spk, (syn, mem, spk)


class SpikingJellyReadout(Layer):
    """``NonSpikingLIFNode`` of SpikingJelly."""

    def __init__(self, task: Task) -> None:
        from spikingjelly.activation_based import neuron

        super().__init__()
        self.neuron = neuron.NonSpikingLIFNode(1 / (1 - task.decay_readout))

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        self.neuron.v = state[0]
        self.neuron.neuronal_charge(current)
        return self.neuron.v, (self.neuron.v,)


def spiking_jelly(name: str, task: Task, compiled: bool) -> TorchPeer:
    """Build the network with SpikingJelly."""
    network = Network(task, SpikingJellyLIF(task), SpikingJellyReadout(task), compiled)
    return TorchPeer(name, "spikingjelly", network)


class NorseLIF(Layer):
    """``lif_feed_forward_step`` of norse on the sum of input and recurrent current.

    Its reset comes at once, so the bin after a spike starts at zero and is not held there, and it is
    differentiated. Its surrogate "triangle" has a fixed width, so membranes are scaled to the threshold 4.
    """

    n_states = 3
    input_gain = SLOPE

    def __init__(self, task: Task) -> None:
        from norse.torch.functional import lif

        super().__init__()
        self.function, self.make_state, self.weight = (
            lif.lif_feed_forward_step,
            lif.LIFFeedForwardState,
            _recurrent(task),
        )
        # Its Euler step of 1 has the decays 1 − 1/τ.
        self.parameters_ = lif.LIFParameters(
            tau_syn_inv=torch.as_tensor(1 - task.decay_syn),
            tau_mem_inv=torch.as_tensor(1 - task.decay_mem),
            v_th=torch.as_tensor(SLOPE),
            method="triangle",
            alpha=torch.as_tensor(1 / SLOPE),
        )

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        mem, syn, spk = state
        if self.weight is not None:
            current = torch.addmm(current, spk, self.weight, alpha=self.input_gain)
        spk, (mem, syn) = self.function(
            current, self.make_state(mem, syn), self.parameters_, dt=1.0
        )
        return spk, (mem, syn, spk)


class NorseReadout(Layer):
    """``li_feed_forward_step`` of norse, its synapses without memory."""

    n_states = 2

    def __init__(self, task: Task) -> None:
        from norse.torch.functional import leaky_integrator as li

        super().__init__()
        self.function, self.make_state = li.li_feed_forward_step, li.LIState
        self.parameters_ = li.LIParameters(
            torch.as_tensor(1.0), torch.as_tensor(1 - task.decay_readout)
        )

    def step(self, current: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """Step."""
        out, state = self.function(current, self.make_state(*state), self.parameters_, dt=1.0)
        return out, tuple(state)


def norse(name: str, task: Task, compiled: bool) -> TorchPeer:
    """Build the network with norse."""
    network = Network(task, NorseLIF(task), NorseReadout(task), compiled)
    return TorchPeer(name, "norse", network)
