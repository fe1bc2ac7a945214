"""Sequences of tasks: pairs of classes, languages, speakers, permutations.

::

    pairs         class 0 and 1, then 2 and 3, …; an odd last class joins the last pair
    languages     the English digits, then the German ones
    speakers      all classes by one speaker, then by the next, in the order of their numbers
    permutations  of permuted-digits: all classes, the pixels in another order

**Heads.** In ``pairs`` and ``languages``, the model is told the task of a sample in training and in testing, and
chooses among the classes of the task (masked heads: the scores of the others are −∞), as in the split MNIST of Zenke
et al. 2017. With ``:single`` after the name, it is not told, and chooses among all classes (single head). In the
other sequences, every task has all classes, and the head is single.

**What is tested.** ``pairs`` and ``languages`` are trained on the training samples and tested on the validation
samples, by other speakers; with the test split open, on it. For ``speakers``, training and validation samples are
pooled, and of every speaker and class one sample in five, at least one of two, is held out and tested; with the test
split open, all of them are trained on and the test samples of the same speakers are tested: speakers of the test
split only are no task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spikebench.continual import permuted
from spikebench.errors import ProtocolError, TrainingError, UnknownNameError
from spikebench.events.dataset import SpikeDataset
from spikebench.naming.conventions.heidelberg_digits import HEIDELBERG_DIGITS
from spikebench.protocol.opening import SelectionData, open_test, open_training
from spikebench.protocol.results import DatasetRecord
from spikebench.protocol.task_groups import class_groups

__all__ = ["SEQUENCES", "Task", "TaskSequence", "Tested", "check_sequence", "make_tasks"]

Tested = Literal["validation", "test"]
SEQUENCES = (
    *("pairs", "pairs:single", "languages", "languages:single", "speakers"),
    "permutations",
)
_HELD_OUT_ONE_IN = 5


@dataclass(frozen=True)
class Task:
    """A task: its name, its training samples and its tested samples."""

    name: str
    train: SpikeDataset
    test: SpikeDataset


@dataclass(frozen=True)
class TaskSequence:
    """Tasks in their order.

    Attributes
    ----------
    name
        As in :data:`SEQUENCES`.
    tasks
        At least two.
    offered
        With masked heads, which classes a sample of a class is offered: bool, shape (class, class). None: all.
    """

    name: str
    tasks: tuple[Task, ...]
    offered: NDArray[np.bool_] | None


def check_sequence(name: str, dataset: DatasetRecord) -> None:
    """Refuse a sequence that the data do not have, before anything is opened.

    Parameters
    ----------
    name
        Name of the sequence.
    dataset
        The data.

    Raises
    ------
    UnknownNameError
        If there is no such sequence.
    TrainingError
        If the data have no such tasks.
    """
    if name not in SEQUENCES:
        raise UnknownNameError("sequence of tasks", name, SEQUENCES)
    is_permuted = dataset.name == permuted.NAME
    if (name == "permutations") != is_permuted:
        others = [one for one in SEQUENCES if (one == "permutations") == is_permuted]
        raise TrainingError(
            f"{dataset.name} has no tasks {name!r}; give --tasks {others[0]}"
            + (f", or the data {permuted.NAME}" if name == "permutations" else "")
        )
    if name.startswith("pairs") and len(dataset.classes) < 4:
        raise TrainingError(
            f"{dataset.name} has {len(dataset.classes)} classes, and pairs need at least 4; give --tasks speakers"
        )
    if name.startswith("languages") and tuple(dataset.classes) != HEIDELBERG_DIGITS:
        raise TrainingError(
            f"{dataset.name} has not the classes of the Heidelberg Digits in two languages; give --tasks pairs or "
            "speakers"
        )


def make_tasks(
    name: str,
    dataset: DatasetRecord,
    selection: SelectionData | None,
    tested: Tested,
    train_fraction: float = 1.0,
) -> TaskSequence:
    """Make the tasks of a sequence.

    Parameters
    ----------
    name, dataset
        The sequence, which :func:`check_sequence` accepts, and the data.
    selection
        The data, without the test split; None for ``permuted-digits``.
    tested
        ``test`` opens the test split.
    train_fraction
        Part of the training samples of each task that is used, at least one of each class.

    Returns
    -------
    TaskSequence
        The tasks.

    Raises
    ------
    ProtocolError
        If a task would have no samples.
    """
    offered = None
    if selection is None:
        pairs = enumerate(permuted.permuted_digits(), 1)
        tasks = [Task(f"permutation {k}", train, test) for k, (train, test) in pairs]
    elif name == "speakers":
        tasks = _speakers(selection, tested)
    else:
        groups = class_groups(name, dataset.classes)
        if not name.endswith(":single"):
            offered = np.zeros((len(dataset.classes),) * 2, dtype=bool)
            for group in groups.values():
                offered[np.ix_(group, group)] = True
        test = selection.validation if tested == "validation" else open_test(selection)
        tasks = [
            Task(title, _of_classes(selection.train, group), _of_classes(test, group))
            for title, group in groups.items()
        ]
    found = [Task(one.name, _part(one.train, train_fraction), one.test) for one in tasks]
    for one in found:
        if not len(one.train) or not len(one.test):
            what = "tested" if len(one.train) else "training"
            raise ProtocolError(
                f"task {one.name!r} of {dataset.name} has no {what} samples; choose other --tasks"
            )
    if len(found) < 2:
        raise ProtocolError(f"{dataset.name} has a single task; choose other --tasks")
    return TaskSequence(name, tuple(found), offered)


def _of_classes(samples: SpikeDataset, classes: list[int]) -> SpikeDataset:
    return samples.subset(np.isin(samples.labels, classes))


def _speakers(selection: SelectionData, tested: Tested) -> list[Task]:
    samples = open_training(selection)
    samples = samples.subset(samples.labels >= 0)
    if samples.speakers.min() < 0:
        raise ProtocolError(
            f"{selection.data}: speakers of some samples are not known; choose other --tasks"
        )
    numbers = np.unique(samples.speakers).tolist()
    if tested == "test":
        test = open_test(selection)
        return [
            Task(
                f"speaker {number}",
                samples.subset(samples.speakers == number),
                test.subset(test.speakers == number),
            )
            for number in numbers
        ]
    held_out = _held_out(samples)
    return [
        Task(
            f"speaker {number}",
            samples.subset((samples.speakers == number) & ~held_out),
            samples.subset((samples.speakers == number) & held_out),
        )
        for number in numbers
    ]


def _held_out(samples: SpikeDataset) -> NDArray[np.bool_]:
    """Hold out one sample in five of every speaker and class, at least one if there are two."""
    return _chosen(samples, lambda n: max(n // _HELD_OUT_ONE_IN, min(n - 1, 1)), "held out")


def _part(samples: SpikeDataset, fraction: float) -> SpikeDataset:
    if fraction == 1:
        return samples
    return samples.subset(_chosen(samples, lambda n: max(round(fraction * n), 1), "used"))


def _chosen(samples: SpikeDataset, count: Callable[[int], int], role: str) -> NDArray[np.bool_]:
    """Choose samples of every speaker and class, in the order of a hash of their position in the file."""
    groups: dict[tuple[int, int], list[int]] = {}
    both = zip(samples.speakers.tolist(), samples.labels.tolist(), strict=True)
    for place, key in enumerate(both):
        groups.setdefault(key, []).append(place)
    index = samples.index.tolist()
    mask = np.zeros(len(samples), dtype=bool)
    for places in groups.values():
        ranked = sorted(
            places, key=lambda k: hashlib.sha256(f"{role}:{index[k]}".encode()).digest()
        )
        mask[ranked[: count(len(places))]] = True
    return mask
