"""Opening data: model selection has no access to the test split.

Model selection works on :class:`SelectionData`, which does not contain the test split: its arrays are made of the other
samples only. The test split of a run is opened by :func:`spikebench.evaluation.final_test.evaluate`, which
counts the openings (``test_opened`` in :class:`spikebench.training.run_record.RunRecord`, printed in the result).
:func:`open_test` is for checking results of others. :func:`read_split_labels` returns labels and speakers of every
split without spikes. :mod:`spikebench.protocol.splits` assigns samples to splits.

:func:`open_oracle` is for reproducing numbers whose epoch was selected on the test split. Such runs and results are
marked: they have the protocol ``oracle`` and ``selected_on`` ``test``, and the leaderboard refuses them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from spikebench.datasets import DATASETS, DatasetSpec, load_spec
from spikebench.encoders.provenance import encoder_name, settings_of
from spikebench.errors import DataError, ProtocolError, SpikebenchError, SpikeFileError
from spikebench.events.cache import open_events
from spikebench.events.dataset import SpikeDataset, join
from spikebench.protocol.results import PUBLISHED_ENCODING, DatasetRecord, Encoding
from spikebench.protocol.splits import (
    ORACLE,
    SPEAKERS_V1,
    Partition,
    SampleColumns,
    fold_speakers,
    oracle,
    partition,
)
from spikebench.recordings.named import NamedRecordings, Piece
from spikebench.records.text import printable
from spikebench.records.whole_files import file_sha256_once
from spikebench.spike_files.copies import MIN_SPIKES, CopyFinder
from spikebench.spike_files.fingerprint import Part, spike_digests
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.fingerprints import dataset_fingerprint
from spikebench.store.folder import folder_of
from spikebench.store.locate import locate
from spikebench.store.pins import read_pins

__all__ = [
    "LabelledSamples",
    "SelectionData",
    "SplitLabels",
    "combined_sha256",
    "is_data_of",
    "list_folds",
    "open_oracle",
    "open_selection",
    "open_test",
    "open_training",
    "positions_of_test",
    "read_split_labels",
    "recordings_of_test",
]


@dataclass(frozen=True)
class SelectionData:
    """The data that training and model selection may use.

    Attributes
    ----------
    train, validation : SpikeDataset
        The two splits.
    dataset : DatasetRecord
        Name, hash, classes and split, for the result.
    data : str
        Name or path under which the data set was opened.
    fold : int or None
        The speaker who was left out of the training split for validation, if any.
    encoding : Encoding
        How recordings were converted to its spikes, as far as the file records it.
    test_copies : int
        Number of test samples that are copies of a training or validation sample, if the splits of the file contain
        any. In data sets with official splits, copies are found only by the SHA-256 of their recordings.
    audio : Path or None
        Folder of the recordings of the samples, for models on audio.
    condition : str
        What was done to the recordings of the training samples (:mod:`spikebench.noise.training`); empty for nothing.
    """

    train: SpikeDataset
    validation: SpikeDataset
    dataset: DatasetRecord
    data: str
    fold: int | None = None
    encoding: Encoding = PUBLISHED_ENCODING
    test_copies: int = 0
    audio: Path | None = None
    condition: str = ""

    def __repr__(self) -> str:
        fold = "" if self.fold is None else f", fold of speaker {self.fold}"
        return (
            f"SelectionData({self.dataset.name}{fold}; train: {self.train!r}, validation: {self.validation!r}; "
            f"test: {'open, an oracle' if self.is_oracle else 'not opened'})"
        )

    def __getattr__(self, name: str) -> NoReturn:
        """Explain where the test split is; called for missing attributes only."""
        if name == "test":
            raise AttributeError(
                "a selection has no test split: it stays closed until a model is trained and chosen. "
                "'spikebench evaluate', or spikebench.evaluate, then opens it once and counts that"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def is_oracle(self) -> bool:
        """Whether the validation split is the test split; see :func:`open_oracle`."""
        return self.dataset.split.protocol == ORACLE


@dataclass(frozen=True)
class LabelledSamples:
    """Samples without their spikes.

    Attributes
    ----------
    index
        Position in the file, int64, shape (samples,).
    labels, speakers
        int64, shape (samples,); speaker -1 is unknown.
    """

    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]


@dataclass(frozen=True)
class SplitLabels:
    """The record of a data set, and the samples of each split without their spikes."""

    dataset: DatasetRecord
    train: LabelledSamples
    validation: LabelledSamples
    test: LabelledSamples


@dataclass(frozen=True)
class _File:
    """One file of a data set: its path, its SHA-256, and its number of samples."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class _Opened:
    """Columns of a data set before any spikes are read; not exposed by this module."""

    name: str
    spec: DatasetSpec | None
    files: list[_File]
    facts: SampleColumns
    n_units: int
    synthetic: bool
    remade: str
    encoding: Encoding
    fingerprint: str

    @property
    def sha256(self) -> str:
        """One SHA-256 for all files of the data set."""
        return combined_sha256([file.sha256 for file in self.files])

    def labelled(self, index: NDArray[np.int64]) -> LabelledSamples:
        """Return labels and speakers of some samples."""
        starts = np.cumsum([0, *(file.size for file in self.files)])
        first = starts[np.searchsorted(starts, index, side="right") - 1]
        facts = self.facts
        return LabelledSamples(index - first, facts.labels[index], facts.speakers[index])

    def samples(
        self, index: NDArray[np.int64], closed: NDArray[np.int64], audio: Path | None = None
    ) -> SpikeDataset:
        """Open some samples, all in one file, on arrays without the spikes of ``closed`` samples.

        With the folder ``audio`` of their recordings, these are named, but not read.
        """
        starts = np.cumsum([0, *(file.size for file in self.files)])
        (which,) = np.unique(np.searchsorted(starts, index, side="right") - 1)
        file, here = self.files[which], np.arange(starts[which], starts[which + 1])
        opened = np.setdiff1d(here, closed)
        some = None if opened.size == here.size else opened - starts[which]
        recordings = _recordings(file.path, opened - starts[which], audio) if audio else None
        return SpikeDataset(
            open_events(file.path, file.sha256, some), np.searchsorted(opened, index), recordings
        )


