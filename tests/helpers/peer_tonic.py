"""ToFrame of tonic makes the rasters of a benchmark: run among the peers.

python tests/helpers/peer_tonic.py FILE.h5 prints how many batches are equal.
"""

from __future__ import annotations

import sys

import torch
from tonic import transforms

from spikebench import Benchmark


def main(data: str) -> None:
    """Compare the training batches of one epoch."""
    benchmark = Benchmark(data, batch_size=16, duration=0.3)
    size = (benchmark.n_units, 1, 1)
    # By default the first window of tonic begins at the first event.
    frames = transforms.ToFrame(size, time_window=10_000, start_time=0, end_time=300_000)
    nothing = transforms.Compose([transforms.DropEvent(p=0.0), frames])
    tonic = benchmark.as_tonic(frames, train_transform=nothing)
    n_equal = 0
    for (ours, labels), (theirs, others) in zip(benchmark.train, tonic.train, strict=True):
        assert torch.equal(labels, others)
        n_equal += torch.equal(ours, theirs)
    print(f"{n_equal} of {len(benchmark.train)} batches are equal")


if __name__ == "__main__":
    main(sys.argv[1])
