"""Splits: whole speakers, fixed by rule, disjoint; the test split is not where selection looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy import N_CLASSES, write_toy

from spikebench.errors import ProtocolError, SpikeFileError, UnknownNameError
from spikebench.protocol import PROTOCOL, SelectionData, open_selection, open_test
from spikebench.spike_file import SpikeFile


def indices(selection: SelectionData) -> list[set[int]]:
    test = open_test(selection)
    return [set(s.index.tolist()) for s in (selection.train, selection.validation, test)]


@pytest.mark.parametrize("options", [{}, {"marked": True}, {"known_speakers": False}])
def test_splits_are_disjoint_and_complete(tmp_path: Path, options: dict) -> None:
    selection = open_selection(str(write_toy(tmp_path / "toy.h5", **options)))
    parts = indices(selection)
    assert set.union(*parts) == set(range(8 * N_CLASSES * 4))
    assert sum(map(len, parts)) == 8 * N_CLASSES * 4
    split = selection.dataset.split
    assert [len(p) for p in parts] == [
        split.train_samples,
        split.validation_samples,
        split.test_samples,
    ]
    assert split.protocol == PROTOCOL


def test_whole_speakers_are_held_out(tmp_path: Path) -> None:
    selection = open_selection(str(write_toy(tmp_path / "toy.h5")))
    test = open_test(selection)
    groups = [set(s.speakers.tolist()) for s in (selection.train, selection.validation, test)]
    assert sum(map(len, groups)) == 8
    assert [len(group) for group in groups] == [5, 1, 2]  # a fifth of 8, then a sixth of 6
    assert selection.dataset.split.test_only_speakers == sorted(groups[2])
    assert selection.dataset.split.validation_speakers == sorted(groups[1])


def test_marked_test_is_kept(tmp_path: Path) -> None:
    selection = open_selection(str(write_toy(tmp_path / "toy.h5", marked=True)))
    assert set(open_test(selection).speakers.tolist()) == {4, 5}
    assert "test as marked" in selection.dataset.split.rule


def test_without_speakers_the_rule_warns(tmp_path: Path) -> None:
    selection = open_selection(str(write_toy(tmp_path / "toy.h5", known_speakers=False)))
    assert "voices may be shared" in selection.dataset.split.rule
    assert selection.dataset.split.test_only_speakers == []


def test_synthetic_voices_are_called_so(tmp_path: Path) -> None:
    for name, synthetic in (("yes", True), ("no", False)):
        selection = open_selection(str(write_toy(tmp_path / f"{name}.h5", synthetic=synthetic)))
        assert selection.dataset.synthetic is synthetic


def test_a_file_does_not_take_the_name_of_a_registered_data_set(tmp_path: Path) -> None:
    assert open_selection(str(write_toy(tmp_path / "digits.h5"))).dataset.name == "digits-file"


def test_events_are_those_of_the_file(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5")
    selection = open_selection(str(path))
    with SpikeFile(path) as file:
        for k, index in enumerate(selection.validation.index):
            times, units = file.events(int(index))
            here = slice(*selection.validation.offsets[k : k + 2])
            assert np.array_equal(selection.validation.times[here], times)
            assert np.array_equal(selection.validation.units[here], units)
            assert selection.validation.labels[k] == file.labels[index]


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5")
    selection = open_selection(str(path))
    path.unlink()
    write_toy(path, takes=5)
    with pytest.raises(ProtocolError, match="changed since training"):
        open_test(selection)


def test_the_shipped_set_uses_its_fixed_speakers() -> None:
    selection = open_selection("digits")
    test = open_test(selection)
    assert set(selection.validation.speakers.tolist()) == {2, 3}
    assert selection.dataset.synthetic
    assert not set(selection.train.speakers.tolist()) & {2, 3, 4, 5}
    assert {4, 5} <= set(test.speakers.tolist())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labelled": False}, "no sample has a label"),
        ({"speakers": 1}, "one speaker"),
        ({"speakers": 2}, "one speaker"),
    ],
)
def test_what_cannot_be_split_is_told(tmp_path: Path, options: dict, message: str) -> None:
    path = write_toy(tmp_path / "toy.h5", **options)
    with pytest.raises(ProtocolError, match=message):
        open_selection(str(path))


def test_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        open_selection("digit")
    with pytest.raises(SpikeFileError, match="no such file"):
        open_selection(str(tmp_path / "nothing.h5"))