def open_selection(data: str, fold: int | None = None, audio: Path | None = None) -> SelectionData:
    """Open the training and validation splits of a data set.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.
    fold
        Leave out this speaker of the training split for validation, instead of those defined by the protocol.
    audio
        Folder of the recordings of which the samples were made, for models on audio.

    Returns
    -------
    SelectionData
        All splits but the test split.

    Raises
    ------
    UnknownNameError, SpikeFileError
        If the data set or file does not exist, or it is damaged.
    DataError
        If its cache cannot be written, the folder of recordings does not exist, or the file names no recordings.
    ProtocolError
        If it cannot be split.
    """
    opened = _open(data)
    found = _partition(opened, fold)
    train, validation = (
        opened.samples(part, found.test, audio) for part in (found.train, found.validation)
    )
    return SelectionData(
        train,
        validation,
        dataset=_record(opened, found),
        data=data,
        fold=fold,
        encoding=opened.encoding,
        test_copies=found.copies,
        audio=audio,
    )


def read_split_labels(data: str) -> SplitLabels:
    """Read index, label and speaker of the samples of every split, without spikes.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.

    Returns
    -------
    SplitLabels
        Training, validation and test samples.

    Raises
    ------
    UnknownNameError, SpikeFileError, DataError, ProtocolError
        As :func:`open_selection`.
    """
    opened = _open(data)
    found = _partition(opened)
    parts = (opened.labelled(part) for part in (found.train, found.validation, found.test))
    return SplitLabels(_record(opened, found), *parts)


def open_oracle(data: str, audio: Path | None = None) -> SelectionData:
    """Open a data set so that models are selected on the *test split*, to reproduce such numbers.

    Parameters
    ----------
    data, audio
        As for :func:`open_selection`.

    Returns
    -------
    SelectionData
        Its validation split is the test split, and its protocol is ``oracle``.

    Raises
    ------
    UnknownNameError, SpikeFileError, DataError, ProtocolError
        As :func:`open_selection`.
    """
    opened = _open(data)
    found = oracle(opened.facts, _partition(opened))
    train = opened.samples(found.train, found.test, audio)
    record = _record(opened, found)
    return SelectionData(
        train,
        validation=_test(opened, found, audio),
        dataset=record,
        data=data,
        fold=None,
        encoding=opened.encoding,
        test_copies=found.copies,
        audio=audio,
    )


