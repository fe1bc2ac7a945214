"""Samples and batches whose cells hold levels of mel bands instead of spikes.

They take the place of :class:`~spikebench.events.batches.BinnedSamples` and
:class:`~spikebench.events.batches.EventBatch` in training and testing: a frame is a time bin, a band is a unit. What
concerns single spikes is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Self

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.bands.mel import MelDesign
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.dataset import SpikeDataset
from spikebench.mel.cache import MelFrames

__all__ = ["MelBatch", "MelSamples", "mel_batch", "padded_levels"]


def _no_spikes(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401
    raise ValueError("mel features are levels, not spikes, and have neither counts nor finer bins")


@dataclass(frozen=True, eq=False)
class MelBatch(EventBatch):
    """Levels of a batch; it has no events.

    Attributes
    ----------
    levels : Tensor of float32, shape (batch, frame, band)
        Levels [dB]; frames after the last are silent.
    silence : float
        Level of silence [dB].
    """

    levels: torch.Tensor
    silence: float

    sparse = structured = rebinned = _no_spikes

    def __repr__(self) -> str:
        return super().__repr__().replace("0 events, ", "").replace("units, audio", "mel bands")

    def _moved(self, move: Callable[[torch.Tensor], torch.Tensor]) -> Self:
        return replace(super()._moved(move), levels=move(self.levels))

    def part(self, first: int, last: int) -> Self:
        """Return a range of samples of the batch; see :meth:`EventBatch.part`."""
        return replace(super().part(first, last), levels=self.levels[first:last])

    def window(self, first: int, last: int) -> Self:
        """Return a range of frames of the batch; see :meth:`EventBatch.window`."""
        return replace(super().window(first, last), levels=self.levels[:, first:last])

    def dense(self, *grid: Any, **more: Any) -> torch.Tensor:  # noqa: ANN401
        """Return the levels of the batch [dB], float32, shape (batch, frame, band), on its own grid only."""
        if grid or more:
            _no_spikes()
        missing = self.n_steps - self.levels.shape[1]
        return torch.nn.functional.pad(self.levels, (0, 0, 0, missing), value=self.silence)


def mel_batch(
    levels: NDArray[np.float32],
    lengths: NDArray[np.int64],
    labels: NDArray[np.int64],
    time_step: float,
    silence: float,
) -> MelBatch:
    """Make a batch.

    Parameters
    ----------
    levels
        Levels [dB], float32, shape (batch, frame, band).
    lengths, labels
        Frames and class of each sample, int64, shape (batch,).
    time_step
        From one frame to the next [s].
    silence
        Level of silence [dB].

    Returns
    -------
    MelBatch
        The batch, without events.
    """
    nothing = torch.zeros(0, dtype=torch.int32)
    return MelBatch(
        offsets=torch.zeros(len(labels) + 1, dtype=torch.int64),
        bins=nothing,
        units=nothing,
        lengths=torch.from_numpy(lengths),
        labels=torch.from_numpy(labels),
        n_steps=levels.shape[1],
        n_units=levels.shape[2],
        time_step=time_step,
        mode="audio",
        levels=torch.from_numpy(levels),
        silence=silence,
    )


def padded_levels(
    recordings: Sequence[NDArray[np.float32]], n_steps: int, design: MelDesign
) -> NDArray[np.float32]:
    """Bring the levels of recordings to a common number of frames.

    Parameters
    ----------
    recordings
        Levels [dB] of each, float32, shape (frame, band).
    n_steps
        Number of frames; later ones are left out.
    design
        Parameters with which they were computed.

    Returns
    -------
    ndarray of float32, shape (recording, frame, band)
        With silence after the end of a recording; the caller owns it.
    """
    shape = (len(recordings), n_steps, design.n_bands)
    levels = np.full(shape, design.floor, dtype=np.float32)
    for one, recording in zip(levels, recordings, strict=True):
        one[: len(recording)] = recording[:n_steps]
    return levels


class MelSamples(BinnedSamples):
    """Samples with the mel features of their recordings.

    Parameters
    ----------
    samples
        The samples; their spikes are not used.
    frames
        Mel features of all samples of ``samples.events``.
    time_step
        From one frame to the next [s].
    n_steps
        Number of frames. Frames after the last are left out and counted in ``n_late``; shorter recordings are followed
        by silence.
    """

    def __init__(
        self, samples: SpikeDataset, frames: MelFrames, time_step: float, n_steps: int
    ) -> None:
        self.samples, self.labels, self.group_units = samples, samples.labels, 1
        self.frames, self.n_units = frames, frames.design.n_bands
        self.time_step, self.n_steps, self.mode = time_step, n_steps, "audio"
        sizes = np.diff(frames.offsets)[samples.rows]
        self.n_events = 0
        self.n_late = int(np.maximum(sizes - n_steps, 0).sum())

    counts = of_binned = _no_spikes

    def batch(
        self,
        chosen: NDArray[np.int64],
        jitter: float = 0.0,
        generator: np.random.Generator | None = None,
    ) -> MelBatch:
        """Collate some samples; ``jitter`` of spikes must be 0."""
        if jitter:
            _no_spikes()
        return self.of_levels(self.levels(chosen), chosen)

    def of_levels(self, levels: NDArray[np.float32], chosen: NDArray[np.int64]) -> MelBatch:
        """Make a batch of the levels of some samples.

        Parameters
        ----------
        levels
            Levels [dB], float32, shape (batch, frame, band).
        chosen
            Positions among the samples, int64, shape (batch,).

        Returns
        -------
        MelBatch
            The levels with labels and lengths.
        """
        sizes = np.diff(self.frames.offsets)[self.samples.rows[chosen]]
        lengths = np.minimum(sizes, self.n_steps)
        silence = self.frames.design.floor
        return mel_batch(levels, lengths, self.labels[chosen], self.time_step, silence)

    def levels(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the levels of some samples.

        Parameters
        ----------
        chosen
            Positions among the samples, int64, shape (batch,).

        Returns
        -------
        ndarray of float32, shape (batch, frame, band)
            Levels [dB], with silence after the end of a recording; the caller owns it.
        """
        own = [self._own(k) for k in self.samples.rows[chosen]]
        return padded_levels(own, self.n_steps, self.frames.design)

    def _own(self, k: int) -> NDArray[np.float32]:
        """Return the levels of one sample of the arrays, up to the last frame of the grid."""
        first, end = self.frames.offsets[k : k + 2]
        return self.frames.levels[first:end][: self.n_steps]

    def statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the mean and the standard deviation of every band over all frames of the recordings.

        Returns
        -------
        mean, deviation : ndarray of float64, shape (band,)
            Levels [dB]; silence after the end of a recording does not count.
        """
        n, total = 0, np.zeros((2, self.n_units))
        # Levels are some tens of dB, so sums of squares in float64 keep enough digits.
        for k in self.samples.rows:
            own = self._own(k).astype(np.float64)
            n += len(own)
            total += own.sum(0), np.square(own).sum(0)
        mean = total[0] / n
        return mean, np.sqrt(np.maximum(total[1] / n - mean**2, 0.0))
