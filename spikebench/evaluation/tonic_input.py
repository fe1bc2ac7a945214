"""Transforms of tonic between a data set and a network, in training and in the test.

A sample goes into a transform as the structured array of tonic's SHD and SSC, fields ``t`` (µs), ``x`` (unit), ``p``
(1). Any callable will do: tonic is not needed, and not imported. For batches, a transform ends with frames, an array
(time, unit) or (time, 1, unit) such as that of ``tonic.transforms.ToFrame``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.errors import TrainingError
from spikebench.evaluation.benchmark import Batches, Benchmark
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.dataset import SpikeDataset

if TYPE_CHECKING:
    from spikebench.presets.preset import Preset

__all__ = ["Transform", "TransformedBenchmark", "TransformedSamples"]

Transform = Callable[[NDArray[np.void]], Any]

_LONGEST_TEXT = 400  # of a transform, in a result


def _no_events(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401
    raise ValueError("transformed samples are frames, not events, and have no finer bins")


@dataclass(frozen=True, eq=False)
class TransformedBatch(EventBatch):
    """Frames of a batch; it has no events.

    Attributes
    ----------
    frames : Tensor of float32, shape (batch, time, unit)
        What the transform returned, followed by zeros.
    """

    frames: torch.Tensor

    sparse = structured = rebinned = _no_events

    def _moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> Self:
        return replace(super()._moved(move), frames=move(self.frames))

    def part(self, first: int, last: int) -> Self:
        """Return a range of samples of the batch; see :meth:`EventBatch.part`."""
        return replace(super().part(first, last), frames=self.frames[first:last])

    def window(self, first: int, last: int) -> Self:
        """Return a range of frames of the batch; see :meth:`EventBatch.window`."""
        return replace(super().window(first, last), frames=self.frames[:, first:last])

    def dense(self, *grid: Any, **more: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the frames, float32, shape (batch, time, unit), on their own grid only."""
        if grid or more:
            _no_events()
        missing = self.n_steps - self.frames.shape[1]
        return torch.nn.functional.pad(self.frames, (0, 0, 0, missing))


class TransformedSamples(BinnedSamples):
    """Samples that go through a transform whenever a batch of them is made.

    Parameters
    ----------
    samples
        The samples.
    transform
        From a structured array to frames.
    time_step
        Width of a frame [s].
    n_steps
        Number of frames of a batch. Further frames are left out, missing ones are 0.

    Raises
    ------
    TrainingError
        If the transform does not return frames.
    """

    def __init__(
        self, samples: SpikeDataset, transform: Transform, time_step: float, n_steps: int
    ) -> None:
        super().__init__(samples, time_step, n_steps, "counts")
        self.transform = transform
        self.n_units = self._frames(0).shape[1]

    def batch(
        self,
        chosen: NDArray[np.int64],
        jitter: float = 0.0,
        generator: np.random.Generator | None = None,
    ) -> TransformedBatch:
        """Transform some samples; ``jitter`` of spikes must be 0."""
        if jitter:
            _no_events()
        frames = np.zeros((chosen.size, self.n_steps, self.n_units), np.float32)
        for row, k in zip(frames, chosen, strict=True):
            one = self._frames(int(k))
            if one.shape[1] != self.n_units:
                raise TrainingError(
                    f"the transform makes frames of {one.shape[1]} units of sample {k}, and {self.n_units} of the first"
                )
            row[: len(one)] = one[: self.n_steps]
        events = super().batch(chosen)
        nothing = torch.zeros(0, dtype=torch.int32)
        return TransformedBatch(
            **vars(events)
            | {"offsets": torch.zeros_like(events.offsets), "bins": nothing, "units": nothing},
            frames=torch.from_numpy(frames),
        )

    def _frames(self, k: int) -> NDArray[np.float32]:
        """Transform one sample to (time, unit)."""
        made = np.asarray(self.transform(self.samples.structured(k)))
        shape = (*made.shape[:1], *(n for n in made.shape[1:-1] if n > 1), *made.shape[1:][-1:])
        if len(shape) != 2 or not _are_numbers(made):
            raise TrainingError(
                f"the transform returned {made.dtype} {made.shape}; numbers of shape (time, unit) or (time, 1, unit) "
                "are needed, such as the frames of tonic.transforms.ToFrame(sensor_size, time_window=…)"
            )
        return made.reshape(shape).astype(np.float32)