def open_training(selection: SelectionData) -> SpikeDataset:
    """Open all samples that a model may be trained on after selection: training and validation.

    Parameters
    ----------
    selection
        The data on which the model was selected.

    Returns
    -------
    SpikeDataset
        Uses the arrays of the selection, which contain no spikes of the test split.

    Raises
    ------
    ProtocolError
        If the model was selected on the test split.
    """
    if selection.is_oracle:
        raise ProtocolError(
            f"{selection.data}: opened as an oracle, which selects on the test split; it cannot be trained on"
        )
    return join(selection.train, selection.validation)


def open_test(selection: SelectionData) -> SpikeDataset:
    """Open the test split of the data of a selection.

    Parameters
    ----------
    selection
        The data on which the model was selected.

    Returns
    -------
    SpikeDataset
        The test samples; their ``index`` is the position in the file.

    Raises
    ------
    ProtocolError
        If the file has changed since the selection was opened.
    """
    opened = _open(selection.data)
    if opened.fingerprint != selection.dataset.fingerprint:
        raise ProtocolError(
            f"{selection.data}: the data differ from those of the training; restore the file"
        )
    # The test split does not depend on the validation speakers, so it is found without the fold.
    return _test(opened, _partition(opened), selection.audio)


def is_data_of(data: str, dataset: DatasetRecord, path: Path, sha256: str) -> bool:
    """Return whether a spike file belongs to the data of a run, so that its test split must stay closed.

    Parameters
    ----------
    data, dataset
        Name or path of the run's data, and its record.
    path, sha256
        Path and SHA-256 of the spike file.

    Returns
    -------
    bool
        True if it is that file, one of its files, a file with the same contents, or one marked as the same data
        set.

    Raises
    ------
    SpikeFileError
        If the file cannot be read.
    DataError
        If its fingerprint cannot be cached.
    """
    if sha256 == dataset.sha256:
        return True
    fingerprint = dataset_fingerprint([Part(path)], sha256)
    if fingerprint == dataset.fingerprint:
        return True
    spec = load_spec(dataset.name) if dataset.name in DATASETS else None
    if spec is not None and sha256 in [part.sha256 for part in spec.parts]:
        return True
    with SpikeFile(path) as file:
        if file.provenance.get("dataset") == dataset.name:
            return True
    if dataset.fingerprint == dataset_fingerprint([Part(path)], sha256):
        return True
    try:
        located, _ = locate(data)
    except SpikebenchError:  # the run's data are not on this machine
        return False
    return any(
        found.is_file()
        and dataset_fingerprint([Part(found)], file_sha256_once(found)) == fingerprint
        for found, _ in located
    )


def recordings_of_test(data: str) -> frozenset[str]:
    """List the recordings behind the test split of a data set, without opening spikes.

    Parameters
    ----------
    data
        Name or path of the data.

    Returns
    -------
    frozenset of str
        SHA-256 of the audio files; empty if the spike files do not name them, or are not on this machine.
    """
    found: set[str] = set()
    for file, chosen in _files_of_test(data):
        digests = file.sha256 or ()
        found.update(digests[k] for k in chosen if digests)
    return frozenset(found) - {""}


@lru_cache(maxsize=2)
def spikes_of_test(data: str) -> frozenset[bytes]:
    """Hash the spikes of the test samples of a data set, to recognise copies of them.

    Parameters
    ----------
    data
        Name or path of the data.

    Returns
    -------
    frozenset of bytes
        SHA-256 of the spikes of each sample (:func:`spikebench.spike_files.fingerprint.spike_digests`); empty if the
        data are not on this machine. Samples of few spikes are left out, which can be equal by chance.
    """
    found: set[bytes] = set()
    for file, chosen in _files_of_test(data):
        digests = spike_digests(file)
        found.update(digests[k] for k in chosen if file.spike_counts[k] >= MIN_SPIKES)
    return frozenset(found)


def positions_of_test(data: str, path: Path, sha256: str) -> NDArray[np.int64] | None:
    """List the samples of a spike file that are in the test split of a data set.

    Parameters
    ----------
    data
        Name or path of the data.
    path, sha256
        Path and SHA-256 of a spike file that may be one of its files, or one with the same contents.

    Returns
    -------
    ndarray of int64 or None
        Positions in the file; None if it is no file of the data, or the data are not on this machine.

    Raises
    ------
    SpikeFileError
        If the file cannot be read.
    DataError
        If its fingerprint cannot be cached.
    """
    wanted = dataset_fingerprint([Part(path)], sha256)
    try:
        located, _ = locate(data)
        test = read_split_labels(data).test.index
    except SpikebenchError:
        return None
    for found, part in located:
        if dataset_fingerprint([Part(found)], file_sha256_once(found)) == wanted:
            with SpikeFile(found) as file:
                everything = np.arange(file.n_samples)
            return {"": test, "test": everything}.get(part, everything[:0])
    return None


