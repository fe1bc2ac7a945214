"""Measure the cost of training in other libraries: seconds per step, peak memory, accuracy.

    make peers
    .venv-peers/bin/python benchmarks/train_peers.py NAME --steps T --hidden H --events FILE.npz --json
    .venv-peers/bin/python benchmarks/train_peers.py NAME --steps T --hidden H --train FILE.npz --epochs E --json

The networks are defined in ``train_peers_common``. One process measures one library, on one batch of 128:

* **seconds**: of every step of ``--repeat``, after two warm-up steps that compile. A step is forward, backward and
  Adam, from the raster in the layout that is fastest for the library; making the raster is not timed.
* **scores**: of the batch before the first step, and **losses** of all steps, to compare with spikebench.
* **peak_bytes**: largest resident memory during these steps, minus the resident memory before the dense raster is
  made, libraries imported and weights in place. The raster counts; a library without a raster saves it. With
  ``--device cuda`` the memory allocated on the GPU, where raster and weights are.

An event file holds ``offsets`` (sample + 1; int64), ``bins`` and ``units`` (int32), ``labels`` (int64), ``n_steps``,
``n_units`` and, for equal initial values, the weights of the network.
For ``--train`` the first four are stored twice, as ``train_…`` and ``test_…``; batches are in the order of the file,
and an incomplete last batch is left out of training.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from train_peers_common import (
    BATCH,
    Labels,
    PeakMemory,
    Peer,
    Raster,
    Task,
    draw_weights,
    weights_of,
)

N_UNITS = 700
WARM_UP = 2
PEERS = {
    "plain torch": "train_peers_torch:plain",
    "snnTorch": "train_peers_torch:snn_torch",
    "snnTorch subtract": "train_peers_torch:snn_torch_subtract",
    "SpikingJelly": "train_peers_torch:spiking_jelly",
    "norse": "train_peers_torch:norse",
    "spyx": "train_peers_jax:spyx",
    "convolution over delays": "train_peers_delays:convolution",
    "adLIF in plain torch": "train_peers_models:adlif",
    "C-SiLIF in plain torch": "train_peers_models:c_silif",
}
COMPILED = " compiled"  # suffix of a name: the same through torch.compile


def build(
    name: str,
    n_steps: int,
    n_hidden: int,
    recurrent: bool,
    seed: int,
    weights: dict[str, NDArray[np.float32]] | None = None,
    device: str = "cpu",
) -> Peer:
    """Build the network in a library.

    Parameters
    ----------
    name
        A name in :data:`PEERS`; with the suffix " compiled", through ``torch.compile``.
    n_steps, n_hidden, recurrent
        As in :class:`Task`.
    seed
        Seed of the weights, if they are not given.
    weights
        As in :class:`Task`.
    device
        ``cpu``, or ``cuda`` for a library on top of PyTorch.

    Returns
    -------
    Peer
        The network, ready to train.
    """
    task = Task(n_steps, n_hidden, recurrent, weights or draw_weights(N_UNITS, n_hidden, seed))
    module, _, function = PEERS[name.removesuffix(COMPILED)].partition(":")
    peer: Peer = getattr(importlib.import_module(module), function)(
        name, task, name.endswith(COMPILED)
    )
    if device != "cpu":
        peer.to(device)
    return peer


class Events:
    """Samples as spikes, and as dense rasters batch by batch."""

    def __init__(self, arrays: dict[str, NDArray[Any]], prefix: str = "") -> None:
        self.offsets, self.bins, self.units, self.labels = (
            arrays[prefix + name] for name in ("offsets", "bins", "units", "labels")
        )
        self.shape = int(arrays["n_steps"]), int(arrays["n_units"])

    def batches(self) -> Iterator[tuple[Raster, Labels]]:
        """Yield rasters of 128 samples each and their labels; the last raster ends with empty samples."""
        for first in range(0, len(self.labels), BATCH):
            offsets = self.offsets[first : first + BATCH + 1]
            spikes = slice(offsets[0], offsets[-1])
            samples = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
            raster = np.zeros((BATCH, *self.shape), np.float32)
            np.add.at(raster, (samples, self.bins[spikes], self.units[spikes]), 1)
            yield raster, self.labels[first : first + BATCH]


def measure(peer: Peer, events: Events, repeat: int, device: str) -> dict[str, Any]:
    """Time steps on one batch."""
    raster, labels = next(events.batches())
    raster = raster[: len(labels)]
    if (
        not peer.name.endswith(COMPILED) and peer.name != "spyx"
    ):  # they would compile for two samples
        peer.scores(peer.prepare(raster[:2]))  # lets the library load its dependencies once
    del raster
    memory = PeakMemory(device)
    raster, labels = next(events.batches())
    raster = raster[: len(labels)]
    prepared = peer.prepare(raster)
    del raster
    scores, spikes = peer.scores(prepared)
    began = time.perf_counter()
    losses = [peer.step(prepared, labels) for _ in range(WARM_UP)]
    warm_up = time.perf_counter() - began
    memory.reset()
    seconds = []
    for _ in range(repeat):
        began = time.perf_counter()
        losses.append(peer.step(prepared, labels))
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
    }


def train(peer: Peer, training: Events, test: Events, epochs: int) -> dict[str, Any]:
    """Train some epochs, then test."""
    seconds, losses = [], []
    for _ in range(epochs):
        for raster, labels in training.batches():
            if len(labels) < BATCH:
                continue
            prepared = peer.prepare(raster)
            began = time.perf_counter()
            losses.append(peer.step(prepared, labels))
            seconds.append(time.perf_counter() - began)
    right = 0
    for raster, labels in test.batches():
        scores, _ = peer.scores(peer.prepare(raster))
        right += int((scores[: len(labels)].argmax(1) == labels).sum())
    return {
        "test_accuracy": right / len(test.labels),
        "train_s": sum(seconds),
        "first_step_s": seconds[0],
        "loss": losses[-1],
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [name + end for name in PEERS for end in ("", COMPILED) if name != "spyx" or not end]
    parser.add_argument("name", choices=names)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--hidden", type=int, required=True)
    parser.add_argument("--feed-forward", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.name == "spyx" and options.device != "cpu":
        parser.error("spyx is measured on the CPU only: leave out --device")
    if (options.events is None) == (options.train is None):
        parser.error("one of --events and --train is needed")
    with np.load(options.events or options.train) as file:
        arrays = dict(file)
    if int(arrays["n_steps"]) != options.steps:
        parser.error(f"the file is not of {options.steps} steps")
    weights = weights_of(arrays)
    peer = build(
        options.name,
        options.steps,
        options.hidden,
        not options.feed_forward,
        options.seed,
        weights,
        options.device,
    )
    if options.events:
        report = measure(peer, Events(arrays), options.repeat, options.device)
    else:
        report = train(peer, Events(arrays, "train_"), Events(arrays, "test_"), options.epochs)
    report = {"name": peer.name, "version": peer.version, **report}
    if options.json:
        print(json.dumps(report))
    else:
        print("\n".join(f"{key}: {value}" for key, value in report.items()))


if __name__ == "__main__":
    main()
