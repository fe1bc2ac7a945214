"""Which samples train, which select, which test; and how the test split stays closed until the end.

Model selection works on :class:`SelectionData`, which does not contain the test split: there is nothing
to peek at. :func:`open_test` reads the test samples; whoever calls it counts (``test_opened``
in :class:`spikebench.run.RunRecord`; the result prints it).

The rule, ``speakers-v1``
-------------------------
1. Test: the samples that the file marks ``test``; else the samples of a fifth of the speakers
   (rounded, at least one).
2. Validation: the samples that the file marks ``validation``; else, of what remains, the samples of the
   data set's fixed validation speakers; else those of a sixth of the remaining speakers (rounded, at
   least one).
3. Train: the rest.

Speakers are chosen by the order of SHA-256("<role>:<speaker>"), so that neither the author of a model nor
the order of a file decides. Where no speakers are known, single samples are chosen in the same way by
SHA-256("<role>:<index>"), and the rule says that voices may be shared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.datasets import DATASETS, DatasetSpec, load_spec, resolve
from spikebench.errors import ProtocolError
from spikebench.results import DatasetRecord, Split, file_sha256
from spikebench.spike_file import SpikeFile

PROTOCOL = "speakers-v1"


@dataclass(frozen=True)
class Samples:
    """Events of some samples of a file, concatenated.

    Attributes
    ----------
    index : ndarray of int64, shape (samples,)
        Position in the file.
    offsets : ndarray of int64, shape (samples + 1,)
        Sample k has the events offsets[k] … offsets[k + 1].
    times : ndarray of float64, shape (events,)
        Seconds.
    units : ndarray of int64, shape (events,)
        Units.
    labels, speakers : ndarray of int64, shape (samples,)
        Class and speaker; speaker -1 is unknown.
    """

    index: NDArray[np.int64]
    offsets: NDArray[np.int64]
    times: NDArray[np.float64]
    units: NDArray[np.int64]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]


@dataclass(frozen=True)
class Partition:
    """Indices of the three splits, with the rule that made them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    record: Split


@dataclass(frozen=True)
class SelectionData:
    """All that training and model selection may see.

    Attributes
    ----------
    train, validation : Samples
        The two splits.
    dataset : DatasetRecord
        Name, hash, classes and split, for the result.
    path : Path
        The spike file.
    """

    train: Samples
    validation: Samples
    dataset: DatasetRecord
    path: Path


def open_selection(data: str) -> SelectionData:
    """Open the training and validation splits of a data set.

    Parameters
    ----------
    data
        A registered name, or the path of a spike file.

    Returns
    -------
    SelectionData
        Everything but the test split.

    Raises
    ------
    UnknownNameError, SpikeFileError
        If there is no such data set or file, or it is damaged.
    ProtocolError
        If it cannot be split.
    """
    path, spec = resolve(data)
    digest = file_sha256(path)
    if spec is None:  # a copy of a registered file is that data set, whatever it is called
        spec = next((known for known in map(load_spec, DATASETS) if known.sha256 == digest), None)
    elif digest != spec.sha256:
        raise ProtocolError(f"{path}: the file changed while it was opened")
    with SpikeFile(path) as file:
        partition = _partition(file, spec)
        dataset = DatasetRecord(
            name=spec.name if spec else _own_name(path),
            sha256=digest,
            n_units=file.n_units,
            classes=list(file.keys),
            synthetic=spec.synthetic if spec else bool(file.provenance.get("synthetic_voices")),
            split=partition.record,
        )
        train, validation = (_read(file, part) for part in (partition.train, partition.validation))
    return SelectionData(train, validation, dataset, path)


def _own_name(path: Path) -> str:
    """Name a file of the user's; never as a registered data set, which it is not."""
    return f"{path.stem}-file" if path.stem in DATASETS else path.stem or "file"


def open_test(selection: SelectionData) -> Samples:
    """Open the test split that belongs to a selection.

    Parameters
    ----------
    selection
        What the model was selected on.

    Returns
    -------
    Samples
        The test samples.

    Raises
    ------
    ProtocolError
        If the file is no longer the one that the selection was read from.
    """
    if file_sha256(selection.path) != selection.dataset.sha256:
        raise ProtocolError(f"{selection.path}: the file has changed since training")
    with SpikeFile(selection.path) as file:
        # The rule is deterministic, so the same file gives the same split again.
        fixed = tuple(selection.dataset.split.validation_speakers)
        return _read(file, _partition(file, None, fixed).test)


