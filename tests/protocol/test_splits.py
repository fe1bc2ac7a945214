"""The rules of the protocols, by hand: fixed lists, official splits, whole speakers, folds."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikebench.datasets import DATASETS, load_spec
from spikebench.errors import ProtocolError, UnknownNameError
from spikebench.protocol import splits
from spikebench.protocol.splits import (
    FIXED,
    PROTOCOLS,
    SampleColumns,
    fixed_speakers,
    fold_speakers,
    oracle,
    partition,
)


def facts(speakers: list[int], marks: list[str] | None = None, classes: int = 2) -> SampleColumns:
    """Every speaker says every class once."""
    marks = marks if marks is not None else [""] * len(speakers)
    return SampleColumns(
        where="x.h5",
        labels=np.tile(np.arange(classes), len(speakers)),
        speakers=np.repeat(speakers, classes),
        marks=np.repeat(np.array(marks, dtype=str), classes),
        keys=tuple("abcdefgh"[:classes]),
    )


SHD = facts(list(range(12)), ["test" if s in (4, 5) else "train" for s in range(12)])


def test_the_fixed_list_of_shd_is_the_one_that_was_published() -> None:
    fixed = fixed_speakers("shd-v1")
    assert (fixed.validation, fixed.test_only) == ((0, 2), (4, 5))
    assert fixed.sha256 == hashlib.sha256(b'["shd-v1",[0,2],[4,5]]').hexdigest()
    # Nobody chose them: they come first in the order of a hash.
    train = sorted(
        {*range(12)} - {4, 5}, key=lambda s: hashlib.sha256(f"validation:{s}".encode()).digest()
    )
    assert tuple(sorted(train[:2])) == fixed.validation


def test_a_changed_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"shd-v1": replace(FIXED["shd-v1"], validation=(0, 3))}
    monkeypatch.setattr(splits, "FIXED", changed)
    with pytest.raises(ProtocolError, match="a different list needs a new protocol name"):
        partition(SHD, "shd-v1")


def test_shd_holds_out_the_listed_speakers() -> None:
    found = partition(SHD, "shd-v1")
    assert set(SHD.speakers[found.validation]) == {0, 2}
    assert set(SHD.speakers[found.test]) == {4, 5}
    record = found.record
    assert (record.protocol, record.validation_speakers) == ("shd-v1", [0, 2])
    assert FIXED["shd-v1"].sha256[:16] in record.rule


def test_shd_needs_its_speakers_and_its_test_split() -> None:
    with pytest.raises(ProtocolError, match="speaker 2 is not in the training split"):
        partition(facts([0, 1, 4], ["train", "train", "test"]), "shd-v1")
    with pytest.raises(ProtocolError, match="no sample is marked test, which shd-v1 requires"):
        partition(facts(list(range(6))), "shd-v1")


def test_ssc_takes_the_official_splits_as_they_are() -> None:
    marks = ["train", "validation", "test", "train", "validation"]
    some = facts([0, 1, 2, 3, 4], marks)
    found = partition(some, "ssc-v1")
    assert set(some.speakers[found.validation]) == {1, 4}
    assert set(some.speakers[found.train]) == {0, 3}
    with pytest.raises(
        ProtocolError, match="no sample is marked validation, which ssc-v1 requires"
    ):
        partition(facts([0, 1, 2], ["train", "train", "test"]), "ssc-v1")


def test_a_fold_leaves_official_validation_samples_out() -> None:
    some = facts([0, 1, 2, 3, 4], ["train", "validation", "test", "train", "train"])
    found = partition(some, "ssc-v1", fold=3)
    assert set(some.speakers[found.validation]) == {3}
    assert set(some.speakers[found.train]) == {0, 4}
    assert fold_speakers(some, partition(some, "ssc-v1")) == [0, 3, 4]
    with pytest.raises(ProtocolError, match="no speaker 1 to leave out"):
        partition(some, "ssc-v1", fold=1)


def test_nobody_is_left_out_where_somebody_is_unknown() -> None:
    some = facts([0, 1, 2, 3, -1], ["train", "validation", "test", "train", "train"])
    with pytest.raises(ProtocolError, match="2 training samples have no speaker"):
        partition(some, "ssc-v1", fold=3)


def test_the_oracle_keeps_official_validation_samples_out_of_training() -> None:
    some = facts([0, 1, 2, 3], ["train", "validation", "test", "train"])
    found = oracle(some, partition(some, "ssc-v1"))
    assert set(some.speakers[found.train]) == {0, 3}
    assert found.validation.tolist() == found.test.tolist()
    assert found.record.validation_samples == found.record.test_samples == 2


@given(
    st.lists(st.integers(-1, 9), min_size=4, max_size=40),
    st.lists(st.sampled_from(["train", "validation", "test", ""]), min_size=40, max_size=40),
    st.sampled_from(PROTOCOLS),
)
def test_splits_are_disjoint_and_keep_speakers_together(
    speakers: list[int], marks: list[str], protocol: str
) -> None:
    some = facts(speakers, marks[: len(speakers)])
    try:
        found = partition(some, protocol)
    except ProtocolError:
        return
    parts = [set(p.tolist()) for p in (found.train, found.validation, found.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == some.labels.size
    assert all(parts)
    assert not set(found.record.test_only_speakers) & set(some.speakers[found.train].tolist())
    assert not set(found.record.validation_speakers) & set(some.speakers[found.train].tolist())


def test_thousands_of_speakers_fit_into_the_rule() -> None:
    found = partition(facts(list(range(3000))))
    assert len(found.record.rule) < 500
    assert found.record.test_samples == 1200
    assert len(found.record.test_only_speakers) == 600
    first, last = found.record.test_only_speakers[0], found.record.test_only_speakers[-1]
    assert found.record.rule.startswith(f"test speakers {first}, ")
    assert f", …, {last}; validation speakers " in found.record.rule


def test_unknown_protocols_are_named() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown protocol 'shd-v2'.*Did you mean 'shd-v1'"):
        partition(SHD, "shd-v2")
    with pytest.raises(UnknownNameError, match="protocol with fixed speakers"):
        fixed_speakers("ssc-v1")


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_has_a_protocol_that_agrees_with_it(name: str) -> None:
    spec = load_spec(name)
    assert spec.protocol in PROTOCOLS
    if spec.protocol in FIXED:
        fixed = fixed_speakers(spec.protocol)
        assert spec.validation_speakers == fixed.validation
        assert spec.test_only_speakers == fixed.test_only
    if spec.protocol == "ssc-v1":
        assert spec.validation_speakers == ()
        assert "validation" in spec.sizes
