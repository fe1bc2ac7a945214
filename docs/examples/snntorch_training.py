"""Train a spiking layer of snnTorch on batches of spikebench, and test it once.

python docs/examples/snntorch_training.py FILE.h5 (or the name of a data set, such as digits) [FOLDER of the result]

Needs snnTorch (MIT licence), which spikebench does not install.
"""

from __future__ import annotations

import sys

import snntorch
import torch

from spikebench import Benchmark


class Network(torch.nn.Module):
    """One layer of leaky integrate-and-fire neurons; the score of a class is its read-out's largest value."""

    def __init__(self, n_units: int, n_classes: int) -> None:
        super().__init__()
        self.input, self.readout = torch.nn.Linear(n_units, 64), torch.nn.Linear(64, n_classes)
        self.lif = snntorch.Leaky(beta=0.9)

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        """Compute scores (batch, class) of a raster (batch, time, unit)."""
        membrane, scores = self.lif.init_leaky(), []
        for current in self.input(raster).unbind(1):
            spikes, membrane = self.lif(current, membrane)
            scores.append(self.readout(spikes))
        return torch.stack(scores).amax(0)


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
        print(f"epoch {epoch}: loss {loss:.3f}")
    print(f"validation accuracy {benchmark.validate(model):.1%}")
    if folder:  # opens the test split
        benchmark.evaluate(model, metrics="all").save(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
