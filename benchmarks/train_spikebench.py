"""Measure the cost of training the networks of ``train_peers_common`` in spikebench, as in ``train_peers``.

    python benchmarks/train_spikebench.py --steps T --hidden H --events FILE.npz --json
    python benchmarks/train_spikebench.py --steps T --hidden H --events FILE.npz --profile --json
    python benchmarks/train_spikebench.py --steps T --hidden H --events FILE.npz --network delays --json
    python benchmarks/train_spikebench.py --steps T --hidden H --train FILE.npz --epochs E --json

Events are used directly, so no raster is made; ``peak_bytes`` is measured from the point where the events of the batch
are in memory, as for the others. ``--device cuda`` measures a GPU, with the events in its memory. ``active`` is the
share of units and steps whose membrane is within the support of the surrogate, on that batch after the measured steps.
``--profile`` adds the time of every operator in one step, and a lower limit: the time of this machine for the same
number of bytes and operations.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from train_models import build_model
from train_peers_common import (
    BATCH,
    LEARNING_RATE,
    MODELS,
    N_TAPS,
    SLOPE,
    PeakMemory,
    Task,
    draw_weights,
    weights_of,
)

from spikebench import __version__
from spikebench.events.batches import EventBatch
from spikebench.kernels.choice import Kernels, choose_kernels
from spikebench.kernels.cpu.threads import n_threads
from spikebench.kernels.neuron import Neuron
from spikebench.kernels.reference import surrogate_slope
from spikebench.kernels.scan import Scan
from spikebench.kernels.spikes import Spikes

N_UNITS = 700
WARM_UP = 2
OPERATORS = {
    "spikebench::lif_scan": "currents and scan, forward",
    "spikebench::leaky_readout": "read-out, forward",
    "spikebench::leaky_readout_backward": "read-out, backward",
    "spikebench::lif_scan_backward": "scan and weight gradients, backward",
}


class Network:
    """The network on event-driven kernels."""

    names = ("input", "recurrent", "readout", "bias")

    def __init__(self, task: Task, device: str = "cpu") -> None:
        self.device, self.kernels = device, choose_kernels(device)
        self.neuron = Neuron(surrogate="triangle", slope=SLOPE)
        self.decays = [
            torch.tensor(d, device=device)
            for d in (task.decay_syn, task.decay_mem, task.decay_readout)
        ]
        self.weights = {
            name: torch.tensor(task.weights[name], device=device, requires_grad=True)
            for name in self.names
            if task.recurrent or name != "recurrent"
        }
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=LEARNING_RATE, fused=True)

    def scores(self, batch: EventBatch) -> tuple[torch.Tensor, float]:
        """Return the scores of a batch, and the hidden spikes per sample."""
        weights, neuron, (syn, mem, readout) = self.weights, self.neuron, self.decays
        if "recurrent" in weights:
            scan = self.kernels.recurrent_lif_scan(
                *(batch, weights["recurrent"], syn, mem), neuron=neuron, weight=weights["input"]
            )
        else:
            scan = self.kernels.lif_scan(batch, syn, mem, neuron=neuron, weight=weights["input"])
        scores = self.kernels.leaky_readout(scan.spikes, weights["readout"], readout)
        return scores + weights["bias"], scan.spikes.mean_count()

    def step(self, batch: EventBatch) -> float:
        """Make one step of Adam and wait for it; the loss before it."""
        scores, _ = self.scores(batch)
        loss = torch.nn.functional.cross_entropy(scores, batch.labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(loss.detach())


class DelayedNetwork(Network):
    """The network with delays."""

    names = ("input", "delay", "hidden", "hidden_delay", "readout", "bias")

    def scores(self, batch: EventBatch) -> tuple[torch.Tensor, float]:
        """Return the scores of a batch, and the hidden spikes per sample."""
        weights, neuron, (syn, mem, readout) = self.weights, self.neuron, self.decays
        source: EventBatch | Spikes = batch
        n_spikes = 0.0
        for weight, delay in (("input", "delay"), ("hidden", "hidden_delay")):
            current = self.kernels.delayed_linear(source, weights[weight], weights[delay], N_TAPS)
            source = self.kernels.lif_scan(current, syn, mem, neuron=neuron).spikes
            n_spikes += source.mean_count()
        assert isinstance(source, Spikes)
        scores = self.kernels.leaky_readout(source, weights["readout"], readout)
        return scores + weights["bias"], n_spikes


class ModelNetwork(Network):
    """A model of spikebench."""

    def __init__(self, task: Task, name: str, n_units: int, device: str = "cpu") -> None:
        self.device = device
        self.model = build_model(name, task.n_steps, task.n_hidden, n_units, input_rate=1.0)
        self.model.load_state_dict({k: torch.from_numpy(v) for k, v in task.weights.items()})
        self.model.kernels = choose_kernels(device)
        self.model.to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, fused=True)

    def scores(self, batch: EventBatch) -> tuple[torch.Tensor, float]:
        """Return the scores of a batch, and the hidden spikes per sample."""
        output = self.model(batch)
        return output.scores, sum(spikes.mean_count() for spikes in output.spikes)


class Watched:
    """Kernels that count the units whose membrane is within the support of the surrogate."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels, self.active, self.cells = kernels, 0, 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        function = getattr(self.kernels, name)
        return functools.partial(self._scan, function) if name.endswith("lif_scan") else function

    def _scan(self, function: Any, *given: Any, neuron: Neuron, **named: Any) -> Scan:  # noqa: ANN401
        scan: Scan = function(*given, neuron=neuron, keep_membranes=True, **named)
        assert scan.membranes is not None
        slopes = surrogate_slope(scan.membranes.detach() - neuron.threshold, neuron)
        self.active += int(torch.count_nonzero(slopes))
        self.cells += slopes.numel()
        return scan


