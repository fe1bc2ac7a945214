"""Train with a Trainer of Lightning, which takes the batches of a benchmark as they are; test the network once.

python docs/examples/lightning_training.py FILE.h5 (or the name of a data set, such as digits) [FOLDER of the result]

Needs lightning, which spikebench does not install.
"""

from __future__ import annotations

import sys

import lightning
import torch

from spikebench import Benchmark


class Network(torch.nn.Module):
    """Two layers on the spike counts of ten parts of the clip."""

    def __init__(self, n_units: int, n_classes: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(10 * n_units, 64)
        self.relu = torch.nn.ReLU()
        self.readout = torch.nn.Linear(64, n_classes)

    def forward(self, raster: torch.Tensor) -> torch.Tensor:
        """Compute scores (batch, class) of a raster (batch, time, unit)."""
        parts = torch.cat([part.sum(1) for part in raster.chunk(10, 1)], 1)
        scores: torch.Tensor = self.readout(self.relu(self.hidden(parts)))
        return scores


class Training(lightning.LightningModule):
    """Loss, optimiser and validation."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Compute the loss of a batch."""
        raster, labels = batch
        return torch.nn.functional.cross_entropy(self.network(raster), labels)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Count correct predictions; a ModelCheckpoint can select the epoch by them."""
        raster, labels = batch
        right = (self.network(raster).argmax(1) == labels).float().mean()
        self.log("validation_accuracy", right, batch_size=len(labels))

    def on_train_epoch_end(self) -> None:
        """Print the validation accuracy."""
        accuracy = float(self.trainer.callback_metrics["validation_accuracy"])
        print(f"epoch {self.current_epoch + 1}: validation accuracy {accuracy:.1%}")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimiser."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def main(data: str, folder: str = "") -> None:
    """Train for three epochs; save the result of the test, if a folder is given."""
    lightning.seed_everything(0, verbose=False)
    benchmark = Benchmark(data, batch_size=64, duration=0.5)
    model = Network(benchmark.n_units, benchmark.n_classes)
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Training(model), benchmark.train, benchmark.validation)
    print(f"validation accuracy {benchmark.validate(model):.1%}")
    if folder:  # opens the test split; the trainer never sees it
        benchmark.evaluate(model, metrics="all").save(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
