"""Opening data honestly: what selects a model does not contain the test split.

Model selection works on :class:`SelectionData`, in which the test split is not: there is nothing to peek at.
:func:`open_test` opens it; whoever calls it counts (``test_opened`` in :class:`spikebench.run.RunRecord`; the result
prints it). Who is in which split is a matter of :mod:`spikebench.splits`.

:func:`open_oracle` is for reproducing numbers whose epoch was chosen on the test split. What it opens says so:
protocol ``oracle`` in every run and result, ``selected_on`` ``test``, and the leaderboard refuses it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.datasets import DATASETS, DatasetSpec, load_spec, locate
from spikebench.errors import ProtocolError
from spikebench.event_cache import FlatEvents, open_events
from spikebench.results import DatasetRecord, file_sha256
from spikebench.spike_dataset import SpikeDataset
from spikebench.spike_file import SPLITS
from spikebench.splits import (
    ORACLE,
    SPEAKERS_V1,
    Facts,
    Partition,
    fold_speakers,
    oracle,
    partition,
)
from spikebench.store.folder import folder_of
from spikebench.store.pins import read_pins

__all__ = [
    "SelectionData",
    "list_folds",
    "open_oracle",
    "open_selection",
    "open_test",
]


@dataclass(frozen=True)
class SelectionData:
    """All that training and model selection may see.

    Attributes
    ----------
    train, validation : SpikeDataset
        The two splits.
    dataset : DatasetRecord
        Name, hash, classes and split, for the result.
    data : str
        What the data set was opened by: a registered name, or a path.
    fold : int or None
        The speaker who was left out of the training split to select, if one was.
    """

    train: SpikeDataset
    validation: SpikeDataset
    dataset: DatasetRecord
    data: str
    fold: int | None = None

    @property
    def is_oracle(self) -> bool:
        """Whether validation is the test split; see :func:`open_oracle`."""
        return self.dataset.split.protocol == ORACLE


@dataclass(frozen=True)
class _Opened:
    """A data set with all its splits, which leaves this module only in parts."""

    name: str
    sha256: str
    spec: DatasetSpec | None
    parts: list[FlatEvents]
    facts: Facts

    def samples(self, index: NDArray[np.int64]) -> SpikeDataset:
        """Find the samples at some positions among those of all files; they lie in one file."""
        starts = np.cumsum([0, *(len(part) for part in self.parts)])
        (which,) = np.unique(np.searchsorted(starts, index, side="right") - 1)
        return SpikeDataset(self.parts[which], index - starts[which])


def open_selection(data: str, fold: int | None = None) -> SelectionData:
    """Open the training and validation splits of a data set.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.
    fold
        Leave out this speaker of the training split for validation, instead of those that the protocol names.

    Returns
    -------
    SelectionData
        Everything but the test split.

    Raises
    ------
    UnknownNameError, SpikeFileError
        If there is no such data set or file, or it is damaged.
    DataError
        If its cache cannot be written.
    ProtocolError
        If it cannot be split.
    """
    opened = _open(data)
    return replace(_selection(data, opened, _partition(opened, fold)), fold=fold)


def open_oracle(data: str) -> SelectionData:
    """Open a data set so that the *test split* selects, to reproduce numbers that were chosen so.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.

    Returns
    -------
    SelectionData
        Its validation split is the test split, and its protocol is called ``oracle``.

    Raises
    ------
    UnknownNameError, SpikeFileError, DataError, ProtocolError
        As :func:`open_selection`.
    """
    opened = _open(data)
    return _selection(data, opened, oracle(opened.facts, _partition(opened)))


def open_test(selection: SelectionData) -> SpikeDataset:
    """Open the test split that belongs to a selection.

    Parameters
    ----------
    selection
        What the model was selected on.

    Returns
    -------
    SpikeDataset
        The test samples; their ``index`` is the position in the file that holds them.

    Raises
    ------
    ProtocolError
        If the file is no longer the one that the selection was read from.
    """
    opened = _open(selection.data)
    if opened.sha256 != selection.dataset.sha256:
        raise ProtocolError(f"{selection.data}: the file has changed since training")
    # Test does not depend on who validates, so the rule without a fold finds the same samples.
    return opened.samples(_partition(opened).test)


def list_folds(data: str) -> list[int]:
    """List the folds of a data set.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.

    Returns
    -------
    list of int
        Speakers of the training split, each of whom can be left out.

    Raises
    ------
    UnknownNameError, SpikeFileError, DataError, ProtocolError
        As :func:`open_selection`.
    """
    opened = _open(data)
    return fold_speakers(opened.facts, _partition(opened))


def _open(data: str) -> _Opened:
    located, spec = locate(data)
    digests = [file_sha256(path) for path, _ in located]
    if spec is None:
        spec = _recognise(located[0][0], digests[0])
    else:
        _check_published(spec, digests)
    parts = [open_events(path, digest) for (path, _), digest in zip(located, digests, strict=True)]
    if spec is not None and spec.kind == "made" and parts[0].dataset != spec.name:
        raise ProtocolError(
            f"{located[0][0]}: is not all of {spec.name} (attributes dataset, complete)"
        )
    if any((part.keys, part.n_units) != (parts[0].keys, parts[0].n_units) for part in parts):
        raise ProtocolError(f"{data}: its files differ in their classes or units")
    names = np.array(SPLITS)
    marks = [
        names[part.splits] if not split else np.full(len(part), split)
        for part, (_, split) in zip(parts, located, strict=True)
    ]
    facts = Facts(
        where=str(located[0][0]),
        labels=np.concatenate([part.labels for part in parts]),
        speakers=np.concatenate([part.speakers for part in parts]),
        marks=np.concatenate(marks).astype(str),
        keys=parts[0].keys,
    )
    name = spec.name if spec else _own_name(located[0][0])
    return _Opened(name, _joined(digests), spec, parts, facts)


def _recognise(path: Path, digest: str) -> DatasetSpec | None:
    """Find the data set that a file of the user's is a copy of, whatever it is called."""
    for spec in map(load_spec, DATASETS):
        if digest not in [part.sha256 for part in spec.parts]:
            continue
        if len(spec.parts) > 1:  # alone it would be divided anew, test samples and all
            raise ProtocolError(
                f"{path}: is one of the files of {spec.name}, whose splits belong together; "
                f"put them where 'spikebench data get {spec.name}' looks, and use --data {spec.name}"
            )
        return spec
    return None


