"""Train a spiking layer of SpikingJelly on our batches.

python docs/examples/spikingjelly_training.py FILE.h5 (or the name of a data set, such as digits)

Needs SpikingJelly, which spikebench does not install; mind its licence.
"""

from __future__ import annotations

import sys

import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch.utils.data import DataLoader

from spikebench import Collate, open_selection


def main(data: str) -> None:
    """Train for two epochs on the training speakers."""
    torch.manual_seed(0)
    train = open_selection(data).train
    collate = Collate(train.n_units, time_step=0.01, n_steps=50, mode="binary")
    model = torch.nn.Sequential(
        layer.Linear(train.n_units, 64, step_mode="m"),
        neuron.LIFNode(tau=10.0, decay_input=False, step_mode="m"),
        layer.Linear(64, len(train.keys), step_mode="m"),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(1, 3):
        for batch in DataLoader(train, batch_size=64, shuffle=True, collate_fn=collate):
            raster = batch.dense().transpose(0, 1)  # SpikingJelly expects (time, batch, unit)
            loss = torch.nn.functional.cross_entropy(model(raster).amax(0), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            functional.reset_net(model)
        print(f"epoch {epoch}: loss {loss:.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
