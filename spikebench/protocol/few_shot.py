"""Drawing few-shot tasks: support and query samples of some classes of a speaker, of words, or of pairs of words.

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

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import ProtocolError

__all__ = [
    "FIRST_EVALUATED",
    "KINDS",
    "PURPOSES",
    "Draws",
    "Kind",
    "Labelled",
    "Purpose",
    "Sizes",
    "classes_of",
    "takes_of",
    "usable_samples",
]

Labelled = tuple[tuple[int, ...], int]
Takes = dict[tuple[int, int], NDArray[np.int64]]
Kind = Literal["speaker", "words", "pairs"]
Purpose = Literal["train", "validation", "test"]

KINDS: tuple[Kind, ...] = ("speaker", "words", "pairs")
FIRST_EVALUATED = 1_000_000  # number of the first task of an evaluation; those before it select
PURPOSES: tuple[Purpose, ...] = ("train", "validation", "test")
_PARTS = {"words": (0.5, 0.75), "pairs": (0.64, 0.8)}
_SPLIT_SEED = 0  # of the permutation of pairs


@dataclass(frozen=True)
class Sizes:
    """Size of a task: N classes (0: as many as every speaker has), k shots, at most so many queries per class.

    ``words`` is the number of classes of which pairs are made.
    """

    ways: int
    shots: int
    queries: int
    words: int


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


def usable_samples(
    kind: Kind, purpose: Purpose, speakers: NDArray[np.int64], test_only: Collection[int]
) -> NDArray[np.bool_]:
    """Select the samples of a split from which tasks are drawn.

    Parameters
    ----------
    kind, purpose
        Kind of the tasks and what they are for.
    speakers
        Speaker of every sample, int64, shape (sample,).
    test_only
        Speakers that are only in the test split.

    Returns
    -------
    ndarray
        bool, shape (sample,): all, but those of other speakers for the test of ``speaker``.
    """
    if kind == "speaker" and purpose == "test" and test_only:
        return np.isin(speakers, list(test_only))
    return np.ones(speakers.size, dtype=bool)


def takes_of(labels: NDArray[np.int64], speakers: NDArray[np.int64], most_takes: int = 0) -> Takes:
    """List the samples of every class and speaker.

    Parameters
    ----------
    labels, speakers
        Of every sample, int64, shape (sample,).
    most_takes
        Samples of a class and speaker that are used, the first ones; 0: all.

    Returns
    -------
    dict
        (class, speaker) → positions of the samples, int64; without those that have none.
    """
    takes: Takes = {}
    for label in np.unique(labels).tolist():
        for speaker in np.unique(speakers).tolist():
            found = np.flatnonzero((labels == label) & (speakers == speaker))
            found = found[:most_takes] if most_takes else found
            if found.size:
                takes[label, speaker] = found
    return takes


class Draws:
    """All tasks of a kind for one purpose.

    Parameters
    ----------
    takes
        From :func:`takes_of`.
    kind, purpose
        Kind of the tasks and what they are for.
    sizes
        Size of a task.
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
        takes: Mapping[tuple[int, int], NDArray[np.int64]],
        kind: Kind,
        purpose: Purpose,
        sizes: Sizes,
        n_classes: int,
        where: str,
    ) -> None:
        self.kind, self.purpose, self.sizes = kind, purpose, sizes
        self._takes, self._speakers = takes, sorted({speaker for _, speaker in takes})
        self.classes = classes_of(kind, purpose, n_classes, sizes.words)
        least = sizes.shots + 1
        if kind == "speaker":
            usable = {
                s: [c for c in self.classes if len(takes.get((c[0], s), ())) >= least]
                for s in self._speakers
            }
        else:
            usable = {-1: [c for c in self.classes if self.n_takes(c) >= least]}
        self.ways = sizes.ways or len(self.classes)
        if kind == "speaker" and not sizes.ways:
            self.ways = min((len(found) for found in usable.values()), default=0)
        self._usable = {s: found for s, found in usable.items() if len(found) >= max(self.ways, 2)}
        if not self._usable:
            most = max((len(found) for found in usable.values()), default=0)
            if most < 2:
                raise ProtocolError(
                    f"{where}: has too few classes or samples for {kind} tasks ({purpose}); leave out --task {kind}"
                )
            raise ProtocolError(
                f"{where}: {kind} tasks of {self.ways} classes with {sizes.shots} shots cannot be drawn for "
                f"{purpose}: only {most} classes have {least} samples; set {kind}.ways={most} or fewer shots"
            )

    def draw(self, seed: int, number: int) -> tuple[list[Labelled], list[Labelled]]:
        """Draw a task.

        Parameters
        ----------
        seed, number
            Together with the purpose they determine the task.

        Returns
        -------
        support, queries : list of (samples, label)
            Samples of a clip (two for pairs) and its label, class by class.
        """
        rng = np.random.default_rng([seed, PURPOSES.index(self.purpose), number])
        speakers = list(self._usable)
        speaker = speakers[int(rng.integers(len(speakers)))]
        usable = self._usable[speaker]
        chosen = [usable[k] for k in rng.permutation(len(usable))[: self.ways].tolist()]
        labels = [
            words[0] if self.kind == "speaker" else place for place, words in enumerate(chosen)
        ]
        n_shots, n_queries = self.sizes.shots, self.sizes.queries
        if self.kind == "speaker":
            orders = [rng.permutation(self._takes[words[0], speaker]).tolist() for words in chosen]
            shots: list[list[tuple[int, ...]]] = [
                [(k,) for k in order[:n_shots]] for order in orders
            ]
            queries: list[list[tuple[int, ...]]] = [
                [(k,) for k in order[n_shots : n_shots + n_queries]] for order in orders
            ]
        else:
            shots = [self.clips(rng, words, n_shots) for words in chosen]
            used = {k for clips in shots for clip in clips for k in clip}
            queries = [self.clips(rng, words, n_queries, used) for words in chosen]
        return _labelled(shots, labels), _labelled(queries, labels)

    def n_takes(self, words: tuple[int, ...]) -> int:
        """Count the clips of a class without a recording in two of them.

        Parameters
        ----------
        words
            The class: one class of the data set, two for pairs.

        Returns
        -------
        int
            Over all speakers.
        """
        takes = self._takes
        return sum(
            min(len(takes.get((word, speaker), ())) // words.count(word) for word in words)
            for speaker in self._speakers
        )

    def clips(
        self,
        rng: np.random.Generator,
        words: tuple[int, ...],
        count: int,
        barred: Collection[int] = (),
    ) -> list[tuple[int, ...]]:
        """Draw clips of a class, of any speakers; no recording is in two of them.

        Parameters
        ----------
        rng
            Source of randomness.
        words
            The class.
        count
            Largest number of clips.
        barred
            Recordings that are not used.

        Returns
        -------
        list of tuple of int
            Positions of the samples of each clip.
        """
        takes = self._takes
        # Each speaker as often as there can be clips.
        found = [
            speaker
            for speaker in self._speakers
            for _ in range(min(len(takes.get((word, speaker), ())) for word in words))
        ]
        clips: list[tuple[int, ...]] = []
        used = set(barred)
        for place in rng.permutation(len(found)).tolist():
            one: list[int] = []
            for word in words:
                left = [
                    k for k in takes[word, found[place]].tolist() if k not in used and k not in one
                ]
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
