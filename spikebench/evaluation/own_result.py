"""The test of networks that were trained elsewhere, and its result: in memory first, then as a folder."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save

from spikebench import __version__
from spikebench.errors import OutputExistsError, ResultError
from spikebench.evaluation.final_test import describe_environment
from spikebench.evaluation.measurement import measure_cost, spikes_of_test
from spikebench.events.batches import BinnedSamples
from spikebench.learning.rule import device_of
from spikebench.metrics.cost_table import CostTable
from spikebench.metrics.record import Metrics
from spikebench.models.own import OwnModel
from spikebench.presets.preset import Preset
from spikebench.protocol.results import (
    RESULT_FILE,
    DatasetRecord,
    ModelRecord,
    Predictions,
    Result,
    SeedRecord,
    predictions_text,
    write_result,
)
from spikebench.protocol.scoring import score, summarise
from spikebench.records.text import os_error_text
from spikebench.records.whole_files import write_bytes
from spikebench.training.inference import one_thread, run_model

__all__ = ["OwnResult", "keeping_mode", "make_result", "test_network", "weights_bytes"]


@dataclass(frozen=True)
class OwnResult:
    """A result of :meth:`spikebench.evaluation.benchmark.Benchmark.evaluate`.

    Attributes
    ----------
    result : Result
        Contents of ``result.json``.
    files : dict of bytes
        The other files of its folder, by name: predictions and weights.
    """

    result: Result
    files: dict[str, bytes]

    @property
    def test_accuracy(self) -> float:
        """Mean over the seeds."""
        return self.result.summary.test_mean

    @property
    def validation_accuracy(self) -> float | None:
        """Mean over the seeds."""
        return self.result.summary.validation_mean

    def save(self, folder: Path | str) -> Path:
        """Write the folder that ``spikebench submit`` takes.

        Parameters
        ----------
        folder
            Created if it does not exist.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputExistsError
            If it contains a result already.
        ResultError
            If it cannot be written; the result is still in memory, and can be saved elsewhere.
        """
        folder = Path(folder)
        if (folder / RESULT_FILE).exists():
            raise OutputExistsError(f"{folder}: contains a result already; choose another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in self.files.items():
                write_bytes(folder / name, content)
            write_result(folder, self.result)  # last: it makes the others valid
        except OSError as error:
            raise ResultError(f"{folder}: cannot be written: {os_error_text(error)}") from None
        return folder

    def __str__(self) -> str:
        summary, seeds = self.result.summary, self.result.seeds
        low, high = summary.test_interval.low, summary.test_interval.high
        return (
            f"{self.result.model.name} on {self.result.dataset.name}, {len(seeds)} "
            f"seed{'s' * (len(seeds) > 1)}: test accuracy {summary.test_mean:.1%} (95 %: {low:.1%} … {high:.1%}), "
            f"validation {summary.validation_mean or 0:.1%}"
        )


@dataclass(frozen=True)
class _Test:
    """What the test of one network gave."""

    predictions: Predictions
    spikes_per_sample: float | None
    metrics: Metrics | None
    seconds: float


def test_network(
    model: OwnModel,
    name: str,
    test: BinnedSamples,
    batch_size: int,
    groups: Sequence[str],
    tables: Sequence[CostTable],
) -> _Test:
    """Run a network on the test split, and measure its cost.

    Parameters
    ----------
    model, name
        The network, on any device.
    test
        The test split, whose opening the caller has counted, as the input of the network.
    batch_size
        Samples at a time.
    groups, tables
        As for :func:`spikebench.evaluation.measurement.measure_cost`.

    Returns
    -------
    _Test
        Predictions and cost.
    """
    began = time.perf_counter()
    with one_thread(), keeping_mode(model):
        answers = run_model(model, test, batch_size)
        seconds = time.perf_counter() - began
        metrics = None
        if groups:
            metrics = measure_cost(
                *(model, name, test, answers.predicted, batch_size, groups, tables)
            )
        spikes = None
        if model.spiking:
            spikes = spikes_of_test(model, test, answers.predicted, batch_size)
    samples = test.samples
    predictions = Predictions(
        index=samples.index,
        label=samples.labels,
        predicted=answers.predicted,
        speaker=samples.speakers,
    )
    return _Test(predictions, spikes, metrics, seconds)


@contextmanager
def keeping_mode(model: torch.nn.Module) -> Iterator[None]:
    """Leave each part of a network in the mode, training or evaluation, that it had.

    Parameters
    ----------
    model
        The network.

    Yields
    ------
    None
    """
    modes = [(part, part.training) for part in model.modules()]
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def weights_bytes(model: OwnModel, name: str, seed: int) -> bytes:
    """Return the weights of a network as a file.

    Parameters
    ----------
    model, name, seed
        The network.

    Returns
    -------
    bytes
        In the format safetensors, with the names of the network's own tensors.

    Raises
    ------
    ResultError
        If the format does not support the type of a tensor.
    """
    tensors = {
        key: one.detach().cpu().contiguous().clone() for key, one in model.state_dict().items()
    }
    try:
        return save(tensors, {"note": json.dumps({"model": name, "seed": seed})})
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(f"{name}: its weights cannot be saved as safetensors: {error}") from None


def make_result(
    name: str,
    models: Sequence[OwnModel],
    dataset: DatasetRecord,
    preset: Preset,
    tests: Sequence[_Test],
    *,
    weights: Sequence[bytes],
    seeds: Sequence[int],
    validation: Sequence[float],
    opened: Sequence[int],
    selected_on: Literal["validation", "none"],
    declared: dict[str, str | int],
) -> OwnResult:
    """Make the result of all seeds.

    Parameters
    ----------
    name, models
        The networks, one per seed.
    dataset, preset
        Data and input.
    tests
        Of :func:`test_network`.
    weights
        Of :func:`weights_bytes`.
    seeds, validation, opened
        Number, validation accuracy and openings of the test split of each.
    selected_on, declared
        What the user declares.

    Returns
    -------
    OwnResult
        The result and its files.
    """
    files: dict[str, bytes] = {}
    records = []
    for k, (seed, test) in enumerate(zip(seeds, tests, strict=True)):
        predictions_file, weights_file = (
            f"predictions-seed{seed}.csv",
            f"weights-seed{seed}.safetensors",
        )
        files[predictions_file] = predictions_text(test.predictions).encode()
        files[weights_file] = weights[k]
        records.append(
            SeedRecord(
                seed=seed,
                validation_accuracy=validation[k],
                **vars(score(test.predictions, dataset)),
                spikes_per_sample=test.spikes_per_sample,
                epochs=0,
                selected_epoch=0,
                selected_on=selected_on,
                test_opened=opened[k],
                train_seconds=None,
                test_seconds=test.seconds,
                predictions_file=predictions_file,
                predictions_sha256=hashlib.sha256(files[predictions_file]).hexdigest(),
                weights_file=weights_file,
                weights_sha256=hashlib.sha256(files[weights_file]).hexdigest(),
                metrics=test.metrics,
            )
        )
    first = models[0]
    result = Result(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=f"spikebench {__version__}, Benchmark.evaluate",
        command="",
        dataset=dataset,
        model=ModelRecord(
            name=name,
            spiking=first.spiking,
            parameters=first.n_parameters(),
            config={},
            look_ahead=first.looks_ahead,
        ),
        training=_settings(preset) | {"declared": declared},
        seeds=records,
        summary=summarise(records),
        environment=describe_environment(device_of(first).type),
    )
    return OwnResult(result, files)


def _settings(preset: Preset) -> dict[str, object]:
    """Return the input, and the augmentation of the training batches."""
    settings = preset.model_dump(mode="json", include={"input", "augmentation"})
    return settings | {"training": {"unit_jitter_percent": preset.training.unit_jitter_percent}}
