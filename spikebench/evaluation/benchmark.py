"""The protocol for a network of your own: batches to train and select on, and one test.

::

    benchmark = spikebench.Benchmark("digits")
    for raster, labels in benchmark.train:     # float32 (batch, time, unit), int64 (batch,)
        ...
    result = benchmark.evaluate(model)         # opens the test split once, and counts it
    result.save("result")                      # spikebench submit result

The network is trained outside of this package, so a result says how it was tested, not how it was trained: its
validation and test accuracies and its costs are measured here, the rest is declared.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn

from spikebench.errors import ProtocolError, TrainingError
from spikebench.evaluation.own_result import (
    OwnResult,
    keeping_mode,
    make_result,
    test_network,
    weights_bytes,
)
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.dataset import SpikeDataset
from spikebench.metrics.cost import read_groups
from spikebench.metrics.cost_table import COST_TABLES, read_cost_tables
from spikebench.models.base import DataShape
from spikebench.models.own import OwnModel
from spikebench.presets.preset import Preset
from spikebench.protocol.opening import SelectionData, open_selection, open_test
from spikebench.records.problems import first_problem
from spikebench.training.batches import TrainingBatches
from spikebench.training.inference import bin_samples, one_thread, run_model

if TYPE_CHECKING:
    from spikebench.evaluation.tonic_input import TransformedBenchmark

__all__ = ["Batches", "Benchmark"]

_LONGEST_NAME = 200  # in a result


class Batches:
    """Batches of one split; iterating over them is one epoch.

    Parameters
    ----------
    samples
        The samples with their time bins.
    preset
        Batch size and augmentation.
    seed
        Seed of order and augmentation; None for the order of the file, without augmentation.
    events
        Whether an :class:`EventBatch` is yielded instead of its raster.

    Attributes
    ----------
    epoch : int
        Number of the last epoch that was begun. Order and augmentation depend on the seed and the epoch only.
    """

    def __init__(
        self, samples: BinnedSamples, preset: Preset, seed: int | None, events: bool
    ) -> None:
        self.samples, self.epoch = samples, 0
        self._preset, self._seed, self._events = preset, seed, events
        self._size = preset.training.batch_size

    def __len__(self) -> int:
        """Return the number of batches."""
        return math.ceil(len(self.samples) / self._size)

    def __iter__(self) -> Iterator[tuple[Any, torch.Tensor]]:
        """Yield input and labels (int64, shape (batch,)) of every batch."""
        self.epoch += 1
        if self._seed is None:
            make, order = self._in_order, np.arange(len(self.samples))
        else:
            batches = TrainingBatches(self.samples, self._preset, self._seed, self.epoch)
            make, order = batches.batch, batches.order()
        for first in range(0, order.size, self._size):
            batch = make(order[first : first + self._size])
            yield (batch if self._events else batch.dense()), batch.labels

    def _in_order(self, chosen: NDArray[np.int64]) -> EventBatch:
        return self.samples.batch(chosen)


class Benchmark:
    """A data set under its protocol, for networks that are trained by your own code.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.
    batch_size
        Samples in a batch.
    time_step
        Width of a bin [s].
    duration
        Length of the raster [s]; later spikes are left out.
    mode
        ``counts``, the number of spikes in a cell, or ``binary``, 1 for a cell with spikes.
    group_units
        Number of neighbouring units that become one input.
    augmentation
        Random changes of every training sample: keys of the table ``[augmentation]`` of a preset, and
        ``unit_jitter_percent``; see ``docs/augmentation.md``.
    seed
        Seed of the order of the training samples and their augmentation.
    events
        Whether networks take an :class:`EventBatch` instead of a raster (batch, time, unit).

    Raises
    ------
    SpikebenchError
        If the data do not exist or cannot be split, or an option is out of range.

    Attributes
    ----------
    n_units, n_classes, n_steps : int
        Inputs, classes, time bins.
    classes : list of str
        Their names.
    """

    def __init__(
        self,
        data: str | PathLike[str],
        *,
        batch_size: int = 128,
        time_step: float = 0.01,
        duration: float = 1.0,
        mode: Literal["counts", "binary"] = "counts",
        group_units: int = 1,
        augmentation: Mapping[str, float] | None = None,
        seed: int = 0,
        events: bool = False,
    ) -> None:
        if time_step > 1:
            raise TrainingError(f"time_step is in seconds, and 10 ms are 0.01; got {time_step:g}")
        self.preset = _preset(
            {
                "time_step_ms": time_step * 1e3,
                "duration_ms": duration * 1e3,
                "mode": mode,
                "group_units": group_units,
            },
            batch_size,
            dict(augmentation or {}),
        )
        self.seed, self.events = seed, events
        self.selection: SelectionData = open_selection(str(data))
        self.classes = list(self.selection.dataset.classes)
        self.n_units = self.preset.n_inputs(self.selection.dataset.n_units)
        self.n_classes, self.n_steps = len(self.classes), self.preset.input.n_steps
        self._tested: dict[tuple[str, int], tuple[int, str]] = {}

    def __repr__(self) -> str:
        data, step = self.selection.dataset.name, self.preset.input.time_step_ms
        raster = f"{self.n_steps} bins of {step:g} ms, {self.n_units} units"
        return (
            f"{type(self).__name__}({data}; {raster}, {self.preset.input.mode}; {self.n_classes} classes; "
            f"{len(self.selection.train):,} training and {len(self.selection.validation):,} validation samples; "
            "test: not handed out)"
        )

    @cached_property
    def train(self) -> Batches:
        """Training samples, in a new order in every epoch."""
        samples = self._input(self.selection.train)
        return Batches(samples, self.preset, self.seed, self.events)

    @cached_property
    def validation(self) -> Batches:
        """Validation samples, which select; in the order of the file."""
        samples = self._input(self.selection.validation)
        return Batches(samples, self.preset, None, self.events)

    def _input(self, samples: SpikeDataset) -> BinnedSamples:
        """Make the input of a network of some samples."""
        return bin_samples(samples, self.preset)

    def _declared(self, augmentation: str) -> dict[str, str]:
        """Return what is declared of the input and its changes."""
        return {"augmentation": augmentation} if augmentation else {}

    def as_tonic(
        self,
        transform: Callable[[NDArray[np.void]], Any],
        train_transform: Callable[[NDArray[np.void]], Any] | None = None,
    ) -> TransformedBenchmark:
        """Return the same benchmark with samples that go through a transform of tonic, or any callable.

        Parameters
        ----------
        transform
            From the events of a sample, a structured array with fields ``t`` [µs], ``x`` (unit) and ``p`` (1), to
            frames (time, unit) or (time, 1, unit), one per time step of the benchmark. For transforms that ask for it,
            ``sensor_size`` is (units, 1, 1).
        train_transform
            For the training samples, with random changes; by default as the others. Random numbers are drawn by the
            transform, so the seed is set by the caller (``numpy.random.seed`` for tonic).

        Returns
        -------
        TransformedBenchmark
            With the methods of a benchmark; its result names the transforms. ``train_set`` and ``validation_set`` are
            the splits in the form of tonic's data sets. Openings of the test split are counted together.

        Raises
        ------
        TrainingError
            If the transform does not return frames, or the benchmark has an augmentation of its own.
        """
        from spikebench.evaluation.tonic_input import TransformedBenchmark

        return TransformedBenchmark(self, transform, train_transform)

    @property
    def test(self) -> Batches:
        """The test samples are not handed out.

        Raises
        ------
        ProtocolError
            Always.
        """
        raise ProtocolError(
            "the test split cannot be read here: select on benchmark.validation, then call benchmark.evaluate(model), "
            "which opens the test split once and counts it"
        )

    @property
    def shape(self) -> DataShape:
        """Shape of the data."""
        samples = self.train.samples
        cells = len(samples) * samples.n_steps * samples.n_units
        return DataShape(
            n_units=self.n_units,
            n_classes=self.n_classes,
            n_steps=self.n_steps,
            time_step=samples.time_step,
            input_rate=samples.n_events / max(cells, 1),
        )

    def validate(self, model: nn.Module) -> float:
        """Compute the accuracy on the validation samples, by which epochs and settings are selected.

        Parameters
        ----------
        model
            A network, as for :meth:`evaluate`.

        Returns
        -------
        float
            Share of the validation samples that are classified correctly.

        Raises
        ------
        TrainingError
            As :meth:`evaluate`.
        """
        own = OwnModel(model, self.shape, type(model).__name__, takes_events=self.events)
        return self._validate(own)

    def _validate(self, model: OwnModel) -> float:
        samples = self.validation.samples
        with one_thread(), keeping_mode(model):
            answers = run_model(model, samples, self.preset.training.batch_size)
        return float(np.mean(answers.predicted == samples.labels))

    def evaluate(
        self,
        model: nn.Module | Sequence[nn.Module],
        metrics: str = "",
        *,
        name: str = "",
        seeds: Sequence[int] | None = None,
        selected_on: Literal["validation", "none"] = "validation",
        augmentation: str = "",
        extra_data: str = "none",
        ensemble: int = 1,
        cost_tables: Sequence[str] = COST_TABLES,
    ) -> OwnResult:
        """Test trained networks: open the test split once, count it, measure.

        Parameters
        ----------
        model
            A network that takes (batch, time, unit), or an ``EventBatch`` (``events=True``), and returns scores
            (batch, class); or several that differ in the seed of their training. They stay on their device.
        metrics
            Cost metrics: ``all``, or names of groups as for ``spikebench evaluate --metrics``; by default none.
        name
            Name of the model; by default that of its class.
        seeds
            Seed of each training; by default 0, 1, 2 …
        selected_on
            What selected the epoch and the settings; ``none`` if nothing was selected.
        augmentation
            Description of augmentation other than that of :attr:`train`.
        extra_data
            Description of other data that it was trained on.
        ensemble
            Number of networks behind one prediction.
        cost_tables
            Cost tables for the energy.

        Returns
        -------
        OwnResult
            One result over all seeds; :meth:`OwnResult.save` writes it for ``spikebench submit``. Each of its seeds has
            the number of times that the test split was opened for a model of this name and seed with other weights.

        Raises
        ------
        TrainingError
            If the scores do not have the shape (batch, class) or are not finite, or the tensors of a network cannot be
            kept.
        ProtocolError
            If the data have changed.
        """
        models = [model] if isinstance(model, nn.Module) else list(model)
        numbers = [int(seed) for seed in (range(len(models)) if seeds is None else seeds)]
        groups = read_groups(metrics) if metrics else []
        tables = read_cost_tables(tuple(cost_tables)) if "energy" in groups else []
        name = name or (type(models[0]).__name__ if models else "")
        _check_models(models, numbers, name)
        shape = self.shape
        own = [OwnModel(one, shape, name, takes_events=self.events) for one in models]
        if len({network.n_parameters() for network in own}) > 1:
            raise TrainingError(
                f"the models {name} differ in their number of parameters; test them separately"
            )
        # Before the test split is opened: a network that does not run is not tested, and not counted.
        accuracies = [self._validate(one) for one in own]
        files = [weights_bytes(one, name, seed) for one, seed in zip(own, numbers, strict=True)]
        opened = [self._count(name, seed, file) for seed, file in zip(numbers, files, strict=True)]
        test = self._input(open_test(self.selection))
        size = self.preset.training.batch_size
        tests = [test_network(network, name, test, size, groups, tables) for network in own]
        declared: dict[str, str | int] = {"extra_data": extra_data, "ensemble": ensemble}
        declared |= self._declared(augmentation)
        return make_result(
            *(name, own, self.selection.dataset, self.preset, tests),
            weights=files,
            seeds=numbers,
            validation=accuracies,
            opened=opened,
            selected_on=selected_on,
            declared=declared,
        )

    def _count(self, name: str, seed: int, weights: bytes) -> int:
        """Count an opening of the test split; the same weights again are not another one."""
        times, last = self._tested.get((name, seed), (0, ""))
        digest = hashlib.sha256(weights).hexdigest()
        times += digest != last
        self._tested[name, seed] = (times, digest)
        return times


def _preset(table: dict[str, Any], batch_size: int, augmentation: dict[str, float]) -> Preset:
    training: dict[str, Any] = {"batch_size": batch_size}
    if "unit_jitter_percent" in augmentation:
        training["unit_jitter_percent"] = augmentation.pop("unit_jitter_percent")
    tables = {"input": table, "training": training, "augmentation": augmentation}
    try:
        return Preset.model_validate(tables)
    except ValidationError as error:
        raise TrainingError(f"Benchmark: {first_problem(error, Preset)}") from None


def _check_models(models: Sequence[nn.Module], seeds: Sequence[int], name: str) -> None:
    """Refuse models that are not one model with several seeds."""
    if not models or not all(isinstance(one, nn.Module) for one in models):
        raise TrainingError("evaluate takes a torch.nn.Module, or a list of them")
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise TrainingError(f"name: must be one printable line of 1 to {_LONGEST_NAME} characters")
    if len(seeds) != len(models) or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise TrainingError(
            f"{len(models)} models of {name} need as many different seeds (0 or more), got {list(seeds)}"
        )
    if len({type(one) for one in models}) > 1:
        raise TrainingError(
            "the models must be one network trained with several seeds; test different networks separately"
        )
