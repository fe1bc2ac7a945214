"""The rules that assign samples to training, validation and test.

All of them hold out whole speakers for selection, because a random part of the training split does not measure
generalisation to new speakers. They differ in the source of the split:

``shd-v1`` (SHD, ``shd-r``)
    Test: the published test split, or the samples that the file marks. SHD has no validation split; here it is the
    training samples of the speakers of :data:`FIXED`, a list that never changes under this name: its SHA-256 is
    pinned, checked on use, and stored in every result. They are the first two of the ten training speakers in the
    order of SHA-256("validation:<speaker>"), so that the choice is arbitrary.
``ssc-v1`` (SSC, ``ssc-r``, Speech Commands)
    The official validation and test splits, unchanged.
``speakers-v1`` (any other file)
    1. Test: the samples that the file marks ``test``; else the samples of a fifth of the speakers (rounded, at
       least one).
    2. Validation: the samples that the file marks ``validation``; else, among the remaining samples, those of the data
       set's fixed validation speakers; else those of a sixth of the remaining speakers (rounded, at least one).
    3. Train: the rest.
    4. Copies of one recording (:mod:`spikebench.spike_files.copies`) stay in one split, as far as this rule makes the
       splits. Where single samples are chosen, copies are chosen together. Where whole speakers are chosen, copies may
       have different speakers, and speakers stay in one split: samples that are copies of test samples are left out of
       training and validation, copies of validation samples out of training; test loses none. Splits marked in the
       file are kept with their copies; the rule then records how many test samples are copies.

    Speakers are chosen by the order of SHA-256("<role>:<speaker>"), so that the choice depends neither on the author of
    a model nor on the order of a file. If no speakers are known, single samples are chosen in the same way by
    SHA-256("<role>:<index>"), and the rule records that speakers may be shared between splits. If only some speakers
    are known, the file is refused, because a sample of an unknown speaker may belong to a held-out speaker.

With each of them, a *fold* holds out one speaker of the training split (leave one speaker out) in place of the
rule's validation speakers; samples that are marked validation are then in neither split. :func:`oracle` is not a
protocol: it selects on the test split, as many published numbers did, and is named as such in every result.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import ProtocolError, UnknownNameError
from spikebench.protocol.results import Split

__all__ = [
    "FIXED",
    "LEAVE_ONE_OUT",
    "ORACLE",
    "PROTOCOLS",
    "SPEAKERS_V1",
    "FixedSpeakers",
    "Partition",
    "SampleColumns",
    "fixed_rule",
    "fixed_speakers",
    "fold_speakers",
    "oracle",
    "partition",
]

SPEAKERS_V1 = "speakers-v1"
_MARKED_TEST = "test as marked in the file"
_OFFICIAL_VALIDATION = "the official validation split"
ORACLE = "oracle"
LEAVE_ONE_OUT = "(leave one out)"
_MAX_RULE = 2000  # characters
PROTOCOLS = ("shd-v1", "ssc-v1", SPEAKERS_V1)


@dataclass(frozen=True)
class FixedSpeakers:
    """The permanently fixed validation speakers of a protocol.

    Attributes
    ----------
    validation, test_only
        Speakers, ascending.
    sha256
        SHA-256 of the list as :func:`fixed_speakers` formats it.
    """

    validation: tuple[int, ...]
    test_only: tuple[int, ...]
    sha256: str


FIXED: Mapping[str, FixedSpeakers] = {
    "shd-v1": FixedSpeakers(
        validation=(0, 2),
        test_only=(4, 5),
        sha256="63b0f763811407ce0cce37a2aa99e0cff1817210671aa96a06940f16bb6bc0cc",
    ),
}


@dataclass(frozen=True)
class SampleColumns:
    """The data that a rule may use; spikes are not among them.

    Attributes
    ----------
    where
        Name of the data in error messages.
    labels, speakers
        int64, shape (samples,); -1 is unknown.
    marks
        Split of each sample according to the file, str, shape (samples,); empty is unknown.
    keys
        Class names, index = label.
    firsts
        Position of the first sample of the same recording, for each sample, int64, shape (samples,); None if there
        are no copies.
    """

    where: str
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    marks: NDArray[np.str_]
    keys: tuple[str, ...]
    firsts: NDArray[np.int64] | None = None

    @property
    def recordings(self) -> NDArray[np.int64]:
        """Number of each sample's recording, equal for copies, int64, shape (samples,)."""
        return np.arange(self.labels.size) if self.firsts is None else self.firsts

    def copies(self, among: NDArray[np.bool_], of: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Find the samples that are copies of given samples.

        Parameters
        ----------
        among
            Mask of the samples to examine, bool, shape (samples,).
        of
            Mask of the given samples, bool, shape (samples,).

        Returns
        -------
        ndarray of bool, shape (samples,)
            Samples of ``among`` that are copies of a sample of ``of``.
        """
        return among & np.isin(self.recordings, self.recordings[of])


@dataclass(frozen=True)
class Partition:
    """Positions of the samples of each split, int64, ascending; and the record of the rule.

    ``copies`` counts the test samples that are copies of a training or validation sample.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    record: Split
    copies: int = 0


def fixed_speakers(protocol: str) -> FixedSpeakers:
    """Return the fixed speakers of a protocol.

    Parameters
    ----------
    protocol
        Name of the protocol.

    Returns
    -------
    FixedSpeakers
        The list of speakers.

    Raises
    ------
    UnknownNameError
        If this protocol has no fixed speakers.
    ProtocolError
        If the list differs from the one published under this name.
    """
    if protocol not in FIXED:
        raise UnknownNameError("protocol with fixed speakers", protocol, FIXED)
    fixed = FIXED[protocol]
    text = json.dumps([protocol, fixed.validation, fixed.test_only], separators=(",", ":"))
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != fixed.sha256:
        raise ProtocolError(
            f"the speakers of {protocol} were changed (SHA-256 {found}, not {fixed.sha256}); "
            "a different list needs a new protocol name"
        )
    return fixed


def partition(
    facts: SampleColumns,
    protocol: str = SPEAKERS_V1,
    validation_speakers: tuple[int, ...] = (),
    fold: int | None = None,
) -> Partition:
    """Divide samples into training, validation and test.

    Parameters
    ----------
    facts
        The samples.
    protocol
        One of :data:`PROTOCOLS`.
    validation_speakers
        Speakers fixed by the data set; used by ``speakers-v1``.
    fold
        A speaker of the training split who is the only validation speaker.

    Returns
    -------
    Partition
        Disjoint splits; samples without a label are in none, nor, under ``speakers-v1``, copies that would be in two.

    Raises
    ------
    UnknownNameError
        If the protocol does not exist.
    ProtocolError
        If the samples cannot be divided by it.
    """
    if protocol not in PROTOCOLS:
        raise UnknownNameError("protocol", protocol, PROTOCOLS)
    _check_labels(facts)
    test, words = _test(facts, protocol)
    rest = (facts.labels >= 0) & ~test
    if fold is not None:
        rest &= facts.marks != "validation"
        validation, word = _fold(facts, rest, fold)
    elif protocol == "shd-v1":
        validation, word = _fixed(facts, rest, protocol)
    else:
        validation, word = _validation(facts, rest, protocol, validation_speakers)
    train, rule = rest & ~validation, f"{words}; {word}"
    if protocol == SPEAKERS_V1:
        train, validation, note = _keep_together(facts, train, validation, test, fold is not None)
        rule += note
    return _checked(facts, protocol, _short(rule), train, validation, test)


def _short(rule: str) -> str:
    """Shorten long lists of speakers to the first ones and the last; the length of the rule in a result is limited."""
    if len(rule) <= _MAX_RULE:
        return rule
    return re.sub(r"(speakers (?:\d+, ){20})(?:\d+, )+(\d+)", r"\1…, \2", rule)


def oracle(facts: SampleColumns, found: Partition) -> Partition:
    """Select on the test split, only to reproduce numbers that were obtained so.

    Parameters
    ----------
    facts
        The samples.
    found
        The partition by :func:`partition`.

    Returns
    -------
    Partition
        Validation is the test split. The speakers that a rule held out are part of training, as in the work that is
        reproduced; only an official validation split stays out. Its protocol is ``oracle``.
    """
    official = facts.marks[found.validation] == "validation"
    train = np.sort(np.concatenate([found.train, found.validation[~official]]))
    changes = {
        "protocol": ORACLE,
        "rule": f"ORACLE: the epoch is chosen on the test split (else {found.record.rule})",
        "train_samples": train.size,
        "validation_samples": found.test.size,
        "validation_speakers": [],
    }
    record = Split.model_validate(found.record.model_dump() | changes)
    return replace(found, train=train, validation=found.test, record=record)


def fold_speakers(facts: SampleColumns, found: Partition) -> list[int]:
    """List the speakers that can be left out.

    Parameters
    ----------
    facts
        The samples.
    found
        The partition by :func:`partition`.

    Returns
    -------
    list of int
        Speakers of the training split, and those that the rule holds out of it, ascending.
    """
    index = np.concatenate([found.train, found.validation])
    inside = index[facts.marks[index] != "validation"]
    return sorted({speaker for speaker in facts.speakers[inside].tolist() if speaker >= 0})


def _check_labels(facts: SampleColumns) -> None:
    if not (facts.labels >= 0).any():
        raise ProtocolError(
            f"{facts.where}: no sample has a label, so no model can be trained on it"
        )
    if len(facts.keys) < 2:
        raise ProtocolError(f"{facts.where}: a classifier needs at least two classes")


def _test(facts: SampleColumns, protocol: str) -> tuple[NDArray[np.bool_], str]:
    labelled = facts.labels >= 0
    test = labelled & (facts.marks == "test")
    if test.any():
        return test, _MARKED_TEST
    if protocol != SPEAKERS_V1:
        raise ProtocolError(
            f"{facts.where}: no sample is marked test, which {protocol} requires ('spikebench data make "
            "--one-file' writes all splits into one file)"
        )
    test, how = _choose(facts, labelled, "test", 5)
    return test, f"test {how}"


def _fixed(
    facts: SampleColumns, rest: NDArray[np.bool_], protocol: str
) -> tuple[NDArray[np.bool_], str]:
    fixed = fixed_speakers(protocol)
    there = set(facts.speakers[rest].tolist())
    if missing := set(fixed.validation) - there:
        raise ProtocolError(
            f"{facts.where}: speaker {min(missing)} is not in the training split, but is a validation speaker "
            f"of {protocol}"
        )
    return rest & np.isin(facts.speakers, fixed.validation), _fixed_words(protocol, fixed)


def _fixed_words(protocol: str, fixed: FixedSpeakers) -> str:
    names = ", ".join(map(str, fixed.validation))
    return (
        f"validation speakers {names}, the fixed list of {protocol} (SHA-256 {fixed.sha256[:16]})"
    )


def fixed_rule(protocol: str) -> str | None:
    """Return the rule that :func:`partition` records under a protocol, if it is the same for all data.

    Parameters
    ----------
    protocol
        One of :data:`PROTOCOLS`.

    Returns
    -------
    str or None
        None if the rule depends on the data.
    """
    if protocol in FIXED:
        return f"{_MARKED_TEST}; {_fixed_words(protocol, FIXED[protocol])}"
    return f"{_MARKED_TEST}; {_OFFICIAL_VALIDATION}" if protocol == "ssc-v1" else None


def _validation(
    facts: SampleColumns, rest: NDArray[np.bool_], protocol: str, speakers: tuple[int, ...]
) -> tuple[NDArray[np.bool_], str]:
    marked = rest & (facts.marks == "validation")
    if protocol == "ssc-v1":
        if not marked.any():
            raise ProtocolError(
                f"{facts.where}: no sample is marked validation, which {protocol} requires"
            )
        return marked, _OFFICIAL_VALIDATION
    if marked.any():
        return marked, "validation as marked in the file"
    if speakers:
        fixed = np.array(speakers, dtype=np.int64)
        return rest & np.isin(facts.speakers, fixed), "validation speakers fixed by the data set"
    validation, how = _choose(facts, rest, "validation", 6)
    return validation, f"validation {how}"


def _fold(
    facts: SampleColumns, rest: NDArray[np.bool_], fold: int
) -> tuple[NDArray[np.bool_], str]:
    there = sorted({speaker for speaker in facts.speakers[rest].tolist() if speaker >= 0})
    if fold not in there:
        raise ProtocolError(
            f"{facts.where}: there is no speaker {fold} to leave out of the training split; it has "
            f"{', '.join(map(str, there)) if there else 'no known speakers'}"
        )
    if unknown := int((facts.speakers[rest] < 0).sum()):
        raise ProtocolError(
            f"{facts.where}: {unknown} training samples have no speaker, so no speaker can be left out reliably"
        )
    return rest & (facts.speakers == fold), f"validation speaker {fold} alone {LEAVE_ONE_OUT}"


def _keep_together(
    facts: SampleColumns,
    train: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    test: NDArray[np.bool_],
    is_fold: bool,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], str]:
    """Leave out copies that would be in two splits made here; count copies in splits marked in the file."""
    before = int(np.count_nonzero(train | validation))
    test_is_ours = not (facts.marks[test] == "test").any()
    if test_is_ours:
        validation = validation & ~facts.copies(validation, test)
        train = train & ~facts.copies(train, test)
    if is_fold or test_is_ours or not (facts.marks[validation] == "validation").any():
        train = train & ~facts.copies(train, validation)
    note = ""
    if left_out := before - int(np.count_nonzero(train | validation)):
        note += f"; copies of test or validation samples left out: {left_out}"
    if kept := int(np.count_nonzero(facts.copies(test, train | validation))):
        note += f"; test samples that are copies of others, as the file marks them: {kept}"
    return train, validation, note


