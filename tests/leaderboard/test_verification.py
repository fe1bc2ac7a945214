"""A claim counts when the predictions give it; everything else is refused with its place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.leaderboard_results import edit_json, make_result, sha256

from cli.main import main
from leaderboard.checks.recomputation import MAX_TOTAL_BYTES, verify_result
from spikebench.datasets import load_spec
from spikebench.errors import ResultError
from spikebench.protocol.opening import combined_sha256
from spikebench.protocol.results import read_predictions, read_result, write_predictions

PREDICTIONS = "predictions-seed0.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_result(tmp_path / "result", seeds=2)


def rewrite_predictions(folder: Path, seed: int, **columns: np.ndarray) -> None:
    """Change predictions and keep the SHA-256 consistent, as somebody who cheats would."""
    path = folder / f"predictions-seed{seed}.csv"
    write_predictions(path, read_predictions(path).model_copy(update=columns))
    edit_json(folder / "result.json", "seeds", seed, "predictions_sha256", value=sha256(path))


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_honest_result_passes(tmp_path: Path, seeds: int) -> None:
    folder = make_result(tmp_path / "result", seeds=seeds)
    assert verify_result(folder) == read_result(folder)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["seeds", 0, "test_accuracy"], 0.999, "seed 0: test_accuracy is claimed 0.999"),
        (["seeds", 1, "seen_accuracy"], 0.999, "seed 1: seen_accuracy is claimed 0.999"),
        (["seeds", 0, "unseen_accuracy"], None, "seed 0: unseen_accuracy is claimed None"),
        (["seeds", 0, "test_interval", "low"], 0.0, "test_interval.low"),
        (["seeds", 0, "test_interval", "high"], 1.0, "test_interval.high"),
        (["seeds", 0, "test_interval", "method"], "guess", "test_interval.method is 'guess'"),
        (["seeds", 0, "confusion", 0, 0], 0, "confusion matrix does not match"),
        (["seeds", 0, "confusion", 0], [1], "confusion matrix is not 4 × 4"),
        (["seeds", 0, "confusion"], [], "confusion matrix is not 4 × 4"),
        (["summary", "test_mean"], 0.999, "summary: test_mean is claimed 0.999"),
        (["summary", "validation_mean"], None, "summary: validation_mean is claimed None"),
        (["summary", "test_std"], 0.0, "summary: test_std is claimed 0.0"),
        (["summary", "test_interval", "low"], 0.99, "summary: test_interval.low"),
        (["summary", "seeds"], 5, "claims 5 seeds, but there are 2"),
        (["dataset", "split", "test_samples"], 121, "120 predictions for 121 test samples"),
        (["dataset", "split", "test_only_speakers"], [5], "accuracy is claimed"),
        (["dataset", "classes"], ["zero", "one"], "confusion matrix is not 2 × 2"),
        (["dataset", "classes"], ["x"] * 10_000, "confusion matrix is not 10000 × 10000"),
        (["seeds", 1, "seed"], 0, "a seed appears twice"),
        (["seeds", 1, "predictions_file"], PREDICTIONS, "refer to the same predictions file"),
        (
            ["seeds", 1, "predictions_file"],
            PREDICTIONS.upper(),
            "refer to the same predictions file",
        ),
        (["seeds", 0, "predictions_file"], "entry.json", "must be a .csv file"),
        (["seeds", 0, "predictions_file"], "absent.csv", "absent.csv: no such file"),
        (["seeds", 0, "predictions_sha256"], "0" * 64, "the file was changed"),
        (["seeds", 0, "weights_sha256"], "0" * 64, "the file was changed"),
        (["seeds", 0, "weights_sha256"], None, "must be given together"),
        (["seeds", 0, "weights_file"], "absent.safetensors", "no such file"),
        (["seeds", 0, "selected_on"], "test", "selected on the test split"),
        (["seeds", 0, "test_opened"], 3, "opened 3 times"),
        (["seeds", 0, "test_opened"], 0, "opened 0 times"),
        (["seeds", 0, "selected_epoch"], 31, "selected epoch 31 of 30"),
        (["model", "config"], {"name": "\ud800"}, "cannot be converted back to JSON"),
    ],
)
def test_claim_that_does_not_hold_is_refused(
    folder: Path, place: list[str | int], value: object, message: str
) -> None:
    edit_json(folder / "result.json", *place, value=value)
    with pytest.raises(ResultError, match=message) as caught:
        verify_result(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_difference_of_rounding_is_no_lie(folder: Path) -> None:
    claimed = read_result(folder).summary.test_mean
    edit_json(folder / "result.json", "summary", "test_mean", value=claimed * (1 + 1e-12))
    assert verify_result(folder).summary.test_mean != claimed


def test_predictions_changed_after_the_evaluation(folder: Path) -> None:
    path = folder / PREDICTIONS
    path.write_text(path.read_text().replace("\n0,0,", "\n0,1,", 1))
    with pytest.raises(ResultError, match=f"{PREDICTIONS}: its SHA-256 is .* was changed after"):
        verify_result(folder)


def test_changed_predictions_do_not_give_the_claim_even_with_a_new_sha256(folder: Path) -> None:
    predictions = read_predictions(folder / PREDICTIONS)
    rewrite_predictions(folder, 0, predicted=predictions.label)
    with pytest.raises(ResultError, match="seed 0: the confusion matrix does not match"):
        verify_result(folder)


def test_label_outside_the_classes(folder: Path) -> None:
    rewrite_predictions(folder, 0, label=np.full(120, 4))
    with pytest.raises(ResultError, match=r"a class index is outside 0 … 3"):
        verify_result(folder)


def test_more_speakers_than_anybody_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaderboard.checks.recomputation.MAX_SPEAKERS", 2)
    with pytest.raises(ResultError, match="its test samples have more than 2 speakers"):
        verify_result(folder)


def test_negative_index(folder: Path) -> None:
    rewrite_predictions(folder, 0, index=np.arange(-1, 119))
    with pytest.raises(ResultError, match="a sample index is negative"):
        verify_result(folder)


def test_seeds_tested_on_different_samples(folder: Path) -> None:
    rewrite_predictions(folder, 1, index=np.arange(120) + 7)
    with pytest.raises(ResultError, match="seeds 0 and 1 were tested on different samples"):
        verify_result(folder)


def test_order_of_samples_does_not_matter(folder: Path) -> None:
    predictions = read_predictions(folder / "predictions-seed1.csv")
    turned = {name: getattr(predictions, name)[::-1] for name in type(predictions).model_fields}
    rewrite_predictions(folder, 1, **turned)
    assert verify_result(folder).summary.seeds == 2


@pytest.mark.parametrize("name", ["result.json", PREDICTIONS, "weights-seed0.safetensors"])
@pytest.mark.parametrize("kind", ["link", "missing", "folder", "pipe"])
def test_only_plain_files_count(folder: Path, name: str, kind: str) -> None:
    path = folder / name
    path.rename(folder.parent / name)
    if kind == "link":
        path.symlink_to(folder.parent / name)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    message = "no such file" if kind == "missing" else "must be a plain file"
    with pytest.raises(ResultError, match=f"{name}: {message}"):
        verify_result(folder)


def test_oversize_predictions_are_refused_unread(folder: Path) -> None:
    with (folder / PREDICTIONS).open("r+b") as file:
        file.truncate(MAX_TOTAL_BYTES + 1)
    with pytest.raises(ResultError, match="all predictions together exceed"):
        verify_result(folder)


def test_entry_needs_no_weights(folder: Path) -> None:
    for path in folder.glob("*.safetensors"):
        path.unlink()
    assert verify_result(folder, weights=False).summary.seeds == 2


def test_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="absent: not a folder"):
        verify_result(tmp_path / "absent")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real result on a registered data set, quickly made."""
    folder = tmp_path_factory.mktemp("registered") / "real"
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--model", "svm", "--quiet", "-o", str(folder)])
    assert ended.value.code == 0
    return folder


