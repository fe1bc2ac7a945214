"""Train a spiking layer of SpikingJelly on batches of spikebench, and test it once.

python docs/examples/spikingjelly_training.py FILE.h5 (or the name of a data set, such as digits) [FOLDER of the result]

Needs SpikingJelly, which spikebench does not install; mind its licence.
"""

from __future__ import annotations

import sys

import torch
from spikingjelly.activation_based import functional, layer, neuron

from spikebench import Benchmark


class Network(torch.nn.Module):
    """One layer of leaky integrate-and-fire neurons, all steps in one call."""

    def __init__(self, n_units: int, n_classes: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            layer.Linear(n_units, 64, step_mode="m"),
            neuron.LIFNode(tau=10.0, decay_input=False, step_mode="m"),
            layer.Linear(64, n_classes, step_mode="m"),
        )

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        """Compute scores (batch, class) of a raster (batch, time, unit)."""
        scores: torch.Tensor = self.layers(raster.transpose(0, 1)).amax(0)  # (time, batch, unit)
        return scores


def main(data: str, folder: str = "") -> None:
    """Train for two epochs on the training speakers; save the result of the test, if a folder is given."""
    torch.manual_seed(0)
    benchmark = Benchmark(data, batch_size=64, duration=0.5, mode="binary")
    model = Network(benchmark.n_units, benchmark.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(1, 3):
        for raster, labels in benchmark.train:
            loss = torch.nn.functional.cross_entropy(model(raster), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            functional.reset_net(model)  # validate and evaluate do so before every batch
        print(f"epoch {epoch}: loss {loss:.3f}")
    print(f"validation accuracy {benchmark.validate(model):.1%}")
    if folder:  # opens the test split
        benchmark.evaluate(model, metrics="all").save(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
