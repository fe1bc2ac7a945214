"""Train a network on frames that transforms of tonic make, and test it once through the same transforms.

python docs/examples/tonic_transforms.py FILE.h5 (or the name of a data set, such as digits) [FOLDER of the result]

Needs tonic (GPL), which spikebench does not install.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from tonic import transforms

from spikebench import Benchmark


class Network(torch.nn.Module):
    """A gated recurrent layer on frames of 10 ms."""

    def __init__(self, n_units: int, n_classes: int) -> None:
        super().__init__()
        self.hidden = torch.nn.GRU(n_units, 32, batch_first=True)
        self.readout = torch.nn.Linear(32, n_classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Compute scores (batch, class) of frames (batch, time, unit)."""
        scores: torch.Tensor = self.readout(self.hidden(frames)[0].mean(1))
        return scores


def main(data: str, folder: str = "") -> None:
    """Train for two epochs; save the result of the test, if a folder is given."""
    np.random.seed(0)  # tonic draws from it  # noqa: NPY002
    torch.manual_seed(0)
    benchmark = Benchmark(data, batch_size=64, duration=0.5)
    size = (benchmark.n_units, 1, 1)
    frames = transforms.ToFrame(size, time_window=10_000, start_time=0, end_time=500_000)
    random = transforms.Compose([transforms.DropEvent(p=0.1), frames])
    tonic = benchmark.as_tonic(frames, train_transform=random)
    model = Network(tonic.n_units, tonic.n_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(1, 3):
        for inputs, labels in tonic.train:
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss:.3f}")
    print(f"validation accuracy {tonic.validate(model):.1%}")
    if folder:  # opens the test split
        tonic.evaluate(model, metrics="all").save(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