@pytest.fixture
def registered(real: Path, tmp_path: Path) -> Path:
    """Copy it, to be changed."""
    return Path(shutil.copytree(real, tmp_path / "real"))


def test_a_result_on_registered_data_is_compared_with_them(registered: Path) -> None:
    verify_result(registered)
    truth = (registered / "result.json").read_text()
    claims: dict[str, dict[str, object]] = {
        "fingerprint": {"fingerprint": "0" * 64},
        "sha256": {"sha256": "0" * 64, "fingerprint": None},  # as results from before fingerprints
        "synthetic": {"synthetic": False},
        "name": {"name": "mine", "sha256": "0" * 64},  # known by its fingerprint alone
    }
    for key, claim in claims.items():
        edited = json.loads(truth)
        edited["dataset"] |= claim
        edited["seeds"][0] |= {"run_file": None, "run_sha256": None}  # the log would tell first
        (registered / "result.json").write_text(json.dumps(edited))
        with pytest.raises(
            ResultError, match=rf"dataset\.{key} differs from that of the data set 'digits'"
        ):
            verify_result(registered)


def test_published_files_are_known_by_their_sha256(folder: Path) -> None:
    edit_json(folder / "result.json", "dataset", "name", value="shd")
    with pytest.raises(
        ResultError, match=r"dataset\.sha256 differs from that of the published files"
    ):
        verify_result(folder)
    published = [part.sha256 for part in load_spec("shd").parts if part.sha256]
    sha256 = combined_sha256(published)
    edit_json(folder / "result.json", "dataset", "sha256", value=sha256)
    with pytest.raises(ResultError, match=r"dataset\.n_units differs from that of the data set"):
        verify_result(folder)


def test_the_bytes_of_the_file_may_be_others(registered: Path) -> None:
    edit_json(registered / "result.json", "dataset", "sha256", value="0" * 64)
    edit_json(registered / "result.json", "seeds", 0, "run_file", value=None)
    edit_json(registered / "result.json", "seeds", 0, "run_sha256", value=None)
    verify_result(registered)
    edit_json(registered / "result.json", "dataset", "name", value="mine")
    with pytest.raises(
        ResultError, match=r"dataset\.name differs from that of the data set 'digits'"
    ):
        verify_result(registered)
    edit_json(registered / "result.json", "dataset", "fingerprint", value="xyz")
    with pytest.raises(ResultError, match=r"dataset\.fingerprint"):
        verify_result(registered)


def test_predictions_for_other_samples_are_refused(registered: Path) -> None:
    result = json.loads((registered / "result.json").read_text())
    path = registered / "predictions-seed0.csv"
    lines = path.read_text().splitlines()
    index, rest = lines[1].split(",", 1)
    lines[1] = f"{839 if index != '839' else 838},{rest}"
    path.write_text("\n".join(lines) + "\n")
    result["seeds"][0]["predictions_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (registered / "result.json").write_text(json.dumps(result))
    with pytest.raises(ResultError, match="column index of the predictions differs"):
        verify_result(registered)