def _checked(
    facts: SampleColumns,
    protocol: str,
    rule: str,
    train: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    test: NDArray[np.bool_],
) -> Partition:
    parts = [np.flatnonzero(part).astype(np.int64) for part in (train, validation, test)]
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
        if not part.size:
            raise ProtocolError(
                f"{facts.where}: the {name} split would be empty; more speakers or samples are needed"
            )
    if np.unique(facts.labels[parts[0]]).size < 2:
        raise ProtocolError(f"{facts.where}: the training split holds a single class")
    if missing := set(facts.labels[parts[2]]) - set(facts.labels[parts[0]]):
        raise ProtocolError(
            f"{facts.where}: class {facts.keys[min(missing)]!r} is in the test split but not in the training split"
        )
    speakers = [{s for s in facts.speakers[part].tolist() if s >= 0} for part in parts]
    record = Split(
        protocol=protocol,
        rule=rule,
        train_samples=parts[0].size,
        validation_samples=parts[1].size,
        test_samples=parts[2].size,
        validation_speakers=sorted(speakers[1] - speakers[0]),
        test_only_speakers=sorted(speakers[2] - speakers[0] - speakers[1]),
    )
    copies = int(np.count_nonzero(facts.copies(test, train | validation)))
    return Partition(parts[0], parts[1], parts[2], record, copies)


