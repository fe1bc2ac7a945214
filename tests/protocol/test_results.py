"""Results, predictions and the metrics that follow from them: by hand, and from strangers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.leaderboard_results import edit_json, make_result
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from spikebench.errors import ResultError
from spikebench.metrics.classification import (
    accuracy,
    by_speaker,
    confusion_matrix,
    seed_interval,
    speaker_groups,
    speaker_interval,
    speaker_intervals,
    summary_interval,
)
from spikebench.protocol.results import (
    MAX_PREDICTIONS_BYTES,
    Predictions,
    read_predictions,
    read_result,
    write_predictions,
    write_result,
)
from spikebench.records.strict_json import read_json
from spikebench.records.whole_files import write_text


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_accuracy_is_correct_over_all() -> None:
    assert_allclose(accuracy(ints(0, 1, 2, 2), ints(0, 1, 2, 0)), 3 / 4, rtol=1e-12)


@pytest.mark.parametrize(("reference", "predicted"), [(ints(), ints()), (ints(0, 1), ints(0))])
def test_accuracy_needs_equal_lengths(reference: np.ndarray, predicted: np.ndarray) -> None:
    with pytest.raises(ValueError, match="as many predictions as labels"):
        accuracy(reference, predicted)


def test_confusion_matrix_has_labels_in_rows() -> None:
    found = confusion_matrix(ints(0, 0, 1, 2, 2), ints(0, 1, 1, 0, 0), 3)
    assert_array_equal(found, [[1, 1, 0], [0, 1, 0], [2, 0, 0]])
    assert found.dtype == np.int64


@pytest.mark.parametrize("label", [-1, 3])
def test_confusion_matrix_refuses_a_class_outside(label: int) -> None:
    with pytest.raises(ValueError, match=r"outside 0 … 2"):
        confusion_matrix(ints(0, label), ints(0, 0), 3)


def test_seed_interval_by_hand() -> None:
    # Mean 0.7, standard deviation 0.1, t(0.975; 2) = 4.302652729749464 (table), / sqrt(3).
    low, high, method = seed_interval(np.array([0.6, 0.7, 0.8]))
    half = 4.302652729749464 * 0.1 / np.sqrt(3)
    assert_allclose([low, high], [0.7 - half, 0.7 + half], rtol=1e-12)
    assert method == "Student t over 3 seeds"


def test_seed_interval_is_clipped_to_what_an_accuracy_can_be() -> None:
    assert seed_interval(np.array([0.0, 1.0]))[:2] == (0.0, 1.0)


def test_speaker_groups_by_hand() -> None:
    seen, unseen = speaker_groups(np.array([0, 4, 2, -1, 4, 1]), [4], [2])
    assert seen.tolist() == [True, False, False, False, False, True]
    assert unseen.tolist() == [False, True, False, False, True, False]


def test_seeds_that_all_agree_do_not_make_a_certainty() -> None:
    first = (0.4, 0.8, "bootstrap over 5 test speakers")
    assert summary_interval(np.array([0.6, 0.6, 0.6]), first) == first
    assert summary_interval(np.array([0.6]), first) == first
    accuracies = np.array([0.6, 0.7])
    assert summary_interval(accuracies, first) == seed_interval(accuracies)


def test_seed_interval_needs_two_seeds() -> None:
    with pytest.raises(ValueError, match="at least two"):
        seed_interval(np.array([0.5]))


def test_speaker_interval_draws_whole_speakers() -> None:
    # One speaker always right, one always wrong: a draw gives 0, 1/2 or 1 with 1/4, 1/2, 1/4.
    correct = np.repeat([True, False], 50)
    low, high, method = speaker_interval(correct, np.repeat(ints(1, 2), 50))
    assert (low, high, method) == (0.0, 1.0, "bootstrap over 2 test speakers")


def test_interval_over_samples_is_narrower_than_over_such_speakers() -> None:
    correct = np.repeat([True, False], 50)
    low, high, method = speaker_interval(correct, np.full(100, -1))
    # Binomial with n = 100, p = 1/2: mean ± 1.96 · 0.05.
    assert_allclose([low, high], [0.4, 0.6], atol=0.011)
    assert method == "bootstrap over test samples"


def plain_speaker_interval(correct: np.ndarray, speaker: np.ndarray) -> tuple[float, float, str]:
    """What the interval is, without anything that makes it fast."""
    generator = np.random.default_rng(0)
    speakers, cluster = np.unique(speaker, return_inverse=True)
    if len(speakers) < 2 or speakers[0] < 0:
        means = generator.binomial(correct.size, correct.mean(), 10_000) / correct.size
        method = "bootstrap over test samples"
    else:
        n_right, n_all = np.bincount(cluster, weights=correct), np.bincount(cluster).astype(float)
        draw = generator.integers(0, len(speakers), (10_000, len(speakers)))
        means = n_right[draw].sum(1) / n_all[draw].sum(1)
        method = f"bootstrap over {len(speakers)} test speakers"
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high), method


@pytest.mark.parametrize("speakers", [1, 2, 3, 12, 40, 257, 900])
@pytest.mark.parametrize("skill", [0.0, 0.03, 0.5, 0.9, 0.999, 1.0])
def test_speaker_interval_is_bit_for_bit_the_plain_one(
    rng: np.random.Generator, speakers: int, skill: float
) -> None:
    for n in (1, 7, 600):
        correct, speaker = rng.random(n) < skill, rng.integers(0, speakers, n)
        assert speaker_interval(correct, speaker) == plain_speaker_interval(correct, speaker)
    speaker[3] = -1
    assert speaker_interval(correct, speaker) == plain_speaker_interval(correct, speaker)


def test_groups_of_speakers_cannot_be_changed_for_the_next_caller() -> None:
    seen, _ = speaker_groups(ints(0, 1), [1], [])
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = False


def test_counts_by_speaker_by_hand() -> None:
    correct = np.array([[True, True, False, True], [False, False, False, True]])
    counts = by_speaker(correct, ints(7, -1, 7, 3))
    assert counts.speakers.tolist() == [-1, 3, 7]
    assert counts.samples.tolist() == [1, 1, 2]
    assert counts.right.tolist() == [[1, 1, 1], [0, 1, 0]]
    assert counts.accuracies(counts.speakers >= 0) == [2 / 3, 1 / 3]
    assert counts.accuracies(counts.speakers > 7) == [None, None]
    with pytest.raises(ValueError, match="read-only"):
        counts.samples[0] = 5  # the next caller gets them too


def test_several_answers_are_measured_as_each_alone(rng: np.random.Generator) -> None:
    for speakers in (1, 2, 12):
        correct, speaker = rng.random((5, 300)) < 0.7, rng.integers(0, speakers, 300)
        intervals, method = speaker_intervals(by_speaker(correct, speaker))
        assert [(*one, method) for one in intervals] == [
            plain_speaker_interval(one, speaker) for one in correct
        ]


def test_speaker_interval_is_the_same_every_time(rng: np.random.Generator) -> None:
    correct, speaker = rng.random(60) < 0.6, rng.integers(0, 5, 60)
    assert speaker_interval(correct, speaker) == speaker_interval(correct, speaker)


def test_result_round_trip(tmp_path: Path) -> None:
    result = read_result(make_result(tmp_path / "a"))
    write_result(tmp_path / "b", result)
    assert read_result(tmp_path / "b") == result
    assert read_result(tmp_path / "b" / "result.json") == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "key 'a' appears twice"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1e999}', "1e999 is too large a number"),
        ("[" * 40 + "]" * 40, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "not readable as JSON"),
        ('{"a": ', "not readable as JSON"),
        ("", "not readable as JSON"),
    ],
)
def test_hostile_json_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=message) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_json_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(ResultError, match="not readable as JSON"):
        read_json(path)


def test_json_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("[]" + " " * 100)
    with pytest.raises(ResultError, match="larger than 50 bytes"):
        read_json(path, max_bytes=50)


def test_depth_that_results_have_is_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text('{"a": {"b": [[1.5, {"c": null}]]}}')
    assert read_json(path) == {"a": {"b": [[1.5, {"c": None}]]}}


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["schema_version"], 3, "schema version 3 is not supported; this version reads 1 and 2"),
        (["extra"], 1, "extra: unknown key"),
        (["model", "parameters"], 10**400, "model.parameters"),
        (["model", "parameters"], -1, "model.parameters: must be at least 0, not -1"),
        (["summary", "test_mean"], 1.5, "summary.test_mean: must be at most 1"),
        (["summary", "test_mean"], "nan", "summary.test_mean: .* finite"),
        (["dataset", "sha256"], "AB" * 32, "dataset.sha256"),
        (["seeds"], [], "seeds: .* at least 1 item"),
        (["seeds", 0, "predictions_file"], "../../etc/passwd", "seeds.0.predictions_file"),
        (["seeds", 0, "predictions_file"], "/etc/passwd", "seeds.0.predictions_file"),
        (["seeds", 0, "weights_file"], "a/b.safetensors", "seeds.0.weights_file"),
        (["seeds", 0, "weights_file"], ".hidden", "seeds.0.weights_file"),
        (["seeds", 0, "selected_on"], "luck", "seeds.0.selected_on"),
        (["created"], "yesterday", "created"),
    ],
)
def test_result_out_of_schema_is_refused_with_its_place(
    tmp_path: Path, place: list[str | int], value: object, message: str
) -> None:
    folder = make_result(tmp_path / "r", seeds=1)
    edit_json(folder / "result.json", *place, value=value)
    with pytest.raises(ResultError, match=message):
        read_result(folder)


def test_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"result\.json: no such file"):
        read_result(tmp_path)


@given(
    rows=st.lists(
        st.tuples(*[st.integers(-1, 2**31 - 1)] * 4), min_size=1, unique_by=lambda row: row[0]
    )
)
def test_predictions_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]]
) -> None:
    path = tmp_path_factory.mktemp("p") / "p.csv"
    columns = np.array(rows, dtype=np.int64).T
    names = ("index", "label", "predicted", "speaker")
    write_predictions(path, Predictions(**dict(zip(names, columns, strict=True))))
    found = read_predictions(path)
    assert_array_equal([getattr(found, name) for name in names], columns)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "the first line must be"),
        ("index,label\n0,1\n", "the first line must be"),
        ("index,label,predicted,speaker\n", "holds no predictions"),
        ("index,label,predicted,speaker\n0,1,1\n", "3 fields instead of 4"),
        ("index,label,predicted,speaker\n0,1,1,1\n0,2,2,1\n", "index appears twice"),
        ("index,label,predicted,speaker\n0,1,=1+1,1\n", "'=1\\+1' is not an integer"),
        ("index,label,predicted,speaker\n0,1, 1,1\n", "' 1' is not an integer"),
        ("index,label,predicted,speaker\n0,1,1_0,1\n", "'1_0' is not an integer"),
        ("index,label,predicted,speaker\n0,1,١,1\n", "is not an integer"),
        ("index,label,predicted,speaker\n0,1,-2,1\n", "is not an integer"),
        ("index,label,predicted,speaker\n0,1,nan,1\n", "'nan' is not an integer"),
        ("index,label,predicted,speaker\n0,1,2147483648,1\n", "outside -1"),
        (f"index,label,predicted,speaker\n0,1,{'9' * 5000},1\n", "is not an integer"),
        ('index,label,predicted,speaker\n0,1,"1,1\n', "'\"1' is not an integer"),
        ("index,label,predicted,speaker\n0,1,1,1\n\n", "0 fields instead of 4"),
        ("index,label,predicted,speaker\n0,1,1,1\n0,1,1,1,1\n", "5 fields instead of 4"),
    ],
)
def test_hostile_predictions_are_refused_in_one_line(
    tmp_path: Path, body: str, message: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(body, encoding="utf-8")
    with pytest.raises(ResultError, match=message) as caught:
        read_predictions(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body", ['"0",1,2,"3"\n1,1,2,3\n', "0,1,2,3\r\n1,1,2,3\r\n", "0,1,2,3\n1,1,2,3"]
)
def test_csv_of_others_is_read_as_well(tmp_path: Path, body: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b"index,label,predicted,speaker\n" + body.encode())
    found = read_predictions(path)
    assert (found.index.tolist(), found.speaker.tolist()) == ([0, 1], [3, 3])


def test_indices_in_any_order_are_read_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("index,label,predicted,speaker\n7,1,1,1\n2,1,1,1\n5,0,0,-1\n")
    assert read_predictions(path).index.tolist() == [7, 2, 5]
    path.write_text("index,label,predicted,speaker\n7,1,1,1\n2,1,1,1\n7,0,0,-1\n")
    with pytest.raises(ResultError, match="index appears twice"):
        read_predictions(path)


@pytest.mark.parametrize(("depth", "good"), [(31, True), (32, True), (33, False)])
def test_depth_is_bounded_to_the_level(tmp_path: Path, depth: int, good: bool) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" * depth + "]" * depth)
    if good:
        read_json(path)
        path.write_text("[" * (depth - 1) + "{}" + "]" * (depth - 1))
        read_json(path)
    else:
        with pytest.raises(ResultError, match="nested too deeply"):
            read_json(path)


def test_predictions_too_large_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    with path.open("wb") as file:
        file.truncate(MAX_PREDICTIONS_BYTES + 1)
    with pytest.raises(ResultError, match="larger than"):
        read_predictions(path)


def test_missing_predictions_are_named(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"p\.csv"):
        read_predictions(tmp_path / "p.csv")


def test_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write_text(path, "new\ud800")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_result_is_plain_json_with_units_in_its_keys(tmp_path: Path) -> None:
    content = json.loads((make_result(tmp_path / "r", seeds=1) / "result.json").read_text())
    assert content["schema_version"] == 2
    assert {"train_seconds", "test_seconds"} <= set(content["seeds"][0])


def test_result_of_version_1_is_still_read(tmp_path: Path) -> None:
    folder = make_result(tmp_path / "r", seeds=2)
    content = json.loads((folder / "result.json").read_text())
    content["schema_version"] = 1
    del content["model"]["look_ahead"]
    for record in content["seeds"]:
        for key in ("run_file", "run_sha256", "metrics"):
            del record[key]
    (folder / "result.json").write_text(json.dumps(content))
    found = read_result(folder)
    assert found.schema_version == 1
    assert found.model.look_ahead is None
    assert [record.metrics for record in found.seeds] == [None, None]
