"""Tasks, methods, settings and measures: what is trained and tested, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.toy import write_toy

from spikebench.continual.methods import Method, parse_methods
from spikebench.continual.permuted import N_TASKS, permuted_digits, record
from spikebench.continual.settings import model_preset, read_settings
from spikebench.continual.tasks import check_sequence, make_tasks
from spikebench.errors import SpikebenchError
from spikebench.metrics.classification import seed_interval
from spikebench.metrics.forgetting import (
    average_accuracy,
    backward_transfer,
    forgetting,
    interval,
    learned_accuracy,
)
from spikebench.protocol.opening import SelectionData, open_selection, open_test

USUAL = {"si": 0.5, "ewc": 10.0, "replay": 2.0}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    path = tmp_path_factory.mktemp("toy") / "toy.h5"
    return open_selection(str(write_toy(path, classes=5)))


def test_pairs_are_trained_and_tested_on_other_speakers(toy: SelectionData) -> None:
    sequence = make_tasks("pairs", toy.dataset, toy, "validation")
    assert [task.name for task in sequence.tasks] == ["up/down", "shift/turn0/turn1"]
    for task, classes in zip(sequence.tasks, ([0, 1], [2, 3, 4]), strict=True):
        assert set(task.train.labels) == set(task.test.labels) == set(classes)
        assert not set(task.train.speakers) & set(task.test.speakers)
        assert set(task.test.index) <= set(toy.validation.index)
    offered = sequence.offered
    assert offered is not None
    expected = np.zeros((5, 5), bool)
    expected[:2, :2] = expected[2:, 2:] = True
    assert np.array_equal(offered, expected)
    assert make_tasks("pairs:single", toy.dataset, toy, "validation").offered is None


def test_trials_of_every_speaker_and_class_are_held_out(toy: SelectionData) -> None:
    sequence = make_tasks("speakers", toy.dataset, toy, "validation")
    test = open_test(toy)
    used = {i for task in sequence.tasks for i in (*task.train.index, *task.test.index)}
    assert not used & set(test.index)
    assert used == set(toy.train.index) | set(toy.validation.index)
    for task in sequence.tasks:
        assert len(set(task.train.speakers) | set(task.test.speakers)) == 1
        assert np.bincount(task.train.labels).tolist() == [3] * 5
        assert np.bincount(task.test.labels).tolist() == [1] * 5
        assert not set(task.train.index) & set(task.test.index)


def test_a_part_of_the_training_samples_is_used(toy: SelectionData) -> None:
    whole, part = (make_tasks("pairs", toy.dataset, toy, "validation", f) for f in (1.0, 0.5))
    for task, other in zip(whole.tasks, part.tasks, strict=True):
        assert 2 * len(other.train) == len(task.train)
        assert np.array_equal(other.test.index, task.test.index)


def test_the_test_split_is_the_tested_one_if_it_is_opened(tmp_path: Path) -> None:
    marked = open_selection(str(write_toy(tmp_path / "toy.h5", marked=True, classes=4)))
    sequence = make_tasks("pairs", marked.dataset, marked, "test")
    assert {int(s) for task in sequence.tasks for s in task.test.speakers} == {4, 5}
    with pytest.raises(SpikebenchError, match="has no tested samples; choose other --tasks"):
        make_tasks("speakers", marked.dataset, marked, "test")


def test_permutations_move_pixels_and_nothing_else() -> None:
    tasks = permuted_digits()
    assert len(tasks) == N_TASKS
    counts = [
        np.bincount(train[7].units, minlength=64) for train, _ in tasks
    ]  # of one picture in every task
    assert len({one.tobytes() for one in counts}) == N_TASKS
    assert len({np.sort(one).tobytes() for one in counts}) == 1
    assert all(np.array_equal(train.labels, tasks[0][0].labels) for train, _ in tasks)
    assert (len(tasks[0][0]), len(tasks[0][1])) == (1438, 359)
    assert record().split.validation_samples == 359


def test_measures_by_hand() -> None:
    matrix = np.array([[0.9, 0.1, 0.2], [0.95, 0.8, 0.1], [0.5, 0.7, 0.6]])
    assert average_accuracy(matrix) == pytest.approx(0.6)
    assert learned_accuracy(matrix) == pytest.approx((0.9 + 0.8 + 0.6) / 3)
    assert forgetting(matrix) == pytest.approx((0.45 + 0.1) / 2)
    assert backward_transfer(matrix) == pytest.approx((-0.4 - 0.1) / 2)
    values = np.array([0.25, 0.5, 0.6])
    low, high = interval(values) or (0.0, 0.0)
    assert (low, high) == pytest.approx(seed_interval(values)[:2])
    assert interval(-values) == pytest.approx((-high, -low))
    assert interval(values[:1]) is interval(np.array([0.3, 0.3])) is None


def test_methods_have_usual_strengths() -> None:
    found = parse_methods(["none,si", "si:0.5", "replay:3, joint"], USUAL)
    expected = [Method("none"), Method("si", 0.5), Method("replay", 3.0), Method("joint")]
    assert found == expected
    assert [str(one) for one in found] == ["none", "si:0.5", "replay:3", "joint"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("gem", "unknown method 'gem'"),
        ("joint:2", "joint has no strength; write joint"),
        ("si:x", "strength of si is c, a number from 0, e.g. si:0.5"),
        ("si:-1", "a number from 0"),
        ("si:nan", "a number from 0"),
        ("replay:0.5", "a whole number from 1, e.g. replay:2"),
        ("replay:inf", "a whole number from 1"),
    ],
)
def test_wrong_methods_are_refused(word: str, message: str) -> None:
    with pytest.raises(SpikebenchError, match=message):
        parse_methods([word], USUAL)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("twins", "unknown sequence of tasks 'twins'"),
        ("permutations", "give --tasks pairs, or the data permuted-digits"),
        ("languages", "give --tasks pairs or speakers"),
    ],
)
def test_wrong_tasks_are_refused(name: str, message: str, toy: SelectionData) -> None:
    with pytest.raises(SpikebenchError, match=message):
        check_sequence(name, toy.dataset)
    with pytest.raises(SpikebenchError, match="permuted-digits has no tasks 'pairs'; give --tasks"):
        check_sequence("pairs", record())


@pytest.mark.parametrize("data", ["digits", "shd-r", "permuted-digits", "ssc-r", "some.h5"])
def test_settings_of_a_data_set_fit_its_models(data: str) -> None:
    settings = read_settings(data)
    for model in settings.continual.models:
        preset = model_preset(model, data, settings, ["training.epochs=3", "continual.damping=1"])
        assert preset.training.epochs == 3
        assert preset.training.schedule == "constant"


def test_settings_are_changed_and_checked() -> None:
    found = read_settings("digits", ["continual.damping=0.5", "continual.strengths.si=7", "x.y=1"])
    assert (found.continual.damping, found.continual.strengths.si) == (0.5, 7.0)
    for word, message in (
        ("continual.dampin=1", "dampin"),
        ("continual.damping=0", "damping"),
        ("continual.damping", "must have the form table.key=value"),
        ("continual.damping.x=1", "damping is not a table"),
    ):
        with pytest.raises(SpikebenchError, match=message):
            read_settings("digits", [word])