def _choose(
    facts: SampleColumns, among: NDArray[np.bool_], role: str, share: int
) -> tuple[NDArray[np.bool_], str]:
    """Choose one in ``share`` speakers (or samples, with their copies) by hash order."""
    where, speakers = facts.where, facts.speakers
    known = np.unique(speakers[among])
    if known.size > 1 and known[0] < 0:
        count = int((speakers[among] < 0).sum())
        raise ProtocolError(
            f"{where}: {count} samples have no speaker but the others have one, so whole speakers cannot be held "
            "out. Mark the splits when converting (--split), or leave speakers out (--speakers none)"
        )
    if known.size and known[0] >= 0:
        if known.size < 2:
            raise ProtocolError(
                f"{where}: all samples left for the {role} split are of one speaker; whole speakers are held "
                "out, so at least three are needed (or mark the splits when converting: --split)"
            )
        chosen = _by_hash(known, role, share)
        return among & np.isin(speakers, chosen), f"speakers {', '.join(map(str, sorted(chosen)))}"
    index = np.flatnonzero(among)
    _, first = np.unique(facts.recordings[index], return_index=True)
    chosen = _by_hash(index[first], role, share)
    mask = among & np.isin(facts.recordings, facts.recordings[chosen])
    return mask, f"one sample in {share} (speakers not known: voices may be shared between splits)"


def _by_hash(numbers: NDArray[np.int64], role: str, share: int) -> list[int]:
    count = max(round(numbers.size / share), 1)
    return sorted(
        numbers.tolist(), key=lambda number: hashlib.sha256(f"{role}:{number}".encode()).digest()
    )[:count]
