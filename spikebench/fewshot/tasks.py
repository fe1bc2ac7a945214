"""Drawing tasks: support and query samples of some classes of a speaker, of words, or of pairs of words.

``speaker``
    The words of one speaker. Labels are the classes of the data set, the same in all tasks. Meta-training uses training
    speakers, meta-validation validation speakers, meta-test the speakers that are only in the test split (all of its
    speakers if there are none).
``words``
    N words of a group; which of them has which label is drawn for every task, so that nothing can be known before the
    shots. The first half of the classes (rounded up) is for meta-training, the next quarter for meta-validation, the
    last for meta-test. The words are spoken by the speakers of the same split.
``pairs``
    As ``words``, but a class is an ordered pair of words, spoken by one speaker one after the other in one clip,
    without a pause: word b begins in the bin after the last one of word a. Of the pairs of the first ``words`` classes,
    64 % are for meta-training, 16 % for meta-validation, 20 % for meta-test, by a fixed permutation.

A recording in the support of a task is in none of its queries. A task is determined by (seed, purpose, number).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from spikebench.errors import ProtocolError
from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.fewshot.settings import TaskSettings
from spikebench.learning.maml import IGNORED

Labelled = tuple[tuple[int, ...], int]
Kind = Literal["speaker", "words", "pairs"]
Purpose = Literal["train", "validation", "test"]

KINDS: tuple[Kind, ...] = ("speaker", "words", "pairs")
_PURPOSES: tuple[Purpose, ...] = ("train", "validation", "test")
_PARTS = {"words": (0.5, 0.75), "pairs": (0.64, 0.8)}
_SPLIT_SEED = 0  # of the permutation of pairs


@dataclass(frozen=True)
class Tasks:
    """Samples of several tasks, task by task, equally many of each.

    Labels are 0 … N − 1, or classes of the data set for ``speaker``; -100 for empty clips that fill up the queries.
    """

    support: EventBatch
    query: EventBatch
    n_tasks: int


def classes_of(kind: Kind, purpose: Purpose, n_classes: int, words: int) -> list[tuple[int, ...]]:
    """List the classes of the tasks of a purpose.

    Parameters
    ----------
    kind, purpose
        Kind of the tasks and what they are for.
    n_classes
        Classes of the data set.
    words
        For pairs: number of the first classes of which pairs are made.

    Returns
    -------
    list of tuple of int
        One class of the data set; two for pairs.
    """
    if kind == "speaker":
        return [(c,) for c in range(n_classes)]
    if kind == "words":
        found: list[tuple[int, ...]] = [(c,) for c in range(n_classes)]
    else:
        n = min(words, n_classes)
        order = np.random.default_rng(_SPLIT_SEED).permutation(n * n)
        found = [(int(k) // n, int(k) % n) for k in order]
    first, second = (int(np.ceil(part * len(found))) for part in _PARTS[kind])
    edges = {"train": (0, first), "validation": (first, second), "test": (second, len(found))}
    return found[slice(*edges[purpose])]


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
        labels, speakers = samples.labels, samples.samples.speakers
        self.takes: dict[tuple[int, int], NDArray[np.int64]] = {}
        for label in np.unique(labels).tolist():
            for speaker in np.unique(speakers).tolist():
                found = np.flatnonzero((labels == label) & (speakers == speaker))
                found = found[:most_takes] if most_takes else found
                if found.size:
                    self.takes[label, speaker] = found
        kept = np.sort(np.concatenate(list(self.takes.values())))
        place = np.full(labels.size, -1)
        place[kept] = np.arange(kept.size)
        self.takes = {key: place[found] for key, found in self.takes.items()}
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
        self.pool, self.kind, self.purpose, self.settings = pool, kind, purpose, settings
        self.classes = classes_of(kind, purpose, n_classes, settings.words)
        least = settings.shots + 1
        if kind == "speaker":
            usable = {
                s: [c for c in self.classes if len(pool.takes.get((c[0], s), ())) >= least]
                for s in pool.speakers
            }
        else:
            usable = {-1: [c for c in self.classes if self._n_takes(c) >= least]}
        self.ways = settings.ways or len(self.classes)
        if kind == "speaker" and not settings.ways:
            self.ways = min((len(found) for found in usable.values()), default=0)
        self._usable = {s: found for s, found in usable.items() if len(found) >= max(self.ways, 2)}
        if not self._usable:
            most = max((len(found) for found in usable.values()), default=0)
            if most < 2:
                raise ProtocolError(
                    f"{where}: has too few classes or samples for {kind} tasks ({purpose}); leave out --task {kind}"
                )
            raise ProtocolError(
                f"{where}: {kind} tasks of {self.ways} classes with {settings.shots} shots cannot be drawn for "
                f"{purpose}: only {most} classes have {least} samples; set {kind}.ways={most} or fewer shots"
            )

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
        drawn = [self._draw(seed, number) for number in numbers]
        most = max(len(query) for _, query in drawn)
        support = [clip for shots, _ in drawn for clip in shots]
        query = [
            clip for _, asked in drawn for clip in asked + [((), IGNORED)] * (most - len(asked))
        ]
        return Tasks(self.pool.clips(support), self.pool.clips(query), len(numbers))

    def _draw(self, seed: int, number: int) -> tuple[list[Labelled], list[Labelled]]:
        rng = np.random.default_rng([seed, _PURPOSES.index(self.purpose), number])
        speakers = list(self._usable)
        speaker = speakers[int(rng.integers(len(speakers)))]
        usable = self._usable[speaker]
        chosen = [usable[k] for k in rng.permutation(len(usable))[: self.ways].tolist()]
        labels = [
            words[0] if self.kind == "speaker" else place for place, words in enumerate(chosen)
        ]
        n_shots, n_queries = self.settings.shots, self.settings.queries
        if self.kind == "speaker":
            orders = [
                rng.permutation(self.pool.takes[words[0], speaker]).tolist() for words in chosen
            ]
            shots: list[list[tuple[int, ...]]] = [
                [(k,) for k in order[:n_shots]] for order in orders
            ]
            queries: list[list[tuple[int, ...]]] = [
                [(k,) for k in order[n_shots : n_shots + n_queries]] for order in orders
            ]
        else:
            shots = [self._clips(rng, words, n_shots) for words in chosen]
            used = {k for clips in shots for clip in clips for k in clip}
            queries = [self._clips(rng, words, n_queries, used) for words in chosen]
        return _labelled(shots, labels), _labelled(queries, labels)

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
        rng = np.random.default_rng([seed, len(_PURPOSES), number])
        clips: list[Labelled] = []
        usable = [k for k, c in enumerate(self.classes) if self._n_takes(c)]
        for k in rng.choice(usable, size).tolist():
            label = self.classes[k][0] if self.kind == "speaker" else k
            clips += [(clip, label) for clip in self._clips(rng, self.classes[k], 1)]
        return self.pool.clips(clips)

    def _n_takes(self, words: tuple[int, ...]) -> int:
        """Count the clips of a class without a recording in two of them."""
        takes = self.pool.takes
        return sum(
            min(len(takes.get((word, speaker), ())) // words.count(word) for word in words)
            for speaker in self.pool.speakers
        )

    def _clips(
        self,
        rng: np.random.Generator,
        words: tuple[int, ...],
        count: int,
        barred: Collection[int] = (),
    ) -> list[tuple[int, ...]]:
        """Draw clips of a class, of any speakers, without barred recordings; no recording is in two of them."""
        takes = self.pool.takes
        # Each speaker as often as there can be clips.
        found = [
            speaker
            for speaker in self.pool.speakers
            for _ in range(min(len(takes.get((word, speaker), ())) for word in words))
        ]
        clips: list[tuple[int, ...]] = []
        used = set(barred)
        for place in rng.permutation(len(found)).tolist():
            one: list[int] = []
            for word in words:
                left = [k for k in takes[word, found[place]].tolist() if k not in {*used, *one}]
                if left:
                    one.append(left[int(rng.integers(len(left)))])
            if len(one) == len(words):
                clips.append(tuple(one))
                used.update(one)
            if len(clips) == count:
                break
        return clips


def _labelled(classes: list[list[tuple[int, ...]]], labels: list[int]) -> list[Labelled]:
    return [(clip, label) for clips, label in zip(classes, labels, strict=True) for clip in clips]