def _files_of_test(data: str) -> Iterator[tuple[SpikeFile, Sequence[int]]]:
    """Yield the files with test samples, open, and the positions of these; nothing if they are not on this machine."""
    try:
        located, _ = locate(data)
        split = read_split_labels(data).test
    except SpikebenchError:
        return
    for path, part in located:
        if part in ("", "test"):
            with SpikeFile(path) as file:
                yield file, range(file.n_samples) if part else split.index.tolist()


def list_folds(data: str) -> list[int]:
    """List the folds of a data set.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.

    Returns
    -------
    list of int
        Speakers of the training split; each can be left out.

    Raises
    ------
    UnknownNameError, SpikeFileError, DataError, ProtocolError
        As :func:`open_selection`.
    """
    opened = _open(data)
    speakers = fold_speakers(opened.facts, _partition(opened))
    if len(speakers) < 2:
        raise ProtocolError(
            f"{opened.facts.where}: its training split has {len(speakers)} known speakers; at least two are needed "
            "to leave one out"
        )
    return speakers


def _test(opened: _Opened, found: Partition, audio: Path | None) -> SpikeDataset:
    everything = np.arange(opened.facts.labels.size)
    return opened.samples(found.test, np.setdiff1d(everything, found.test), audio)


def _recordings(path: Path, positions: NDArray[np.int64], audio: Path) -> NamedRecordings:
    """Name the recordings of some samples of a spike file."""
    if not audio.is_dir():
        raise DataError(
            f"{printable(str(audio))}: there is no such folder; --audio takes the folder of the recordings of which "
            f"{printable(path.name)} was made"
        )
    with SpikeFile(path) as file:
        names, digests = file.sources, file.sha256
        if not names or not digests or not all(digests[k] for k in positions):
            raise DataError(
                f"{printable(str(path))}: does not name the recordings of its samples, which models on audio need; "
                "use a file that spikebench convert or spikebench data make wrote"
            )
        if file.segments is None or file.durations_s is None:
            return NamedRecordings(
                audio, path, tuple(Piece(names[k], digests[k]) for k in positions)
            )
        cut = zip(names, digests, file.starts_s.tolist(), file.durations_s.tolist(), strict=True)
        pieces = [Piece(*one) for one in cut]
    return NamedRecordings(audio, path, tuple(pieces[k] for k in positions))


def _open(data: str) -> _Opened:
    try:
        data.encode()
    except UnicodeEncodeError:
        raise SpikeFileError(
            f"{printable(data)}: its name is not UTF-8, so it cannot be stored in a result; rename the file"
        ) from None
    located, spec = locate(data)
    files, facts, headers = [], [], []
    for path, split in located:
        digest = file_sha256_once(path)
        with SpikeFile(path) as file:
            marks = [split] * file.n_samples if split else file.splits or [""] * file.n_samples
            facts.append((file.labels, file.speakers, np.array(marks, dtype=str)))
            headers.append((file.keys, file.n_units, file.provenance))
        files.append(_File(path, digest, len(marks)))
    parts = [Part(file.path, split) for file, (_, split) in zip(files, located, strict=True)]
    fingerprint = dataset_fingerprint(parts, combined_sha256([file.sha256 for file in files]))
    if spec is None:
        spec = _recognise(files[0], fingerprint)
    else:
        _check_published(spec, files)
    (keys, n_units, made), *others = headers
    if any((other[0], other[1]) != (keys, n_units) for other in others):
        raise ProtocolError(f"{data}: its files differ in their classes or units")
    remade = str(made.get("dataset")) if made.get("complete") == 1 else ""
    protocol, _ = _protocol(spec, remade)
    if spec is not None and spec.kind == "made" and remade != spec.name:
        raise ProtocolError(
            f"{files[0].path}: is not a complete copy of {spec.name} (attributes dataset, complete)"
        )
    if spec is not None and spec.fingerprint and fingerprint != spec.fingerprint:
        raise ProtocolError(
            f"{printable(str(files[0].path))}: is not {spec.name} as registered (fingerprint {fingerprint[:16]}…, "
            f"not {spec.fingerprint[:16]}…); 'spikebench data verify {spec.name}' lists the differences, and "
            "--data FILE uses the file as a separate data set"
        )
    labels, speakers, marks_of_all = (np.concatenate(column) for column in zip(*facts, strict=True))
    return _Opened(
        name=spec.name if spec else _own_name(files[0].path),
        spec=spec,
        files=files,
        facts=SampleColumns(
            printable(str(files[0].path)),
            labels,
            speakers,
            marks_of_all,
            keys,
            firsts=_firsts(tuple(files), by_spikes=protocol == SPEAKERS_V1),
        ),
        n_units=n_units,
        synthetic=spec.synthetic if spec else bool(made.get("synthetic_voices")),
        remade=remade,
        encoding=_encoding(made),
        fingerprint=fingerprint,
    )