def share_of_active(network: Network, batch: EventBatch) -> float:
    """Measure the share of units and steps with a gradient of their spike."""
    owner = network.model if isinstance(network, ModelNetwork) else network
    kernels = owner.kernels
    watched = Watched(kernels)
    owner.kernels = cast("Kernels", watched)
    with torch.no_grad():
        network.scores(batch)
    owner.kernels = kernels
    return watched.active / watched.cells


def batches(arrays: dict[str, NDArray[Any]], prefix: str = "") -> list[EventBatch]:
    """Cut the events of a file into batches."""
    offsets, bins, units, labels = (
        torch.from_numpy(arrays[prefix + name]) for name in ("offsets", "bins", "units", "labels")
    )
    n_steps, n_units = int(arrays["n_steps"]), int(arrays["n_units"])
    lengths = torch.full_like(labels, n_steps)
    whole = EventBatch(
        offsets,
        bins=bins,
        units=units,
        lengths=lengths,
        labels=labels,
        n_steps=n_steps,
        n_units=n_units,
        time_step=1 / n_steps,
        mode="counts",
    )
    n = len(labels)
    return [whole.part(first, min(first + BATCH, n)) for first in range(0, n, BATCH)]


def measure(network: Network, batch: EventBatch, repeat: int) -> dict[str, Any]:
    """Time steps on one batch."""
    network.scores(batch.part(0, 2))[0].sum().backward()  # loads the compiled loops once
    network.optimizer.zero_grad()
    memory = PeakMemory(network.device)
    with torch.no_grad():
        scores, spikes = network.scores(batch)
    began = time.perf_counter()
    losses = [network.step(batch) for _ in range(WARM_UP)]
    warm_up = time.perf_counter() - began
    memory.reset()
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        losses.append(network.step(batch))
        seconds.append(time.perf_counter() - began)
    return {
        "seconds": seconds,
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "warm_up_s": warm_up,
        "peak_bytes": memory.peak(),
        "losses": losses,
        "hidden_spikes": spikes,
        "scores": scores.tolist(),
        "active": share_of_active(network, batch),
    }


def train(
    network: Network, training: list[EventBatch], test: list[EventBatch], epochs: int
) -> dict[str, Any]:
    """Train some epochs, then test."""
    seconds, losses = [], []
    for _ in range(epochs):
        for batch in training:
            if len(batch) < BATCH:
                continue
            began = time.perf_counter()
            losses.append(network.step(batch))
            seconds.append(time.perf_counter() - began)
    right = 0
    with torch.no_grad():
        for batch in test:
            right += int((network.scores(batch)[0].argmax(1) == batch.labels).sum())
    return {
        "test_accuracy": right / sum(len(batch) for batch in test),
        "train_s": sum(seconds),
        "first_step_s": seconds[0],
        "loss": losses[-1],
    }


