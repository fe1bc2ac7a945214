"""Train a spiking layer of norse on batches of spikebench, and test it once.

python docs/examples/norse_training.py FILE.h5 (or the name of a data set, such as digits) [FOLDER of the result]

Needs norse (LGPL), which spikebench does not install.
"""

from __future__ import annotations

import sys

import norse.torch as norse
import torch

from spikebench import Benchmark


class Network(torch.nn.Module):
    """One layer of leaky integrate-and-fire neurons; the score of a class is its integrator's largest value."""

    def __init__(self, n_units: int, n_classes: int) -> None:
        super().__init__()
        self.layers = norse.SequentialState(
            torch.nn.Linear(n_units, 64),
            norse.LIF(dt=0.01),
            torch.nn.Linear(64, n_classes),
            norse.LI(dt=0.01),
        )

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        """Compute scores (batch, class) of a raster (batch, time, unit)."""
        voltages, _ = self.layers(raster.transpose(0, 1))  # norse expects (time, batch, unit)
        scores: torch.Tensor = voltages.amax(0)
        return scores


def main(data: str, folder: str = "") -> None:
    """Train for two epochs on the training speakers; save the result of the test, if a folder is given."""
    torch.manual_seed(0)
    benchmark = Benchmark(data, batch_size=64, duration=0.5, mode="binary")
    model = Network(benchmark.n_units, benchmark.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(1, 3):
        for raster, labels in benchmark.train:
            loss = torch.nn.functional.cross_entropy(model(raster), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss:.3f}")
    print(f"validation accuracy {benchmark.validate(model):.1%}")
    if folder:  # opens the test split
        benchmark.evaluate(model, metrics="all").save(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
