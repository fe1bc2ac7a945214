"""Batches of few-shot tasks, which :mod:`spikebench.protocol.few_shot` draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.fewshot.settings import TaskSettings
from spikebench.learning.maml import IGNORED
from spikebench.protocol.few_shot import PURPOSES, Draws, Kind, Labelled, Purpose, Sizes, takes_of


@dataclass(frozen=True)
class Tasks:
    """Samples of several tasks, task by task, equally many of each.

    Labels are 0 … N − 1, or classes of the data set for ``speaker``; -100 for empty clips that fill up the queries.
    """

    support: EventBatch
    query: EventBatch
    n_tasks: int


class Pool:
    """Samples of a split as binned events, from which clips are made.

    Parameters
    ----------
    samples
        Binned samples.
    n_steps
        Number of bins of a clip; later events are left out.
    most_takes
        Samples of a class and speaker that are used, the first ones; 0: all.
    """

    def __init__(self, samples: BinnedSamples, n_steps: int, most_takes: int = 0) -> None:
        takes = takes_of(samples.labels, samples.samples.speakers, most_takes)
        kept = np.sort(np.concatenate(list(takes.values())))
        place = np.full(len(samples), -1)
        place[kept] = np.arange(kept.size)
        self.takes = {key: place[found] for key, found in takes.items()}
        self.speakers = sorted({speaker for _, speaker in self.takes})
        self.size = kept.size
        self._batch = samples.batch(kept)
        self._offsets = self._batch.offsets.numpy()
        self._bins, self._units = self._batch.bins.numpy(), self._batch.units.numpy()
        self._lengths = self._batch.lengths.numpy()
        self.n_steps, self.n_units = n_steps, self._batch.n_units
        self.time_step = self._batch.time_step
        # Mean count per unit and bin of a clip of one sample.
        self.input_rate = self._bins.size / max(self.size * self.n_units * n_steps, 1)

    def clips(self, clips: list[Labelled]) -> EventBatch:
        """Make clips of one or several samples, one after the other.

        Parameters
        ----------
        clips
            Samples of each clip (none: an empty clip), and its label.

        Returns
        -------
        EventBatch
            The clips.
        """
        bins: list[NDArray[np.int32]] = []
        units: list[NDArray[np.int32]] = []
        sizes, lengths = [], []
        for clip, _ in clips:
            begin = size = 0
            for k in clip:
                here = slice(self._offsets[k], self._offsets[k + 1])
                late = self._bins[here] + np.int32(begin)
                inside = int(np.searchsorted(late, self.n_steps))  # events are sorted by bin
                bins.append(late[:inside])
                units.append(self._units[here][:inside])
                size += inside
                begin += int(self._lengths[k])
            sizes.append(size)
            lengths.append(min(max(begin, 1), self.n_steps))
        return EventBatch(
            offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)),
            bins=torch.from_numpy(np.concatenate(bins)),
            units=torch.from_numpy(np.concatenate(units)),
            lengths=torch.tensor(lengths),
            labels=torch.tensor([label for _, label in clips]),
            n_steps=self.n_steps,
            n_units=self.n_units,
            time_step=self.time_step,
            mode=self._batch.mode,
        )


class TaskSource:
    """All tasks of a kind for one purpose.

    Parameters
    ----------
    pool
        The samples.
    kind, purpose
        Kind of the tasks and what they are for.
    settings
        N, k, and the number of queries.
    n_classes
        Classes of the data set.
    where
        Name of the data in messages.

    Raises
    ------
    ProtocolError
        If there are too few classes, speakers or samples.
    """

    def __init__(
        self,
        pool: Pool,
        kind: Kind,
        purpose: Purpose,
        settings: TaskSettings,
        n_classes: int,
        where: str,
    ) -> None:
        self.pool, self.kind, self.purpose = pool, kind, purpose
        sizes = Sizes(settings.ways, settings.shots, settings.queries, settings.words)
        self._draws = Draws(pool.takes, kind, purpose, sizes, n_classes, where)
        self.classes, self.ways = self._draws.classes, self._draws.ways

    @property
    def n_outputs(self) -> int:
        """Outputs of the network: the ways, or all classes for ``speaker``."""
        return len(self.classes) if self.kind == "speaker" else self.ways

    @property
    def chance(self) -> float:
        """Accuracy of a guess among the classes of a task."""
        return 1 / self.ways

    def draw(self, seed: int, numbers: range) -> Tasks:
        """Draw tasks.

        Parameters
        ----------
        seed, numbers
            Together with the purpose they determine the tasks; every task is independent of the others.

        Returns
        -------
        Tasks
            Up to ``queries`` queries per class, fewer if there are fewer samples.
        """
        drawn = [self._draws.draw(seed, number) for number in numbers]
        most = max(len(query) for _, query in drawn)
        support = [clip for shots, _ in drawn for clip in shots]
        query = [
            clip for _, asked in drawn for clip in asked + [((), IGNORED)] * (most - len(asked))
        ]
        return Tasks(self.pool.clips(support), self.pool.clips(query), len(numbers))

    def labelled(self, seed: int, number: int, size: int) -> EventBatch:
        """Draw a batch of clips of all classes of the purpose, for training without tasks.

        Parameters
        ----------
        seed, number
            Together they determine the batch.
        size
            Clips.

        Returns
        -------
        EventBatch
            Labels are positions in ``classes``, classes of the data set for ``speaker``.
        """
        rng = np.random.default_rng([seed, len(PURPOSES), number])
        clips: list[Labelled] = []
        usable = [k for k, c in enumerate(self.classes) if self._draws.n_takes(c)]
        for k in rng.choice(usable, size).tolist():
            label = self.classes[k][0] if self.kind == "speaker" else k
            clips += [(clip, label) for clip in self._draws.clips(rng, self.classes[k], 1)]
        return self.pool.clips(clips)
