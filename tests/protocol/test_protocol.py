"""Splits: whole speakers, fixed by rule, disjoint; the test split is not where selection looks."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.toy import N_CLASSES, write_toy
from numpy.testing import assert_array_equal

from spikebench.datasets import DATASETS, load_spec
from spikebench.datasets.spec import DatasetSpec, SpikePart
from spikebench.errors import ProtocolError, SpikeFileError, UnknownNameError
from spikebench.events.dataset import SpikeDataset
from spikebench.protocol.opening import (
    SelectionData,
    list_folds,
    open_oracle,
    open_selection,
    open_test,
    read_split_labels,
)
from spikebench.protocol.splits import SPEAKERS_V1
from spikebench.records.whole_files import file_sha256
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter


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
    assert split.protocol == SPEAKERS_V1


def test_whole_speakers_are_held_out(tmp_path: Path) -> None:
    selection = open_selection(str(write_toy(tmp_path / "toy.h5")))
    test = open_test(selection)
    groups = [set(s.speakers.tolist()) for s in (selection.train, selection.validation, test)]
    assert sum(map(len, groups)) == 8
    assert [len(group) for group in groups] == [5, 1, 2]  # a fifth of 8, then a sixth of 6
    assert selection.dataset.split.test_only_speakers == sorted(groups[2])
    assert selection.dataset.split.validation_speakers == sorted(groups[1])


def test_a_selection_says_what_it_holds_and_where_test_is(tmp_path: Path) -> None:
    selection = open_selection(str(write_toy(tmp_path / "toy.h5")))
    assert repr(selection).startswith("SelectionData(toy; train: SpikeDataset(")
    assert repr(selection).endswith("; test: not opened)")
    with pytest.raises(AttributeError, match="it stays closed until a model is trained"):
        _ = selection.test
    with pytest.raises(AttributeError, match="no attribute 'tests'"):
        _ = selection.tests
    assert not hasattr(selection, "test")


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
            assert np.array_equal(selection.validation[k].times, times)
            assert np.array_equal(selection.validation[k].units, units)
            assert selection.validation.labels[k] == file.labels[index]


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5")
    selection = open_selection(str(path))
    path.unlink()
    write_toy(path, takes=5)
    with pytest.raises(ProtocolError, match="the data differ from those of the training"):
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


def test_a_file_of_which_some_speakers_are_unknown_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.h5"
    with SpikeWriter(path, 4, ["a", "b"], {}) as writer:
        for speaker in [0, 1, 2, 3, -1]:
            for label in (0, 1):
                writer.append([0.1], [label], label=label, speaker=speaker)
    with pytest.raises(
        ProtocolError, match=r"some.h5: 2 samples have no speaker .*--speakers none"
    ):
        open_selection(str(path))


def test_folds_need_speakers(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5", known_speakers=False)
    with pytest.raises(ProtocolError, match="0 known speakers"):
        list_folds(str(path))


def test_a_name_that_no_result_can_hold_is_refused(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy.h5").rename(tmp_path / "six\udcff.h5")
    with pytest.raises(SpikeFileError, match=r"its name is not UTF-8.*rename"):
        open_selection(str(path))


def test_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'digits'"):
        open_selection("digit")
    with pytest.raises(SpikeFileError, match="no such file"):
        open_selection(str(tmp_path / "nothing.h5"))


@pytest.mark.parametrize("fold", [None, 0])
def test_no_array_of_the_selection_holds_a_test_sample(tmp_path: Path, fold: int | None) -> None:
    for data in ("digits", str(write_toy(tmp_path / "toy.h5", marked=True))):
        selection, test = open_selection(data, fold), open_test(open_selection(data))
        held = {tuple(test[k].times.tolist()) for k in range(len(test))}
        assert len(test) == len(test.events) > 0
        for part in (selection.train, selection.validation):
            everything = SpikeDataset(part.events)
            assert not set(test.index.tolist()) & set(everything.index.tolist())
            assert not held & {tuple(sample.times.tolist()) for sample in everything}
        assert not selection.is_oracle


def test_every_speaker_of_the_training_split_can_be_left_out(tmp_path: Path) -> None:
    path = str(write_toy(tmp_path / "toy.h5", marked=True))
    folds = list_folds(path)
    assert folds == [0, 1, 2, 3, 6, 7]
    tests = set()
    for fold in folds:
        selection = open_selection(path, fold)
        assert set(selection.validation.speakers.tolist()) == {fold}
        assert fold not in selection.train.speakers
        assert set(selection.train.speakers.tolist()) == set(folds) - {fold}
        assert selection.fold == fold
        assert f"speaker {fold} alone" in selection.dataset.split.rule
        tests.add(tuple(open_test(selection).index.tolist()))
    assert len(tests) == 1  # who selects does not change who tests


@pytest.mark.parametrize("fold", [4, 99])
def test_a_speaker_who_does_not_train_cannot_be_left_out(tmp_path: Path, fold: int) -> None:
    path = str(write_toy(tmp_path / "toy.h5", marked=True))
    with pytest.raises(ProtocolError, match=rf"no speaker {fold} to leave out.*0, 1, 2, 3, 6, 7"):
        open_selection(path, fold)


def test_the_oracle_selects_on_test_and_says_so(tmp_path: Path) -> None:
    path = str(write_toy(tmp_path / "toy.h5", marked=True))
    honest, oracle = open_selection(path), open_oracle(path)
    assert oracle.is_oracle
    assert oracle.dataset.split.protocol == "oracle"
    assert oracle.dataset.split.rule.startswith("ORACLE: the epoch is chosen on the test split")
    test = open_test(oracle)
    assert oracle.validation.index.tolist() == test.index.tolist()
    assert test.index.tolist() == open_test(honest).index.tolist()
    whole = set(honest.train.index.tolist()) | set(honest.validation.index.tolist())
    assert set(oracle.train.index.tolist()) == whole
    assert oracle.dataset != honest.dataset


def write_published(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetSpec:
    """A data set of two files, train and test, registered as ``pair``; nothing in them is marked."""
    for name, speakers in (("train", [0, 1, 2, 3]), ("test", [4, 5, 0])):
        with SpikeWriter(folder / f"pair_{name}.h5", 4, ["a", "b"], {}) as writer:
            for speaker in speakers:
                for label in (0, 1):
                    writer.append([0.1 * (label + 1)], [label], label=label, speaker=speaker)
    parts = tuple(
        SpikePart(f"pair_{name}.h5", name, None, file_sha256(folder / f"pair_{name}.h5"))
        for name in ("train", "test")
    )
    spec = replace(load_spec("shd"), name="pair", parts=parts, n_units=4, n_classes=2)
    module = ModuleType("pair_module")
    module.SPEC = spec  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pair_module", module)
    monkeypatch.setitem(DATASETS, "pair", "pair_module:SPEC")
    return spec


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
    (tmp_path / "pair").mkdir()
    write_published(tmp_path / "pair", monkeypatch)
    return tmp_path / "pair"


def test_a_data_set_of_several_files_is_split_by_them(pair: Path) -> None:
    selection = open_selection("pair")
    test = open_test(selection)
    assert set(selection.train.speakers.tolist()) == {1, 3}
    assert set(selection.validation.speakers.tolist()) == {0, 2}
    assert test.speakers.tolist() == [4, 4, 5, 5, 0, 0]
    assert test.index.tolist() == list(range(6))  # in the file that holds them
    split = selection.dataset.split
    assert (split.protocol, split.validation_speakers) == ("shd-v1", [0, 2])
    assert split.test_only_speakers == [4, 5]
    lines = "".join(file_sha256(pair / f"pair_{name}.h5") + "\n" for name in ("train", "test"))
    assert selection.dataset.sha256 == hashlib.sha256(lines.encode()).hexdigest()


def check_labels(data: str) -> None:
    """Compare labels without spikes with those of the opened splits."""
    found, selection = read_split_labels(data), open_selection(data)
    assert found.dataset == selection.dataset
    opened = (selection.train, selection.validation, open_test(selection))
    for part, samples in zip((found.train, found.validation, found.test), opened, strict=True):
        for name in ("index", "labels", "speakers"):
            assert_array_equal(getattr(part, name), getattr(samples, name))


def test_labels_are_read_without_spikes(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_labels("pair")
    toy = str(write_toy(tmp_path / "toy.h5", marked=True))
    check_labels(toy)

    def opened(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("spikebench.protocol.opening.open_events", opened)
    assert set(read_split_labels(toy).test.speakers.tolist()) == {4, 5}
    with pytest.raises(AssertionError, match="opened"):
        open_selection(toy)


def test_a_published_file_that_was_replaced_is_refused(pair: Path) -> None:
    selection = open_selection("pair")
    shutil.copy(pair / "pair_train.h5", pair / "pair_test.h5")
    for opened in (lambda: open_selection("pair"), lambda: open_test(selection)):
        with pytest.raises(ProtocolError, match=r"pair_test.h5: differs from the published file"):
            opened()


@pytest.mark.parametrize("name", ["train", "test"])
def test_one_file_of_several_is_not_divided_anew(pair: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(pair / f"pair_{name}.h5", tmp_path / "copy.h5")
    with pytest.raises(ProtocolError, match=r"copy.h5: is one file of pair.*--data pair"):
        open_selection(str(tmp_path / "copy.h5"))


def test_a_complete_remake_keeps_the_protocol_of_what_it_remakes(tmp_path: Path) -> None:
    for complete, protocol in ((1, "shd-v1"), (0, SPEAKERS_V1)):
        path = tmp_path / f"{complete}.h5"
        with SpikeWriter(path, 4, ["a", "b"], {"dataset": "shd-r", "complete": complete}) as writer:
            for speaker in range(6):
                for label in (0, 1):
                    split = "test" if speaker > 3 else "train"
                    writer.append([0.1], [label], label=label, speaker=speaker, split=split)
        assert open_selection(str(path)).dataset.split.protocol == protocol


def test_an_unfinished_remake_does_not_go_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
    (tmp_path / "shd-r").mkdir()
    write_toy(tmp_path / "shd-r" / "shd-r.h5", marked=True)
    with pytest.raises(ProtocolError, match=r"shd-r.h5: is not a complete copy of shd-r"):
        open_selection("shd-r")