def _encoding(made: dict[str, Any]) -> Encoding:
    """Read the encoding of the recordings from a file's attributes; published files have none."""
    if "preset" not in made:
        return PUBLISHED_ENCODING
    first_spike = made.get("time_origin") == "first spike"
    return Encoding(
        encoder=printable(encoder_name(made)),
        preset=printable(str(made["preset"])),
        settings={printable(name): value for name, value in settings_of(made).items()},
        time_origin="first-spike" if first_spike else "clip-start",
    )


def combined_sha256(hashes: Sequence[str]) -> str:
    """Compute one SHA-256 for the files of a data set.

    Parameters
    ----------
    hashes
        SHA-256 of each file, in order.

    Returns
    -------
    str
        That of a single file, or the SHA-256 of the list of hashes of several.
    """
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in hashes).encode()).hexdigest()


def _recognise(file: _File, fingerprint: str) -> DatasetSpec | None:
    """Find the registered data set that a file contains, whatever the name of the file."""
    for spec in map(load_spec, DATASETS):
        if spec.fingerprint == fingerprint:
            return spec
        if file.sha256 not in [part.sha256 for part in spec.parts]:
            continue
        if len(spec.parts) > 1:  # alone, it would be split anew, including its test samples
            raise ProtocolError(
                f"{printable(str(file.path))}: is one file of {spec.name}, whose splits belong together; "
                f"put all files into the folder of 'spikebench data get {spec.name}', and use --data {spec.name}"
            )
        return spec
    return None


def _check_published(spec: DatasetSpec, files: list[_File]) -> None:
    """Refuse files that differ from the published ones, or from those verified after the download."""
    if spec.kind != "published":
        return
    pins = read_pins(folder_of(spec))
    for part, file in zip(spec.parts, files, strict=True):
        pinned = pins[part.file].sha256 if part.file in pins else None
        if file.sha256 != (part.sha256 or pinned):
            raise ProtocolError(
                f"{printable(str(file.path))}: differs from the published file, or was never verified; "
                f"see: spikebench data verify {spec.name}"
            )


def _own_name(path: Path) -> str:
    """Return the name for a user's file; never the name of a registered data set."""
    name = printable(path.stem)[:100]
    return f"{name}-file" if name in DATASETS else name or "file"


@lru_cache(maxsize=2)
def _firsts(files: tuple[_File, ...], by_spikes: bool) -> NDArray[np.int64] | None:
    """Find copies among the samples; None if there are none. Cached by the SHA-256 of the files."""
    finder = CopyFinder()
    for file in files:
        with SpikeFile(file.path) as spikes:
            finder.add_file(spikes, by_spikes)
    firsts = finder.firsts()
    return None if np.array_equal(firsts, np.arange(firsts.size)) else firsts


def _protocol(spec: DatasetSpec | None, remade: str) -> tuple[str, tuple[int, ...]]:
    """Return the protocol, and its fixed validation speakers."""
    if spec is not None:
        return spec.protocol, spec.validation_speakers
    if remade in DATASETS:  # a complete remake, opened by its path
        return load_spec(remade).protocol, ()
    return SPEAKERS_V1, ()


def _partition(opened: _Opened, fold: int | None = None) -> Partition:
    protocol, speakers = _protocol(opened.spec, opened.remade)
    return partition(opened.facts, protocol, speakers, fold)


def _record(opened: _Opened, found: Partition) -> DatasetRecord:
    return DatasetRecord(
        name=opened.name,
        sha256=opened.sha256,
        fingerprint=opened.fingerprint,
        n_units=opened.n_units,
        classes=list(opened.facts.keys),
        synthetic=opened.synthetic,
        split=found.record,
    )