def _partition(
    file: SpikeFile, spec: DatasetSpec | None, validation_speakers: tuple[int, ...] = ()
) -> Partition:
    labelled = file.labels >= 0
    if not labelled.any():
        raise ProtocolError(
            f"{file.path}: no sample has a label, so nothing can be learned from it"
        )
    if len(file.keys) < 2:
        raise ProtocolError(f"{file.path}: a classifier needs at least two classes")
    marks = np.array(file.splits if file.splits is not None else [""] * file.n_samples)
    speakers = file.speakers
    fixed = np.array(spec.validation_speakers if spec else validation_speakers, dtype=np.int64)

    if np.any(test := labelled & (marks == "test")):
        words = ["test as marked in the file"]
    else:
        test, how = _choose(labelled, speakers, "test", 5)
        words = [f"test {how}"]
    rest = labelled & ~test
    if np.any(validation := rest & (marks == "validation")):
        words.append("validation as marked in the file")
    elif fixed.size:
        validation = rest & np.isin(speakers, fixed)
        words.append("validation speakers fixed by the data set")
    else:
        validation, how = _choose(rest, speakers, "validation", 6)
        words.append(f"validation {how}")
    train = rest & ~validation
    parts = [np.flatnonzero(part).astype(np.int64) for part in (train, validation, test)]
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        if not part.size:
            raise ProtocolError(
                f"{file.path}: the {name} split would be empty; more speakers or samples are needed"
            )
    if np.unique(file.labels[parts[0]]).size < 2:
        raise ProtocolError(f"{file.path}: the training split holds a single class")
    if missing := set(file.labels[parts[2]]) - set(file.labels[parts[0]]):
        raise ProtocolError(
            f"{file.path}: class {file.keys[min(missing)]!r} is tested but never trained on"
        )
    trained = set(speakers[train].tolist()) | set(speakers[validation].tolist())
    record = Split(
        protocol=PROTOCOL,
        rule="; ".join(words),
        train_samples=parts[0].size,
        validation_samples=parts[1].size,
        test_samples=parts[2].size,
        validation_speakers=sorted(
            {s for s in speakers[validation].tolist() if s >= 0} - set(speakers[train].tolist())
        ),
        test_only_speakers=sorted({s for s in speakers[test].tolist() if s >= 0} - trained),
    )
    return Partition(parts[0], parts[1], parts[2], record)


def _choose(
    among: NDArray[np.bool_], speakers: NDArray[np.int64], role: str, share: int
) -> tuple[NDArray[np.bool_], str]:
    """Choose one in ``share`` speakers (or samples) by hash order."""
    known = np.unique(speakers[among])
    if known.size and known[0] >= 0:
        if known.size < 2:
            raise ProtocolError(
                f"all samples left for the {role} split come from one speaker; whole speakers are held "
                "out, so at least three are needed (or mark the splits when converting: --split)"
            )
        chosen = _by_hash(known, role, share)
        return among & np.isin(speakers, chosen), f"speakers {', '.join(map(str, sorted(chosen)))}"
    index = np.flatnonzero(among)
    mask = np.zeros(among.size, dtype=bool)
    mask[_by_hash(index, role, share)] = True
    return mask, f"one sample in {share} (speakers not known: voices may be shared between splits)"


def _by_hash(numbers: NDArray[np.int64], role: str, share: int) -> list[int]:
    count = max(round(numbers.size / share), 1)
    return sorted(
        numbers.tolist(), key=lambda number: hashlib.sha256(f"{role}:{number}".encode()).digest()
    )[:count]


def _read(file: SpikeFile, index: NDArray[np.int64]) -> Samples:
    events = [file.events(int(k)) for k in index]
    sizes = [times.size for times, _ in events]
    return Samples(
        index=index,
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        times=np.concatenate([times for times, _ in events]),
        units=np.concatenate([units for _, units in events]).astype(np.int64),
        labels=file.labels[index],
        speakers=file.speakers[index],
    )