class TonicSamples:
    """A split in the form of tonic's data sets: ``[k]`` is (events, label), for any loader.

    Parameters
    ----------
    samples
        The samples.
    transform
        Applied to the events; None for none.
    target_transform
        Applied to the label; None for none.

    Attributes
    ----------
    sensor_size : tuple of int
        (units, 1, 1), which transforms of tonic ask for.
    classes : tuple of str
        Names of the classes.
    """

    def __init__(
        self,
        samples: SpikeDataset,
        transform: Transform | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        self._samples = samples
        self.transform, self.target_transform = transform, target_transform
        self.sensor_size = (samples.n_units, 1, 1)
        self.classes = samples.keys

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, position: int) -> tuple[Any, Any]:
        """Return events and label of a sample."""
        events: Any = self._samples.structured(position)
        label: Any = int(self._samples.labels[position])
        if self.transform is not None:
            events = self.transform(events)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return events, label


class TransformedBenchmark(Benchmark):
    """A benchmark whose samples go through a transform; see :meth:`Benchmark.as_tonic`.

    Attributes
    ----------
    sensor_size : tuple of int
        (units, 1, 1).
    train_set, validation_set : TonicSamples
        The splits in the form of tonic's data sets.
    """

    def __init__(
        self, benchmark: Benchmark, transform: Transform, train_transform: Transform | None
    ) -> None:
        self.preset: Preset = benchmark.preset
        if self.preset.training.unit_jitter_percent or any(
            self.preset.augmentation.model_dump().values()
        ):
            raise TrainingError(
                "augmentation and transforms exclude each other: give random changes as train_transform"
            )
        self.seed, self.events, self.selection = benchmark.seed, False, benchmark.selection
        self.classes, self.n_classes = benchmark.classes, benchmark.n_classes
        self.n_steps, self._tested = benchmark.n_steps, benchmark._tested
        self.transform, self.train_transform = transform, train_transform or transform
        self.sensor_size = (self.selection.dataset.n_units, 1, 1)
        self.n_units = self._input(self.selection.validation).n_units

    @cached_property
    def train_set(self) -> TonicSamples:
        """Training samples, transformed."""
        return TonicSamples(self.selection.train, self.train_transform)

    @cached_property
    def validation_set(self) -> TonicSamples:
        """Validation samples, transformed."""
        return TonicSamples(self.selection.validation, self.transform)

    @cached_property
    def train(self) -> Batches:
        """Training samples through the transform of the training, in a new order in every epoch."""
        samples = self._through(self.selection.train, self.train_transform)
        return Batches(samples, self.preset, self.seed, self.events)

    def _input(self, samples: SpikeDataset) -> BinnedSamples:
        return self._through(samples, self.transform)

    def _through(self, samples: SpikeDataset, transform: Transform) -> BinnedSamples:
        time_step = self.preset.input.time_step_ms * 1e-3
        return TransformedSamples(samples, transform, time_step, self.n_steps)

    def _declared(self, augmentation: str) -> dict[str, str]:
        said = f"input through {_text(self.transform)}"
        if self.train_transform is not self.transform:
            said += f", in training {_text(self.train_transform)}"
        more = f"; {augmentation}" if augmentation else ""
        return {"augmentation": (said + more)[:_LONGEST_TEXT], "input": "other"}


def _are_numbers(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "biuf" and bool(np.isfinite(values).all())


def _text(transform: Transform) -> str:
    """Describe a transform in one line: its repr without line breaks, addresses and options that are None."""
    name = getattr(transform, "__qualname__", None)
    if isinstance(name, str):
        return name
    return re.sub(r", \w+=None\b| at 0x\w+", "", " ".join(repr(transform).split()))