def profile(network: Network, batch: EventBatch, n_hidden: int, repeat: int) -> dict[str, Any]:
    """Return the time of the parts of a step, and the lower limit of the minimal work."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as record:
        began = time.perf_counter()
        for _ in range(repeat):
            network.step(batch)
        total = (time.perf_counter() - began) / repeat
    parts = {
        OPERATORS[event.key]: event.cpu_time_total * 1e-6 / repeat
        for event in record.key_averages()
        if event.key in OPERATORS
    }
    parts["everything else (loss, Adam, the framework)"] = total - sum(parts.values())
    with torch.no_grad():
        _, spikes = network.scores(batch)
    return {"step_s": total, "parts_s": parts, "limit": limits(network, batch, n_hidden, spikes)}


def limits(network: Network, batch: EventBatch, n_hidden: int, spikes: float) -> dict[str, Any]:
    """Count the minimal work of the kernels, and measure the speed of this machine for it."""
    n, n_steps = len(batch), batch.n_steps
    cells, n_events = n * n_steps * n_hidden, batch.bins.numel()
    recurrent = "recurrent" in network.weights
    active = share_of_active(network, batch)
    # Additions of rows: weights forward, gradients backward, the same for hidden spikes and recurrent weights.
    added = 2 * n_hidden * (n_events + (spikes * n if recurrent else 0))
    # λ·Vᵀ, for the cells whose spike has a gradient.
    multiplied = 2 * active * cells * n_hidden if recurrent else 0
    # Of active cells, surrogate derivatives and gradients are written and read, of all cells a bit that says which are
    # active; events are read twice.
    moved = 4 * 4 * active * cells + 2 * cells / 8 + 2 * 8 * n_events
    rates = machine_rates(n_hidden)
    seconds = {
        "additions of rows": added / (rates["products_per_s"] / 2),  # a product counts two
        "products with recurrent weights": multiplied / rates["products_per_s"],
        "memory": moved / rates["bytes_per_s"],
    }
    return {"rates": rates, "seconds": seconds, "sum_s": sum(seconds.values())}


def machine_rates(n_hidden: int) -> dict[str, float]:
    """Measure small matrix products and streaming, with all threads."""
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    threads = n_threads()

    def rate(work: Any, amount: float) -> float:  # noqa: ANN401
        with ThreadPoolExecutor(threads) as pool, threadpool_limits(1):
            best = float("inf")
            for _ in range(5):
                began = time.perf_counter()
                list(pool.map(work, range(threads)))
                best = min(best, time.perf_counter() - began)
        return threads * amount / best

    left = [np.ones((16, n_hidden), np.float32) for _ in range(threads)]
    right = np.ones((n_hidden, 64), np.float32)
    out = [np.ones((16, 64), np.float32) for _ in range(threads)]
    large = [np.ones(1 << 24, np.float32) for _ in range(threads)]
    copies = [np.ones(1 << 24, np.float32) for _ in range(threads)]

    def multiply(k: int) -> None:
        for _ in range(5000):
            np.dot(left[k], right, out=out[k])

    def copy(k: int) -> None:
        np.copyto(copies[k], large[k])

    return {
        "products_per_s": rate(multiply, 5000 * 2 * 16 * 64 * n_hidden),
        "bytes_per_s": rate(copy, 2 * large[0].nbytes),
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--feed-forward", action="store_true")
    parser.add_argument("--network", choices=["lif", "delays", *MODELS], default="lif")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.profile and options.device != "cpu":
        parser.error("--profile measures the CPU; leave it out, or leave out --device")
    if (options.events is None) == (options.train is None):
        parser.error("one of --events and --train is needed")
    if options.network != "lif" and options.profile:
        parser.error("--profile is for the network lif")
    torch.set_num_threads(1)  # the kernels use their own threads
    with np.load(options.events or options.train) as file:
        arrays = dict(file)
    weights = weights_of(arrays) or draw_weights(N_UNITS, options.hidden, options.seed)
    task = Task(options.steps, options.hidden, not options.feed_forward, weights)
    if options.network in MODELS:
        network: Network = ModelNetwork(
            task, options.network, int(arrays["n_units"]), options.device
        )
    else:
        kind = DelayedNetwork if options.network == "delays" else Network
        network = kind(task, options.device)

    def placed(prefix: str = "") -> list[EventBatch]:
        return [batch.to(options.device) for batch in batches(arrays, prefix)]

    if options.train:
        report = train(network, placed("train_"), placed("test_"), options.epochs)
    else:
        (batch,) = placed()
        report = measure(network, batch, options.repeat)
        if options.profile:
            report["profile"] = profile(network, batch, options.hidden, options.repeat)
    report = {"name": "spikebench", "version": __version__, **report}
    print(json.dumps(report, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
