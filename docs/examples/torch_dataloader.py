"""Train a linear read-out of spike rates in plain PyTorch: a DataLoader with workers, no padding in the average.

python docs/examples/torch_dataloader.py FILE.h5 (or the name of a data set, such as digits)
"""

from __future__ import annotations

import sys

import torch
from torch.utils.data import DataLoader

from spikebench import Collate, EventBatch, open_selection


def rates(batch: EventBatch) -> torch.Tensor:
    """Spikes per bin of each unit, (batch, unit): over the bins that a sample lasts, not over its padding."""
    return batch.dense().sum(1) / batch.lengths.clamp(min=1)[:, None]


def main(data: str) -> None:
    """Train for five epochs, print the accuracy on held-out speakers; the test split is not opened."""
    torch.manual_seed(0)
    selection = open_selection(data)
    train, validation = selection.train, selection.validation
    collate = Collate(train.n_units, time_step=0.01)
    model = torch.nn.Sequential(
        torch.nn.BatchNorm1d(train.n_units), torch.nn.Linear(train.n_units, len(train.keys))
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loader = DataLoader(
        train,
        batch_size=64,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
        collate_fn=collate,
    )
    for epoch in range(1, 6):
        model.train()
        for batch in loader:
            loss = torch.nn.functional.cross_entropy(model(rates(batch)), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            batch = collate(list(validation))
            accuracy = (model(rates(batch)).argmax(1) == batch.labels).float().mean()
        print(f"epoch {epoch}: loss {loss:.3f}, validation {accuracy:.1%}")


if __name__ == "__main__":
    main(sys.argv[1])
