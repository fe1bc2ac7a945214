"""A convolutional network that processes the raster as an image.

The units are pooled to ``image_units`` rows, the time bins are the columns (preset: 64 × 64).
Source: Cramer et al. (2020), arXiv:1910.07407, who train a CNN on a 64 × 64 spatio-temporal image.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from spikebench.events.batches import EventBatch
from spikebench.metrics.operations import Account
from spikebench.models.base import Classifier, DataShape, Output
from spikebench.models.configs.base import ModelConfig
from spikebench.models.configs.cnn import CNNConfig, PictureConfig


class PictureNetwork(Classifier):
    """Three convolutions with pooling, one dense layer.

    Parameters
    ----------
    config
        Configuration.
    shape
        Properties of the data.
    rows
        Rows of the picture; by default one per input.
    """

    spiking = False
    looks_ahead = True

    def __init__(self, config: PictureConfig, shape: DataShape, rows: int = 0) -> None:
        super().__init__(config, shape)
        layers: list[nn.Module] = []
        n_in = 1
        for n_out in config.filters:
            layers += [
                nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True),
            ]
            n_in = n_out
        rows, columns = rows or shape.n_units, shape.n_steps
        for _ in config.filters:
            rows, columns = -(-rows // 2), -(-columns // 2)
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(config.dropout),
            nn.Linear(n_in * rows * columns, config.dense_units),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.dense_units, shape.n_classes),
        )

    def forward(self, batch: EventBatch) -> Output:
        """Compute the scores of a batch of events."""
        return Output(self.head(self.features(self.picture(batch))))

    def account(self, batch: EventBatch) -> Account:
        """Count the operations for a batch; see :meth:`Classifier.account`.

        Square roots of pooled counts, and levels, are values. Pooling has no weights; normalisation is part of the
        updates of the units that it scales.
        """
        account = Account.of(batch)
        values = self.picture(batch)
        for part, layers in (("features", self.features), ("head", self.head)):
            for k, layer in enumerate(layers):
                name = f"{part}.{k}.weight"
                if isinstance(layer, nn.Conv2d):
                    account.convolve(name, values, layer)
                elif isinstance(layer, nn.Linear):
                    account.multiply(name, values, layer.weight)
                values = layer(values)
                if isinstance(layer, nn.ReLU):
                    account.compute(values, hidden=True)
        account.compute(values, hidden=False)
        return account

    def picture(self, batch: EventBatch) -> torch.Tensor:
        """Make the picture.

        Parameters
        ----------
        batch
            The input of the network.

        Returns
        -------
        Tensor of float32, shape (batch, 1, time, row)
            By default the values of all inputs.
        """
        return self.values(batch).unsqueeze(1)


class CNN(PictureNetwork):
    """Convolutions on a picture of the spikes, whose rows are groups of units."""

    Config: ClassVar[type[ModelConfig]] = CNNConfig

    def __init__(self, config: CNNConfig, shape: DataShape) -> None:
        rows = min(config.image_units, shape.n_units)
        super().__init__(config, shape, rows)
        self.rows = rows

    def picture(self, batch: EventBatch) -> torch.Tensor:
        """Make the picture of square roots of counts; see :meth:`PictureNetwork.picture`."""
        raster = self.values(batch)  # (batch, time, unit)
        # Rows of equal width up to one unit: unit u is in row ⌊u·rows/n_units⌋.
        n_units = raster.shape[2]
        row = torch.arange(n_units, device=raster.device) * self.rows // n_units
        image = raster.new_zeros(*raster.shape[:2], self.rows).index_add_(2, row, raster)
        # Square roots keep a loud onset from dominating the image.
        return image.sqrt().unsqueeze(1)
