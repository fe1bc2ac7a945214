"""Recomputing from the predictions everything that a result claims.

Submitted files are never executed or unpickled: a result is JSON, its predictions are CSV, and of
its weights only the SHA-256 is compared. A claim is accepted if it agrees within a relative 1e-9.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from leaderboard.checks.agreement import compare, compare_interval
from leaderboard.checks.logs import check_log
from leaderboard.checks.registered import check_registered
from leaderboard.checks.studies import check_continual, check_few_shot, check_noise, stages_size
from spikebench.errors import ResultError
from spikebench.protocol.results import (
    RESULT_FILE,
    Predictions,
    Result,
    SeedRecord,
    read_predictions,
    read_result,
)
from spikebench.protocol.scoring import score_all, summarise
from spikebench.protocol.splits import LEAVE_ONE_OUT, ORACLE
from spikebench.protocol.studies import ContinualStudy, FewShotStudy, NoiseStudy
from spikebench.records.strict_json import MAX_JSON_BYTES
from spikebench.records.whole_files import check_sha256, file_sha256, plain_file
from spikebench.training.run_record import read_run_log

MAX_TOTAL_BYTES = 64 * 1024 * 1024
MAX_SPEAKERS = 10_000
MAX_WEIGHTS_BYTES = 1024 * 1024 * 1024  # of one seed
_ORACLE_REFUSED = (
    "the epoch was selected on the test split (an oracle). Such a result is not accepted; "
    "train again and select on validation"
)
_FOLD_REFUSED = (
    "selected on a single speaker (train --fold). Folds compare settings; an entry is selected on the "
    "validation split of its protocol"
)
_CONDITION_REFUSED = "trained on changed spikes (spikebench timing). An entry is trained on the spikes of its data set"


Weights = Literal["needed", "if there", "not looked at"]


def verify_result(folder: Path, *, weights: bool = True) -> Result:
    """Read a result folder and check every claim that can be checked.

    Parameters
    ----------
    folder
        Contains ``result.json``, its predictions and, if required, its weights.
    weights
        Whether the weights must exist and match their SHA-256.

    Returns
    -------
    Result
        The checked result.

    Raises
    ------
    ResultError
        At the first failed check, with the location and, if they differ, both values.
    """
    return check_result(folder, weights="needed" if weights else "not looked at")[0]


def check_result(folder: Path, weights: Weights) -> tuple[Result, list[Predictions], bool]:
    """Read a result folder, check every claim that can be checked, and return the predictions.

    Parameters
    ----------
    folder
        As for :func:`verify_result`.
    weights
        Whether the weights must exist; weights that are checked must match their SHA-256.

    Returns
    -------
    result : Result
        The checked result.
    predictions : list of Predictions
        One per seed, sorted by index; of a study of noise, those under all conditions, one after the other.
    labels_compared : bool
        Whether labels and speakers were compared with those of the data set (:mod:`leaderboard.checks.registered`).

    Raises
    ------
    ResultError
        As for :func:`verify_result`.
    """
    if not folder.is_dir():
        raise ResultError(
            f"{folder}: not a folder; give the folder written by `spikebench evaluate`"
        )
    result = read_result(plain_file(folder, RESULT_FILE))
    where = f"{folder / RESULT_FILE}"
    if result.study is not None and weights == "needed":
        weights = "if there"  # a study selects no epoch on the samples that are tested
    _check_protocol(result, where)
    _check_files(folder, result, weights)
    if isinstance(result.study, FewShotStudy):
        predictions, compared = check_few_shot(folder, result, result.study, where)
        _check_summary(result, where)
        return result, predictions, compared
    if isinstance(result.study, NoiseStudy):
        predictions, compared = check_noise(folder, result, result.study, where)
        _check_summary(result, where)
        return result, predictions, compared
    predictions = []
    for record in result.seeds:
        path = folder / record.predictions_file
        found = read_predictions(path, record.predictions_sha256).in_order()
        _check_size(result, record, found, f"{where}, seed {record.seed}")
        predictions.append(found)
        if not predictions[0].same_samples(found):
            raise ResultError(
                f"{where}: seeds {result.seeds[0].seed} and {record.seed} were tested on "
                "different samples; test every seed on the same split"
            )
    speaker = predictions[0].speaker
    if speaker.size > MAX_SPEAKERS and np.unique(speaker).size > MAX_SPEAKERS:
        raise ResultError(f"{where}: its test samples have more than {MAX_SPEAKERS} speakers")
    _check_scores(result, predictions, where)
    _check_summary(result, where)
    is_part = False
    if isinstance(result.study, ContinualStudy):
        check_continual(folder, result, result.study, predictions, where)
        is_part = result.study.is_part
    compared = check_registered(
        result.dataset, predictions[0], where, trained_speakers_only=is_part
    )
    return result, predictions, compared


def _check_protocol(result: Result, where: str) -> None:
    seeds = [record.seed for record in result.seeds]
    names = [record.predictions_file.casefold() for record in result.seeds]
    if len(set(seeds)) != len(seeds):
        raise ResultError(f"{where}: a seed appears twice; each may count once")
    if len(set(names)) != len(names):
        raise ResultError(f"{where}: two seeds refer to the same predictions file")
    if result.dataset.split.protocol == ORACLE:
        raise ResultError(f"{where}: {_ORACLE_REFUSED}")
    if LEAVE_ONE_OUT in result.dataset.split.rule:
        raise ResultError(f"{where}: {_FOLD_REFUSED}")
    if len({record.refit_epochs is None for record in result.seeds}) > 1:
        raise ResultError(
            f"{where}: some seeds are refitted and others are not; test them separately"
        )
    for record in result.seeds:
        if record.selected_on == "test":
            raise ResultError(f"{where}, seed {record.seed}: {_ORACLE_REFUSED}")
        if record.test_opened != 1:
            raise ResultError(
                f"{where}, seed {record.seed}: the test split was opened {record.test_opened} times; "
                "an entry requires exactly once"
            )
        if record.selected_epoch > record.epochs:
            raise ResultError(
                f"{where}, seed {record.seed}: selected epoch {record.selected_epoch} of "
                f"{record.epochs}"
            )


def _check_files(folder: Path, result: Result, weights: Weights) -> None:
    total = 0
    for record in result.seeds:
        if not record.predictions_file.lower().endswith(".csv"):
            raise ResultError(
                f"{folder / RESULT_FILE}: the predictions {record.predictions_file} must be a .csv file"
            )
        path = plain_file(folder, record.predictions_file)
        total += path.stat().st_size
        if total > MAX_TOTAL_BYTES:
            raise ResultError(f"{path}: all predictions together exceed {MAX_TOTAL_BYTES} bytes")
        total += stages_size(folder, result, record, str(folder / RESULT_FILE))
        if (record.weights_file is None) != (record.weights_sha256 is None):
            raise ResultError(
                f"{folder / RESULT_FILE}, seed {record.seed}: weights_file and weights_sha256 "
                "must be given together"
            )
        if weights == "needed" and record.weights_file is None:
            raise ResultError(
                f"{folder / RESULT_FILE}, seed {record.seed}: refers to no weights; they are required, because their "
                "header records the split that selected the epoch"
            )
        if (record.run_file is None) != (record.run_sha256 is None):
            raise ResultError(
                f"{folder / RESULT_FILE}, seed {record.seed}: run_file and run_sha256 must be given together"
            )
        if weights == "needed" and record.run_file is not None:
            run_file = plain_file(folder, record.run_file, MAX_JSON_BYTES)
            check_sha256(run_file, file_sha256(run_file), record.run_sha256)
            check_log(read_run_log(run_file), record, result, str(run_file))
        if weights == "needed" or (weights == "if there" and _is_there(folder, record)):
            assert record.weights_file is not None
            weights_file = plain_file(folder, record.weights_file, MAX_WEIGHTS_BYTES)
            check_sha256(weights_file, file_sha256(weights_file), record.weights_sha256)
            note = _note(weights_file)
            if note.get("selected_on") == "test":
                raise ResultError(f"{weights_file}: {_ORACLE_REFUSED}")
            if "fold" in note:
                raise ResultError(f"{weights_file}: {_FOLD_REFUSED}")
            if "condition" in note:
                raise ResultError(f"{weights_file}: {_CONDITION_REFUSED}")
            recorded, claimed = note.get("refit_epochs"), record.refit_epochs
            if recorded != claimed:
                raise ResultError(
                    f"{weights_file}: its header records {_refit(recorded)}, the result {_refit(claimed)}"
                )


def _refit(epochs: object) -> str:
    """Describe the refit of a header or a result."""
    if epochs is None:
        return "not refitted"
    return f"refitted ({epochs:,} epochs)" if isinstance(epochs, int) else "refitted"


def _is_there(folder: Path, record: SeedRecord) -> bool:
    path = folder / (record.weights_file or "")
    return record.weights_file is not None and (path.exists() or path.is_symlink())


def _note(weights: Path) -> dict[str, object]:
    """Read the metadata in the header of a weights file, without loading the weights."""
    try:
        with safe_open(weights, framework="numpy") as file:
            note = json.loads((file.metadata() or {}).get("note", "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{weights}: not readable as safetensors: {error}") from None
    return note if isinstance(note, dict) else {}


def _check_size(result: Result, record: SeedRecord, predictions: Predictions, where: str) -> None:
    n_classes = len(result.dataset.classes)
    size, test_samples = predictions.label.size, result.dataset.split.test_samples
    is_part = isinstance(result.study, ContinualStudy) and result.study.is_part
    if size > test_samples or (size < test_samples and not is_part):
        raise ResultError(f"{where}: {size} predictions for {test_samples} test samples")
    if predictions.index[0] < 0:
        raise ResultError(f"{where}: a sample index is negative")
    # Checked before any matrix is made: 10,000 claimed classes alone would allocate 800 MB.
    if [len(row) for row in record.confusion] != [n_classes] * n_classes:
        raise ResultError(f"{where}: the confusion matrix is not {n_classes} × {n_classes}")
    for column in (predictions.label, predictions.predicted):
        if column.min() < 0 or column.max() >= n_classes:
            raise ResultError(f"{where}: a class index is outside 0 … {n_classes - 1}")


def _check_scores(result: Result, predictions: Sequence[Predictions], where: str) -> None:
    scores = score_all(predictions, result.dataset, result.is_refitted)
    for record, found in zip(result.seeds, scores, strict=True):
        seed = f"{where}, seed {record.seed}"
        if found.confusion != record.confusion:
            raise ResultError(f"{seed}: the confusion matrix does not match the predictions")
        for name in ("test_accuracy", "seen_accuracy", "unseen_accuracy"):
            compare(seed, name, getattr(record, name), getattr(found, name))
        compare_interval(seed, record.test_interval, found.test_interval)


def _check_summary(result: Result, where: str) -> None:
    where = f"{where}, summary"
    summary, found = result.summary, summarise(result.seeds)
    if summary.seeds != found.seeds:
        raise ResultError(f"{where}: claims {summary.seeds} seeds, but there are {found.seeds}")
    for name in ("test_mean", "validation_mean", "test_std"):
        compare(where, name, getattr(summary, name), getattr(found, name))
    compare_interval(where, summary.test_interval, found.test_interval)
