"""Results of studies that claim what they are not: other tasks, edited figures, missing answers, files elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from helpers.study_results import (
    STUDIES,
    continual_study,
    edit_result,
    few_shot_study,
    make_study_result,
)

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, read_entry, write_entry
from spikebench.errors import ResultError
from spikebench.protocol.studies import ContinualStudy, Study

ALL: dict[str, Study] = {
    **STUDIES,
    "pairs": continual_study(),
    "pairs:single": continual_study("pairs:single"),
    "joint": continual_study("languages", "joint"),
    "speakers": continual_study("speakers"),
    "speaker": few_shot_study(),
    "words": few_shot_study(task="words", ways=3),
    "pairs of words": few_shot_study(task="pairs", ways=5),
}


def rewrite(folder: Path, name: str, change: object) -> None:
    """Change the rows of a file of the first seed, and its SHA-256 in the result."""
    path = folder / name
    header, *rows = path.read_text().splitlines()
    table = np.array([row.split(",") for row in rows], dtype=np.int64)
    table = change(table)  # type: ignore[operator]
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in table.tolist()), ""]))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if name.startswith("stages"):
        edit_result(folder, "seeds", 0, "stages", "sha256", value=sha256)
    else:
        edit_result(folder, "seeds", 0, "predictions_sha256", value=sha256)


@pytest.mark.parametrize("name", ALL)
def test_an_honest_result_makes_an_entry(name: str, tmp_path: Path) -> None:
    folder = make_study_result(tmp_path, ALL[name])
    result = verify_result(folder)
    entry = make_entry(result)
    assert entry.track == ALL[name].track
    stored = read_entry(write_entry(folder, tmp_path / "entries", entry, result, overwrite=False))
    assert stored.labels_compared
    assert stored.result.study == ALL[name]
    # The same study makes the same result.
    assert make_study_result(tmp_path, ALL[name]) == folder
    assert make_entry(verify_result(folder)).id == entry.id


def test_few_shot_answers_of_other_tasks_are_refused(tmp_path: Path) -> None:
    for number, name in enumerate(("speaker", "words", "pairs of words")):
        folder = make_study_result(tmp_path / str(number), ALL[name])

        def relabelled(table: np.ndarray) -> np.ndarray:
            table[:, 1] = table[:, 2]  # every answer is right
            return table

        rewrite(folder, "predictions-seed0.csv", relabelled)
        with pytest.raises(ResultError, match="not those that seed 0 draws from the test split"):
            verify_result(folder)
    folder = make_study_result(tmp_path / "seed", few_shot_study())
    edit_result(folder, "seeds", 0, "seed", value=7)
    with pytest.raises(ResultError, match="not those that seed 7 draws from the test split"):
        verify_result(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("study", "ways"), 4, "not those that seed 0 draws"),
        (("study", "shots"), 2, "cannot be drawn|not those that seed 0 draws"),
        (("study", "shots"), 999, "has too few classes or samples|cannot be drawn"),
        (("study", "ways"), 10_000, "study.ways is 10000, but there are 20 classes"),
        (("study", "tested_tasks"), 39, "must have the tasks 0 … 38 in order"),
        (("study", "tested_tasks"), 20_000, "more than 20,000 tasks of all seeds"),
        (("study", "tested_tasks"), 10**9, "tested_tasks: must be at most 20,000"),
        (("study", "task"), "magic", "study"),
        (("study", "bits"), 33, "study"),
        (("seeds", 0, "test_accuracy"), 0.99, "test_accuracy is claimed 0.99, but the predictions"),
        (("seeds", 0, "test_interval", "high"), 1.0, r"test_interval\.high is claimed 1\.0"),
        (("seeds", 0, "test_interval", "method"), "none", r"test_interval\.method"),
        (("summary", "test_mean"), 0.99, "test_mean is claimed 0.99"),
        (("seeds", 0, "confusion"), [[1]], "few-shot tasks have no confusion matrix"),
        (("seeds", 0, "unseen_accuracy"), 0.9, "no accuracy of seen or unseen speakers"),
        (("seeds", 0, "test_opened"), 2, "the test split was opened 2 times"),
        (
            ("seeds", 0, "stages"),
            {"file": "a.csv", "sha256": "0" * 64, "scores": {"average": 1}},
            "nothing else has them",
        ),
        (("study",), None, "refers to no weights; they are required"),
        (("dataset", "name"), "other", "dataset.name differs from that of the data set 'digits'"),
    ],
)
def test_edited_few_shot_results_are_refused(
    path: tuple[str | int, ...], value: object, message: str, tmp_path: Path
) -> None:
    folder = make_study_result(tmp_path, few_shot_study())
    edit_result(folder, *path, value=value)
    with pytest.raises(ResultError, match=message) as told:
        verify_result(folder)
    assert "\n" not in str(told.value)


def test_missing_and_disordered_tasks_are_refused(tmp_path: Path) -> None:
    for number, change in enumerate(
        (lambda t: t[t[:, 0] != 5], lambda t: t[::-1], lambda t: t[t[:, 0] < 39])
    ):
        folder = make_study_result(tmp_path / str(number), few_shot_study())
        rewrite(folder, "predictions-seed0.csv", change)
        with pytest.raises(ResultError, match=r"must have the tasks 0 … 39 in order"):
            verify_result(folder)
    folder = make_study_result(tmp_path / "half", few_shot_study())
    rewrite(folder, "predictions-seed0.csv", lambda table: table[::2])
    with pytest.raises(ResultError, match=r"in order|not those that seed 0 draws"):
        verify_result(folder)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("study", "tasks"), [[0, 10], [1, 11]], "not those of the sequence 'pairs'"),
        (("study", "tasks"), [[0]], "study"),
        (("study", "sequence"), "pairs:single", ""),
        (("study", "sequence"), "speakers", "not those of the sequence 'speakers'"),
        (("study", "method"), "<script>", "study"),
        (("seeds", 0, "stages", "scores", "forgetting"), -0.5, "forgetting is claimed -0.5"),
        (("seeds", 0, "stages", "scores", "average"), 0.99, "average is claimed 0.99"),
        (("seeds", 0, "stages", "scores", "forgetting"), None, "forgetting is claimed None"),
        (("seeds", 0, "stages", "scores", "forgetting"), -7.0, "forgetting: must be at least -1"),
        (("seeds", 0, "stages", "file"), "../stages-seed0.csv", "file"),
        (("seeds", 0, "stages", "file"), "predictions-seed1.csv", "must be a .csv file of its own"),
        (("seeds", 0, "stages", "file"), "stages-seed1.csv", "must be a .csv file of its own"),
        (("seeds", 0, "stages", "file"), "result.json", "must be a .csv file of its own"),
        (("seeds", 0, "stages", "file"), "gone.csv", "gone.csv"),
        (("seeds", 0, "stages", "sha256"), "0" * 64, "SHA-256"),
        (("seeds", 0, "stages"), None, "needs its predictions after every training"),
        (("seeds", 0, "test_accuracy"), 0.99, "test_accuracy is claimed 0.99"),
        (("study",), None, "nothing else has them"),
    ],
)
def test_edited_results_of_task_after_task_are_refused(
    path: tuple[str | int, ...], value: object, message: str, tmp_path: Path
) -> None:
    folder = make_study_result(tmp_path, continual_study())
    edit_result(folder, *path, value=value)
    if not message:  # is found odd instead, see below
        verify_result(folder)
        return
    with pytest.raises(ResultError, match=message) as told:
        verify_result(folder)
    assert "\n" not in str(told.value)


def test_stages_of_other_samples_or_classes_are_refused(tmp_path: Path) -> None:
    def elsewhere(table: np.ndarray) -> np.ndarray:
        table[0, 0] = 10**6
        return table

    def other_task(table: np.ndarray) -> np.ndarray:
        table[:, 1] = (table[:, 1] + 2) % 20
        return table

    def no_class(table: np.ndarray) -> np.ndarray:
        table[0, 1] = 20
        return table

    def better(table: np.ndarray) -> np.ndarray:
        table[:, -1] = 0
        return table

    for number, (change, message) in enumerate(
        (
            (elsewhere, "is of other samples than the predictions"),
            (other_task, "a prediction is not a class of the task of its sample"),
            (no_class, "a class index is outside 0 … 19"),
            (better, "the last column differs from the predictions"),
        )
    ):
        folder = make_study_result(tmp_path / str(number), continual_study())
        rewrite(folder, "stages-seed0.csv", change)
        with pytest.raises(ResultError, match=message):
            verify_result(folder)


def test_a_speaker_that_is_left_out_is_found(tmp_path: Path) -> None:
    study = continual_study("speakers")
    fewer = ContinualStudy(sequence="speakers", method="none", tasks=study.tasks[1:])
    folder = make_study_result(tmp_path, fewer)
    with pytest.raises(ResultError, match="differs from the test split of 'digits'"):
        verify_result(folder)


def test_links_and_large_files_are_refused_unread(tmp_path: Path) -> None:
    folder = make_study_result(tmp_path, continual_study())
    path = folder / "stages-seed0.csv"
    os.truncate(path, 65 * 1024 * 1024)
    with pytest.raises(ResultError, match=r"larger than|exceed"):
        verify_result(folder)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ResultError, match=r"stages-seed0\.csv"):
        verify_result(folder)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("pruning", ("study", "kept"), 11_520),
        ("pruning", ("study", "kept"), 0),
        ("pruning", ("study", "kept"), 10**30),
        ("pruning", ("study", "method"), "a\nb"),
        ("substrate", ("study", "condition"), "software"),
        ("substrate", ("study", "settings"), {"x": "many words"}),
        ("substrate", ("study", "settings"), {"<b>": 1.0}),
        ("substrate", ("study", "more"), 1),
    ],
)
def test_absurd_claims_are_refused(
    name: str, path: tuple[str | int, ...], value: object, tmp_path: Path
) -> None:
    folder = make_study_result(tmp_path, STUDIES[name])
    edit_result(folder, *path, value=value)
    with pytest.raises(ResultError, match="study") as told:
        verify_result(folder)
    assert "\n" not in str(told.value)


def test_a_study_stays_in_its_track(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_study_result(tmp_path, few_shot_study())
    for track in ("spiking", "continual", "online", "hardware"):
        code, _, err = run(
            capsys, "submit", folder, "--track", track, "--entries", tmp_path / "entries"
        )
        assert code == 1
        assert "few-shot" in err or "hardware" in err
        assert len(err.splitlines()) == 1
    plain = make_study_result(tmp_path / "plain", STUDIES["pruning"])
    edit_result(plain, "study", value=None)
    said = json.loads((plain / "result.json").read_text())
    assert said["study"] is None
    code, _, err = run(
        capsys, "submit", plain, "--track", "robust", "--entries", tmp_path / "entries"
    )
    assert code == 1
    assert len(err.splitlines()) == 1