def _check_published(spec: DatasetSpec, digests: list[str]) -> None:
    """Refuse files that are not those that were published, or not those that were checked when they came."""
    if spec.kind != "published":
        return
    pins = read_pins(folder_of(spec))
    for part, digest in zip(spec.parts, digests, strict=True):
        pinned = pins[part.file].sha256 if part.file in pins else None
        if digest != (part.sha256 or pinned):
            raise ProtocolError(
                f"{folder_of(spec) / part.file}: is not the published file, or was never checked; "
                f"see: spikebench data verify {spec.name}"
            )


def _joined(digests: list[str]) -> str:
    """Make one SHA-256 for a data set: its file's own, or that of the list of its files'."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def _own_name(path: Path) -> str:
    """Name a file of the user's; never as a registered data set, which it is not."""
    return f"{path.stem}-file" if path.stem in DATASETS else path.stem or "file"


def _partition(opened: _Opened, fold: int | None = None) -> Partition:
    spec = opened.spec
    protocol, speakers = (spec.protocol, spec.validation_speakers) if spec else (SPEAKERS_V1, ())
    remade = opened.parts[0].dataset
    if spec is None and remade in DATASETS:  # a complete remake lies where its maker put it
        protocol = load_spec(remade).protocol
    return partition(opened.facts, protocol, speakers, fold)


def _selection(data: str, opened: _Opened, found: Partition) -> SelectionData:
    first, spec = opened.parts[0], opened.spec
    record = DatasetRecord(
        name=opened.name,
        sha256=opened.sha256,
        n_units=first.n_units,
        classes=list(first.keys),
        synthetic=spec.synthetic if spec else first.synthetic,
        split=found.record,
    )
    return SelectionData(
        opened.samples(found.train), opened.samples(found.validation), record, data
    )
